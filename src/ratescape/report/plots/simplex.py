"""The simplex of three shares: how the total rate divides between three groups of layers."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from ratescape.metrics import Metric
from ratescape.report.groups import Group, group_shares
from ratescape.report.plots.geometry import SIMPLEX, in_simplex, simplex_lines
from ratescape.report.plots.marks import draw_points, draw_rings
from ratescape.report.plots.palette import GREY, GRID, QUIET, colours_of, norm_of
from ratescape.selection import hull_of

_NUMBERS = (((-4, 0), "right", "center"), ((0, -4), "center", "top"), ((4, 0), "left", "center"))
"""Where the number of a line of each group stands, from the side that it begins on, in points."""

_NAMES = (((0, 6), "bottom"), ((0, -15), "top"), ((0, -15), "top"))
"""Where the name of each group stands, from its corner."""


def simplex(axes: Axes, rows: pd.DataFrame, groups: Sequence[Group], metric: Metric) -> PathCollection:
    """Draw models by the shares that three groups have of their total rate, coloured by a metric, with rings.

    A model of less than 0.1 nats has nothing to divide, and is left out. Returns the points.
    """
    _frame(axes, groups)
    x, y = in_simplex(group_shares(rows, groups))
    drawn = draw_points(axes, x, y, rows[metric.column], colours_of(metric), norm_of(rows[metric.column]))
    draw_rings(axes, x, y, rows, hull_of(rows, metric))
    return drawn


def _frame(axes: Axes, groups: Sequence[Group]) -> None:
    """The triangle, its lines of equal share, and the names of its corners."""
    axes.set(xlim=(-0.12, 1.12), ylim=(-0.14, 0.98))
    axes.set_aspect("equal")
    axes.set_axis_off()
    for share, which, start, end in simplex_lines():
        axes.plot(*zip(start, end, strict=True), color=GRID, lw=1, zorder=0)
        offset, across, up = _NUMBERS[which]
        text = axes.annotate(f"{100 * share:g} %", start, offset, textcoords="offset points", ha=across, va=up)
        text.set(color=GREY, fontsize=8)
    axes.plot(*zip(*SIMPLEX, SIMPLEX[0], strict=True), color=QUIET, lw=1, zorder=0)
    for group, corner, (offset, up) in zip(groups, SIMPLEX, _NAMES, strict=True):
        text = axes.annotate(group.name, corner, offset, textcoords="offset points", ha="center", va=up)
        text.set(weight="bold", fontsize=10)
