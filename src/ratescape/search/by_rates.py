"""The betas at which a conditioned network has the rates that were asked for: found, not trained."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from ratescape.compute.precision import arithmetic
from ratescape.data.batches import Images
from ratescape.evaluation.grid import measured_grid
from ratescape.evaluation.rates import rates
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.records.answers import MEANING, Answer, Outcome, Status
from ratescape.records.lines import betas_text
from ratescape.search.limits import TOLERANCE
from ratescape.search.shown import card
from ratescape.specs.grid import scattered
from ratescape.specs.rate_targets import SMALL, RateTarget, layers_text

STARTS = 2
"""Coarse points that the search begins from, those nearest to the rates wanted."""

COARSE = 6
"""Betas on each axis of the grid of coarse points, and of their diagonal where they are scattered."""

SCATTERED = 64
"""Points that are scattered in place of a grid where there are more than two axes, besides diagonal and corners."""

CORNER_AXES = 5
"""Axes up to which the corners of the box are among them: five have 32."""

STEP = 0.05
"""Step in log beta over which slopes are measured, well above what float32 rounding hides."""


def betas_for(
    network: Conditioned, images: Images, targets: Sequence[RateTarget], *, seed: int = 0, tolerance: float = TOLERANCE
) -> Answer:
    """The betas in the network's box at which its mean rates on ``images`` are those wanted.

    Starts from the nearest of some coarse points, a grid of 36 for two targets and at most 101 scattered ones for more,
    follows the log rates by least squares over the log betas, and of
    the ends within the tolerance takes the one of the lowest distortion; where there is none, the nearest.

    Args:
        targets: one at least. Layers of one target have one beta, at which their sum has the lowest distortion;
            layers without a target have the box's smallest, for the lowest distortion.
        seed: of the latents drawn, the same in every measurement, so that the search sees a smooth function.
        tolerance: largest relative error that counts as reached.
    """
    search = _Search(network, images, targets, seed)
    ends = [search.follow(start) for start in search.starts()]
    within = [end for end in ends if np.abs(search.errors(end)).max() <= tolerance]
    if within:
        best = min(within, key=lambda logs: search.measure(logs)[1])
    else:
        best = min(ends, key=lambda logs: float(np.abs(search.gaps(logs)).max()))
    return search.answer(best, tolerance)


@dataclasses.dataclass(frozen=True, repr=False)
class Solved:
    """A model found for rates that were asked for, without training.

    Example::

        solved = rs.Landscape("digits").at_rates({2: 20, 1: 40})
        print(solved.answer.reached, solved)
        z2, z1 = solved.model.encode(images)
    """

    answer: Answer
    """Betas, rates, and whether they are those asked for."""
    model: HVAE
    """The ordinary model at the betas found."""

    def __str__(self) -> str:
        return str(self.answer)

    def __repr__(self) -> str:
        verdict = "reached" if self.answer.reached else "not reached"
        return f"Solved({self.answer.request}: betas {betas_text(self.answer.betas)}, {verdict})"

    def _repr_html_(self) -> str:
        facts = {"betas, top layer first": betas_text(self.answer.betas)}
        for one in self.answer.outcomes:
            achieved = "no" if one.achieved is None else f"{one.achieved:.4g}"
            name = f"layer{'s' if len(one.layers) > 1 else ''} {layers_text(one.layers)}"
            facts[name] = f"{achieved} of {one.wanted:.4g} nats: {MEANING[one.status]}"
        return card(f"Rates {self.answer.request}", facts)


Logs = npt.NDArray[np.float64]


class _Search:
    """Measurements of one network at the log betas of its targets, each made once.

    Targets whose layers the network always tells the same beta share theirs.
    """

    def __init__(self, network: Conditioned, images: Images, targets: Sequence[RateTarget], seed: int) -> None:
        self.network = network
        self.images = images
        self.seed = seed
        self.layers = len(network.latent_shapes)
        self.targets = targets
        self.rows = [[self.layers - layer for layer in target.layers] for target in targets]
        self.parts = _parts(network.groups, self.rows)
        self.axis_of = [self._axis(rows[0]) for rows in self.rows]
        self.wanted = np.array([target.rate for target in targets])
        self.low, self.high = math.log(network.low), math.log(network.high)
        self.known: dict[tuple[float, ...], tuple[Logs, float]] = {}

    def betas(self, logs: Logs) -> tuple[float, ...]:
        """Betas of all layers, top first."""
        full = np.full(self.layers, self.low)
        for part, log in zip(self.parts, np.clip(logs, self.low, self.high), strict=True):
            full[sorted(part)] = log
        return tuple(float(f"{beta:.10g}") for beta in np.exp(full))

    def _axis(self, row: int) -> int:
        return next(axis for axis, part in enumerate(self.parts) if row in part)

    def measure(self, logs: Logs) -> tuple[Logs, float]:
        """Rates of the targets, and distortion."""
        betas = self.betas(logs)
        if betas not in self.known:
            with arithmetic("float32", self.images.device):
                measured = rates(self.network.at(betas), self.images, self.seed)
            layers = measured.rates.mean(0).cpu().numpy()
            together = np.array([layers[rows].sum() for rows in self.rows])
            self.known[betas] = (together, measured.distortion.mean().item())
        return self.known[betas]

    def gaps(self, logs: Logs) -> Logs:
        """Differences of log rates, of which least squares are taken."""
        return np.log((self.measure(logs)[0] + SMALL) / (self.wanted + SMALL))

    def errors(self, logs: Logs) -> Logs:
        """Relative errors."""
        return self.measure(logs)[0] / self.wanted - 1

    def starts(self) -> list[Logs]:
        """Of the coarse points, those whose rates are nearest to the ones wanted."""
        points = coarse_points(self.low, self.high, len(self.parts))
        return sorted(points, key=lambda logs: float(np.square(self.gaps(logs)).sum()))[:STARTS]

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

    def answer(self, logs: Logs, tolerance: float) -> Answer:
        errors = self.errors(logs)
        betas = self.betas(logs)
        (point,) = measured_grid(self.network, self.images, [betas], self.seed)
        weakest = np.linalg.svd(self.slopes(logs), compute_uv=False).min()
        outcomes = [
            Outcome(
                target.layers,
                target.rate,
                target.rate * (1 + float(error)),
                betas[rows[0]],
                float(error),
                self._status(float(logs[axis]), float(error), tolerance),
            )
            for target, rows, axis, error in zip(self.targets, self.rows, self.axis_of, errors, strict=True)
        ]
        return Answer(
            request=",".join(map(str, self.targets)),
            betas=betas,
            rates=tuple(point.rates),
            distortion=point.distortion,
            psnr=point.psnr,
            r2=point.r2,
            outcomes=tuple(outcomes),
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
        if len(self.targets) == 1:  # no beta between the ends comes nearer
            return "rate_ceiling" if error < 0 else "rate_floor"
        return "joint_infeasible"


def coarse_points(low: float, high: float, axes: int) -> list[Logs]:
    """Log betas ``[axes]`` that a search looks at first: a grid of one or two axes, of more what scatters over the box.

    A grid of eight axes would have 1.7 million points; here these are at most 101, whatever the number of axes.

    Args:
        low: smallest log beta.
        high: largest log beta.
    """
    axis = np.linspace(low, high, COARSE)
    if axes <= 2:
        return list(np.stack(np.meshgrid(*[axis] * axes, indexing="ij"), -1).reshape(-1, axes))
    betas = tuple(np.exp(axis).tolist())
    points = scattered(betas, axes, 2**axes + COARSE - 1 + SCATTERED)
    ends = {betas[0], betas[-1]}
    if axes > CORNER_AXES:
        points = [point for point in points if len(set(point)) == 1 or not ends.issuperset(point)]
    return [np.log(point) for point in points]


def _parts(groups: Sequence[int], targets: Sequence[Sequence[int]]) -> list[set[int]]:
    """Layers (by row, top first) that must have one beta: of one group, or of one target; those with a target."""
    together = [{row for row, of in enumerate(groups) if of == group} for group in dict.fromkeys(groups)]
    for target in targets:
        met = [part for part in together if part & set(target)]
        together = [part for part in together if part not in met] + [set().union(*met)]
    asked = {row for target in targets for row in target}
    return sorted((part for part in together if part & asked), key=min)
