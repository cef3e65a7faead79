"""What a figure needs from the table: metrics that were measured, and models that have them."""

from collections.abc import Sequence

import pandas as pd

from ratescape.errors import SpecError
from ratescape.metrics import Metric, layer_columns, measured_metrics
from ratescape.selection import beta_vaes

UNMEASURED = "not measured"
"""What every reason says of a figure that lacks a measurement."""


class CannotDraw(SpecError):
    """A figure needs what the landscape has not; the message says what."""


def layers_of(rows: pd.DataFrame) -> int:
    """Number of layers L; the top layer is z_L."""
    return len(layer_columns(rows, "rate"))


def spans_surface(rows: pd.DataFrame) -> bool:
    """Whether the models vary in two betas of two layers."""
    return layers_of(rows) == 2 and not beta_vaes(rows).all()


def among(rows: pd.DataFrame, columns: Sequence[str]) -> tuple[list[Metric], list[str]]:
    """The metrics of those columns that were measured, and the columns that were not.

    Raises:
        CannotDraw: none of them was measured.
    """
    known = {metric.column: metric for metric in measured_metrics(rows)}
    found = [known[column] for column in columns if column in known]
    if not found:
        raise CannotDraw(f"needs {' or '.join(columns)}, which this landscape has not measured")
    return found, [column for column in columns if column not in known]


def needed(rows: pd.DataFrame, columns: Sequence[str]) -> list[Metric]:
    """The metrics of all those columns.

    Raises:
        CannotDraw: one of them was not measured.
    """
    found, absent = among(rows, columns)
    if absent:
        raise CannotDraw(f"needs {' and '.join(absent)}, which this landscape has not measured")
    return found


def having(rows: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """The rows that have all those numbers, numbered anew.

    Raises:
        CannotDraw: no model has all of them.
    """
    chosen = rows.dropna(subset=[metric.column for metric in metrics]).reset_index(drop=True)
    if chosen.empty:
        raise CannotDraw(f"no model has all of {', '.join(metric.column for metric in metrics)}")
    return chosen
