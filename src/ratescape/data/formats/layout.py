"""How the files of a data set lie in a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ratescape.data.formats.image_set import ImageSet


@dataclass(frozen=True)
class Layout:
    """An official format: which files a folder must hold, and what is in them.

    Example::

        files = IDX.find(folder)
        images = None if files is None else IDX.read(files)
    """

    find: Callable[[Path], tuple[Path, ...] | None]
    """The set's files in a folder; None unless all are there."""
    read: Callable[[tuple[Path, ...]], ImageSet]
    """The images in these files; raises :class:`DataError` if they are damaged."""
    shared: bool = False
    """Whether several data sets have files of the same names, so that the files do not tell which set they are."""


def find_files(folder: Path, names: tuple[str, ...]) -> tuple[Path, ...] | None:
    """Files in a folder by name, each as it is or gzipped (``.gz``); None unless all are there."""
    found: list[Path] = []
    for name in names:
        path = next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)
        if path is None:
            return None
        found.append(path)
    return tuple(found)
