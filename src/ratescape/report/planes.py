"""The pieces that figures are made of: a metric over the rates, over the betas and over the total rate.

Everything draws into matplotlib axes that are given to it; there is no global state and no LaTeX. Maps of colour
keep their order for colour-blind readers and in grey.
"""

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import (
    FixedLocator,
    Formatter,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    ScalarFormatter,
)

from ratescape.metrics import Metric, layer_columns
from ratescape.records.files import write_atomically
from ratescape.records.table import Table
from ratescape.selection import beta_vaes, hull_of, plain_vaes

HULL, BETA_VAE, VAE = "#8e24aa", "#d62728", "#000000"
"""Colours of the rings, as in the paper."""

READABLE_ASPECT = 2.5
"""Axes are drawn to one scale only if neither range is more than so many times the other."""

PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.4g}")
"""Writes fractions in percent."""

GREY = "#8a8f98"
_PLAIN = FuncFormatter(lambda value, _: f"{value:.2g}")
OUTLINE = withStroke(linewidth=2.5, foreground="white")
_GRID = "#e6e8eb"


def formatter_of(metric: Metric) -> Formatter:
    """How numbers of a metric are written on axes and colour bars."""
    return PERCENT if metric.percent else ScalarFormatter(useOffset=False)


def colours_of(metric: Metric) -> str:
    """Viridis, bright for good."""
    return "viridis_r" if metric.higher_is_better is False else "viridis"


def norm_of(values: pd.Series) -> Normalize:
    """From the smallest to the largest known value."""
    low, high = float(values.min()), float(values.max())
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def scale_of(rows: pd.DataFrame, metric: Metric) -> ScalarMappable:
    """How a metric's values become colours."""
    return ScalarMappable(norm_of(rows[metric.column]), colours_of(metric))


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
        axes.plot(top[hull], below[hull], ":", color=HULL, lw=1.2, zorder=2)
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
    if 1 / READABLE_ASPECT <= height / width <= READABLE_ASPECT:
        axes.set_aspect("equal", adjustable="box")


