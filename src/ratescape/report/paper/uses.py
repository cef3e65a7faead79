"""Fig. 1 of the paper: three uses of a model, and that no one model is best for all of them."""

from typing import cast

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from mpl_toolkits.mplot3d.axes3d import Axes3D

from ratescape.metrics import LAYER_METRICS, USES, Metric
from ratescape.records.table import Table
from ratescape.report.paper.marked import extreme_of
from ratescape.report.paper.needs import CannotDraw, having, needed, spans_surface
from ratescape.report.plots.betas import beta_cells
from ratescape.report.plots.canvas import Gaps, Margins, finish, leave_out, name_panel, new_figure, panels
from ratescape.report.plots.marks import legend, ring
from ratescape.report.plots.palette import BETA_VAE, OUTLINE, VAE, colour_bar, formatter_of, scale_of
from ratescape.report.plots.rates import rate_axes, rates_of
from ratescape.report.plots.surface import beta_colours, draw_surface, name_axes, triangles, worth_a_surface
from ratescape.selection import beta_vaes, finished, plain_vaes

AXES: tuple[str, ...] = ("reconstruction", "generation", "representation")
"""The uses in the order of the three axes."""

MARKS = {"reconstruction": "^", "generation": "*", "representation": "D"}
"""How the best model for each use is marked."""


def three_uses(table: Table) -> Figure:
    """Fig. 1: PSNR, inception score and RBF accuracy, each by itself and, of 49 models or more, as one surface.

    Raises:
        CannotDraw: a metric was not measured, or the models do not vary in two betas of two layers.
    """
    rows = finished(table)
    if not spans_surface(rows):
        raise CannotDraw("needs models of two layers whose two betas vary on their own")
    metrics = dict(zip(AXES, needed(rows, [_column(use) for use in AXES]), strict=True))
    rows = having(rows, list(metrics.values()))
    surface = worth_a_surface(rows)
    figure, left = new_figure(14.6 if surface else 8, 7.4), 7.35 if surface else 0.75
    if surface:
        _three_metrics(cast(Axes3D, figure.add_axes((0.0, 0.06, 0.46, 0.86), projection="3d")), rows, metrics)
    ((betas, rates),) = panels(figure, 1, 2, Margins(left, bottom=4.05, right=0.2, top=0.75), Gaps(across=0.75))
    _colour_code(betas, rates, table, rows)
    below = panels(figure, 1, 3, Margins(left, bottom=1.15, right=0.75, top=4.3), Gaps(across=0.85))
    for axes, (use, metric) in zip(below[0], metrics.items(), strict=True):
        _performance(axes, table, rows, metric, MARKS[use])
        leave_out(axes.yaxis, use != AXES[0])
    best = [
        Line2D([], [], ls="", marker=MARKS[use], ms=10, mfc="white", mec="black", label=extreme_of(metric))
        for use, metric in metrics.items()
    ]
    line = Line2D([], [], ls="--", color=BETA_VAE, label="beta-VAEs: betas equal")
    legend(figure, [*best, ring(VAE, "VAE: all betas 1"), line])
    return finish(figure, "Three uses, three models", table)


def _column(use: str) -> str:
    """The preferred metric of a use; of the upper of the two layers, if of a layer."""
    column = USES[use][0]
    return f"{column}_2" if column in LAYER_METRICS else column


def _three_metrics(axes: Axes3D, rows: pd.DataFrame, metrics: dict[str, Metric]) -> None:
    """The surface over the three metrics, with the best model in each."""
    points = rows[[metric.column for metric in metrics.values()]].to_numpy()
    draw_surface(axes, points, triangles(rows), beta_colours(rows))
    for use, metric in metrics.items():
        best = points[metric.score(rows[metric.column]).argmax()]
        axes.scatter(*best, marker=MARKS[use], s=170, c="white", edgecolors="black", lw=1.4, depthshade=False, zorder=5)
    name_axes(axes, [metric.label for metric in metrics.values()])
    axes.zaxis.set_major_formatter(formatter_of(metrics["representation"]))


def _colour_code(betas: Axes, rates: Axes, table: Table, rows: pd.DataFrame) -> None:
    """What the colours of the surface mean: over the betas, and over the rates."""
    colours = beta_colours(rows)
    beta_cells(betas, table.rows, rows, colours)
    _simpler_models(betas, rows, "beta")
    name_panel(betas, "colour of the betas", 10)
    rate_axes(rates, rows)
    rates.scatter(*rates_of(rows), c=colours, s=26, edgecolors="#00000055", lw=0.5, zorder=3)
    _simpler_models(rates, rows, "rate")
    name_panel(rates, "the same models over their rates", 10)


def _performance(axes: Axes, table: Table, rows: pd.DataFrame, metric: Metric, mark: str) -> None:
    """One metric over the betas with its best model."""
    scale = scale_of(rows, metric)
    beta_cells(axes, table.rows, rows, scale.to_rgba(rows[metric.column].to_numpy()))
    _simpler_models(axes, rows, "beta")
    best = rows.loc[metric.score(rows[metric.column]).idxmax()]
    marked = axes.scatter(best["beta_2"], best["beta_1"], marker=mark, s=130, c="white", edgecolors="black", lw=1.3)
    marked.set(zorder=6, clip_on=False)  # the best models like corners
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10))
    name_panel(axes, metric.label, 9)
    colour_bar(axes, scale, "", formatter_of(metric))


def _simpler_models(axes: Axes, rows: pd.DataFrame, plane: str) -> None:
    """The beta-VAEs as a dashed line and the VAE as a ring, in the plane of ``beta`` or ``rate``."""
    x, y = f"{plane}_2", f"{plane}_1"
    equal = rows[beta_vaes(rows) & (rows["seed"] == rows["seed"].min())].sort_values("beta_2")
    axes.plot(equal[x], equal[y], "--", color=BETA_VAE, lw=1.4, zorder=4, path_effects=[OUTLINE])
    vae = rows[plain_vaes(rows)]
    axes.scatter(vae[x], vae[y], s=80, facecolors="none", edgecolors=VAE, lw=1.6, zorder=5, path_effects=[OUTLINE])
