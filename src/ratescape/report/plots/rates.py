"""A metric over rates: the plane of the top layer's rate and the rate of all below, and the total rate."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import MaxNLocator

from ratescape.metrics import Metric, layer_columns
from ratescape.report.plots.geometry import OWN_SCALE, diagonals, share_one_scale
from ratescape.report.plots.marks import draw_hull_line, draw_points, draw_rings
from ratescape.report.plots.palette import (
    GREY,
    GRID,
    NUMBER,
    PLAIN,
    colour_bar,
    colours_of,
    formatter_of,
    latent,
    norm_of,
)
from ratescape.selection import hull_of

DIAGONAL = "#c9ccd1"
"""Colour of the lines of equal total rate."""


def rate_plane(axes: Axes, rows: pd.DataFrame, metric: Metric, frame: pd.DataFrame | None = None) -> PathCollection:
    """Points at (rate of the top layer, rate of all layers below), coloured by a metric, with rings.

    The models of the hull have rings but no line that joins them: the hull is over the total rate, and in this plane a
    model of it may have neighbours that are better.

    Args:
        axes: where to draw.
        rows: measured rows.
        metric: what colours the points.
        frame: the rows that the axes must have room for; default: those drawn.

    Returns:
        The points.
    """
    rate_axes(axes, rows if frame is None else frame)
    top, below = rates_of(rows)
    drawn = draw_points(axes, top, below, rows[metric.column], colours_of(metric), norm_of(rows[metric.column]))
    draw_rings(axes, top, below, rows, hull_of(rows, metric))
    return drawn


def rates_of(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Rate of the top layer, and of all layers below."""
    top = rows[layer_columns(rows, "rate")[0]]
    return top, rows["rate"] - top


def rate_axes(axes: Axes, rows: pd.DataFrame) -> None:
    """Prepare axes for (rate of the top layer, rate of all layers below)."""
    layers = len(layer_columns(rows, "rate"))
    own = "" if _frame(axes, *rates_of(rows)) else f"; {OWN_SCALE}"
    _draw_diagonals(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(NUMBER)
    top, below = latent(layers), ", ".join(map(latent, range(layers - 1, 0, -1)))
    axes.set_xlabel(f"R({top})  (nats)")
    axes.set_ylabel(f"R({below} | {top})  (nats{own})")


def _frame(axes: Axes, x: pd.Series, y: pd.Series) -> bool:
    """Limits from zero with a margin; one scale for both axes where that stays readable, and whether it does."""
    width, height = max(float(x.max()), 0.1), max(float(y.max()), 0.1)
    axes.set_xlim(-0.05 * width, 1.08 * width)
    axes.set_ylim(-0.05 * height, 1.08 * height)
    alike = share_one_scale(axes.get_xlim(), axes.get_ylim(), axes.bbox.width / axes.bbox.height)
    if alike:
        axes.set_aspect("equal", adjustable="box")
    return alike


def _draw_diagonals(axes: Axes) -> None:
    """Lines of equal total rate, labelled in nats where they enter the plot."""
    limits = axes.get_xlim()
    found = diagonals(limits, axes.get_ylim())
    lines = [list(zip(one.x, one.y, strict=True)) for one in found]
    axes.add_collection(LineCollection(lines, colors=DIAGONAL, linewidths=0.8, zorder=0), autolim=False)
    for one in found:
        if one.enters_before(0.08, limits):
            place, offset = (one.x[0], one.y[0]), (3, -3)  # in points: off the frame
            text = axes.annotate(f"{one.total:g}", place, offset, textcoords="offset points", va="top", color=GREY)
            text.set(fontsize=7.5, zorder=1, gid=DIAGONAL)


def over_rate(axes: Axes, rows: pd.DataFrame, metric: Metric) -> PathCollection:
    """A metric over the total rate with its hull; colour: the share of the top layer, or beta of the only one."""
    hull = hull_of(rows, metric)
    value = rows[metric.column]
    draw_hull_line(axes, rows["rate"], value, hull)
    colour = _share_of_top(rows)
    scale = LogNorm() if "beta_2" not in rows else Normalize(0, max(0.01, float(colour.max())))
    drawn = draw_points(axes, rows["rate"], value, colour, "cividis", scale)
    draw_rings(axes, rows["rate"], value, rows, hull)
    axes.set_xlabel("total rate  (nats)")
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
        colour_bar(axes, drawn, "β  (price of a nat)", PLAIN)
    else:
        colour_bar(axes, drawn, f"share of the total rate in {latent(layers)}")
