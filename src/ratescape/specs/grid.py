"""Grids of betas."""

import dataclasses
import itertools
import math

from ratescape.specs.checks import require
from ratescape.specs.model import ModelSpec


@dataclasses.dataclass(frozen=True)
class BetaGrid:
    """Log-spaced betas for each layer (or group of layers); the paper's grid is 0.1 to 10 in 21 steps.

    Example::

        BetaGrid(low=0.1, high=10.0, steps=21).values()
    """

    low: float = 0.1
    """Smallest beta."""
    high: float = 10.0
    """Largest beta."""
    steps: int = 5
    """Betas for each layer (or group of layers)."""

    def __post_init__(self) -> None:
        require(self.low > 0 and math.isfinite(self.low), "grid.low", self.low, "above 0")
        require(self.high >= self.low and math.isfinite(self.high), "grid.high", self.high, "at least grid.low")
        require(self.steps > 0, "grid.steps", self.steps, "positive")
        ends = f"{self.low:g} to {self.high:g}"
        one = f"2 or more for a grid from {ends} (for one beta alone, set grid.low and grid.high to it)"
        require(self.steps > 1 or self.low == self.high, "grid.steps", self.steps, one)
        same = f"1 where grid.low equals grid.high ({self.low:g}); or choose a larger grid.high"
        require(self.steps == 1 or self.low < self.high, "grid.steps", self.steps, same)
        distinct = len(set(self.values())) == self.steps
        require(distinct, "grid.steps", self.steps, f"smaller: from {ends}, so many betas are not told apart")

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

    def spread(self, groups: tuple[int, ...]) -> list[tuple[float, ...]]:
        """The points of the grid over groups, as one beta for each layer, top first.

        Args:
            groups: group of each layer, top first, numbered from 0 without gaps.
        """
        return [tuple(point[group] for group in groups) for point in self.points(max(groups) + 1)]


def resolved_groups(groups: tuple[int, ...] | None, model: ModelSpec) -> tuple[int, ...]:
    """Group of each layer, top first; by default each layer is its own group.

    A model whose layers cannot be tuned one by one has one group.

    Raises:
        SpecError: not one group for each layer, or numbers with gaps.
    """
    layers = model.layers
    if groups is None:
        return tuple(range(layers)) if model.tunable else (0,) * layers
    fits = len(groups) == layers and set(groups) == set(range(max(groups, default=-1) + 1))
    require(fits, "groups", groups, f"one group for each of the {layers} layers, numbered 0, 1, ... without gaps")
    return groups
