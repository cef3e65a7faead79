"""What decides for a use, among what was measured."""

import difflib
from collections.abc import Sequence

import pandas as pd

from ratescape.errors import SpecError
from ratescape.metrics import LAYER_METRICS, METRICS, USES, Metric, layer_columns, measured_metrics

REMEDIES = {
    "anomaly": "map again with --evaluation.outliers DATA or self-made",
    "restoration": "of images, map again with --evaluation.restoration half noise",
}
"""What has the metrics of a use measured, where it is an option."""


def metrics_for(rows: pd.DataFrame, use: str, absent: Sequence[str] = ()) -> list[Metric]:
    """The metrics that decide for a use, among those that the rows have measured.

    Args:
        absent: lines on what was not measured, and why, which the error repeats.

    Returns:
        One metric; or the same metric of every layer, the top one first, for a use or a column that names no layer
        (``representation``, ``accuracy_rbf``).

    Raises:
        SpecError: the use is unknown, its metrics were not measured, or the metric does not rank models.
    """
    available = {metric.column: metric for metric in measured_metrics(rows) if metric.higher_is_better is not None}
    for name in USES.get(use, (use,)):
        columns = layer_columns(rows, name) if name in LAYER_METRICS else [name]
        found = [available[column] for column in columns if column in available]
        if found:
            return found
    has = "; ".join([f"this landscape can choose by {', '.join(available)}", *absent])
    if use in USES:
        remedy = _remedy(rows, use)
        raise SpecError(f"use {use} needs {' or '.join(USES[use])}, which was not measured: {remedy}{has}")
    if use in METRICS and use in rows.columns:
        raise SpecError(f"{use} does not tell which model is better ({METRICS[use].explanation}): {has}")
    near = "".join(f"did you mean {one}? " for one in difflib.get_close_matches(use, [*USES, *available], n=1))
    raise SpecError(f"unknown use {use!r}: {near}it must be one of {', '.join(USES)}, or a metric; {has}")


def _remedy(rows: pd.DataFrame, use: str) -> str:
    """How to have the metrics of a use measured, as the begin of a sentence; empty where no option does it."""
    if use in ("generation", "restoration") and "r2" in rows.columns:  # of vectors alone
        return "it is of images, and cannot be had of rows; "
    return f"{REMEDIES[use]}; " if use in REMEDIES else ""


def metric_for(rows: pd.DataFrame, use: str) -> Metric:
    """The first of :func:`metrics_for`: of the top layer, where every layer has one."""
    return metrics_for(rows, use)[0]
