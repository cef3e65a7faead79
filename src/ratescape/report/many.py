"""Landscapes of more than two betas as figures: rates of every two groups, and parallel coordinates."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ratescape.metrics import Metric, layer_columns, measured_metrics
from ratescape.records.table import Table
from ratescape.report.deciding import along, uses_of
from ratescape.report.groups import Group, group_rates
from ratescape.report.plots.canvas import (
    Gaps,
    Margins,
    add_footnote,
    add_title,
    footnote,
    leave_out,
    new_figure,
    panels,
)
from ratescape.report.plots.marks import draw_points, draw_rings, legend, rings_of
from ratescape.report.plots.palette import (
    GRID,
    NUMBER,
    OUTLINE,
    QUIET,
    colour_bar,
    colours_of,
    formatter_of,
    norm_of,
    scale_of,
)
from ratescape.selection import finished, hull_of

_SIDE, _WIDEST, _LEAST = 2.3, 13.0, 7.5
"""Inches: side of a panel where there is room for it, and width of a figure of panels."""

_AREA = 22
"""Area of a point in a panel, in square typographic points."""

_LETTERS = 15
"""In a line of the name of an axis."""


def pairs_figure(table: Table, groups: Sequence[Group], metric: Metric) -> Figure:
    """Rates of every two groups of layers, coloured by a metric: the lower triangle of a matrix of panels.

    Args:
        table: the landscape.
        groups: the layers that share a beta, two groups or more.
        metric: what colours the models.

    Raises:
        SpecError: no run has numbers to draw.
    """
    rows, count = finished(table), len(groups) - 1
    rates = group_rates(rows, groups)
    figure, grid = _triangle(count)
    for row, line in enumerate(grid, 1):
        for column, axes in enumerate(line[:row]):
            _pair(axes, rows, rates[column], rates[row], metric)
            axes.set(xlabel=f"{groups[column].name}  (nats)", ylabel=f"{groups[row].name}  (nats)")
            leave_out(axes.xaxis, row < count)
            leave_out(axes.yaxis, column > 0)
        for axes in line[row:]:
            axes.remove()
    colour_bar(grid[-1][-1], scale_of(rows, metric), metric.label, formatter_of(metric))
    noun = "layers" if len(groups) == len(layer_columns(rows, "rate")) else "groups of layers"
    add_title(figure, f"{metric.label} over the rates of every two {noun}, on {table.split}")
    legend(figure, rings_of(rows, [metric], metric.name))
    return figure


def _triangle(count: int) -> tuple[Figure, list[list[Axes]]]:
    """A figure with so many square panels in a row and in a column."""
    around, between = Margins(left=0.75, bottom=1.05, right=1.1, top=0.6), Gaps(across=0.2, down=0.2)
    room = min(_WIDEST, max(_LEAST, around.left + around.right + count * (_SIDE + between.across)))
    side = (room - around.left - around.right + between.across) / count - between.across
    figure = new_figure(room, count * (side + between.down) - between.down + around.bottom + around.top)
    return figure, panels(figure, count, count, around, between)


def _pair(axes: Axes, rows: pd.DataFrame, x: pd.Series, y: pd.Series, metric: Metric) -> None:
    value = rows[metric.column]
    draw_points(axes, x, y, value, colours_of(metric), norm_of(value), _AREA)
    draw_rings(axes, x, y, rows, hull_of(rows, metric), _AREA)
    axes.set_xlim(_from_zero(x))
    axes.set_ylim(_from_zero(y))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(NUMBER)
    axes.grid(color=GRID, lw=0.6)


def _from_zero(rate: pd.Series) -> tuple[float, float]:
    high = max(float(rate.max()), 0.1)
    return -0.08 * high, 1.1 * high


def parallel_figure(table: Table, groups: Sequence[Group], metric: Metric) -> Figure:
    """A line for each model across the rates of its groups, total rate, distortion, PSNR and what decides for the uses.

    Args:
        table: the landscape.
        groups: the layers that share a beta.
        metric: what colours the lines.

    Raises:
        SpecError: no run has numbers to draw.
    """
    rows = finished(table)
    shown = along(measured_metrics(rows), uses_of(table))
    columns = [*group_rates(rows, groups), *(rows[one.column] for one in shown)]
    names = [*(f"rate of {group.name} (nats)" for group in groups), *(one.label for one in shown)]
    formats = [NUMBER] * len(groups) + [formatter_of(one) for one in shown]
    figure = new_figure(max(8.0, 1.3 * len(names) + 1.6), 4.9)
    ((axes,),) = panels(figure, 1, 1, Margins(left=0.75, bottom=0.5, right=1.35, top=1.35))
    axes.set(xlim=(-0.02, len(names) - 0.98), ylim=(-0.03, 1.03))
    axes.set_axis_off()
    scale = scale_of(rows, metric)
    heights = np.stack([_scaled(values, values) for values in columns], axis=1)  # [N, axes]
    lines = [np.stack([np.arange(len(names)), line], axis=1) for line in heights]
    colours = scale.to_rgba(rows[metric.column].to_numpy())
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=1.1, alpha=0.85), autolim=False)
    for x, (name, values, written) in enumerate(zip(names, columns, formats, strict=True)):
        _axis(axes, x, name, values, written)
    colour_bar(axes, scale, metric.label, formatter_of(metric))
    add_title(figure, f"All models by their rates and uses, on {table.split}; colour: {metric.name}")
    add_footnote(figure, footnote(table))
    return figure


def _scaled(values: pd.Series, whole: pd.Series) -> np.ndarray:
    """Values from 0 to 1 between the ends of an axis; 0.5 where these are the same."""
    scale = norm_of(whole)
    return np.asarray(scale(values.to_numpy(dtype=float, na_value=np.nan)), dtype=float)


def _axis(axes: Axes, x: int, name: str, values: pd.Series, written: FuncFormatter) -> None:
    """An upright axis with its name above and its numbers beside it."""
    scale = norm_of(values)
    low, high = float(scale.vmin or 0), float(scale.vmax or 0)
    axes.plot([x, x], [0, 1], color=QUIET, lw=1, zorder=3)
    for tick in map(float, MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)):
        if low <= tick <= high:
            height = (tick - low) / (high - low)
            text = axes.annotate(written(tick, None), (x, height), (-4, 0), textcoords="offset points", ha="right")
            text.set(va="center", fontsize=8, zorder=4, path_effects=[OUTLINE])
    title = textwrap.fill(name, _LETTERS)
    axes.annotate(title, (x, 1), (0, 9), textcoords="offset points", ha="center", va="bottom", fontsize=8.5)
