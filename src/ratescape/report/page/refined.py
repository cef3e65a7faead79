"""Models that were trained on alone at their own betas, as the page shows them: before and after."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ratescape.metrics import Metric
from ratescape.records.folders import SweepFolder
from ratescape.report.groups import Group
from ratescape.report.page.models import model_titles, values_of
from ratescape.report.page.planes import Splits
from ratescape.selection import betas_of, collapsed_layers, difference_error


def refined_data(
    folder: SweepFolder,
    refined: pd.DataFrame,
    rows: pd.DataFrame,
    splits: Splits,
    metrics: Sequence[Metric],
    groups: Sequence[Group],
) -> list[dict[str, Any]]:
    """Each refined model: betas, epochs, numbers on every split before and after, and how to use it.

    Args:
        folder: the landscape that the models were refined from.
        refined: one row for each, as :func:`ratescape.records.refined.read_refined` tells of them.
        rows: the models of the landscape.
        splits: what was measured on.
        metrics: those of the page.
        groups: the layers that share a beta.
    """
    positions = {str(run): position for position, run in enumerate(rows["run"])}
    return [
        {
            "title": title,
            "epochs": int(row["epochs"]),
            "origin": positions.get(str(row["origin"])),
            "betas": list(betas_of(row)),
            "values": {split: values_of(row, prefix, metrics, groups) for split, prefix in splits.items()},
            "before": {split: values_of(row, f"before_{prefix}", metrics, groups) for split, prefix in splits.items()},
            **_changed(row, metrics),
            "python": f"ratescape.load({json.dumps(str(folder.path / 'refined' / str(row['run'])))})",
        }
        for (_, row), title in zip(
            refined.iterrows(), model_titles(refined, groups) if len(refined) else [], strict=True
        )
    ]


def _changed(row: pd.Series, metrics: Sequence[Metric]) -> dict[str, list[str]]:
    """Columns of what refining improved and worsened; none of a layer that has collapsed, of which no metric counts."""
    collapsed = collapsed_layers(row)
    changes = {metric.column: _change(row, metric) for metric in metrics if metric.layer not in collapsed}
    return {
        "improved": [column for column, change in changes.items() if change > 0],
        "worsened": [column for column, change in changes.items() if change < 0],
    }


def _change(row: pd.Series, metric: Metric) -> int:
    """What refining made of a metric on the split that models are chosen on.

    Returns:
        1 for better and -1 for worse, by more than the error of it; 0 otherwise.
    """
    columns = [metric.column, f"before_{metric.column}"]
    if metric.higher_is_better is None or any(column not in row for column in columns):
        return 0
    after, before = metric.score(row[columns].astype(float))
    errors = [_known(row, f"{when}se_{metric.column}", math.nan) for when in ("", "before_")]
    error = _known(row, f"se_gain_{metric.column}", difference_error(*errors))
    if not abs(after - before) > error:
        return 0
    return 1 if after > before else -1


def _known(row: pd.Series, column: str, otherwise: float) -> float:
    """A number of a row, or another where it was not measured, such as the probe of a layer without variance."""
    value = row.get(column)
    return otherwise if value is None or math.isnan(value) else float(value)
