"""Table 1 of the paper: the best accuracy over the grid, by classifier and layer."""

import math

import pandas as pd

from ratescape.errors import SpecError
from ratescape.metrics import LAYER_METRICS, Metric, layer_columns
from ratescape.records.table import Table
from ratescape.selection import finished


def _heading(metric: Metric) -> str:
    """The classifier of an accuracy as Table 1 heads its column."""
    return metric.name.removesuffix(" accuracy").replace("logistic regression", "log. reg.")


PROBES = {key: _heading(LAYER_METRICS[f"accuracy_{key}"]) for key in ("logistic", "linear_svm", "rbf", "knn")}
"""Headings of the paper's four classifiers, in its order, by the key in their columns ``accuracy_KEY_LAYER``."""


def winners(table: Table) -> pd.DataFrame:
    """Position (among the finished rows) of the model with the best accuracy on the split that models are chosen on.

    Returns:
        One row for each layer's mean ``mu_L .. mu_1``, one column for each classifier; None where not measured.

    Raises:
        SpecError: no accuracy was measured at all.
    """
    rows = finished(table)
    layers = range(len(layer_columns(rows, "rate")), 0, -1)
    best = {name: [_best(rows, f"accuracy_{key}_{layer}") for layer in layers] for key, name in PROBES.items()}
    if all(position is None for column in best.values() for position in column):
        raise SpecError("Table 1 needs accuracies, which were not measured: they need images with labels")
    return pd.DataFrame(best, index=[f"mu_{layer}" for layer in layers], dtype=object)


def _best(rows: pd.DataFrame, column: str) -> int | None:
    if column not in rows or rows[column].isna().all():
        return None
    return int(rows[column].argmax())


def table1(table: Table) -> pd.DataFrame:
    """Best accuracies over the landscape in percent, as Table 1 of the paper.

    Each is chosen by the plain columns and reported by the ``test_`` ones; under the paper's protocol both are test.

    Returns:
        One row for each layer's mean ``mu_L .. mu_1``, one column for each classifier; NaN where not measured.

    Raises:
        SpecError: no accuracy was measured at all.
    """
    rows, best = finished(table), winners(table)
    values = best.astype(float)
    for key, name in PROBES.items():
        for mean in best.index:
            column = f"accuracy_{key}_{mean.removeprefix('mu_')}"
            reported = rows[f"test_{column}" if f"test_{column}" in rows else column] if column in rows else None
            position = best.loc[mean, name]
            if reported is not None and position is not None:
                values.loc[mean, name] = 100 * reported.iloc[position]
    return values


def flags_of(rows: pd.DataFrame) -> pd.Series:
    """What the evaluation flagged in each row, accuracies on samples above ceilings, as text; empty where nothing."""
    if "flag" not in rows:
        return pd.Series(data="", index=rows.index, dtype=object)
    return rows["flag"].astype(object).where(rows["flag"].notna(), "")


def as_markdown(values: pd.DataFrame, split: str) -> str:
    """Table 1 as Markdown text; a dash where nothing was measured.

    Args:
        values: from :func:`table1`.
        split: the split that models were chosen on.
    """
    lines = ["| features | " + " | ".join(values.columns) + " |", "|---|" + "---:|" * len(values.columns)]
    for mean, row in values.iterrows():
        cells = " | ".join("–" if math.isnan(value) else f"{value:.2f}" for value in row)
        lines.append(f"| {mean} | {cells} |")
    return "\n".join([*lines, "", caption(split)]) + "\n"


def caption(split: str) -> str:
    """What the numbers of Table 1 are."""
    chosen = (
        "chosen and measured on test, as in the paper" if split == "test" else f"chosen on {split}, measured on test"
    )
    return f"Best accuracy over all betas in %, each entry its own model, {chosen}."
