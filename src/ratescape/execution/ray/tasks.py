"""What a task of Ray does on a machine of a cluster: train and measure there, and give the files back.

Machines share nothing but Ray: images, networks and the judge come through its object store, files of finished models
go back through it, or through a store that has a URL.
"""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec
import ray
import torch
from ray.exceptions import RayError

from ratescape.compute.devices import chosen_device
from ratescape.data.catalog import ImageData
from ratescape.errors import RecordError, ResourceError
from ratescape.execution.local import now_and_then
from ratescape.execution.packing import Pack
from ratescape.execution.work import complete_network, complete_pack
from ratescape.judges import cache
from ratescape.judges.recipes import judge_spec
from ratescape.records.files import waited_for, write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import MergedSpec, NetworkSpec
from ratescape.version import __version__

Files = dict[str, bytes]
"""The files of one run or network by their names."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What all tasks of a sweep are told."""

    evaluation: EvaluationSpec
    execution: ExecutionSpec
    board: Any
    """Handle of the :class:`ratescape.execution.ray.board.Board`."""
    version: str = __version__

    def begin(self) -> None:
        """Make this process one of one thread; refuse to work with another ratescape than the driver's."""
        if self.version != __version__:
            raise ResourceError(
                f"machine {ray.util.get_node_ip_address()} has ratescape {__version__} and this one {self.version}: "
                "install the same on all"
            )
        torch.set_num_threads(1)

    def store(self, data: ImageData) -> "Store | None":
        return None if self.execution.results is None else Store(self.execution.results, data.fingerprint)


def judge_task(job: Job, data: ImageData) -> bytes:
    """Have the judge that the models' samples will need; its file."""
    job.begin()
    device = chosen_device(job.execution.device)
    cache.judge_for(data, job.evaluation, device)
    how = judge_spec(data, job.evaluation)
    return b"" if how is None else cache.cache_path(data, how).read_bytes()


def network_task(job: Job, data: ImageData, spec: NetworkSpec, note: str) -> Files | None:
    """One conditioned network; its files, unless they went to the store."""
    job.begin()
    with _bench(data.fingerprint, key(spec)) as folder:
        place = folder.network(spec)
        progress = now_and_then(lambda step: job.board.note.remote(note, step))
        complete_network(spec, place, data, job.execution, progress)
        files = read_files(place.path)
    store = job.store(data)
    return files if store is None else store.put(key(spec), files)


def pack_task(
    job: Job,
    data: ImageData,
    judge: list[Any],
    network: Files | None,
    pack: Pack,
    present: dict[str, Files],
    note: str,
) -> dict[str, Files | None]:
    """One pack; the files of each run by its key, unless they went to the store.

    Args:
        judge: reference to the judge's file, if there is to be one; to be waited for when it is needed.
        network: files of the network that the models are taken from.
        present: files of runs that are trained, and perhaps to be measured anew.
    """
    job.begin()
    first = pack.runs[0]
    tell = now_and_then(lambda step: job.board.note.remote(note, step))

    def progress(step: int, steps: int) -> None:
        tell(step, steps)
        if step == steps:
            _fetch_judge(job, data, judge)

    if present or isinstance(first, MergedSpec):  # there may be no training to wait beside
        _fetch_judge(job, data, judge)
    with _bench(data.fingerprint, *map(key, pack.runs)) as folder:
        places = [folder.run(run) for run in pack.runs]
        for name, files in present.items():
            write_files(folder.path / "runs" / name, files)
        source = folder.network(first.network) if isinstance(first, MergedSpec) else None
        if source is not None and network is not None:
            write_files(source.path, network)
        path = folder.packs / f"{pack.name}.safetensors"
        complete_pack(list(pack.runs), places, path, data, job.evaluation, job.execution, progress, source)
        made = {place.path.name: read_files(place.path) for place in places}
    store = job.store(data)
    return {name: files if store is None else store.put(name, files) for name, files in made.items()}


def _fetch_judge(job: Job, data: ImageData, judge: list[Any]) -> None:
    """Put the judge that another task trains into this machine's cache, where measuring looks for it."""
    how = judge_spec(data, job.evaluation)
    if how is None or not judge or cache.cache_path(data, how).exists():
        return
    with contextlib.suppress(RayError):  # its machine died: this one trains it
        write_atomically(cache.cache_path(data, how), ray.get(judge[0]))


@contextlib.contextmanager
def _bench(*identity: str) -> Iterator[SweepFolder]:
    """A folder of this machine's own for one training; what a killed task left there is taken up again."""
    name = hashlib.sha256("-".join(identity).encode()).hexdigest()[:16]
    bench = Path(tempfile.gettempdir()) / f"ratescape-{os.getuid()}"
    bench.mkdir(mode=0o700, exist_ok=True)
    lock = bench / f"{name}.lock"
    with waited_for(lock):
        yield SweepFolder(bench / name)
        shutil.rmtree(bench / name)
        lock.unlink()


def read_files(place: Path) -> Files:
    """The files of a finished run or network, without what a killed process left half-written."""
    found = (path for path in place.iterdir() if not path.name.startswith(".") and path.name != "steps")
    return {path.name: path.read_bytes() for path in found}


def write_files(place: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a finished run or network; the one that says that all is there comes last."""
    for name in sorted(files, key=_order):
        write_atomically(place / name, files[name])


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