def _draw_diagonals(axes: Axes) -> None:
    """Lines of equal total rate, labelled in nats where they enter the plot."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for total in MaxNLocator(8).tick_values(0, right + top):
        if not 0 < total < right + top:
            continue
        axes.plot([left, right], [total - left, total - right], color="#c9ccd1", lw=0.8, zorder=0, scalex=False)
        x = max(left, total - top)
        if x < right - 0.08 * (right - left):
            label = axes.annotate(f"{total:g}", (x, total - x), (3, -3), textcoords="offset points", va="top")
            label.set(fontsize=7.5, color=GREY, path_effects=[OUTLINE], zorder=1)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


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
        beta_axes(axes, rows.assign(beta_2=rows["beta_2"].round(9), beta_1=rows["beta_1"].round(9)))
        draw_points(
            axes, rows["beta_2"], rows["beta_1"], rows[metric.column], colours_of(metric), norm_of(rows[metric.column])
        )
        for name, axis in (("beta_2", axes.xaxis), ("beta_1", axes.yaxis)):
            low, high = rows[name].min() / 1.5, rows[name].max() * 1.5
            axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
            (axes.set_xlim if name == "beta_2" else axes.set_ylim)(low, high)
    else:
        beta_cells(axes, asked, rows, mappable.to_rgba(rows[metric.column].to_numpy()))
    draw_rings(axes, rows["beta_2"], rows["beta_1"], rows, hull_of(rows, metric))
    return mappable


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
    few = asked["beta_2"].nunique() <= 12  # white seams between many small cells would hide their colours
    edge, edge_width = ("white", 1.2) if few else ("none", 0)
    for colour, beta_2, beta_1, seed in zip(colours, rows["beta_2"], rows["beta_1"], rows["seed"], strict=True):
        low, width = _slice(beta_2, step_2, seeds.index(seed), len(seeds))
        bottom, height = _slice(beta_1, step_1, 0, 1)
        axes.add_patch(Rectangle((low, bottom), width, height, facecolor=colour, edgecolor=edge, lw=edge_width))
    diverged = asked[asked["status"] != "ok"]
    axes.plot(diverged["beta_2"], diverged["beta_1"], "x", color=GREY, ms=8)


def beta_axes(axes: Axes, rows: pd.DataFrame) -> tuple[float, float]:
    """Prepare axes for (beta_2, beta_1); returns the smallest ratio between neighbouring betas of each."""
    step_2, step_1 = _log_step(rows["beta_2"]), _log_step(rows["beta_1"])
    axes.set(xscale="log", yscale="log")
    _beta_axis(axes.xaxis, rows["beta_2"])
    _beta_axis(axes.yaxis, rows["beta_1"])
    axes.set_xlim(rows["beta_2"].min() / step_2**0.6, rows["beta_2"].max() * step_2**0.6)
    axes.set_ylim(rows["beta_1"].min() / step_1**0.6, rows["beta_1"].max() * step_1**0.6)
    axes.set_box_aspect(1)
    axes.set_xlabel(r"$\beta_2$  (price of a nat in z$_2$)")
    axes.set_ylabel(r"$\beta_1$  (price of a nat in z$_1$)")
    return step_2, step_1


def _log_step(betas: pd.Series) -> float:
    """Smallest ratio between neighbouring values of a beta grid."""
    values = np.sort(betas.unique())
    return float((values[1:] / values[:-1]).min()) if len(values) > 1 else 2.0


def _slice(beta: float, step: float, index: int, count: int) -> tuple[float, float]:
    """Lower end and width of the ``index``-th of ``count`` slices of the cell around a beta."""
    edges = beta * step ** (np.array([index, index + 1]) / count - 0.5)
    return float(edges[0]), float(edges[1] - edges[0])


def over_rate(axes: Axes, rows: pd.DataFrame, metric: Metric) -> PathCollection:
    """A metric over the total rate with its hull; colour: the share of the top layer, or beta of the only one."""
    hull = hull_of(rows, metric)
    value = rows[metric.column]
    axes.plot(rows["rate"][hull], value[hull], ":", color=HULL, lw=1.2, zorder=2)
    colour = _share_of_top(rows)
    scale = LogNorm() if "beta_2" not in rows else Normalize(0, max(0.01, float(colour.max())))
    drawn = draw_points(axes, rows["rate"], value, colour, "cividis", scale)
    draw_rings(axes, rows["rate"], value, rows, hull)
    axes.set_xlabel("total rate  (nats/image)")
    axes.set_ylabel(metric.label)
    axes.yaxis.set_major_formatter(formatter_of(metric))
    axes.grid(color=_GRID, lw=0.6)
    return drawn


def _share_of_top(rows: pd.DataFrame) -> pd.Series:
    columns = layer_columns(rows, "rate")
    return rows["beta_1"] if len(columns) == 1 else rows[columns[0]] / rows["rate"].clip(lower=1e-9)


def over_rate_bar(axes: Axes, drawn: PathCollection, rows: pd.DataFrame) -> None:
    """The scale of colour of :func:`over_rate`."""
    layers = len(layer_columns(rows, "rate"))
    if layers == 1:
        colour_bar(axes, drawn, r"$\beta$  (price of a nat)", format=_PLAIN)
    else:
        colour_bar(axes, drawn, f"share of the total rate in z$_{layers}$")


def over_beta(axes: Axes, rows: pd.DataFrame, metric: Metric) -> PathCollection:
    """A metric over the one beta that all layers share; returns the points."""
    value = rows[metric.column]
    axes.set_xscale("log")
    drawn = draw_points(axes, rows["beta_1"], value, value, colours_of(metric), norm_of(value))
    draw_rings(axes, rows["beta_1"], value, rows, hull_of(rows, metric))
    _beta_axis(axes.xaxis, rows["beta_1"])
    axes.set_xlabel(r"$\beta$  (price of a nat)")
    axes.set_ylabel(metric.label)
    axes.yaxis.set_major_formatter(formatter_of(metric))
    axes.grid(color=_GRID, lw=0.6)
    return drawn


def _beta_axis(axis: Axis, betas: pd.Series) -> None:
    """Ticks at the grid's own betas if they are few, at decades otherwise; written as plain numbers."""
    values = sorted(betas.unique())
    axis.set_major_locator(LogLocator(10) if len(values) > 9 else FixedLocator(values))
    axis.set_major_formatter(_PLAIN)
    axis.set_minor_locator(NullLocator())


