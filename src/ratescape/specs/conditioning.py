"""How a conditioned network is built and trained."""

import dataclasses
import math
from typing import Literal

from ratescape.specs.checks import MOST_SIZE, require
from ratescape.specs.codec import convert_fields
from ratescape.specs.training import SHORT_STEPS, OptimiserName

AnnealingName = Literal["staggered", "balanced", "linear"]
"""How the betas of a network's loss reach their values: see ``ConditioningSpec.annealing``."""

RISE = 170
"""Steps over which the lowest layers' betas rise: a tenth of 30 epochs on mnist-5k in batches of 64, where it was
found; the same number of steps served 90 epochs, the same share of them did not."""

DESCENT = 0.4
"""Share of training over which the top layers' betas reach their values. The longer, the better where they are small;
the shorter, the better where they are so large that the layers are not worth their rate."""

DESCENT_STEPS, LONGEST_DESCENT = 600, 0.6
"""Steps that staggered annealing takes at least, as far as that is no more than this share of training: where the betas
of the top come down within fewer, its layers are lost before they are of use. Longer ones changed no loss."""

MUON_DESCENT, MUON_DESCENT_STEPS = 0.1, 150
"""Share and least steps of staggered annealing by Muon, which keeps layers at shorter ones, too: what is left of
training is spent at the betas asked for, which takes 1 to 5 % off most mean losses. Balanced annealing gains nothing
by it (docs/results/one-run.md)."""

RESTARTS, SHORT_RESTARTS = 3, 1
"""How often a training starts again, and one of fewer than ``SHORT_STEPS``: of eight such networks that had lost a
layer a second attempt had it in three; of the others a fourth had 0.1 and 2.5 nats of it in two, at a larger loss."""


def usual_restarts(steps: int) -> int:
    """How often a training of so many steps starts again at most, unless the spec says otherwise.

    Example::

        usual_restarts(684), usual_restarts(2280)  # (1, 3)
    """
    return SHORT_RESTARTS if steps < SHORT_STEPS else RESTARTS


def usual_descent(annealing: AnnealingName | None, steps: int, optimiser: OptimiserName | None) -> float:
    """The share of a training over which the betas reach their values, unless the spec says otherwise.

    Args:
        annealing: how they do.
        steps: of the training.
        optimiser: what trains; None is Adam.

    Example::

        usual_descent("staggered", 1140, "adam"), usual_descent("staggered", 5000, "adam")  # (0.526, 0.4)
        usual_descent("staggered", 1140, "muon"), usual_descent("staggered", 5000, "muon")  # (0.132, 0.1)
    """
    if annealing != "staggered":
        return DESCENT
    share, fewest = (MUON_DESCENT, MUON_DESCENT_STEPS) if optimiser == "muon" else (DESCENT, DESCENT_STEPS)
    return round(min(LONGEST_DESCENT, max(share, fewest / steps)), 3)


@dataclasses.dataclass(frozen=True)
class StaggeredSpec:
    """Annealing by which the betas of lower layers reach their values before those of higher layers."""

    rise: int = RISE
    """Steps over which the betas of the lowest group of layers rise from 0."""
    descent: float = DESCENT
    """Share of training over which the betas of the top group reach their values, from 0.001."""

    def __post_init__(self) -> None:
        check_staggered(self.rise, self.descent, "staggered")


@dataclasses.dataclass(frozen=True)
class BalancedSpec:
    """Annealing that first brings all groups of layers to carry alike."""

    hold: int = RISE
    """Steps over which it does, at most half of those of the descent."""
    descent: float = DESCENT
    """Share of training over which all betas reach their values."""

    def __post_init__(self) -> None:
        require(self.hold >= 0, "balanced.hold", self.hold, "at least 0")
        require(0 <= self.descent <= 1, "balanced.descent", self.descent, "between 0 and 1")


def check_staggered(rise: int, descent: float, where: str) -> None:
    """Refuse settings of staggered annealing that mean nothing; raises :class:`SpecError`."""
    require(rise >= 0, f"{where}.rise", rise, "at least 0")
    require(0 <= descent <= 1, f"{where}.descent", descent, "between 0 and 1")


