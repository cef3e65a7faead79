"""What a command line names to be scored or restored -> items as models take them: images or rows, in no splits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ratescape.data.catalog import load_data
from ratescape.data.formats.image_set import Split
from ratescape.data.formats.paths import TABLES, read_path
from ratescape.data.formats.rows import order_of
from ratescape.data.formats.tables import has_column
from ratescape.data.locating import existing_path
from ratescape.data.sources import SOURCES
from ratescape.errors import DataError


def items_at(name: str, target: str | None = None, columns: Sequence[str] = ()) -> Any:
    """Items of a path, which is only read here if it is a table; or of the test split of a set known by name.

    Args:
        name: a path of images, of a .npy or .npz file, or of a .csv or .parquet table; or a name of ``SOURCES``.
        target: a column of a table that is no part of its rows.
        columns: names of a model's columns, in whose order those of a table are brought; none if they are not known.

    Raises:
        DataError: there is nothing there, columns are missing or unknown, or a target beside something else than
            a table.

    Example::

        model.score(items_at("fashion-mnist"))
    """
    if _is_known(name):
        return load_data(name).test
    path = existing_path(name)
    if _is_table(path):
        return Split(_table_at(path, target, columns), None)
    if target is not None:
        raise DataError(f"target is {target!r}, but {path} is no table: leave it out, or give a .csv or .parquet")
    return path


def _is_known(name: str) -> bool:
    """Whether a name is that of a known set; a path of this name comes first."""
    return name in SOURCES and not Path(name).exists()


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES and not path.is_dir()


def _table_at(path: Path, target: str | None, columns: Sequence[str]) -> npt.NDArray[Any]:
    """Rows of a table, their columns in an order of names, if there is one."""
    found = read_path(path, target)
    own = () if found.columns is None else found.columns.names
    if not columns:
        return found.train.pixels
    unknown = [one for one in own if one not in set(columns)]
    if target is None and len(unknown) == 1 and len(own) == len(columns) + 1:
        raise DataError(
            f"{path} has a column {unknown[0]} that the model does not know: if it is the target, which no model is "
            f"given, add --target {unknown[0]}; else leave it out"
        )
    return found.train.pixels[:, order_of(own, columns, str(path))]


def pixels_at(name: str, target: str | None = None, columns: Sequence[str] = ()) -> npt.NDArray[Any]:
    """Items as arrays: of the test split of a known set, or of a path that has one; else all of the path.

    Args:
        target: a column that is left out of a table that has it.
        columns: as of :func:`items_at`.

    Raises:
        DataError: there is nothing there, nothing that can be used, or columns are missing or unknown.

    Example::

        pixels_at("mnist").shape  # [10000, 1, 28, 28]
    """
    if _is_known(name):
        return load_data(name).test.pixels
    path = existing_path(name)
    if _is_table(path):
        return _table_at(path, target if target is not None and has_column(path, target) else None, columns)
    found = read_path(path)
    return (found.train if found.test is None else found.test).pixels
