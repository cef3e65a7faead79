"""What a landscape says between its measured points: rates and PSNR at any betas, betas for rates, the hull."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator
from scipy.optimize import least_squares

from ratescape.selection.hull import upper_hull

Numbers = npt.NDArray[np.float64]

SMALL = 0.05
"""Nats added before logarithms are taken of rates: below, a layer has collapsed, and how far does not matter."""

ON_HULL = 0.05
"""Decibels below the hull that nobody sees."""


class Measured(NamedTuple):
    """What was measured at one point; lists run over the groups of layers, top first."""

    betas: tuple[float, ...]
    rates: tuple[float, ...]
    """Nats per image."""
    psnr: float
    """dB."""


class Surface:
    """Rates and PSNR between measured points: a thin-plate spline over log betas that goes through all of them.

    Example::

        surface = Surface(points)
        surface.at((0.3, 2.5)).rates

    Args:
        points: all of different betas. With too few for a spline, the nearest one is taken.
    """

    def __init__(self, points: Sequence[Measured]) -> None:
        self.points = list({point.betas: point for point in points if _known(point)}.values())
        self.logs = np.log([point.betas for point in self.points]).reshape(len(self.points), -1)
        self.values = np.array([[*np.log(np.array(p.rates) + SMALL), p.psnr] for p in self.points])
        self.box = np.array([self.logs.min(0), self.logs.max(0)])
        self._spline = self._fitted()
        total = np.array([sum(point.rates) for point in self.points])
        psnr = self.values[:, -1]
        vertices = upper_hull(total, psnr)
        self.hull: tuple[Numbers, Numbers] = (total[vertices], psnr[vertices])
        """Total rates and PSNR of the upper hull's vertices, by ascending rate; the last is the highest PSNR."""
        self.most = float(total.max())
        """The largest total rate that was measured."""

    def at(self, betas: Sequence[float]) -> Measured:
        """Rates and PSNR at betas of the groups, top first."""
        found = self._values(np.log(np.array(betas, dtype=float)))
        rates = np.maximum(np.exp(found[:-1]) - SMALL, 0)
        return Measured(tuple(betas), tuple(rates.tolist()), float(found[-1]))

    def gap(self, rate: float, psnr: float) -> float | None:
        """Decibels from a model up to the hull at its rate or below it; None where no measured model compares.

        That is where all were measured at more rate, or all at less.
        """
        rates, heights = self.hull
        if not rates[0] - SMALL <= rate <= self.most + SMALL:
            return None
        return float(np.interp(rate, rates, heights)) - psnr

    def betas_near(self, rates: Sequence[float], low: float, high: float) -> tuple[float, ...]:
        """Betas within a box at which rates are nearest to these, by least squares of log rates."""
        wanted = np.log(np.array(rates, dtype=float) + SMALL)
        start = self.logs[int(np.square(self.values[:, :-1] - wanted).sum(1).argmin())]
        ends = math.log(low), math.log(high)
        inside = np.clip(start, ends[0] + 1e-9, ends[1] - 1e-9)
        found = least_squares(lambda logs: self._values(logs)[:-1] - wanted, inside, bounds=ends, max_nfev=40)
        return tuple(np.exp(found.x).tolist())

    def slopes(self, betas: Sequence[float]) -> Numbers:
        """d log rate / d log beta, ``[G, G]``: a row for each rate."""
        logs, step = np.log(np.array(betas, dtype=float)), 0.05
        shifts = np.eye(len(logs)) * step
        return np.stack([(self._values(logs + s) - self._values(logs - s))[:-1] / (2 * step) for s in shifts], 1)

    def _values(self, logs: Numbers) -> Numbers:
        if self._spline is None:
            return self.values[int(np.square(self.logs - logs).sum(1).argmin())]
        return self._spline(logs[None])[0]

    def _fitted(self) -> RBFInterpolator | None:
        axes = self.logs.shape[1]
        spread = np.linalg.matrix_rank(self.logs - self.logs.mean(0), tol=1e-6)
        return RBFInterpolator(self.logs, self.values) if len(self.points) > axes + 1 and spread == axes else None


def hull_words(gap: float | None, rate: float) -> str:
    """Where a model lies to the hull, in words."""
    if gap is None:
        return f"no model of the landscape has {rate:.3g} nats to compare with"
    if gap < -ON_HULL:
        return f"{-gap:.2g} dB above the hull of the measured models at {rate:.3g} nats"
    if gap <= ON_HULL:
        return f"on the hull at {rate:.3g} nats: no measured model reconstructs better at this rate"
    return f"{gap:.2g} dB below the hull at {rate:.3g} nats"


def _known(point: Measured) -> bool:
    return all(math.isfinite(number) for number in (*point.betas, *point.rates, point.psnr))
