"""What stands for models in a plot: points, the rings around some of them, and the legend that names the rings."""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ratescape.metrics import Metric
from ratescape.report.plots.palette import BETA_VAE, HULL, VAE
from ratescape.selection import beta_vaes, hull_of, plain_vaes

_RING, _HULL_RING = 2.0, 4.2
"""Areas of rings, in areas of a point: they differ so that one point can wear two."""

_HALO = 2.5
"""Width of the white line under a ring, in points."""


def draw_points(
    axes: Axes,
    x: pd.Series,
    y: pd.Series,
    colour: pd.Series,
    colours: str | Colormap,
    scale: Normalize,
    area: float | None = None,
) -> PathCollection:
    """One point a model, above grid and diagonals; its area is in square typographic points."""
    size = area or _size(len(x))
    return axes.scatter(x, y, c=colour, s=size, cmap=colours, norm=scale, edgecolors="#00000055", lw=0.5, zorder=3)


def draw_rings(
    axes: Axes, x: pd.Series, y: pd.Series, rows: pd.DataFrame, hull: list[int], area: float | None = None
) -> None:
    """Rings around beta-VAEs, plain VAEs and hull models, all on halos; ``area`` is that of the points."""
    vae = plain_vaes(rows)
    equal = beta_vaes(rows) & ~vae & ("beta_2" in rows)  # with one layer every model is one
    ringed = ((rows.index.isin(hull), HULL, _HULL_RING), (equal, BETA_VAE, _RING), (vae, VAE, _RING))
    at = np.concatenate([np.flatnonzero(chosen) for chosen, _, _ in ringed])
    counts = [int(np.count_nonzero(chosen)) for chosen, _, _ in ringed]
    sizes = np.repeat([size * (area or _size(len(x))) for _, _, size in ringed], counts)
    colours = [colour for (_, colour, _), count in zip(ringed, counts, strict=True) for _ in range(count)]
    twice, widths = np.tile(at, 2), np.repeat([_HALO, 1.4], len(at))  # halos first, rings upon them
    edges = ["white"] * len(at) + colours
    rings = axes.scatter(x.iloc[twice], y.iloc[twice], s=np.tile(sizes, 2), facecolors="none", edgecolors=edges)
    rings.set(linewidths=widths, zorder=4)


def draw_hull_line(axes: Axes, x: pd.Series, y: pd.Series, hull: list[int]) -> None:
    """A dotted line that joins the models of the hull by ascending total rate."""
    axes.plot(x[hull], y[hull], ":", color=HULL, lw=1.2, zorder=2)


def _size(count: int) -> float:
    """Area of a point in square typographic points; smaller where there are many."""
    return 46 if count <= 100 else 24


def ring(colour: str, label: str) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], ls="", marker="o", ms=9, mfc="none", mec=colour, mew=1.5, label=label)


def rings_of(rows: pd.DataFrame, metrics: Iterable[Metric], best: str) -> list[Line2D]:
    """Legend entries for the rings that are drawn.

    Args:
        rows: measured rows.
        metrics: those drawn; a hull is named if one of them has a hull.
        best: what the hull is of.
    """
    vae = plain_vaes(rows)
    entries: list[tuple[str, str, bool]] = [
        (VAE, "VAE: all betas 1", bool(vae.any())),
        (BETA_VAE, "beta-VAE: betas equal", bool((beta_vaes(rows) & ~vae).any()) and "beta_2" in rows),
        (HULL, f"on the hull of {best} over total rate", any(hull_of(rows, metric) for metric in metrics)),
    ]
    return [ring(colour, label) for colour, label, drawn in entries if drawn]


def legend(
    figure: Figure, entries: list[Line2D], where: Literal["lower center", "upper right"] = "lower center"
) -> None:
    """One legend for all panels, in as many lines as it needs."""
    if not entries:
        return
    letter, mark = 0.075, 0.6  # inches, at 9 points
    longest = max(len(str(entry.get_label())) for entry in entries)
    lines = math.ceil(len(entries) * (letter * longest + mark) / figure.get_figwidth())
    figure.legend(
        handles=entries,
        loc=where,
        ncols=math.ceil(len(entries) / lines),
        frameon=False,
        fontsize=9,
        borderaxespad=0.2,
    )
