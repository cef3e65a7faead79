"""Colours, and how numbers of a metric are written: bright is good, in an order that colour-blind readers see."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patheffects import withStroke
from matplotlib.ticker import Formatter, FuncFormatter, ScalarFormatter

from ratescape.metrics import Metric

HULL, BETA_VAE, VAE = "#8e24aa", "#d62728", "#000000"
"""Colours of the rings, as in the paper."""

GREY, GRID, QUIET = "#8a8f98", "#e6e8eb", "#555555"
"""Colours of what stands back: marks without a colour of their own, lines of the grid, notes."""

OUTLINE = withStroke(linewidth=2.5, foreground="white")

PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.4g}")
"""Writes fractions in percent."""

PLAIN = FuncFormatter(lambda value, _: f"{value:.2g}")
"""Writes betas."""


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


def colour_bar(axes: Axes, mappable: ScalarMappable, label: str, **options: Any) -> None:
    """The scale of colour beside its axes; ``options`` are those of matplotlib's ``colorbar``."""
    figure = axes.get_figure()
    assert figure is not None
    given: dict[str, Any] = {"shrink": 0.85, "pad": 0.03, **options}
    bar = figure.colorbar(mappable, ax=axes, **given)
    bar.set_label(label)
    bar.outline.set_visible(False)
