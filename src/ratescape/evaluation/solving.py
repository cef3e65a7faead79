"""The betas at which a conditioned network has the rates that were asked for: found, not trained."""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from ratescape.data.batches import Images
from ratescape.errors import SpecError
from ratescape.evaluation.grid import measured_grid
from ratescape.evaluation.rates import rates
from ratescape.model.conditioning import Conditioned

Status = Literal["reached", "rate_ceiling", "rate_floor", "joint_infeasible"]

TOLERANCE = 0.03
"""Largest relative error of a rate that counts as reached."""

SMALL = 0.05
"""Nats added to rates before logarithms are taken: errors of a rate near nothing count in nats, not in per cent."""

STARTS = 2
"""Points of a coarse grid that the search begins from, those nearest to the rates wanted."""

COARSE = 6
"""Betas on each axis of the coarse grid."""

STEP = 0.05
"""Step in log beta over which slopes are measured, well above what float32 rounding hides."""


class Solution(NamedTuple):
    """What was found for rates that were asked for. Lists run over the layers, top first; nats per image."""

    betas: tuple[float, ...]
    rates: tuple[float, ...]
    distortion: float
    psnr: float
    """dB."""
    statuses: dict[int, Status]
    """By the number of each layer with a target: whether its rate is within the tolerance, and if not, why."""
    errors: dict[int, float]
    """Relative error of each target, by layer."""
    freedom: float
    """Factor by which the betas may change along some direction, to first order, with all rates within the tolerance;
    large where layers trade rate almost freely, near equal betas."""

    @property
    def reached(self) -> bool:
        return all(status == "reached" for status in self.statuses.values())


def betas_for(
    network: Conditioned, images: Images, wanted: Mapping[int, float], *, seed: int = 0, tolerance: float = TOLERANCE
) -> Solution:
    """The betas in the network's box at which its mean rates on ``images`` are those wanted.

    Starts from the nearest points of a coarse grid, follows the log rates by least squares over the log betas, and of
    the ends within the tolerance takes the one of the lowest distortion; where there is none, the nearest.

    Args:
        wanted: rates in nats by layer number (L is the top layer, 1 the lowest). Layers without one share a free beta
            that is chosen for the lowest distortion: the box's smallest.
        seed: of the latents drawn, the same in every measurement, so that the search sees a smooth function.
        tolerance: largest relative error that counts as reached.

    Raises:
        SpecError: no rate was wanted, of a layer that is not there, or one that is not positive and finite.
    """
    layers = len(network.latent_shapes)
    for layer, rate in wanted.items():
        if not 1 <= layer <= layers:
            raise SpecError(f"a rate is wanted for layer {layer}: the layers are {layers} (top) to 1")
        if not (rate > 0 and math.isfinite(rate)):
            raise SpecError(f"the rate wanted for layer {layer} is {rate!r}: it must be above 0 and finite, in nats")
    if not wanted:
        raise SpecError("no rate was wanted: give one for one layer at least")
    search = _Search(network, images, dict(sorted(wanted.items(), reverse=True)), seed)
    ends = [search.follow(start) for start in search.starts()]
    within = [end for end in ends if np.abs(search.errors(end)).max() <= tolerance]
    if within:
        best = min(within, key=lambda logs: search.measure(logs)[1])
    else:
        best = min(ends, key=lambda logs: float(np.abs(search.gaps(logs)).max()))
    return search.solution(best, tolerance)


Logs = npt.NDArray[np.float64]


