"""The models whose pictures Fig. 4 shows, and the crosses that point to them in the other figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ratescape.metrics import METRICS, Metric, layer_columns, measured_metrics
from ratescape.report.plots.palette import OUTLINE

MARK = "#0b62d6"
"""Colour of the crosses and numbers that point to the pictures of Fig. 4."""


def extreme_of(metric: Metric) -> str:
    """What a model is called whose value is the best; a choice also heeds errors and rates, and may be another."""
    return f"{'lowest' if metric.higher_is_better is False else 'highest'} {metric.name}"


def marked_models(rows: pd.DataFrame) -> dict[int, str]:
    """The three models of Fig. 4 by position, each with the reason: highest PSNR, best samples, the plain VAE.

    Best samples means the highest inception score, or the lowest -ELBO where there is no judge. A model that is taken
    gives way to the next best by the same measure, so that three models give three marks.
    """
    distance = (np.log(rows[layer_columns(rows, "beta")]) ** 2).sum(axis=1)
    orders: list[tuple[pd.Series, str, str]] = [(-distance, "the plain VAE", "nearest to the plain VAE")]
    known = {metric.column for metric in measured_metrics(rows)}
    for column in ("inception_score" if "inception_score" in known else "nelbo", "psnr", "r2"):
        if column in known:
            score = METRICS[column].score(rows[column])
            extreme = extreme_of(METRICS[column])
            orders.insert(0, (score, extreme, f"next {extreme}"))
    marked: dict[int, str] = {}
    for score, exact, near in orders:
        ranked = [
            position
            for position in score.sort_values(ascending=False, kind="stable").index
            if score[position] == score[position]
        ]
        free = [position for position in ranked if position not in marked]
        if free:
            is_exact = free[0] == ranked[0] and (exact != "the plain VAE" or score[free[0]] == 0)
            marked[free[0]] = exact if is_exact else near
    return marked


def draw_marks(axes: Axes, x: pd.Series, y: pd.Series, marked: Sequence[int]) -> None:
    """Numbered crosses on models, 1 first."""
    for number, position in enumerate(marked, start=1):
        point = (x.iloc[position], y.iloc[position])
        axes.plot(*point, "x", color=MARK, ms=8, mew=2.2, zorder=6, path_effects=[OUTLINE])
        text = axes.annotate(
            str(number), point, (6, 5), textcoords="offset points", color=MARK, weight="bold", zorder=7
        )
        text.set(fontsize=12, path_effects=[OUTLINE])


def cross() -> Line2D:
    """The legend's entry for :func:`draw_marks`."""
    return Line2D([], [], ls="", marker="x", ms=8, mew=2.2, color=MARK, label="models of Fig. 4")
