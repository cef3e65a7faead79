"""Files of finished runs and networks on their way between machines: through Ray, or a store that has a URL."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import fsspec

from ratescape.errors import RecordError, ResourceError
from ratescape.records.files import write_atomically

Files = dict[str, bytes]
"""The files of one run or network by their names."""


def read_files(folder: Path) -> Files:
    """The files of a finished run or network, without what a killed process left half-written."""
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.name: path.read_bytes() for path in found}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a finished run or network; the one that says that all is there comes last."""
    for name in sorted(files, key=_order):
        write_atomically(folder / name, files[name])


def _order(name: str) -> tuple[bool, bool]:
    """Weights last, as for networks, but for the done mark of a run."""
    return name == "done", name == "weights.safetensors"


class Store:
    """A place that all machines reach by a URL: URL/FINGERPRINT/KEY/FILE, for the images' fingerprint.

    Raises:
        RecordError: it cannot be reached, read or written; every store has exceptions of its own.
    """

    def __init__(self, url: str, fingerprint: str) -> None:
        self.url = url
        with self._in_one_line():
            self.system, root = fsspec.url_to_fs(url)
            self.root = f"{root.rstrip('/')}/{fingerprint}"

    @contextlib.contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise ResourceError(
                f"execution.results is {self.url!r}: {error}, on this machine and on those of the cluster"
            ) from error
        except Exception as error:
            raise RecordError(
                f"execution.results is {self.url!r}, which cannot be used ({error}): check the URL and who may write "
                "there, then run the same command again; what is finished is kept"
            ) from error

    def put(self, name: str, files: Files) -> None:
        with self._in_one_line():
            self.system.makedirs(f"{self.root}/{name}", exist_ok=True)
            for file in sorted(files, key=_order):
                self.system.pipe_file(f"{self.root}/{name}/{file}", files[file])

    def get(self, name: str, mark: str) -> Files | None:
        """The files, if the one that says that all are there is."""
        with self._in_one_line():
            if not self.system.exists(f"{self.root}/{name}/{mark}"):
                return None
            found = self.system.ls(f"{self.root}/{name}", detail=False)
            return {path.rstrip("/").rpartition("/")[2]: self.system.cat_file(path) for path in found}