def draw_points(
    axes: Axes, x: pd.Series, y: pd.Series, colour: pd.Series, colours: str | Colormap, scale: Normalize
) -> PathCollection:
    """One point a model, above grid and diagonals."""
    size = _size(len(x))
    return axes.scatter(x, y, c=colour, s=size, cmap=colours, norm=scale, edgecolors="#00000055", lw=0.5, zorder=3)


def draw_rings(axes: Axes, x: pd.Series, y: pd.Series, rows: pd.DataFrame, hull: list[int]) -> None:
    """Rings around beta-VAEs, plain VAEs and hull models; radii differ so that one point can wear two."""
    vae = plain_vaes(rows)
    equal = beta_vaes(rows) & ~vae & ("beta_2" in rows)  # with one layer every model is one
    for chosen, colour, size in ((rows.index.isin(hull), HULL, 4.2), (equal, BETA_VAE, 2.0), (vae, VAE, 2.0)):
        rings = axes.scatter(x[chosen], y[chosen], s=size * _size(len(x)), facecolors="none", edgecolors=colour, lw=1.4)
        rings.set(zorder=4, path_effects=[OUTLINE])


def _size(count: int) -> float:
    """Area of a point in square typographic points; smaller where there are many."""
    return 46 if count <= 100 else 24


def colour_bar(axes: Axes, mappable: ScalarMappable, label: str, **options: Any) -> None:
    """The scale of colour beside its axes; ``options`` are those of matplotlib's ``colorbar``."""
    figure = axes.get_figure()
    assert figure is not None
    given: dict[str, Any] = {"shrink": 0.85, "pad": 0.03, **options}
    bar = figure.colorbar(mappable, ax=axes, **given)
    bar.set_label(label)
    bar.outline.set_visible(False)


def ring(colour: str, label: str) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], ls="", marker="o", ms=9, mfc="none", mec=colour, mew=1.5, label=label)


def rings_of(rows: pd.DataFrame, metrics: Iterable[Metric], best: str) -> list[Line2D]:
    """Legend entries for the rings that are drawn.

    Args:
        rows: measured rows.
        metrics: those drawn; a hull is named if one of them has a hull.
        best: what the hull's models are best in.
    """
    vae = plain_vaes(rows)
    entries: list[tuple[str, str, bool]] = [
        (VAE, "VAE: all betas 1", bool(vae.any())),
        (BETA_VAE, "beta-VAE: betas equal", bool((beta_vaes(rows) & ~vae).any()) and "beta_2" in rows),
        (HULL, f"upper hull: best {best} for its total rate", any(hull_of(rows, metric) for metric in metrics)),
    ]
    return [ring(colour, label) for colour, label, drawn in entries if drawn]


def legend(figure: Figure, entries: list[Line2D], where: Any = "outside upper right") -> None:
    """One legend for all panels, in as many lines as it needs; ``where`` is matplotlib's ``loc``."""
    if not entries:
        return
    letter, mark = 0.075, 0.6  # inches, at 9 points
    longest = max(len(str(entry.get_label())) for entry in entries)
    lines = math.ceil(len(entries) * (letter * longest + mark) / figure.get_figwidth())
    figure.legend(handles=entries, loc=where, ncols=math.ceil(len(entries) / lines), frameon=False, fontsize=9)


def footnote(table: Table) -> str:
    """How many runs are shown, and how many are not and why."""
    diverged = int((table.rows["status"] != "ok").sum()) if len(table.rows) else 0
    counts = {"diverged": diverged, "not done": table.missing, "unreadable": len(table.broken)}
    shown = len(table.rows) - diverged
    absent = [f"{count} {reason}" for reason, count in counts.items() if count]
    text = f"{shown} of {len(table.rows) + table.missing + len(table.broken)} runs shown"
    return f"{text}; not shown: {', '.join(absent)}" if absent else text


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as ``NAME.png`` and ``NAME.pdf``; the same figure gives the same files.

    Raises:
        RecordError: a file cannot be written.
    """
    png, pdf, dpi = io.BytesIO(), io.BytesIO(), figure.dpi
    FigureCanvasAgg(figure).print_png(png)
    figure.set_layout_engine("none")  # laid out once, for this file and any later one
    FigureCanvasPdf(figure).print_pdf(pdf, metadata={"CreationDate": None})  # leaves the figure at its own 72 dpi
    figure.set_dpi(dpi)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    for path, content in zip(paths, (png, pdf), strict=True):
        write_atomically(path, content.getvalue())
    return paths
