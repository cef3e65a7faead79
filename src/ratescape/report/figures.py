"""The rate landscape as a figure, drawn with matplotlib's object interface alone (no global state, no LaTeX)."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ratescape.records import SweepFolder, Table, landscape, layer_columns, write_atomically
from ratescape.selection import METRICS, Metric, beta_vaes, finished, hull_of, metrics_of, plain_vaes

HULL, BETA_VAE, VAE = "#8e24aa", "#d62728", "#000000"
"""Colours of the rings, as in the paper."""

READABLE_ASPECT = 2.5
"""Axes are drawn to one scale only if neither range is more than so many times the other."""

_GREY = "#8a8f98"
_OUTLINE = withStroke(linewidth=2.5, foreground="white")


def landscape_figure(table: Table, metric: Metric) -> Figure:
    """Draw a metric over the layer rates, and over the betas.

    With two layers these are the two planes of the paper; with one layer, curves over the rate and over beta;
    with more layers, the metric over the total rate (colour: the share of the top layer), and the plane of the
    top layer's rate against that of all layers below.

    Raises:
        SpecError: no run has numbers to draw.
    """
    rows = finished(table)
    figure = Figure(figsize=(11.5, 5.4), dpi=150, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08))
    left, right = figure.subplots(1, 2)
    layers = len(layer_columns(rows, "rate"))
    if layers == 1:
        _over_rate(left, rows, metric, None)
        _over_beta(right, rows, metric)
    elif layers == 2:
        _rate_plane(left, rows, metric)
        if beta_vaes(rows).all():
            _over_beta(right, rows, metric)
        else:
            _beta_plane(right, table.rows, rows, metric)
    else:
        _over_rate(left, rows, metric, rows[layer_columns(rows, "rate")[0]] / rows["rate"].clip(lower=1e-9))
        _rate_plane(right, rows, metric)
    figure.suptitle(f"{metric.label} on {table.split}", fontsize=13, x=0.02, ha="left")
    _legend(figure, rows, metric)
    figure.supxlabel(footnote(table), fontsize=8, color="#555555")
    FigureCanvasAgg(figure)
    return figure


def footnote(table: Table) -> str:
    """How many runs are shown, and how many are not and why."""
    diverged = int((table.rows["status"] != "ok").sum()) if len(table.rows) else 0
    counts = {"diverged": diverged, "not done": table.missing, "unreadable": len(table.broken)}
    shown = len(table.rows) - diverged
    absent = [f"{count} {reason}" for reason, count in counts.items() if count]
    text = f"{shown} of {len(table.rows) + table.missing + len(table.broken)} runs shown"
    return f"{text}; not shown: {', '.join(absent)}" if absent else text


def save_figures(folder: SweepFolder) -> list[Path]:
    """Write ``figures/landscape.png`` and ``.pdf`` of a sweep; the metric is the first that was measured.

    Raises:
        RatescapeError: the folder is no sweep, has nothing to draw, or cannot be written.
    """
    table = landscape(folder)
    metrics = metrics_of(finished(table))
    figure = landscape_figure(table, metrics[0] if metrics else METRICS["rate"])
    paths: list[Path] = []
    for ending, canvas in (("png", FigureCanvasAgg(figure)), ("pdf", FigureCanvasPdf(figure))):
        content = io.BytesIO()
        undated = {"CreationDate": None} if ending == "pdf" else {}
        canvas.print_figure(content, format=ending, metadata=undated)
        paths.append(folder.path / "figures" / f"landscape.{ending}")
        write_atomically(paths[-1], content.getvalue())
    return paths


def _colours(metric: Metric) -> str:
    """Viridis, bright for good."""
    return "viridis_r" if metric.higher_is_better is False else "viridis"


def _norm(values: pd.Series) -> Normalize:
    low, high = float(values.min()), float(values.max())
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def _rate_plane(axes: Axes, rows: pd.DataFrame, metric: Metric) -> None:
    """Points at (rate of the top layer, rate of all layers below)."""
    top = rows[layer_columns(rows, "rate")[0]]
    below = rows["rate"] - top
    layers = len(layer_columns(rows, "rate"))
    _frame(axes, top, below)
    _diagonals(axes)
    hull = hull_of(rows, metric)
    axes.plot(top[hull], below[hull], ":", color=HULL, lw=1.2, zorder=2)
    points = _points(axes, top, below, rows[metric.column], _colours(metric), _norm(rows[metric.column]))
    _rings(axes, top, below, rows, hull)
    axes.set_xlabel(f"R(z$_{layers}$)  (nats/image)")
    axes.set_ylabel(f"R({', '.join(f'z$_{k}$' for k in range(layers - 1, 0, -1))} | z$_{layers}$)  (nats/image)")
    _colour_bar(axes, points, metric.label)


def _frame(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    """Limits from zero with a margin; one scale for both axes where that stays readable."""
    width, height = max(float(x.max()), 0.1), max(float(y.max()), 0.1)
    axes.set_xlim(-0.05 * width, 1.08 * width)
    axes.set_ylim(-0.05 * height, 1.08 * height)
    if 1 / READABLE_ASPECT <= height / width <= READABLE_ASPECT:
        axes.set_aspect("equal", adjustable="box")


def _diagonals(axes: Axes) -> None:
    """Lines of equal total rate, labelled in nats where they enter the plot."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for total in MaxNLocator(8).tick_values(0, right + top):
        if not 0 < total < right + top:
            continue
        axes.plot([left, right], [total - left, total - right], color="#c9ccd1", lw=0.8, zorder=0, scalex=False)
        x = max(left, total - top)
        if x < right - 0.08 * (right - left):
            label = axes.annotate(f"{total:g}", (x, total - x), (3, -3), textcoords="offset points", va="top")
            label.set(fontsize=7.5, color=_GREY, path_effects=[_OUTLINE], zorder=1)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _beta_plane(axes: Axes, asked: pd.DataFrame, rows: pd.DataFrame, metric: Metric) -> None:
    """One cell for each (beta_2, beta_1), split among the seeds; a cross where a training diverged."""
    seeds = sorted(asked["seed"].unique())
    step_2, step_1 = _log_step(asked["beta_2"]), _log_step(asked["beta_1"])
    norm, colours = _norm(rows[metric.column]), _colours(metric)
    mappable = ScalarMappable(norm, colours)
    axes.set(xscale="log", yscale="log")
    for _, row in rows.iterrows():
        low, width = _slice(float(row["beta_2"]), step_2, seeds.index(row["seed"]), len(seeds))
        bottom, height = _slice(float(row["beta_1"]), step_1, 0, 1)
        axes.add_patch(Rectangle((low, bottom), width, height, facecolor=mappable.to_rgba(row[metric.column])))
    diverged = asked[asked["status"] != "ok"]
    axes.plot(diverged["beta_2"], diverged["beta_1"], "x", color=_GREY, ms=8)
    _rings(axes, rows["beta_2"], rows["beta_1"], rows, hull_of(rows, metric))
    _beta_axis(axes.xaxis, asked["beta_2"])
    _beta_axis(axes.yaxis, asked["beta_1"])
    axes.set_xlim(asked["beta_2"].min() / step_2**0.6, asked["beta_2"].max() * step_2**0.6)
    axes.set_ylim(asked["beta_1"].min() / step_1**0.6, asked["beta_1"].max() * step_1**0.6)
    axes.set_box_aspect(1)
    axes.set_xlabel(r"$\beta_2$  (price of a nat in z$_2$)")
    axes.set_ylabel(r"$\beta_1$  (price of a nat in z$_1$)")
    _colour_bar(axes, mappable, metric.label)


