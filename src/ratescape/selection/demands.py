"""What a model is to keep to: a budget of rate, and the worst values accepted of other metrics."""

from collections.abc import Mapping
from typing import SupportsFloat

import pandas as pd

from ratescape.errors import SpecError
from ratescape.metrics import limit_at
from ratescape.selection.uses import metric_for


def check_demands(max_rate: object, demands: object) -> None:
    """Refuse limits that are no numbers, or no positive rate; raises :class:`ratescape.errors.SpecError`."""
    if max_rate is not None and not _is_number(max_rate):
        raise SpecError(f"max_rate is {max_rate!r}: give a number of nats")
    if isinstance(max_rate, SupportsFloat) and not float(max_rate) > 0:  # NaN is not, either
        raise SpecError(f"max_rate is {float(max_rate):g}: give a positive number of nats")
    if demands is None:
        return
    if not isinstance(demands, Mapping):
        raise SpecError(f"demands is {demands!r}: give a dictionary of columns, such as {{'psnr': 18}}")
    for column, worst in demands.items():
        if not isinstance(column, str) or not _is_number(worst):
            raise SpecError(f"demands has {column!r}: {worst!r}: give a number for the name of a column")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) or (hasattr(value, "item") and getattr(value, "ndim", None) == 0)


def meeting(rows: pd.DataFrame, max_rate: float | None, demands: Mapping[str, float]) -> pd.DataFrame:
    """The rows within the rate budget that meet all demands.

    Raises:
        SpecError: there is none; names the smallest rate, or the best value, that there is.
    """
    accepted = rows
    if max_rate is not None:
        accepted = accepted[accepted["rate"] <= max_rate]
        if accepted.empty:
            raise SpecError(
                f"max_rate is {max_rate:g} nats: no model is that small, the smallest total rate available is "
                f"{rows['rate'].min():.4g} nats"
            )
    for column, worst in demands.items():
        metric = limit_at(column, rows) or metric_for(rows, column)
        score = metric.score(accepted[metric.column])
        met = accepted[score >= (worst if metric.higher_is_better else -worst)]
        if met.empty:
            raise SpecError(
                f"demand {column} {worst:g} is not met by any model left: the best they reach is "
                f"{accepted.loc[score.idxmax(), metric.column]:.4g} {metric.unit}".rstrip()
            )
        accepted = met
    return accepted


def meets(row: pd.Series, max_rate: float | None, demands: Mapping[str, float]) -> bool:
    """Whether one model is within the rate budget and meets all demands."""
    try:
        return len(meeting(row.to_frame().T.infer_objects(), max_rate, demands)) > 0
    except SpecError:
        return False
