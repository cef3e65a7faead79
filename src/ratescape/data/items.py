"""What a command line names to be scored or restored -> items as models take them: images or rows, in no splits."""

from pathlib import Path
from typing import Any

import numpy.typing as npt

from ratescape.data.catalog import load_data
from ratescape.data.formats.paths import TABLES, read_path
from ratescape.data.locating import existing_path
from ratescape.data.sources import SOURCES
from ratescape.errors import DataError


def items_at(name: str, target: str | None = None) -> Any:
    """Items of a path, which is only read here if it is a table; or of the test split of a set known by name.

    Args:
        name: a path of images, of a .npy or .npz file, or of a .csv or .parquet table; or a name of ``SOURCES``.
        target: a column of a table that is no part of its rows.

    Raises:
        DataError: there is nothing there, or a target beside something other than a table.

    Example::

        model.score(items_at("fashion-mnist"))
    """
    if name in SOURCES and not Path(name).exists():
        return load_data(name).test
    path = existing_path(name)
    if path.suffix.lower() in TABLES and not path.is_dir():
        return read_path(path, target).train
    if target is not None:
        raise DataError(f"target is {target!r}, but {path} is no table: leave it out, or give a .csv or .parquet")
    return path


def pixels_at(name: str) -> npt.NDArray[Any]:
    """Items as arrays: of the test split of a known set, or of a path that has one; else all of the path.

    Raises:
        DataError: there is nothing there, or nothing that can be used.

    Example::

        pixels_at("mnist").shape  # [10000, 1, 28, 28]
    """
    if name in SOURCES and not Path(name).exists():
        return load_data(name).test.pixels
    found = read_path(existing_path(name))
    return (found.train if found.test is None else found.test).pixels
