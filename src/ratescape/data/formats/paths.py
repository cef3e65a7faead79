"""The table of formats: what a path is, and who reads it. A new format is one file beside this and one line here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ratescape.data.formats.cifar10 import CIFAR10
from ratescape.data.formats.idx import IDX
from ratescape.data.formats.image_folder import read_image_folder
from ratescape.data.formats.image_set import ImageSet
from ratescape.data.formats.layout import Layout
from ratescape.data.formats.numpy_files import read_npy, read_npz
from ratescape.data.formats.svhn import SVHN
from ratescape.data.formats.tables import read_csv, read_parquet
from ratescape.errors import DataError

LAYOUTS: Final[tuple[Layout, ...]] = (IDX, SVHN, CIFAR10)
"""Official formats of folders, tried in this order; a folder in none of them is read as a folder of image files."""
ENDINGS: Final[Mapping[str, Callable[[Path], ImageSet]]] = {".npz": read_npz, ".npy": read_npy}
"""Formats of single files, by the ending of their name in lower case."""
TABLES: Final[Mapping[str, Callable[[Path, str | None], ImageSet]]] = {".csv": read_csv, ".parquet": read_parquet}
"""Tables of rows, likewise, of which one column may be the target."""


def read_path(path: Path, target: str | None = None) -> ImageSet:
    """Images or vectors from a path: a .npz or .npy file, a folder of images, or a .csv or .parquet table of rows.

    Args:
        target: the column of a table that holds classes or numbers to regress on.

    Raises:
        DataError: there is nothing at the path, or nothing that can be used.

    Example::

        images = read_path(Path("photos"))  # photos/cat/1.png, photos/dog/1.png, ...
        images.classes  # ("cat", "dog")
    """
    if not path.exists():
        raise DataError(f"{path} does not exist: check the path")
    ending = path.suffix.lower()
    if ending in TABLES and not path.is_dir():
        return TABLES[ending](path, target)
    if target is not None:
        raise DataError(f"data.target is {target!r}, but {path} is no table: leave it out, or give a .csv or .parquet")
    if path.is_dir():
        return _read_folder(path)
    read = ENDINGS.get(ending)
    if read is None:
        known = " or ".join([*ENDINGS, *TABLES])
        raise DataError(f"{path} is neither a folder of images nor a {known} file: give one of those")
    return read(path)


def _read_folder(folder: Path) -> ImageSet:
    for layout in LAYOUTS:
        files = layout.find(folder)
        if files is not None:
            return layout.read(files)
    return read_image_folder(folder)
