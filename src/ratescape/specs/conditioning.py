"""How a conditioned network is built and trained."""

import dataclasses
import math

from ratescape.specs.checks import require


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
    fine: int = 21
    """Betas on each of the two axes of the fine landscape, which the network gives without training; 0 for none."""
    refine: int = 0
    """Epochs of further training at each beta point, starting from the network's weights; 0 for none."""
    refine_learning_rate: float = 3e-4
    """Adam's learning rate at the start of this further training; it falls to zero along a cosine."""

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        require(low is None or (low > 0 and math.isfinite(low)), "conditioning.low", low, "above 0")
        fine = high is None or (high > (low or 0.0) and math.isfinite(high))
        require(fine, "conditioning.high", high, "above conditioning.low")
        require(self.width > 0, "conditioning.width", self.width, "positive")
        require(self.rank >= 0, "conditioning.rank", self.rank, "at least 0")
        require(self.fine == 0 or self.fine > 1, "conditioning.fine", self.fine, "0, or at least 2")
        require(self.refine >= 0, "conditioning.refine", self.refine, "at least 0")
        rate = self.refine_learning_rate
        require(rate > 0 and math.isfinite(rate), "conditioning.refine_learning_rate", rate, "positive")
