"""Which model of a landscape fits a use: pure choice over the table, no model is ever loaded.

Models are chosen by the plain columns of the table (measured on validation) and reported by its ``test_``
columns; under the paper's protocol there is only test, and the choice says so.
"""

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_float_dtype

from ratescape.errors import SpecError
from ratescape.metrics import (
    ACTIVE_RATE,
    LAYER_METRICS,
    METRICS,
    SUBSCRIPTS,
    USES,
    Metric,
    layer_columns,
    limit_at,
    measured_metrics,
)
from ratescape.records.table import Table


def measured(table: Table) -> pd.DataFrame:
    """The rows that carry numbers (those that did not diverge), their measurements as floats."""
    if table.rows.empty:
        return table.rows
    rows = table.rows[table.rows["status"] == "ok"].reset_index(drop=True)
    labels = {"run", "seed", "status", "flag", "request", "outcome", "origin"}
    numbers = [name for name in rows.columns if re.sub("^(before_)?(test_)?", "", name) not in labels]
    return rows.astype({name: float for name in numbers if not is_float_dtype(rows.dtypes[name])})


def finished(table: Table) -> pd.DataFrame:
    """The rows that carry numbers, of which there is at least one.

    Raises:
        SpecError: there is none; says why, and what to do.
    """
    rows = measured(table)
    if not rows.empty:
        return rows
    if len(table.rows) and not table.missing and not table.broken:
        raise SpecError(
            f"the landscape has no finished model, all {len(table.rows)} trainings diverged: choose another folder "
            "with --out, and a smaller training.learning_rate or a training.clip"
        )
    raise SpecError(
        f"the landscape has no finished model ({len(table.rows)} diverged, {table.missing} not done, "
        f"{len(table.broken)} unreadable): run the sweep's command again"
    )


def beta_vaes(rows: pd.DataFrame) -> pd.Series:
    """Which rows are beta-VAEs, all betas equal: a boolean for each row."""
    betas = rows[layer_columns(rows, "beta")]
    return betas.eq(betas.iloc[:, 0], axis=0).all(axis=1)


def plain_vaes(rows: pd.DataFrame) -> pd.Series:
    """Which rows are ordinary VAEs, all betas 1: a boolean for each row."""
    return rows[layer_columns(rows, "beta")].eq(1.0).all(axis=1)


