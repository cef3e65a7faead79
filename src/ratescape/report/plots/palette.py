"""Colours, and how numbers of a metric are written: bright is good, in an order that colour-blind readers see."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from ratescape.metrics import SUBSCRIPTS, Metric

HULL, BETA_VAE, VAE = "#8e24aa", "#d62728", "#000000"
"""Colours of the rings, as in the paper."""

GREY, GRID, QUIET = "#8a8f98", "#e6e8eb", "#555555"
"""Colours of what stands back: marks without a colour of their own, lines of the grid, notes."""

OUTLINE = withStroke(linewidth=2.5, foreground="white")

PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.4g}")
"""Writes fractions in percent."""

PLAIN = FuncFormatter(lambda value, _: f"{value:.2g}")
"""Writes betas."""

NUMBER = FuncFormatter(lambda value, _: f"{value:.6g}".replace("-", "−"))
"""Writes all other numbers."""

_BAR_TICKS = 6
"""Numbers beside a scale of colour, at most."""

BAR = "colour bar"
"""What the artists of a scale of colour are called (their ``gid``)."""

_SHADES = np.linspace(0, 1, 256)[:, None]
"""From one end of a scale of colour to the other, shape [256, 1]."""


def latent(layer: int) -> str:
    """The latents of a layer: z₂. Signs of the font are drawn several times as fast as formulas."""
    return f"z{layer}".translate(SUBSCRIPTS)


def formatter_of(metric: Metric) -> FuncFormatter:
    """How numbers of a metric are written on axes and colour bars."""
    return PERCENT if metric.percent else NUMBER


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


def colour_bar(axes: Axes, mappable: ScalarMappable, label: str, written: FuncFormatter = NUMBER) -> None:
    """The scale of colour to the right of its axes, as high as they are: a picture and texts, no axes of its own.

    Args:
        axes: whose colours it explains.
        mappable: the scale.
        label: what the numbers are; empty for nothing.
        written: how they are written.
    """
    scale = mappable.norm
    assert isinstance(scale, Normalize)
    inch = axes.figure.dpi / axes.bbox.width  # in widths of the axes
    extent = (1 + 0.1 * inch, 1 + 0.22 * inch, 0.04, 0.96)
    bar = AxesImage(axes, cmap=mappable.cmap, extent=extent, origin="lower", interpolation="bilinear")
    bar.set_data(_SHADES)
    bar.set(transform=axes.transAxes, clip_on=False, gid=BAR)
    axes.add_artist(bar)
    look: dict[str, Any] = {"transform": axes.transAxes, "va": "center", "fontsize": 9}
    for value in _bar_ticks(scale):
        height = extent[2] + (extent[3] - extent[2]) * float(scale(value))
        axes.text(extent[1] + 0.05 * inch, height, written(value, None), gid=BAR, **look)
    if label:
        axes.text(1 + 0.72 * inch, 0.5, label, rotation=90, ha="center", gid=BAR, **look)


def _bar_ticks(scale: Normalize) -> list[float]:
    """Round numbers within a scale of colour."""
    low, high = float(scale.vmin or 0), float(scale.vmax or 0)
    locator = LogLocator(subs=(1, 2, 5)) if isinstance(scale, LogNorm) else MaxNLocator(_BAR_TICKS, steps=[1, 2, 5, 10])
    margin = 1e-9 * (high - low)
    return [float(value) for value in locator.tick_values(low, high) if low - margin <= value <= high + margin]
