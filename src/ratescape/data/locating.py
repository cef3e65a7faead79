"""What a name stands for, and where the files of a known set lie on this machine or how they get there.

The files of a known set are looked for in the folder asked for, then in the one that the environment variable
``RATESCAPE_DATA`` names (each time in its sub-folder of the set's name first), in the cache, and in the system's
folders; a set found nowhere is fetched to the cache. Files found locally are parsed strictly but not checksummed;
fetched ones are checksummed before they count.
"""

import difflib
import os
from pathlib import Path
from typing import Final

import pooch

from ratescape.data.fetching import fetch_files
from ratescape.data.formats.reading import exists, shortened
from ratescape.data.sources import SOURCES
from ratescape.errors import DataError

FOLDER_VARIABLE: Final = "RATESCAPE_DATA"


def name_of(source: str | Path) -> str:
    """The name that stands for a source in a spec: a path never reads like a known set."""
    name = str(source)
    return f"./{name}" if isinstance(source, Path) and name in SOURCES else name


def existing_path(name: str, folder: Path | None = None) -> Path:
    """The path that a name stands for.

    Args:
        folder: where to look for what has moved: the folder that it lies in now, or is itself.

    Raises:
        DataError: there is no such path; names the known sets and the nearest.
    """
    path = Path(name).expanduser()
    moved = [] if folder is None else [folder / path.name, folder]
    found = next((one for one in (path, *moved) if exists(one)), None)
    if found is not None:
        return found
    if name.startswith("array:"):
        raise DataError(f"{name} was given as an array and is kept nowhere: pass the array again")
    if path.suffix or len(path.parts) > 1:
        raise DataError(
            f"{shortened(path)} does not exist: check the path, say by --data-folder where it has moved to, or give a "
            f"known name ({', '.join(SOURCES)})"
        )
    raise _unknown(name)


def _unknown(name: str) -> DataError:
    near = difflib.get_close_matches(name, SOURCES, n=1)
    hint = f"did you mean {near[0]}? Known names" if near else "give the path of existing images, or a known name"
    unknown = f"unknown data set {shortened(Path(name))!r}, nor is there such a path"
    return DataError(f"{unknown}: {hint}: {', '.join(SOURCES)}")


def locate(name: str, folder: Path | None = None) -> tuple[Path, ...] | None:
    """The files of a known set, if this machine has all of them.

    Args:
        name: a name of ``SOURCES``.
        folder: looked in first.

    Example::

        files = locate("mnist")  # None until `ratescape data fetch mnist`
    """
    layout = SOURCES[name].layout
    return next((files for files in map(layout.find, _folders(name, folder)) if files is not None), None)


def _folders(name: str, folder: Path | None) -> list[Path]:
    """Where to look for a known set, in order."""
    source = SOURCES[name]
    folders = [] if folder is None else [folder / name, folder]
    if variable := os.environ.get(FOLDER_VARIABLE):
        common = Path(variable)
        folders.append(common / name)
        # Where sets share their file names, a folder for all data must not stand for one of them.
        if not source.layout.shared or common.name == name:
            folders.append(common)
    return [*folders, _cache(name), *source.folders]


def _cache(name: str) -> Path:
    return Path(pooch.os_cache("ratescape")) / name


def obtain(
    name: str, folder: Path | None = None, *, may_fetch: bool = True, progress: bool = False
) -> tuple[Path, ...]:
    """The files of a known set, fetched if this machine lacks them.

    Args:
        name: a name of ``SOURCES``.
        folder: looked in first.
        may_fetch: whether a set that this machine lacks may be fetched.
        progress: whether fetching shows a progress bar.

    Raises:
        DataError: the folder is none, or the files are missing and cannot or may not be fetched.
    """
    if folder is not None and not folder.is_dir():
        raise DataError(f"{folder} is not a folder: check the path, or leave it out to have {name} looked for")
    files = locate(name, folder)
    if files is None and may_fetch:
        fetch(name, progress=progress)
        files = locate(name, folder)
    if files is None:
        raise DataError(f"{name} is not on this machine: {_by_hand(name)}")
    return files


def _by_hand(name: str) -> str:
    """How a person gets a set without our help."""
    source = SOURCES[name]
    if not source.files:
        return source.install
    return (
        f"put {', '.join(source.files)} (from {' or '.join(source.mirrors)}) into {_cache(name)}, or into a folder "
        f"{name} in the folder that the environment variable {FOLDER_VARIABLE} names"
    )


def fetch(name: str, folder: Path | None = None, *, progress: bool = False) -> Path:
    """Make sure that the files of a known set are on this machine.

    Without a ``folder``, a set that already lies outside the cache stays where it is. In the cache, or in ``folder``,
    files that are missing or whose checksum differs are fetched anew.

    Args:
        name: a name of ``SOURCES``.
        folder: where the files go; default: the cache.
        progress: whether to show a progress bar on stderr.

    Returns:
        The folder that the files lie in.

    Raises:
        DataError: the name is unknown, no mirror has the right file, or the folder cannot be written.

    Example::

        fetch("fashion-mnist")
    """
    if name not in SOURCES:
        raise _unknown(name)
    source, files = SOURCES[name], locate(name)
    target = _cache(name) if folder is None else folder
    if files is not None and (not source.files or (folder is None and target not in files[0].parents)):
        return files[0].parent
    if not source.files:
        raise DataError(f"{name} comes with a package that is not installed: {source.install}")
    fetch_files(name, source.files, source.mirrors, target, progress=progress)
    return target
