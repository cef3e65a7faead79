"""Tables of rows: DataFrames, .csv and .parquet files -> vectors, with a class or a number to regress on.

Columns are numbers or booleans. Nothing is guessed about others: they are named, and so are gaps.
"""

import csv
import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.data.formats.image_set import Array, Columns, ImageSet
from ratescape.data.formats.reading import reading
from ratescape.data.formats.rows import listed, order_of
from ratescape.errors import DataError


def read_csv(path: Path, target: str | None = None) -> ImageSet:
    """A .csv file: UTF-8, separated by commas, its first line the names of the columns.

    Args:
        target: the column that is no part of the vectors: text or whole numbers are classes, others numbers to regress
            on.

    Raises:
        DataError: the file is damaged, has text, gaps or lines of several lengths, or lacks the target.

    Example::

        read_csv(Path("wine.csv"), target="quality").train.pixels.shape  # (N, D)
    """
    import pandas as pd  # takes half a second

    try:
        with reading(path, "a table separated by commas"):
            _check_lines(path)
            frame = pd.read_csv(path, encoding="utf-8-sig")
    except DataError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            raise DataError(f"{path} is not UTF-8 text: save it with that encoding") from error
        raise
    return from_arrays(str(path), arrays_of_frame(frame, str(path), target))


def _check_lines(path: Path) -> None:
    """Refuse what pandas would repair without a word: lines of several lengths, names given twice, no names."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        names = next(lines, [])
        count = 0
        for line in lines:
            if line and len(line) != len(names):
                raise DataError(
                    f"{path} has {len(line)} values in line {lines.line_num} but {len(names)} column names: give each "
                    "line as many, separated by commas"
                )
            count += bool(line)
    if not names or count == 0:
        raise DataError(f"{path} has no rows: give a line of column names, and rows below it")
    if all(map(_is_number, names)):
        raise DataError(f"{path} has numbers in its first line: put the names of the columns there")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(f"{path} has more than one column named {listed(twice)}: give each a name of its own")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_parquet(path: Path, target: str | None = None) -> ImageSet:
    """A .parquet file, as :func:`read_csv`; needs the extra ``tables``.

    Raises:
        DataError: pyarrow is not installed, the file is damaged, has other columns than numbers and booleans, gaps, or
            lacks the target.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f'{path} needs pyarrow: pip install "ratescape[tables]", or save it as .csv') from error
    with reading(path, "a .parquet file"):
        frame = parquet.read_table(path).to_pandas()
    return from_arrays(str(path), arrays_of_frame(frame, str(path), target))


def arrays_of_frame(frame: Any, name: str, target: str | None = None) -> Arrays:
    """A DataFrame as rows, with its target column as labels or targets; not checked yet but for its columns.

    Args:
        name: what errors call it.
        target: as of :func:`read_csv`.

    Raises:
        DataError: columns that are neither numbers nor booleans, gaps (with their columns and counts), or no target.

    Example::

        arrays_of_frame(pd.DataFrame({"age": [31, 45], "ill": [True, False]}), "people").images.shape  # (2, 2)
    """
    frame = frame.rename(columns=str)
    if len(frame) == 0 or len(frame.columns) == 0:
        raise DataError(f"{name} has no rows: give a table with at least one column and some rows")
    labels, targets = (None, None) if target is None else _target(frame, name, target)
    frame = frame.drop(columns=[] if target is None else [target])
    if len(frame.columns) == 0:
        raise DataError(f"{name} has no column besides {target!r}: give some to be modelled")
    kinds = {column: _kind(frame[column]) for column in frame.columns}
    strange = [f"{column}: {frame[column].dtype}" for column, kind in kinds.items() if kind == "other"]
    if strange:
        raise DataError(
            f"{name} has columns that are neither numbers nor booleans ({listed(strange)}): leave them out, turn them "
            "into numbers, or name one that holds classes by --data.target (of score and data show --target, in Python "
            "target)"
        )
    _refuse_gaps(frame, name)
    boolean = tuple(kind == "boolean" for kind in kinds.values())
    return Arrays(frame.to_numpy(np.float64), labels, targets, Columns(tuple(frame.columns), boolean))


def in_order(frame: Any, names: Sequence[str], name: str) -> Any:
    """A DataFrame with the columns of a model, in the model's order.

    Args:
        names: the model's, as :attr:`ratescape.model.columns.ByColumn.names`; none if they are not known.
        name: what errors call it.

    Raises:
        DataError: columns are missing or unknown.

    Example::

        in_order(pd.DataFrame({"b": [1], "a": [2]}), ["a", "b"], "rows")  # a, b
    """
    return frame.iloc[:, order_of([str(one) for one in frame.columns], names, name)] if names else frame


def has_column(path: Path, column: str) -> bool:
    """Whether a table has a column of a name, by its first line or its schema alone; raises as :func:`read_csv`."""
    with reading(path, "a table"):
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                return column in next(csv.reader(file), [])
        from pyarrow import parquet  # read_parquet says what to install

        return column in parquet.read_schema(path).names


def _kind(column: Any) -> str:
    """``number``, ``boolean`` or ``other``, by the type of a Series, also one that can have gaps."""
    from pandas.api import types

    if types.is_bool_dtype(column.dtype) and not isinstance(column.dtype, types.CategoricalDtype):
        return "boolean"
    found = types.infer_dtype(column, skipna=True) if column.dtype == object else ""
    if found in ("boolean", "empty"):  # booleans with gaps, which are refused as such
        return "boolean"
    real = types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype)
    return "number" if real else "other"


def _refuse_gaps(frame: Any, name: str) -> None:
    gaps = frame.isna().sum()
    counts = [f"{column}: {gaps[column]}" for column in frame.columns if gaps[column]]
    if counts:
        raise DataError(f"{name} has missing values ({listed(counts)}): fill them in, or leave those rows out")


def _target(frame: Any, name: str, target: str) -> tuple[Array | None, Array | None]:
    """Labels or targets from the column of a name."""
    if target not in frame.columns:
        near = difflib.get_close_matches(target, frame.columns, n=1)
        hint = f"did you mean {near[0]!r}? It" if near else "it"
        raise DataError(f"{name} has no column {target!r} to be the target: {hint} has {listed(list(frame.columns))}")
    _refuse_gaps(frame[[target]], name)
    column = frame[target]
    values = column.astype(str) if _kind(column) == "other" else column
    array = values.to_numpy()
    if array.dtype == object:
        array = array.astype(str)
    return (None, array) if array.dtype.kind == "f" else (array, None)
