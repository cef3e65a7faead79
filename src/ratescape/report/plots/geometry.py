"""Where things lie in the planes of rates and of betas: numbers only, the same for figures and page."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

LEAST_FILL = 0.6
"""Two axes share one scale only if the plane then fills at least this part of its room, in width and in height."""

OWN_SCALE = "own scale"
"""What an axis says on which a nat is not as long as on the other."""

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


def share_one_scale(x: Limits, y: Limits, room: float) -> bool:
    """Whether a nat may be equally long on both axes without making the plane a strip.

    Args:
        room: how wide the place for the plane is, in its heights.

    Example::

        share_one_scale((0, 10), (0, 20), room=1)  # False: the plane would be half as wide as its place
    """
    ratio = room * (y[1] - y[0]) / (x[1] - x[0])  # height of the plane as wide as its place, in heights of that
    return LEAST_FILL <= ratio <= 1 / LEAST_FILL


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


SIMPLEX = ((0.5, 3**0.5 / 2), (0.0, 0.0), (1.0, 0.0))
"""Corners of the simplex of three shares, x and y: all in the first on top, in the second left, in the third right."""


def in_simplex(shares: Sequence[pd.Series]) -> tuple[pd.Series, pd.Series]:
    """Where three shares of a whole lie in the simplex, x and y.

    Example::

        in_simplex([pd.Series([1.0]), pd.Series([0.0]), pd.Series([0.0])])  # x 0.5, y 0.87: the top
    """
    one, _, three = shares
    return three + one / 2, one * SIMPLEX[0][1]


def simplex_lines(steps: int = 4) -> list[tuple[float, int, tuple[float, float], tuple[float, float]]]:
    """Lines of equal share across the simplex: the share, which of the three has it, and both ends.

    A line begins on the side where its number is written.
    """
    lines: list[tuple[float, int, tuple[float, float], tuple[float, float]]] = []
    for which in range(3):
        for share in (step / steps for step in range(1, steps)):
            ends = [_mixed(which, share, other) for other in ((which + 1) % 3, (which + 2) % 3)]
            lines.append((share, which, ends[0], ends[1]))
    return lines


def _mixed(one: int, share: float, other: int) -> tuple[float, float]:
    """The point of the simplex where one has a share and another all the rest."""
    (a, b), (c, d) = SIMPLEX[one], SIMPLEX[other]
    return share * a + (1 - share) * c, share * b + (1 - share) * d