class _Search:
    """Measurements of one network at log betas of the groups that have a layer with a target, each made once."""

    def __init__(self, network: Conditioned, images: Images, wanted: dict[int, float], seed: int) -> None:
        self.network = network
        self.images = images
        self.seed = seed
        self.layers = len(network.latent_shapes)
        self.places = [self.layers - layer for layer in wanted]
        groups = [network.groups[place] for place in self.places]
        self.axes = list(dict.fromkeys(groups))  # layers of a group share a beta
        self.axis_of = [self.axes.index(group) for group in groups]
        self.numbers = list(wanted)
        self.wanted = np.array(list(wanted.values()))
        self.low, self.high = math.log(network.low), math.log(network.high)
        self.known: dict[tuple[float, ...], tuple[Logs, float]] = {}

    def betas(self, logs: Logs) -> tuple[float, ...]:
        """Betas of all layers, top first."""
        full = np.full(self.layers, self.low)
        for group, log in zip(self.axes, np.clip(logs, self.low, self.high), strict=True):
            full[[place for place, of in enumerate(self.network.groups) if of == group]] = log
        return tuple(float(f"{beta:.10g}") for beta in np.exp(full))

    def measure(self, logs: Logs) -> tuple[Logs, float]:
        """Rates of the layers with a target, and distortion."""
        betas = self.betas(logs)
        if betas not in self.known:
            measured = rates(self.network.at(betas), self.images, self.seed)
            layers = measured.rates.mean(0).cpu().numpy()[self.places]
            self.known[betas] = (layers, measured.distortion.mean().item())
        return self.known[betas]

    def gaps(self, logs: Logs) -> Logs:
        """Differences of log rates, of which least squares are taken."""
        return np.log((self.measure(logs)[0] + SMALL) / (self.wanted + SMALL))

    def errors(self, logs: Logs) -> Logs:
        """Relative errors."""
        return self.measure(logs)[0] / self.wanted - 1

    def starts(self) -> list[Logs]:
        """The points of a coarse grid whose rates are nearest to those wanted."""
        axis = np.linspace(self.low, self.high, COARSE)
        grid = np.stack(np.meshgrid(*[axis] * len(self.axes), indexing="ij"), -1).reshape(-1, len(self.axes))
        return sorted(grid, key=lambda logs: float(np.square(self.gaps(logs)).sum()))[:STARTS]

    def slopes(self, logs: Logs) -> npt.NDArray[np.float64]:
        """d gap / d log beta, by central differences inside the box."""
        columns: list[Logs] = []
        for index in range(len(logs)):
            ahead, behind = logs.copy(), logs.copy()
            ahead[index] = min(logs[index] + STEP, self.high)
            behind[index] = max(logs[index] - STEP, self.low)
            columns.append((self.gaps(ahead) - self.gaps(behind)) / (ahead[index] - behind[index]))
        return np.stack(columns, 1)

    def follow(self, start: Logs) -> Logs:
        inside = np.clip(start, self.low + 1e-6, self.high - 1e-6)
        found = least_squares(
            self.gaps, inside, jac=self.slopes, bounds=(self.low, self.high), xtol=1e-3, gtol=1e-4, max_nfev=8
        )
        return found.x

    def solution(self, logs: Logs, tolerance: float) -> Solution:
        errors = self.errors(logs)
        (point,) = measured_grid(self.network, self.images, [self.betas(logs)], self.seed)
        weakest = np.linalg.svd(self.slopes(logs), compute_uv=False).min()
        statuses: dict[int, Status] = {
            number: self._status(float(logs[axis]), float(error), tolerance)
            for number, axis, error in zip(self.numbers, self.axis_of, errors, strict=True)
        }
        return Solution(
            betas=self.betas(logs),
            rates=tuple(point.rates),
            distortion=point.distortion,
            psnr=point.psnr,
            statuses=statuses,
            errors={number: float(error) for number, error in zip(self.numbers, errors, strict=True)},
            freedom=float(np.exp(min(tolerance / max(weakest, 1e-12), self.high - self.low))),
        )

    def _status(self, log: float, error: float, tolerance: float) -> Status:
        if abs(error) <= tolerance:
            return "reached"
        edge = 1e-3 * (self.high - self.low)
        if error < 0 and log <= self.low + edge:
            return "rate_ceiling"
        if error > 0 and log >= self.high - edge:
            return "rate_floor"
        return "joint_infeasible"