def _log_step(betas: pd.Series) -> float:
    """Smallest ratio between neighbouring values of a beta grid."""
    values = np.sort(betas.unique())
    return float((values[1:] / values[:-1]).min()) if len(values) > 1 else 2.0


def _slice(beta: float, step: float, index: int, count: int) -> tuple[float, float]:
    """Lower end and width of the ``index``-th of ``count`` slices of the cell around a beta."""
    edges = beta * step ** (np.array([index, index + 1]) / count * 0.96 - 0.48)
    return float(edges[0]), float(edges[1] - edges[0])


def _over_rate(axes: Axes, rows: pd.DataFrame, metric: Metric, share: pd.Series | None) -> None:
    """A metric over the total rate with its hull; colour: the share of the top layer if there are several."""
    hull = hull_of(rows, metric)
    value = rows[metric.column]
    axes.plot(rows["rate"][hull], value[hull], ":", color=HULL, lw=1.2, zorder=2)
    if share is None:
        points = _points(axes, rows["rate"], value, rows["beta_1"], "cividis", LogNorm())
        _colour_bar(axes, points, r"$\beta$")
    else:
        points = _points(axes, rows["rate"], value, share, "cividis", Normalize(0, max(0.01, float(share.max()))))
        _colour_bar(axes, points, f"share of the total rate in z$_{len(layer_columns(rows, 'rate'))}$")
    _rings(axes, rows["rate"], value, rows, hull)
    axes.set_xlabel("total rate  (nats/image)")
    axes.set_ylabel(metric.label)
    axes.grid(color="#e6e8eb", lw=0.6)


