"""The landscape in between: one network conditioned on betas, measured on a fine grid of them without training."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ratescape.metrics import METRICS, Metric, layer_columns
from ratescape.records.fine import is_of_use, read_fine
from ratescape.records.folders import SweepFolder
from ratescape.records.table import FINE_IMAGES, Table
from ratescape.report.plots.betas import beta_axes
from ratescape.report.plots.canvas import Gaps, Margins, add_footnote, add_title, name_panel, new_figure, panels
from ratescape.report.plots.marks import draw_points, legend
from ratescape.report.plots.palette import BETA_VAE, OUTLINE, colour_bar, colours_of
from ratescape.report.plots.rates import rate_axes
from ratescape.report.plots.surface import triangles
from ratescape.selection import finished

IMAGES = f"up to {FINE_IMAGES:,} images"
"""What the fine landscape is measured on, as a sweep does it."""

LINES = 5
"""Betas of each layer whose lines are drawn over the plane of rates."""

_RATES, _BETAS = ("rate_2", "rate_1"), ("beta_2", "beta_1")
"""Columns of the two planes: what lies to the right, and upwards."""

_LABEL_SIZE = np.array([32.0, 9.0])
"""Width and height of the label of a beta with some air, in points."""

_INK = "#1b1e24"
_ROUND = [1, 2, 5, 10]


def fine_of(folder: SweepFolder) -> pd.DataFrame | None:
    """The fine landscape of two layers (:func:`ratescape.records.fine.read_fine`); None where there is none to draw.

    Raises:
        RecordError: its file is damaged.
    """
    found = read_fine(folder, uses=True)
    if found is None or len(layer_columns(found, "rate")) != 2 or found[_known(found)].dropna().empty:
        return None
    return found


def _known(found: pd.DataFrame) -> list[str]:
    """The columns that every fine landscape has."""
    return [name for name in found if not is_of_use(str(name))]


def over_grid(table: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """A column of the fine landscape over its betas, both ascending, shape [beta_1, beta_2]."""
    return table.pivot(index="beta_1", columns="beta_2", values=column).to_numpy()


def fine_figure(table: Table, between: pd.DataFrame) -> Figure:
    """PSNR (of vectors R^2) over the layer rates and over the betas, with the models of the sweep as dots.

    Args:
        table: the sweep's own models.
        between: the fine landscape of two layers.

    Raises:
        SpecError: no run has numbers to draw.
    """
    rows, metric = finished(table), METRICS["r2" if "r2" in between else "psnr"]
    figure = new_figure(11.5, 5.4)
    ((left, right),) = panels(figure, 1, 2, Margins(bottom=0.85, right=1.05, top=0.8), Gaps(across=1.0))
    everything = pd.concat([between, rows], ignore_index=True)
    levels = _levels(everything[metric.column])
    scale = Normalize(levels[0], levels[-1])
    rate_axes(left, everything)
    for diagonal in (*left.collections, *left.texts):
        diagonal.set_zorder(1.5)  # seen across the areas too
    _bands(left, between, _RATES, metric, levels)
    _beta_lines(left, between)
    beta_axes(right, between)
    bands = _bands(right, between, _BETAS, metric, levels)
    name_panel(right, "lines: total rate (nats)")
    total_rates(right, between)
    for axes, (x, y) in ((left, _RATES), (right, _BETAS)):
        equal = between[between["beta_2"] == between["beta_1"]].sort_values("beta_1")
        axes.plot(equal[x], equal[y], "--", color=BETA_VAE, lw=1.6, zorder=2.5, path_effects=[OUTLINE])
        dots = draw_points(axes, rows[x], rows[y], rows[metric.column], colours_of(metric), scale)
        dots.set(sizes=[22], edgecolor=_INK, lw=0.7)
    colour_bar(right, bands, metric.label)
    add_title(figure, f"{metric.label} on {table.split}: the landscape in between")
    legend(figure, _entries(), "upper right")
    areas = f"areas: one network conditioned on betas, at {len(between)} of them, on {IMAGES}"
    add_footnote(figure, f"{areas}; dots: {len(rows)} models")
    return figure


def _levels(values: pd.Series) -> list[float]:
    """Round numbers around all values, in steps that can be seen apart."""
    low, high = float(values.min()), float(values.max())
    return [float(level) for level in MaxNLocator(16, steps=_ROUND).tick_values(low, max(high, low + 0.1))]


def _bands(
    axes: Axes,
    between: pd.DataFrame,
    columns: tuple[str, str],
    metric: Metric,
    levels: list[float],
) -> QuadContourSet:
    """Filled contours of a metric over two columns; returns them.

    Contours are followed from cell to cell of the grid of betas, wherever the cells lie. Where the map from betas to
    rates folds, an outline that runs back over itself encloses nothing: the triangles beneath fill what it leaves.
    """
    known = between.dropna().reset_index(drop=True)
    x, y = (known[column] for column in columns)
    corners = triangles(known.assign(seed=0))
    look: dict[str, Any] = {"cmap": colours_of(metric), "norm": Normalize(levels[0], levels[-1]), "zorder": 1}
    if len(corners):
        axes.tripcolor(x, y, known[metric.column], triangles=corners, **look)
    across, up = (np.nan_to_num(over_grid(between, column)) for column in columns)
    values = np.ma.masked_invalid(over_grid(between, metric.column))
    return axes.contourf(across, up, values, levels=levels, **look)


def _beta_lines(axes: Axes, between: pd.DataFrame) -> None:
    """Lines of constant beta_2 and of constant beta_1 in the plane of rates, labelled where the rates are highest."""
    name_panel(axes, "lines: constant β₂ (solid) and β₁ (dotted)")
    axes.apply_aspect()  # where a point of data lies on paper is known from here on
    taken: list[npt.NDArray[np.float64]] = []
    ways = (("beta_2", "beta_1", "β₂", "-", (3, 5)), ("beta_1", "beta_2", "β₁", ":", (-32, 3)))
    for name, other, sign, style, offset in ways:
        betas = np.sort(between[name].unique())
        shown = betas[np.unique(np.linspace(0, len(betas) - 1, LINES).round().astype(int))]
        lines = [between[between[name] == beta].sort_values(other) for beta in shown]
        for line in lines:
            axes.plot(line["rate_2"], line["rate_1"], style, color=_INK, lw=0.8, zorder=2)
        for index in _ends_first(len(shown)):
            end = lines[index][["rate_2", "rate_1"]].to_numpy()[0]
            place = axes.transData.transform(end) * 72 / axes.figure.dpi + offset  # in points
            if any((np.abs(place - other) < _LABEL_SIZE).all() for other in taken):
                continue
            taken.append(place)
            label = f"{sign} {shown[index]:.2g}"
            text = axes.annotate(label, end, offset, textcoords="offset points", fontsize=7.5, color=_INK)
            text.set(path_effects=[OUTLINE], zorder=5)


def _ends_first(count: int) -> list[int]:
    """Positions from both ends inwards: where labels have no room, it is those of the middle that give way."""
    return sorted(range(count), key=lambda index: min(index, count - 1 - index))


def total_rates(axes: Axes, between: pd.DataFrame) -> None:
    """Labelled lines of equal total rate over the betas."""
    betas = (np.sort(between[name].unique()) for name in ("beta_2", "beta_1"))
    lines = axes.contour(
        *betas,
        np.ma.masked_invalid(over_grid(between, "rate")),
        colors=_INK,
        linewidths=0.8,
        zorder=2,
        locator=MaxNLocator(10, steps=_ROUND),
    )
    for text in axes.clabel(lines, fmt="%g", fontsize=7.5):
        text.set(path_effects=[OUTLINE], zorder=2.2)


def _entries() -> list[Line2D]:
    """Entries of the legend."""
    return [
        Line2D([], [], ls="--", color=BETA_VAE, lw=1.6, label="beta-VAE: betas equal"),
        Line2D([], [], ls="", marker="o", ms=4.5, mfc="none", mec=_INK, label="models of the sweep"),
    ]