@dataclasses.dataclass(frozen=True)
class ConditioningSpec:
    """One network that is conditioned on its betas and covers a box of them, in place of one network a beta point.

    Example::

        ConditioningSpec(low=0.05, high=20.0, fine=31, refine=2)
    """

    low: float | None = None
    """Smallest beta of the box; default: grid.low / 1.25, since errors are largest at the border."""
    high: float | None = None
    """Largest beta of the box; default: 1.25 grid.high."""
    width: int = 64
    """Hidden units of the small network that turns betas into gains, shifts and scales."""
    rank: int = 8
    """Rank of the low-rank adapter of each layer next to the latents, scaled by the betas; 0 for none."""
    knots: int = 5
    """Knots of each axis of betas, evenly spread over the logs of the box; gains, shifts and scales are interpolated
    between them, besides what the small network makes of the betas; 0 for none."""
    annealing: AnnealingName | None = None
    """How the betas of the loss reach their values. staggered: those of lower layers first, which suits the GHVAE,
    where the top layer is in danger; balanced: a controller first brings all groups of layers to carry alike, which
    suits every other family; linear: all together from 0, over training.annealing epochs (which may be given with
    method conditioned only). Default: staggered for family ghvae, else balanced. With one beta for all layers it is
    always linear."""
    rise: int = RISE
    """Staggered annealing: steps over which the betas of the lowest layers rise from 0; never longer than the descent.
    Balanced annealing: steps over which all groups are brought to carry alike; at most half of the descent.
    A number of steps, since that is what counts; how it depends on learning rate, batch and network is not known."""
    descent: float | None = None
    """Share of training over which the betas reach their values, on a scale of log beta. Staggered annealing: those of
    the top layer, from 0.001; layers in between take shares in between. Default: 0.4; staggered annealing by Muon 0.1,
    but 150 steps at least (by Adam 600), as far as these are no more than 0.6 of training."""
    restarts: int | None = None
    """How often the training starts again, each time with a third of the learning rate, if at the end of annealing, or
    of training, a group of layers carries less than 0.1 nats even where its beta is the smallest and all others are the
    largest; 0 for never. If no attempt keeps all groups, the one that lost the fewest is trained to its end. Default:
    3; 1 for a training of fewer than 1,000 steps, where more were of no use."""
    fine: int = 21
    """Betas on each of the two axes of the fine landscape, which the network gives without training; 0 for none."""
    fine_uses: int = 0
    """Images by which the fine landscape is measured for anomalies and restoring, too, where evaluation.outliers and
    evaluation.restoration ask for these: so many are restored at each point, and ten times as many items, and as many
    outliers, are scored; 0 for none. Each point takes a slow core seconds for each kind of damage."""
    refine: int = 0
    """Epochs of further training at each beta point, starting from the network's weights; 0 for none."""
    refine_learning_rate: float | None = None
    """Learning rate of this further training, at its peak; it falls to zero along a cosine. Default: 1e-3 of Muon, 3e-4
    of Adam."""
    refine_recommended: int = 4
    """Epochs of such training, in all, for the models that the landscape recommends, one for each use; both forms of
    these are kept, the refined ones beside the landscape. 0 for none."""

    def __post_init__(self) -> None:
        convert_fields(self, "conditioning.")
        low, high = self.low, self.high
        require(low is None or (low > 0 and math.isfinite(low)), "conditioning.low", low, "above 0")
        fine = high is None or (high > (low or 0.0) and math.isfinite(high))
        require(fine, "conditioning.high", high, "above conditioning.low")
        require(0 < self.width <= MOST_SIZE, "conditioning.width", self.width, f"positive, and at most {MOST_SIZE}")
        require(0 <= self.rank <= MOST_SIZE, "conditioning.rank", self.rank, f"at least 0, and at most {MOST_SIZE}")
        require(self.knots == 0 or 1 < self.knots <= MOST_SIZE, "conditioning.knots", self.knots, "0, or at least 2")
        check_staggered(self.rise, DESCENT if self.descent is None else self.descent, "conditioning")
        require(self.restarts is None or self.restarts >= 0, "conditioning.restarts", self.restarts, "at least 0")
        require(self.fine == 0 or self.fine > 1, "conditioning.fine", self.fine, "0, or at least 2")
        uses = self.fine_uses
        require(uses >= 0, "conditioning.fine_uses", uses, "at least 0")
        require(uses == 0 or self.fine > 0, "conditioning.fine_uses", uses, "0 where conditioning.fine is 0")
        require(self.refine >= 0, "conditioning.refine", self.refine, "at least 0")
        require(self.refine_recommended >= 0, "conditioning.refine_recommended", self.refine_recommended, "at least 0")
        rate = self.refine_learning_rate
        fine = rate is None or (rate > 0 and math.isfinite(rate))
        require(fine, "conditioning.refine_learning_rate", rate, "positive")
