"""Sheets of panels, one metric each (Figs. 5, 7 and 8 to 10 of the paper), and what all figures of the paper share."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from ratescape.errors import SpecError
from ratescape.metrics import METRICS, Metric, layer_columns, measured_metrics
from ratescape.records.table import Table
from ratescape.report.planes import (
    OUTLINE,
    colour_bar,
    footnote,
    formatter_of,
    legend,
    over_rate,
    over_rate_bar,
    rate_plane,
    rings_of,
)
from ratescape.selection import beta_vaes, finished

PROBES = ("logistic", "linear_svm", "rbf", "knn")
"""Classifiers, by the key in their columns."""

MARK = "#0b62d6"
"""Colour of the crosses and numbers that point to the pictures of Fig. 4."""

_TITLE_WIDTH = 34
"""Letters in a line of a panel's title."""

_SHEET = 4
"""Panels side by side in the sheet of all metrics."""


class CannotDraw(SpecError):
    """A figure needs what the landscape has not; the message says what."""


# ---- what is there to draw


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


# ---- the frame of a figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, fit to be drawn and saved."""
    figure = Figure(figsize=(width, height), dpi=150, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.07))
    FigureCanvasAgg(figure)
    return figure


def finish(figure: Figure, title: str, table: Table, absent: Sequence[str] = ()) -> Figure:
    """Add the title, and under it what is shown and what is not."""
    missing = f"; not measured: {', '.join(absent)}" if absent else ""
    lines = textwrap.wrap(footnote(table) + missing, int(15 * figure.get_figwidth()))
    figure.suptitle(f"{title} ({table.split})" + "\n" * len(lines), fontsize=12.5, x=0.01, ha="left")
    under = offset_copy(figure.transFigure, figure, 0, -27, units="points")  # the title's blank lines leave it room
    figure.text(0.01, 1, "\n".join(lines), transform=under, va="top", fontsize=8.5, color="#555555", in_layout=False)
    return figure


# ---- the models whose pictures are shown


def marked_models(rows: pd.DataFrame) -> dict[int, str]:
    """The three models of Fig. 4 by position, each with the reason: best PSNR, best samples, the plain VAE.

    Best samples means the highest inception score, or the best -ELBO where there is no judge. A model that is taken
    gives way to the next best by the same measure, so that three models give three marks.
    """
    distance = (np.log(rows[layer_columns(rows, "beta")]) ** 2).sum(axis=1)
    orders: list[tuple[pd.Series, str, str]] = [(-distance, "the plain VAE", "nearest to the plain VAE")]
    known = {metric.column for metric in measured_metrics(rows)}
    for column in ("inception_score" if "inception_score" in known else "nelbo", "psnr"):
        if column in known:
            score = METRICS[column].score(rows[column])
            orders.insert(0, (score, f"best {METRICS[column].name}", f"next best {METRICS[column].name}"))
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
        place = (x.iloc[position], y.iloc[position])
        axes.plot(*place, "x", color=MARK, ms=8, mew=2.2, zorder=6, path_effects=[OUTLINE])
        text = axes.annotate(
            str(number), place, (6, 5), textcoords="offset points", color=MARK, weight="bold", zorder=7
        )
        text.set(fontsize=12, path_effects=[OUTLINE])


def cross() -> Line2D:
    """The legend's entry for :func:`draw_marks`."""
    return Line2D([], [], ls="", marker="x", ms=8, mew=2.2, color=MARK, label="models of Fig. 4")


# ---- panels


def panel(axes: Axes, rows: pd.DataFrame, metric: Metric, marked: Sequence[int] = ()) -> None:
    """One metric over the layer rates if there are two layers, else over the total rate.

    Args:
        axes: where to draw.
        rows: measured rows; those without the metric are left out, and the title counts them.
        metric: what is drawn.
        marked: positions of models to mark with a cross.
    """
    known = rows[rows[metric.column].notna()].reset_index(drop=True)
    some = f"  [{len(known)} of {len(rows)} models]" if len(known) < len(rows) else ""
    if layers_of(rows) == 2:
        drawn = rate_plane(axes, known, metric, joined=False)
        draw_marks(axes, rows["rate_2"], rows["rate"] - rows["rate_2"], marked)
        colour_bar(axes, drawn, "", format=formatter_of(metric))
    else:
        drawn = over_rate(axes, known, metric)
        axes.set_ylabel("")
        draw_marks(axes, rows["rate"], rows[metric.column], marked)
        over_rate_bar(axes, drawn, rows)
    axes.set_title(textwrap.fill(metric.label + some, _TITLE_WIDTH), fontsize=10.5)


def sheet(table: Table, columns: Sequence[str], across: int, title: str, marked: bool = False) -> Figure:
    """A panel for each of those metrics that was measured, with one legend; the foot names the others.

    Raises:
        CannotDraw: none of them was measured.
    """
    rows = finished(table)
    metrics, absent = among(rows, columns)
    across = min(across, len(metrics))
    down = math.ceil(len(metrics) / across)
    figure = new_figure(max(8.5, 3.9 * across), 3.4 * down + 1.0)
    grid = figure.subplots(down, across, squeeze=False)
    crosses = list(marked_models(rows)) if marked else []
    for index, (axes, metric) in enumerate(zip(grid.flat, metrics, strict=False)):
        panel(axes, rows, metric, crosses)
        if index % across:
            axes.set_ylabel("")
        if index + across < len(metrics):
            axes.set_xlabel("")
    for axes in grid.flat[len(metrics) :]:
        axes.remove()
    legend(figure, rings_of(rows, metrics, "in a panel") + ([cross()] if crosses else []), "outside lower center")
    return finish(figure, title, table, absent)


def generation(table: Table) -> Figure:
    """Fig. 5: inception score and its factors, diversity and sharpness."""
    return sheet(
        table, ("inception_score", "diversity", "sharpness"), 3, "Generation: inception score and its factors", True
    )


def representation(table: Table) -> Figure:
    """Fig. 7: mutual information with the label, and the accuracies of four classifiers, for the top layer."""
    top = layers_of(finished(table))
    columns = (f"information_{top}", *(f"accuracy_{probe}_{top}" for probe in PROBES))
    return sheet(table, columns, 3, f"Representation: what z$_{top}$ tells about the label")


def all_metrics(table: Table) -> Figure:
    """Figs. 8 to 10: every metric that ranks models, one sheet for a landscape."""
    ranking = [metric.column for metric in measured_metrics(finished(table)) if metric.higher_is_better is not None]
    return sheet(table, ranking or ["rate"], _SHEET, "All metrics")