def upper_hull(rate: npt.ArrayLike, score: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Vertices of the upper convex hull of the points (total rate, score), Sec. 5.3 of the paper.

    Args:
        rate: total rates, shape [N].
        score: performance, higher is better, shape [N]; the negative of a lower-is-better metric.

    Returns:
        Indices into the points by ascending rate. Points inside an edge are no vertices; of equal points the
        first counts; points that are not finite are ignored.
    """
    x, y = np.asarray(rate, dtype=float), np.asarray(score, dtype=float)
    hull: list[int] = []
    for point in np.lexsort((np.arange(len(x)), -y, x)):  # by rate, the best first, then the earliest
        if not (math.isfinite(x[point]) and math.isfinite(y[point])):
            continue
        if hull and x[point] == x[hull[-1]]:
            continue
        while len(hull) > 1 and not _turns_right(x, y, hull[-2], hull[-1], int(point)):
            hull.pop()
        hull.append(int(point))
    return np.array(hull, dtype=np.intp)


def _turns_right(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], a: int, b: int, c: int) -> bool:
    """Whether the way from point a over b to c bends to the right, so that b lies above the line from a to c."""
    return bool((x[b] - x[a]) * (y[c] - y[a]) < (y[b] - y[a]) * (x[c] - x[a]))


def hull_of(rows: pd.DataFrame, metric: Metric, prefix: str = "") -> list[int]:
    """Positions of the rows on the upper hull of a metric over the total rate, by ascending rate.

    Args:
        rows: measured rows.
        metric: one that does not rank models has no hull.
        prefix: ``test_`` for the hull by the numbers on test.
    """
    if metric.higher_is_better is None:
        return []
    return upper_hull(rows[prefix + "rate"], metric.score(rows[prefix + metric.column])).tolist()


@dataclasses.dataclass(frozen=True)
class Choice:
    """The model that fits a use best, beside what simpler tuning would have given."""

    use: str
    metric: Metric
    split: str
    """The split it was chosen on; the ``test_`` columns of the rows, if there are any, are what to report."""
    row: pd.Series
    runner_up: pd.Series | None
    """Second best under the same demands."""
    vae: pd.Series
    """The plain VAE (all betas 1), or the model nearest to it; it need not keep to the demands."""
    vae_is_exact: bool
    beta_vae: pd.Series | None
    """The best model with all betas equal, under the same demands."""

    @property
    def run(self) -> str:
        """Key of the chosen run."""
        return str(self.row["run"])

    @property
    def betas(self) -> tuple[float, ...]:
        """Betas of the chosen run, top layer first."""
        return betas_of(self.row)

    def value(self, row: pd.Series) -> float:
        """The metric of a row as it was when choosing."""
        return float(row[self.metric.column])

    def reported(self, row: pd.Series) -> float:
        """The metric of a row as it is to be reported: on test."""
        return float(row.get("test_" + self.metric.column, row[self.metric.column]))

    @property
    def explanation(self) -> str:
        """Why this model, in plain words; several sentences."""
        best = "highest" if self.metric.higher_is_better else "lowest"
        text = [f"For {self.use}: betas {_betas(self.row)}, {best} {self.metric.name} on {self.split}:"]
        text.append(f"{self._numbers(self.row)}.")
        if self.split == "test":
            text.append("Chosen on the test split itself, as the paper does, so the number is optimistic.")
        if self.runner_up is not None:
            text.append(f"Next best: betas {_betas(self.runner_up)}, {self._numbers(self.runner_up)}.")
        vae = "The plain VAE" if self.vae_is_exact else f"The model nearest to a plain VAE (betas {_betas(self.vae)})"
        text.append(f"{vae} gets {self._numbers(self.vae)}.")
        if self.beta_vae is not None:
            text.append(f"The best beta-VAE (betas {_betas(self.beta_vae)}) gets {self._numbers(self.beta_vae)}.")
        return " ".join(text)

    def _numbers(self, row: pd.Series) -> str:
        unit = f" {self.metric.unit}" if self.metric.unit else ""
        text = f"{self.value(row):.4g}{unit}"
        if self.split != "test":
            text += f" ({self.reported(row):.4g} on test)"
        return f"{text} at {row['rate']:.4g} nats/image"


def betas_of(row: pd.Series) -> tuple[float, ...]:
    """Betas of a row, top layer first."""
    return tuple(float(row[column]) for column in layer_columns(row.to_frame().T, "beta"))


def _betas(row: pd.Series) -> str:
    return "(" + ", ".join(f"{beta:.3g}" for beta in betas_of(row)) + ")"


def best(
    table: Table, use: str, *, max_rate: float | None = None, demands: Mapping[str, float] | None = None
) -> Choice:
    """The best model of a landscape for a use.

    Args:
        table: the landscape.
        use: ``reconstruction``, ``representation``, ``generation``, or the column of a metric that ranks models.
        max_rate: largest total rate accepted, in nats per image.
        demands: for columns of metrics, the worst value accepted, such as ``{"psnr": 18}``.

    Raises:
        SpecError: the landscape cannot answer (names what it has measured), or nothing meets the demands
            (names the smallest rate, or the best value, that there is).
    """
    rows = finished(table)
    metric = metric_for(rows, use)
    ranked = _ranked(rows, metric)
    accepted = _meeting(ranked, max_rate, demands or {})
    equal = accepted[beta_vaes(accepted)]
    vae = _nearest_to_vae(ranked)
    return Choice(
        use=use,
        metric=metric,
        split=table.split,
        row=accepted.iloc[0],
        runner_up=accepted.iloc[1] if len(accepted) > 1 else None,
        vae=vae,
        vae_is_exact=all(beta == 1 for beta in betas_of(vae)),
        beta_vae=equal.iloc[0] if len(equal) else None,
    )


def metric_for(rows: pd.DataFrame, use: str) -> Metric:
    """The metric that decides for a use, among those that the rows have measured.

    Raises:
        SpecError: the use is unknown, its metrics were not measured, or the metric does not rank models.
    """
    available = {metric.column: metric for metric in measured_metrics(rows) if metric.higher_is_better is not None}
    for name in USES.get(use, (use,)):
        column = next(iter(layer_columns(rows, name)), name) if name in LAYER_METRICS else name
        if column in available:
            return available[column]
    has = f"this landscape can choose by {', '.join(available)}"
    if use in USES:
        raise SpecError(f"use {use} needs {' or '.join(USES[use])}, which was not measured: {has}")
    if use in METRICS and use in rows.columns:
        raise SpecError(f"{use} does not tell which model is better ({METRICS[use].explanation}): {has}")
    near = "".join(f"did you mean {one}? " for one in difflib.get_close_matches(use, [*USES, *available], n=1))
    raise SpecError(f"unknown use {use!r}: {near}it must be one of {', '.join(USES)}, or a metric; {has}")


def _ranked(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Rows with the metric, best first; ties go to the smaller total rate, then by run key."""
    known = rows[rows[metric.column].notna() & rows["rate"].notna()]
    order = pd.DataFrame({"score": -metric.score(known[metric.column]), "rate": known["rate"], "run": known["run"]})
    return known.loc[order.sort_values(["score", "rate", "run"]).index]


def _meeting(ranked: pd.DataFrame, max_rate: float | None, demands: Mapping[str, float]) -> pd.DataFrame:
    """The rows within the rate budget that meet all demands."""
    accepted = ranked if max_rate is None else ranked[ranked["rate"] <= max_rate]
    if max_rate is not None and accepted.empty:
        raise SpecError(
            f"max_rate is {max_rate:g} nats: no model is that small, the smallest total rate available is "
            f"{ranked['rate'].min():.4g} nats"
        )
    for column, worst in demands.items():
        metric = limit_at(column, ranked) or metric_for(ranked, column)
        score = metric.score(accepted[column])
        met = accepted[score >= (worst if metric.higher_is_better else -worst)]
        if met.empty:
            raise SpecError(
                f"demand {column} {worst:g} is not met by any model left: the best they reach is "
                f"{accepted.loc[score.idxmax(), column]:.4g} {metric.unit}".rstrip()
            )
        accepted = met
    return accepted


def meets(row: pd.Series, max_rate: float | None, demands: Mapping[str, float]) -> bool:
    """Whether one model is within the rate budget and meets all demands."""
    try:
        return len(_meeting(row.to_frame().T.infer_objects(), max_rate, demands)) > 0
    except SpecError:
        return False


def _nearest_to_vae(ranked: pd.DataFrame) -> pd.Series:
    """The row whose betas are nearest to all one, by distance in log beta; ties go to the better rank."""
    distance = (np.log(ranked[layer_columns(ranked, "beta")]) ** 2).sum(axis=1)
    return ranked.loc[distance.idxmin()]


def collapsed_layers(row: pd.Series) -> list[int]:
    """Numbers of the layers that carry next to nothing in one model, top layer first."""
    rates = layer_columns(row.to_frame().T, "rate")
    return [
        int(column.removeprefix("rate_"))
        for column in rates
        if row[column] < ACTIVE_RATE or row.get(column.replace("rate", "active"), 1) == 0
    ]


def collapse_warnings(table: Table) -> list[str]:
    """One line for each layer that has collapsed in some models of a landscape."""
    found = [collapsed_layers(row) for _, row in measured(table).iterrows()]
    lines: list[str] = []
    for layer in sorted({layer for layers in found for layer in layers}, reverse=True):
        count = sum(layer in layers for layers in found)
        lines.append(
            f"z{str(layer).translate(SUBSCRIPTS)} has collapsed in {count} of {len(found)} models (less than "
            f"{ACTIVE_RATE:g} nats, or no active unit: it carries nothing there)"
        )
    return lines