def _over_beta(axes: Axes, rows: pd.DataFrame, metric: Metric) -> None:
    """A metric over the one beta that all layers share."""
    value = rows[metric.column]
    axes.set_xscale("log")
    points = _points(axes, rows["beta_1"], value, value, _colours(metric), _norm(value))
    _rings(axes, rows["beta_1"], value, rows, hull_of(rows, metric))
    _beta_axis(axes.xaxis, rows["beta_1"])
    axes.set_xlabel(r"$\beta$  (price of a nat)")
    axes.set_ylabel(metric.label)
    axes.grid(color="#e6e8eb", lw=0.6)
    _colour_bar(axes, points, metric.label)


def _beta_axis(axis: Axis, betas: pd.Series) -> None:
    """Ticks at the grid's own betas if they are few, at decades otherwise; written as plain numbers."""
    values = sorted(betas.unique())
    axis.set_major_locator(LogLocator(10) if len(values) > 9 else FixedLocator(values))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    axis.set_minor_locator(NullLocator())


def _points(
    axes: Axes, x: pd.Series, y: pd.Series, colour: pd.Series, colours: str | Colormap, norm: Normalize
) -> PathCollection:
    return axes.scatter(
        x, y, c=colour, s=_size(len(x)), cmap=colours, norm=norm, edgecolors="#00000055", lw=0.5, zorder=3
    )


def _rings(axes: Axes, x: pd.Series, y: pd.Series, rows: pd.DataFrame, hull: list[int]) -> None:
    """Rings around beta-VAEs, plain VAEs and hull models; radii differ so that one point can wear two."""
    vae = plain_vaes(rows)
    equal = beta_vaes(rows) & ~vae
    for chosen, colour, size in ((rows.index.isin(hull), HULL, 4.2), (equal, BETA_VAE, 2.0), (vae, VAE, 2.0)):
        rings = axes.scatter(x[chosen], y[chosen], s=size * _size(len(x)), facecolors="none", edgecolors=colour, lw=1.4)
        rings.set(zorder=4, path_effects=[_OUTLINE])


def _size(count: int) -> float:
    """Area of a point in square typographic points; smaller where there are many."""
    return 46 if count <= 100 else 24


def _colour_bar(axes: Axes, mappable: ScalarMappable, label: str) -> None:
    figure = axes.get_figure()
    assert figure is not None
    bar = figure.colorbar(mappable, ax=axes, shrink=0.85, pad=0.03)
    bar.set_label(label)
    bar.outline.set_visible(False)


def _legend(figure: Figure, rows: pd.DataFrame, metric: Metric) -> None:
    """One legend for all panels, below them; it names only what is drawn."""
    vae = plain_vaes(rows)
    entries: list[tuple[str, str, bool]] = [
        (VAE, "VAE: all betas 1", bool(vae.any())),
        (BETA_VAE, "beta-VAE: betas equal", bool((beta_vaes(rows) & ~vae).any()) and "beta_2" in rows),
        (HULL, f"upper hull: best {metric.name} for its total rate", bool(hull_of(rows, metric))),
    ]
    rings = [
        Line2D([], [], ls="", marker="o", ms=9, mfc="none", mec=colour, mew=1.5, label=label)
        for colour, label, drawn in entries
        if drawn
    ]
    if rings:
        figure.legend(handles=rings, loc="outside upper right", ncols=len(rings), frameon=False, fontsize=9)
