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


def is_unnamed(names: Sequence[str]) -> bool:
    """Whether names are those that arrays are given, or a DataFrame made of an array: they say no more than an order.

    Example::

        is_unnamed(["x0", "x1"]), is_unnamed(["0", "1"]), is_unnamed(["age", "height"])  # True, True, False
    """
    return any([*names] == [f"{before}{index}" for index in range(len(names))] for before in ("x", ""))


def order_of(given: Sequence[str], wanted: Sequence[str], name: str) -> list[int]:
    """Where each of a model's columns stands among those given: found by name, or by position where either has none.

    Args:
        given: names of the columns that are to be put in order.
        wanted: the model's.
        name: what errors call what is given.

    Raises:
        DataError: columns that the model has are missing, or there are others.

    Example::

        order_of(["b", "a"], ["a", "b"], "rows")  # [1, 0]
    """
    missing, unknown = (
        [one for one in these if one not in set(those)] for these, those in ((wanted, given), (given, wanted))
    )
    if not missing and not unknown:
        return [[*given].index(one) for one in wanted]
    if len(given) == len(wanted) and (is_unnamed(given) or is_unnamed(wanted)):
        return list(range(len(given)))
    told = [f"{what} {listed(names)}" for what, names in (("lacks", missing), ("has unknown", unknown)) if names]
    raise DataError(
        f"{name} {' and '.join(told)}: give the model's {len(wanted)} columns by name, in any order: {listed(wanted)}"
    )


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
