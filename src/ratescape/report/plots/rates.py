"""A metric over rates: the plane of the top layer's rate and the rate of all below, and the total rate."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm, Normalize

from ratescape.metrics import Metric, layer_columns
from ratescape.report.plots.geometry import diagonals, share_one_scale
from ratescape.report.plots.marks import draw_hull_line, draw_points, draw_rings
from ratescape.report.plots.palette import GREY, GRID, OUTLINE, PLAIN, colour_bar, colours_of, formatter_of, norm_of
from ratescape.selection import hull_of


def rate_plane(axes: Axes, rows: pd.DataFrame, metric: Metric, joined: bool = True) -> PathCollection:
    """Points at (rate of the top layer, rate of all layers below), coloured by a metric, with rings.

    Args:
        axes: where to draw.
        rows: measured rows.
        metric: what colours the points.
        joined: whether a dotted line joins the models of the hull by ascending total rate.

    Returns:
        The points.
    """
    top, below = rate_axes(axes, rows)
    hull = hull_of(rows, metric)
    if joined:
        draw_hull_line(axes, top, below, hull)
    drawn = draw_points(axes, top, below, rows[metric.column], colours_of(metric), norm_of(rows[metric.column]))
    draw_rings(axes, top, below, rows, hull)
    return drawn


def rate_axes(axes: Axes, rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Prepare axes for (rate of the top layer, rate of all layers below); returns both rates of the rows."""
    columns = layer_columns(rows, "rate")
    top, layers = rows[columns[0]], len(columns)
    below = rows["rate"] - top
    _frame(axes, top, below)
    _draw_diagonals(axes)
    axes.set_xlabel(f"R(z$_{layers}$)  (nats/image)")
    axes.set_ylabel(f"R({', '.join(f'z$_{k}$' for k in range(layers - 1, 0, -1))} | z$_{layers}$)  (nats/image)")
    return top, below


def _frame(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    """Limits from zero with a margin; one scale for both axes where that stays readable."""
    width, height = max(float(x.max()), 0.1), max(float(y.max()), 0.1)
    axes.set_xlim(-0.05 * width, 1.08 * width)
    axes.set_ylim(-0.05 * height, 1.08 * height)
    if share_one_scale(axes.get_xlim(), axes.get_ylim()):
        axes.set_aspect("equal", adjustable="box")


def _draw_diagonals(axes: Axes) -> None:
    """Lines of equal total rate, labelled in nats where they enter the plot."""
    limits = axes.get_xlim()
    for diagonal in diagonals(limits, axes.get_ylim()):
        axes.plot(diagonal.x, diagonal.y, color="#c9ccd1", lw=0.8, zorder=0, scalex=False, scaley=False)
        if diagonal.enters_before(0.08, limits):
            start = (diagonal.x[0], diagonal.y[0])
            label = axes.annotate(f"{diagonal.total:g}", start, (3, -3), textcoords="offset points", va="top")
            label.set(fontsize=7.5, color=GREY, path_effects=[OUTLINE], zorder=1)


def over_rate(axes: Axes, rows: pd.DataFrame, metric: Metric) -> PathCollection:
    """A metric over the total rate with its hull; colour: the share of the top layer, or beta of the only one."""
    hull = hull_of(rows, metric)
    value = rows[metric.column]
    draw_hull_line(axes, rows["rate"], value, hull)
    colour = _share_of_top(rows)
    scale = LogNorm() if "beta_2" not in rows else Normalize(0, max(0.01, float(colour.max())))
    drawn = draw_points(axes, rows["rate"], value, colour, "cividis", scale)
    draw_rings(axes, rows["rate"], value, rows, hull)
    axes.set_xlabel("total rate  (nats/image)")
    axes.set_ylabel(metric.label)
    axes.yaxis.set_major_formatter(formatter_of(metric))
    axes.grid(color=GRID, lw=0.6)
    return drawn


def _share_of_top(rows: pd.DataFrame) -> pd.Series:
    columns = layer_columns(rows, "rate")
    return rows["beta_1"] if len(columns) == 1 else rows[columns[0]] / rows["rate"].clip(lower=1e-9)


def over_rate_bar(axes: Axes, drawn: PathCollection, rows: pd.DataFrame) -> None:
    """The scale of colour of :func:`over_rate`."""
    layers = len(layer_columns(rows, "rate"))
    if layers == 1:
        colour_bar(axes, drawn, r"$\beta$  (price of a nat)", format=PLAIN)
    else:
        colour_bar(axes, drawn, f"share of the total rate in z$_{layers}$")
