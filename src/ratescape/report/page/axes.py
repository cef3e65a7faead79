"""Axes of the page's plots: limits, ticks, and lines of equal total rate."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ratescape.report.page.names import short
from ratescape.report.plots.geometry import LEAST_FILL, Limits, diagonals

_MARGIN = 0.07
"""Room for rings around the outermost models, as a part of the range."""

_LABEL_ROOM = 0.12
"""Part of the x axis that the label of a diagonal needs."""

_CELL_MARGIN = 0.58
"""From the middle of the outermost cells to the end of the axis, in cells."""

_MANY_TICKS = 9
"""Betas up to which each gets a tick; of more, the powers of ten."""


def extent(values: Iterable[float | None]) -> Limits:
    """Smallest and largest known value; half a unit around it if it is one value."""
    known = [value for value in values if value is not None] or [0.0]
    low, high = min(known), max(known)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def limits(values: Iterable[float | None], from_zero: bool = False) -> Limits:
    """Ends of a linear axis with a margin; from zero where rates are shown."""
    low, high = extent(values)
    start = 0.0 if from_zero else low
    margin = _MARGIN * ((high - start) or 1)
    return start - margin, high + margin


def rate_frame(x: Limits, y: Limits) -> dict[str, Any]:
    """Axes of a plane of rates: limits, when a nat may be equally long on both, and lines of equal total rate.

    Whether the plane would be a strip depends on its place, which only the page knows.
    """
    lines = [
        {"x": line.x, "y": line.y, "label": short(line.total) if line.enters_before(_LABEL_ROOM, x) else None}
        for line in diagonals(x, y)
    ]
    return {"x": {"limits": x}, "y": {"limits": y}, "least_fill": LEAST_FILL, "diagonals": lines}


def grid_axis(betas: Iterable[float], step: float) -> dict[str, Any]:
    """A logarithmic axis over the cells of a grid of betas.

    Args:
        step: smallest ratio between neighbouring betas.
    """
    values = sorted(set(betas))
    margin = _CELL_MARGIN * math.log10(step)
    ends = (math.log10(values[0]) - margin, math.log10(values[-1]) + margin)
    return {"log": True, "limits": ends, "ticks": beta_ticks(values), "cells": len(values)}


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis over betas that lie on no grid, with ticks at 1, 2 and 5 times powers of ten."""
    marks = [float(f"{digit}e{power}") for power in range(-3, 3) for digit in (1, 2, 5)]
    ends = (math.log10(min(values) / 1.4), math.log10(max(values) * 1.4))
    return {"log": True, "limits": ends, "ticks": {"tickvals": marks, "ticktext": [f"{mark:g}" for mark in marks]}}


def beta_ticks(values: Sequence[float]) -> dict[str, Any]:
    """Ticks at the grid's own betas if they are few, at powers of ten otherwise; keys as Plotly names them."""
    shown = [value for value in values if len(values) <= _MANY_TICKS or _is_power_of_ten(value)]
    return {"tickvals": shown, "ticktext": [f"{float(f'{value:.2g}'):g}" for value in shown]}


def _is_power_of_ten(value: float) -> bool:
    return abs(math.log10(value) - round(math.log10(value))) < 1e-6
