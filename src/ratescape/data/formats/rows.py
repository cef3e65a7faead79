"""Arrays of vectors in any accepted form -> float64 ``[N, D]``."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratescape.data.formats.image_set import Array, Columns
from ratescape.errors import DataError

SHOWN = 5
"""Columns that an error names, at most."""


def listed(names: Sequence[str], rest: str = "more") -> str:
    """Names for an error: the first five, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} {rest}" if len(names) > SHOWN else "")


def usual_columns(rows: Array) -> Columns | None:
    """``x0``, ``x1``, ... for an array of two axes, booleans if it is of booleans; None for images."""
    if rows.ndim != 2:
        return None
    count = rows.shape[1]
    return Columns(tuple(f"x{index}" for index in range(count)), (rows.dtype.kind == "b",) * count)


def to_rows(rows: Array, name: str, columns: Columns | None = None) -> npt.NDArray[np.float64]:
    """Vectors as float64 ``[N, D]``, a copy.

    Args:
        rows: ``[N, D]`` of booleans, integers or floats.
        name: what errors call them.
        columns: whose names errors tell; default: ``x0``, ``x1``, ...

    Raises:
        DataError: another shape or type, no rows, or values that are missing or infinite, with columns and counts.

    Example::

        to_rows(np.eye(3), "rows").shape  # (3, 3)
    """
    if rows.dtype.kind not in "buif":
        raise DataError(f"{name} holds {rows.dtype} values: give rows of numbers or booleans")
    if rows.size == 0:
        raise DataError(f"{name} is empty (shape {rows.shape}): give rows of at least one column")
    numbers = np.array(rows, np.float64, order="C")
    columns = columns or usual_columns(rows)
    names = () if columns is None else columns.names
    for what, broken in (("missing values", np.isnan(numbers)), ("infinite values", np.isinf(numbers))):
        counts = [f"{one}: {count}" for one, count in zip(names, broken.sum(0), strict=True) if count]
        if counts:
            told = listed(counts, "more columns")
            raise DataError(f"{name} has {what} ({told}): fill them in, or leave those rows out")
    return numbers
