"""A metric over the betas: cells of the grid of two betas, points where betas were found, a curve over one beta."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from ratescape.metrics import Metric
from ratescape.report.plots.geometry import cell_slice, log_step
from ratescape.report.plots.marks import draw_points, draw_rings
from ratescape.report.plots.palette import GREY, GRID, PLAIN, colours_of, formatter_of, norm_of, scale_of
from ratescape.selection import hull_of

_FEW_CELLS = 12
"""Betas along an axis up to which white seams part the cells; between many small cells they would hide the colours."""


def beta_plane(axes: Axes, asked: pd.DataFrame, rows: pd.DataFrame, metric: Metric) -> ScalarMappable:
    """One cell (or point, where betas were found) for each (beta_2, beta_1), coloured by a metric, with rings.

    Returns the scale of colour.

    Args:
        axes: where to draw.
        asked: all rows of the table; a training that diverged gets a cross.
        rows: the rows with numbers.
        metric: what colours the cells.
    """
    mappable = scale_of(rows, metric)
    if "request" in rows:  # betas that were found lie on no grid
        _beta_points(axes, rows, metric)
    else:
        beta_cells(axes, asked, rows, mappable.to_rgba(rows[metric.column].to_numpy()))
    draw_rings(axes, rows["beta_2"], rows["beta_1"], rows, hull_of(rows, metric))
    return mappable


def _beta_points(axes: Axes, rows: pd.DataFrame, metric: Metric) -> None:
    """One point for each pair of betas that was found."""
    value = rows[metric.column]
    beta_axes(axes, rows.assign(beta_2=rows["beta_2"].round(9), beta_1=rows["beta_1"].round(9)))
    draw_points(axes, rows["beta_2"], rows["beta_1"], value, colours_of(metric), norm_of(value))
    axes.set_xlim(rows["beta_2"].min() / 1.5, rows["beta_2"].max() * 1.5)
    axes.set_ylim(rows["beta_1"].min() / 1.5, rows["beta_1"].max() * 1.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))


def beta_cells(axes: Axes, asked: pd.DataFrame, rows: pd.DataFrame, colours: npt.NDArray[np.float64]) -> None:
    """One cell for each (beta_2, beta_1), split among the seeds; a cross where a training diverged.

    Args:
        axes: where to draw.
        asked: all rows of the table.
        rows: the N rows to draw.
        colours: a colour for each of them, shape [N, 3 or 4].
    """
    seeds = sorted(asked["seed"].unique())
    step_2, step_1 = beta_axes(axes, asked)
    corners: list[list[tuple[float, float]]] = []
    for beta_2, beta_1, seed in zip(rows["beta_2"], rows["beta_1"], rows["seed"], strict=True):
        left, right = cell_slice(beta_2, step_2, seeds.index(seed), len(seeds))
        bottom, top = cell_slice(beta_1, step_1, 0, 1)
        corners.append([(left, bottom), (right, bottom), (right, top), (left, top)])
    edge, width = ("white", 1.2) if asked["beta_2"].nunique() <= _FEW_CELLS else ("none", 0)
    cells = PolyCollection(corners, facecolors=colours, edgecolors=edge, linewidths=width, zorder=1)
    axes.add_collection(cells, autolim=False)
    diverged = asked[asked["status"] != "ok"]
    axes.plot(diverged["beta_2"], diverged["beta_1"], "x", color=GREY, ms=8)


def beta_axes(axes: Axes, rows: pd.DataFrame) -> tuple[float, float]:
    """Prepare axes for (beta_2, beta_1); returns the smallest ratio between neighbouring betas of each."""
    step_2, step_1 = log_step(rows["beta_2"]), log_step(rows["beta_1"])
    axes.set(xscale="log", yscale="log")
    _beta_axis(axes.xaxis, rows["beta_2"])
    _beta_axis(axes.yaxis, rows["beta_1"])
    axes.set_xlim(rows["beta_2"].min() / step_2**0.6, rows["beta_2"].max() * step_2**0.6)
    axes.set_ylim(rows["beta_1"].min() / step_1**0.6, rows["beta_1"].max() * step_1**0.6)
    axes.set_box_aspect(1)
    axes.set_xlabel("β₂  (price of a nat in z₂)")
    axes.set_ylabel("β₁  (price of a nat in z₁)")
    return step_2, step_1


def over_beta(axes: Axes, rows: pd.DataFrame, metric: Metric) -> PathCollection:
    """A metric over the one beta that all layers share; returns the points."""
    value = rows[metric.column]
    axes.set_xscale("log")
    drawn = draw_points(axes, rows["beta_1"], value, value, colours_of(metric), norm_of(value))
    draw_rings(axes, rows["beta_1"], value, rows, hull_of(rows, metric))
    _beta_axis(axes.xaxis, rows["beta_1"])
    axes.set_xlabel("β  (price of a nat)")
    axes.set_ylabel(metric.label)
    axes.yaxis.set_major_formatter(formatter_of(metric))
    axes.grid(color=GRID, lw=0.6)
    return drawn


def _beta_axis(axis: Axis, betas: pd.Series) -> None:
    """Ticks at the grid's own betas if they are few, at decades otherwise; written as plain numbers."""
    values = sorted(betas.unique())
    axis.set_major_locator(LogLocator(10) if len(values) > 9 else FixedLocator(values))
    axis.set_major_formatter(PLAIN)
    axis.set_minor_locator(NullLocator())
