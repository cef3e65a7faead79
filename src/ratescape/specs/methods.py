"""How the models of a landscape come about."""

import dataclasses
import math
from typing import Literal

from ratescape.specs.checks import require

MARGIN = 1.25
"""How far the box of a conditioned network reaches beyond the grid on each side, unless the spec says otherwise."""

Method = Literal["dedicated", "conditioned", "targeted"]


@dataclasses.dataclass(frozen=True)
class ConditioningSpec:
    """One network that is told its betas and covers a box of them, in place of one network for each beta point."""

    low: float | None = None
    """Smallest beta of the box; default: a quarter below the grid's, since errors are largest on the border."""
    high: float | None = None
    """Largest beta of the box; default: a quarter above the grid's."""
    width: int = 64
    """Hidden units of the network that turns betas into gains and shifts."""
    rank: int = 8
    """Further linear maps of each layer next to the latents, whose strengths the betas decide; 0 for none."""
    fine: int = 21
    """Betas for each of two axes in the fine landscape that the network gives without training; 0 for none."""
    refine: int = 0
    """Epochs that each beta point's own model is trained on, from where the network stands; 0 for none."""
    refine_learning_rate: float = 3e-4
    """Adam's learning rate at the start of refining; a cosine takes it to zero."""

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


@dataclasses.dataclass(frozen=True)
class ControlSpec:
    """How betas are steered towards rates that are asked for."""

    start: float = 1.0
    """Beta that they begin from."""
    others: float = 1.0
    """Beta of the layers that no rate is asked of."""
    delay: float = 0.1
    """Share of the training, at its beginning, over which betas stay there."""
    frozen: float = 0.2
    """Share of the training, at its end, over which betas stand still."""
    tail: float = 0.1
    """Share of the training, before that, whose mean log betas they stand still at."""
    tolerance: float = 0.02
    """Largest relative error of a held-out rate that counts as reached."""

    def __post_init__(self) -> None:
        for name in ("start", "others"):
            beta = getattr(self, name)
            require(1e-3 <= beta <= 400, f"control.{name}", beta, "between 0.001 and 400")
        require(0 <= self.frozen < 1, "control.frozen", self.frozen, "at least 0 and below 1")
        require(
            0 <= self.delay < 1 - self.frozen, "control.delay", self.delay, "at least 0, and below 1 - control.frozen"
        )
        most = 1 - self.frozen - self.delay
        require(
            0 < self.tail <= most, "control.tail", self.tail, "above 0, and at most 1 - control.frozen - control.delay"
        )
        require(self.tolerance > 0, "control.tolerance", self.tolerance, "positive")
