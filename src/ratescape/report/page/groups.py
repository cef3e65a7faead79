"""Landscapes of more than two betas as the page shows them: pairs of rates, their shares, parallel coordinates."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.ticker import MaxNLocator

from ratescape.metrics import ACTIVE_RATE, Metric, layer_columns
from ratescape.report.deciding import along
from ratescape.report.groups import Group, axes_of, group_rates, group_shares
from ratescape.report.page.axes import extent, limits
from ratescape.report.page.names import column, metric_data, number, numbers
from ratescape.report.page.planes import Splits
from ratescape.report.plots.geometry import SIMPLEX, in_simplex, simplex_lines

_TICKS = 5
"""Numbers along an axis of parallel coordinates, at most."""


def groups_data(
    rows: pd.DataFrame,
    groups: Sequence[Group],
    splits: Splits,
    metrics: Sequence[Metric],
    uses: Mapping[str, str],
) -> dict[str, Any] | None:
    """The planes of a landscape whose models differ in more than two betas; None for others.

    Args:
        rows: the models.
        groups: the layers that share a beta.
        splits: what was measured on.
        metrics: those of the page.
        uses: the column that decides for each use, and the use.
    """
    if axes_of(rows, groups) < 3:
        return None
    rates = {split: group_rates(rows, groups, prefix) for split, prefix in splits.items()}
    single = len(groups) == len(layer_columns(rows, "rate"))
    return {
        "noun": "layers" if single else "groups",
        "limits": {split: [limits(numbers(rate), from_zero=True) for rate in found] for split, found in rates.items()},
        "simplex": _simplex(rows, groups, splits) if len(groups) == 3 else None,
        "parallel": [_rate_axis(index, group, rates) for index, group in enumerate(groups)]
        + [_metric_axis(rows, metric, splits) for metric in along(metrics, uses)],
    }


def _rate_axis(index: int, group: Group, rates: dict[str, list[pd.Series]]) -> dict[str, Any]:
    values = {split: numbers(found[index]) for split, found in rates.items()}
    title = {"title": f"rate of {group.name}", "unit": "nats", "percent": False}
    return {"id": f"group {index}", "group": index, "column": None, **title, "scales": _scales(values)}


def _metric_axis(rows: pd.DataFrame, metric: Metric, splits: Splits) -> dict[str, Any]:
    named = metric_data(metric, 1, {})
    values = {split: column(rows, prefix + metric.column) for split, prefix in splits.items()}
    title = {"title": named["name"], "unit": named["unit"], "percent": metric.percent}
    return {"id": metric.column, "group": None, "column": metric.column, **title, "scales": _scales(values)}


def _scales(values: dict[str, list[float | None]]) -> dict[str, Any]:
    """Ends and ticks of an axis on every split."""
    found: dict[str, Any] = {}
    for split, known in values.items():
        low, high = extent(known)
        ticks = map(float, MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high))
        found[split] = {"ends": [low, high], "ticks": [tick for tick in ticks if low <= tick <= high]}
    return found


def _simplex(rows: pd.DataFrame, groups: Sequence[Group], splits: Splits) -> dict[str, Any]:
    """How the total rate divides between three groups. A model that carries next to nothing has nothing to divide."""
    found: dict[str, Any] = {}
    for split, prefix in splits.items():
        x, y = in_simplex(group_shares(rows, groups, prefix))
        found[split] = {"points": {"x": numbers(x), "y": numbers(y)}}
    silent = max(sum(number(x) is None for x in one["points"]["x"]) for one in found.values())
    without = f" Not shown: {silent} of less than {ACTIVE_RATE:g} nats." if silent else ""
    return {
        "title": "shares of the total rate",
        "names": [group.name for group in groups],
        "corners": SIMPLEX,
        "lines": simplex_lines(),
        "splits": found,
        "note": "A corner: all of the rate in one group; in the middle, a third in each. Lines: 25, 50 and 75 % "
        f"in the group of the corner that they face.{without}",
    }
