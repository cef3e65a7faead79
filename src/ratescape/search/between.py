"""A model between the grid points of a conditioned landscape that is better for a use than those of the grid."""

import dataclasses
import math

import numpy as np
import pandas as pd

from ratescape import checkpoint, selection
from ratescape.evaluation.grid import grid_table, seen_images
from ratescape.metrics import Metric, layer_columns
from ratescape.model.hierarchy import HVAE
from ratescape.records.fine import read_fine
from ratescape.records.lines import betas_text
from ratescape.search.by_rates import betas_for
from ratescape.search.compass import Point, compass_search
from ratescape.search.ground import Ground
from ratescape.search.limits import TRIES, Limits
from ratescape.search.shown import card, metric_text
from ratescape.selection import Choice
from ratescape.specs.rate_targets import RateTarget

BUDGET = 0.005
"""Share of a budget of rate that is left unused, since rates are found to a tolerance."""

LEAST = 1e-3
"""Nats asked for in place of those of a collapsed layer."""

DRAWS = 3
"""Further draws, other than those that the search saw, by which its result is compared with the best of the grid."""

STUDENT, NORMAL = 2.92, 1.645
"""One-sided 95 % quantiles: of Student's t of ``DRAWS - 1`` degrees of freedom, and of the normal distribution."""


@dataclasses.dataclass(frozen=True, repr=False)
class Between:
    """The best model that was found between the grid points of a conditioned landscape.

    Example::

        found = rs.Landscape("digits").between("reconstruction", max_rate=40)
        print(found.is_better, found)
        model = found.model
    """

    choice: Choice
    """The best of the grid."""
    betas: tuple[float, ...]
    """Its own, top layer first; those of the choice where nothing else was found."""
    row: pd.Series
    """Its measurements, as a row of the landscape."""
    model: HVAE
    tried: int
    """Points that were measured to find it."""
    gain: float
    """By so much its metric is better than that of the best of the grid, on the mean over draws that were not used to
    find it; negative if it is worse."""
    margin: float
    """By more than this it must be better for the difference not to be chance, at 95 %."""

    @property
    def is_better(self) -> bool:
        """Whether it is, beyond what chance explains."""
        return self.gain > self.margin

    def __repr__(self) -> str:
        verdict = "better" if self.is_better else "not better within its error"
        return f"Between(betas {self._betas()}, {metric_text(self.choice, self.row)}: {verdict})"

    def _repr_html_(self) -> str:
        facts = {
            "betas, top layer first": self._betas(),
            f"{self.choice.metric.name}, {self.choice.split}": metric_text(self.choice, self.row),
            "better than the grid's choice by": f"{self.gain:.2g}, where chance explains {self.margin:.2g}",
        }
        return card(f"Between the grid points, for {self.choice.use}", facts, str(self))

    def __str__(self) -> str:
        if not self.is_better:
            return f"Between the grid points nothing was found that is better within its error{self._shortfall()}."
        return (
            f"Between the grid points: betas {self._betas()}, {self.choice.told(self.row)} at "
            f"{self.row['rate']:.4g} nats: better by {self._gain()} than the grid's choice, "
            f"betas {betas_text(self.choice.betas)}."
        )

    def _gain(self) -> str:
        unit = f" {self.choice.metric.unit}" if self.choice.metric.unit else ""
        return f"{self.gain:.2g}{unit} on other draws, where chance explains {self.margin:.2g},"

    def _shortfall(self) -> str:
        tried = f"{self.tried} point{'' if self.tried == 1 else 's'} measured"
        if self.betas == self.choice.betas:
            return f" ({tried})"
        return f": betas {self._betas()} are better by {self._gain()} than the grid's choice ({tried})"

    def _betas(self) -> str:
        return betas_text(self.betas)


def between(ground: Ground, choice: Choice, limits: Limits, tries: int = TRIES) -> Between:
    """The best model that is found between the grid points for the use of a choice; nothing is trained.

    Under a budget of rate, the betas of a model that uses it up are found on the network first, the rates divided among
    the layers as in the best model that is known. From there, or from the best point known, a compass search over the
    log betas follows. Points are ranked by the metric itself: as the fine landscape measures it if that has all that
    decides, which takes moments, else on all images of the split, each as costly as measuring that metric of a model.
    The result is then compared with the best of the grid by draws that the search has not seen.

    Args:
        ground: of the choice's seed.
        choice: the best of the grid within the limits.
        tries: points measured by the search; 0 to use up the budget only.

    Example::

        found = between(ground, choice, Limits(demands={"psnr": 18}))
        if found.is_better:
            found.model, found.row
    """
    search = _Search(ground, choice, limits)
    start, count = search.start()
    if tries:
        logs, _, more = compass_search(search.score, start, *search.box, search.step, tries)
        start, count = logs, count + more
    betas = search.betas(start)
    model = ground.network.at(betas)
    if betas == choice.betas:
        return Between(choice, betas, choice.row, model, count, 0.0, 0.0)
    row = ground.row(model, betas)
    if not choice.carries(row) or not limits.met_by(row) or not math.isfinite(choice.value(row)):
        return Between(choice, choice.betas, choice.row, ground.network.at(choice.betas), count, 0.0, 0.0)
    gain, margin = _compared(ground, choice, model, betas)
    return Between(choice, betas, row, model, count, gain, margin)


