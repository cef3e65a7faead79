"""Where things lie in the planes of rates and of betas: numbers only, the same for figures and page."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

READABLE_ASPECT = 2.5
"""Two axes share one scale only if neither range is more than this many times the other."""

_LINES, _ROUND = 9, [1, 2, 5, 10]
"""Lines of equal total rate, at most; the digits of their steps."""

Limits = tuple[float, float]
"""Lower and upper end of an axis."""


class Diagonal(NamedTuple):
    """The line of equal total rate within a plane of rates, from its upper left to its lower right end."""

    total: float
    """Rate of all layers together, nats per image."""
    x: Limits
    y: tuple[float, float]

    def enters_before(self, fraction: float, limits: Limits) -> bool:
        """Whether its upper left end leaves more than this fraction of the x axis free: room for a label."""
        left, right = limits
        return self.x[0] < right - fraction * (right - left)


def diagonals(x: Limits, y: Limits) -> list[Diagonal]:
    """Lines of equal total rate, at round numbers of nats, cut off at the limits of both axes.

    Example::

        diagonals((0, 30), (0, 20))  # totals 10, 20, 30, 40 nats per image
    """
    (left, right), (bottom, top) = x, y
    found: list[Diagonal] = []
    for total in map(float, MaxNLocator(_LINES, steps=_ROUND).tick_values(0, right + top)):
        if 0 < total < right + top:
            start, end = max(left, total - top), min(right, total - bottom)
            found.append(Diagonal(total, (start, end), (total - start, total - end)))
    return found


def share_one_scale(x: Limits, y: Limits) -> bool:
    """Whether a nat may be equally long on both axes without making the plane a strip."""
    ratio = (y[1] - y[0]) / (x[1] - x[0])
    return 1 / READABLE_ASPECT <= ratio <= READABLE_ASPECT


def log_step(betas: pd.Series) -> float:
    """Smallest ratio between neighbouring values of a grid of betas; 2 if there is one value only."""
    values = np.sort(betas.unique())
    return float((values[1:] / values[:-1]).min()) if len(values) > 1 else 2.0


def cell_slice(beta: float, step: float, index: int, count: int) -> Limits:
    """Both ends of the ``index``-th of ``count`` slices, equal in log beta, of the cell around a beta.

    Args:
        step: ratio between neighbouring betas, as :func:`log_step` gives it.
    """
    low, high = beta * step ** (np.array([index, index + 1]) / count - 0.5)
    return float(low), float(high)
