"""Grids of betas."""

import dataclasses
import itertools
import math

from ratescape.specs.checks import require


@dataclasses.dataclass(frozen=True)
class BetaGrid:
    """Log-spaced policy for each layer (or group of layers); the paper's grid is 0.1 to 10 in 21 steps."""

    low: float = 0.1
    """Smallest beta."""
    high: float = 10.0
    """Largest beta."""
    steps: int = 5
    """Values for each layer."""

    def __post_init__(self) -> None:
        require(self.low > 0 and math.isfinite(self.low), "grid.low", self.low, "above 0")
        require(self.high >= self.low and math.isfinite(self.high), "grid.high", self.high, "at least grid.low")
        require(self.steps > 0, "grid.steps", self.steps, "positive")
        expected = "1 where grid.low equals grid.high, 2 or more otherwise, and few enough to differ in 10 digits"
        distinct = len(set(self.values())) == self.steps
        require((self.steps == 1) == (self.high == self.low) and distinct, "grid.steps", self.steps, expected)

    def values(self) -> tuple[float, ...]:
        """The grid's betas, ascending; rounded to 10 significant digits so that equal betas compare equal."""
        if self.steps == 1:
            return (self.low,)
        low, high = math.log(self.low), math.log(self.high)
        logs = (low + (high - low) * k / (self.steps - 1) for k in range(self.steps))
        return tuple(float(f"{math.exp(log):.10g}") for log in logs)

    def points(self, axes: int) -> list[tuple[float, ...]]:
        """All combinations for ``axes`` layers (or groups), top first: ``steps ** axes`` tuples."""
        return list(itertools.product(self.values(), repeat=axes))