class _Search:
    """The score of any point, by log betas of the groups: larger is better, -inf outside the limits."""

    def __init__(self, ground: Ground, choice: Choice, limits: Limits) -> None:
        self.ground, self.choice, self.limits = ground, choice, limits
        runs = ground.folder.spec().runs()
        # Points that are scattered have betas of all sizes; those of the diagonal are spaced as a grid's.
        grid = sorted({beta for run in runs if len({*run.betas}) == 1 for beta in run.betas})
        self.box = math.log(grid[0]), math.log(grid[-1])
        self.wanted = frozenset({choice.metric.column, *limits.demands, "rate"})
        fine = read_fine(ground.folder)
        self.fine = fine if fine is not None and self.wanted <= {*fine.columns} else None
        known = grid if self.fine is None else sorted(set(self.fine[layer_columns(self.fine, "beta")].to_numpy().flat))
        self.step = 0.5 * (math.log(known[1]) - math.log(known[0])) if len(known) > 1 else 0.0
        self.seen = seen_images(ground.network, ground.data) if self.fine is not None else None

    def betas(self, logs: Point) -> tuple[float, ...]:
        """Betas of all layers, top first, rounded as a grid's are."""
        return tuple(float(f"{math.exp(logs[group]):.10g}") for group in self.ground.network.groups)

    def logs(self, betas: tuple[float, ...]) -> Point:
        """Log betas of the groups."""
        groups = self.ground.network.groups
        return tuple(math.log(betas[groups.index(group)]) for group in range(max(groups) + 1))

    def score(self, logs: Point) -> float:
        """How good the point is, if it keeps to the limits."""
        row = self._row(self.betas(logs))
        value = _signed(self.choice.metric, float(row.get(self.choice.metric.column, math.nan)))
        within = self.limits.met_by(row) and self.choice.carries(row)
        return value if math.isfinite(value) and within else -math.inf

    def start(self) -> tuple[Point, int]:
        """The best point that is known, or that uses up the budget of rate; and how many were measured for it."""
        best, within = self.logs(self.choice.betas), self._finest()
        if within is not None:
            best = self.logs(selection.betas_of(within))
        if self.limits.max_rate is None:
            return best, 0
        full = self.logs(self._using_up(self.limits.max_rate, self.choice.row if within is None else within))
        return max([full, best], key=self.score), 1

    def _row(self, betas: tuple[float, ...]) -> pd.Series:
        network = self.ground.network
        if self.seen is None:
            return self.ground.columns(network.at(betas), betas, self.wanted)
        return grid_table(network, self.seen, [betas]).iloc[0]

    def _finest(self) -> pd.Series | None:
        """The best row of the fine landscape within the limits; None if it has not measured what decides."""
        if self.fine is None:
            return None
        within = self.fine[[self.limits.met_by(row) for _, row in self.fine.iterrows()]]
        score = self.choice.metric.score(within[self.choice.metric.column])
        return None if within.empty else within.loc[score.idxmax()]

    def _using_up(self, max_rate: float, like: pd.Series) -> tuple[float, ...]:
        """Betas at which the total rate is the largest accepted, divided among the groups of layers as in a row."""
        groups, share = self.ground.network.groups, max_rate * (1 - BUDGET) / like["rate"]
        wanted: list[RateTarget] = []
        for group in dict.fromkeys(groups):
            own = tuple(len(groups) - index for index, of in enumerate(groups) if of == group)
            rate = float(sum(like[f"rate_{layer}"] for layer in own))
            wanted.append(RateTarget(own, share * max(rate, LEAST)))
        images = seen_images(self.ground.network, self.ground.data)
        return betas_for(self.ground.network, images, wanted, tolerance=BUDGET).betas


def _compared(ground: Ground, choice: Choice, model: HVAE, betas: tuple[float, ...]) -> tuple[float, float]:
    """By how much a model is better than the best of the grid, and the margin of chance.

    Both are measured with the same ``DRAWS`` further seeds. The margin is that of the mean difference over draws; for
    accuracies also that of a fraction over so many images, sqrt(2 a (1 - a) / N) for two models that err independently,
    which is more than for two that err alike; for means over images, that of the differences image by image; for scores
    of samples also that of two means over so many draws as if their samples had nothing in common, which is what the
    grid's ties go by: else a model could be offered for a gain by which none of the grid would be chosen.
    """
    metric, device = choice.metric, next(model.parameters()).device
    other = checkpoint.load_model(ground.run(choice.run).weights, device)[0]
    wanted, own = frozenset({metric.column}), ground.evaluation.seed
    pairs = [
        [
            _signed(metric, float(ground.columns(one, at, wanted, seed)[metric.column]))
            for one, at in ((model, betas), (other, choice.betas))
        ]
        for seed in range(own + 1, own + 1 + DRAWS)
    ]
    differences = np.array(pairs) @ np.array([1.0, -1.0])  # [DRAWS]
    margin = STUDENT * float(differences.std(ddof=1)) / math.sqrt(DRAWS)
    if metric.percent:
        fraction = float(np.mean(pairs))
        count = len(ground.data.held_out[ground.split].pixels)
        margin = math.hypot(margin, NORMAL * math.sqrt(2 * max(0.0, fraction * (1 - fraction)) / count))
    if metric.of_samples and math.isfinite(choice.error):
        margin = math.hypot(margin, NORMAL * choice.error * math.sqrt(2 / DRAWS))
    one, two = (ground.of_images(*of, metric.column) for of in ((model, betas), (other, choice.betas)))
    if one is not None and two is not None:
        margin = math.hypot(margin, NORMAL * float((one - two).std()) / math.sqrt(len(one)))
    return float(differences.mean()), margin


def _signed(metric: Metric, value: float) -> float:
    """A value with the sign that makes higher better."""
    return -value if metric.higher_is_better is False else value
