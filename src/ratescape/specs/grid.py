"""Which betas a landscape has: grids, and points scattered evenly where a grid would have too many."""

import dataclasses
import itertools
import math
from typing import Literal

from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields

MOST_MODELS = 5000
"""Points of a grid at most: a mistake in the number of axes shall not begin a campaign of years."""


@dataclasses.dataclass(frozen=True)
class BetaGrid:
    """Log-spaced betas for each layer (or group of layers); the paper's grid is 0.1 to 10 in 21 steps.

    A grid has ``steps ** axes`` points, which is too many for three betas or more: there, points are scattered.

    Example::

        BetaGrid(low=0.1, high=10.0, steps=21).values()
    """

    low: float = 0.1
    """Smallest beta."""
    high: float = 10.0
    """Largest beta."""
    steps: int = 5
    """Betas for each layer (or group of layers)."""
    layout: Literal["auto", "full", "scattered"] = "auto"
    """full: all combinations of the steps; scattered: the corners, all betas 1 and the diagonal, then points that fill
    the space between them evenly; default: scattered where there are three betas or more and a grid has more models
    than ``points``, else full."""
    points: int = 64
    """Points of a scattered layout, the corners and the diagonal included."""

    def __post_init__(self) -> None:
        convert_fields(self, "grid.")
        require(self.low > 0 and math.isfinite(self.low), "grid.low", self.low, "above 0")
        least = f"at least grid.low, which is {self.low:g}"
        require(self.high >= self.low and math.isfinite(self.high), "grid.high", self.high, least)
        require(self.steps > 0, "grid.steps", self.steps, "positive")
        ends = f"{self.low:g} to {self.high:g}"
        one = f"2 or more for a grid from {ends} (for one beta alone, set grid.low and grid.high to it)"
        require(self.steps > 1 or self.low == self.high, "grid.steps", self.steps, one)
        same = f"1 where grid.low equals grid.high ({self.low:g}); or choose a larger grid.high"
        require(self.steps == 1 or self.low < self.high, "grid.steps", self.steps, same)
        distinct = len(set(self.values())) == self.steps
        require(distinct, "grid.steps", self.steps, f"smaller: from {ends}, so many betas are not told apart")

        require(self.points > 0, "grid.points", self.points, "positive")

    def values(self) -> tuple[float, ...]:
        """The grid's betas, ascending; rounded to 10 significant digits so that equal betas compare equal."""
        if self.steps == 1:
            return (self.low,)
        low, high = math.log(self.low), math.log(self.high)
        logs = (low + (high - low) * k / (self.steps - 1) for k in range(self.steps))
        return tuple(float(f"{math.exp(log):.10g}") for log in logs)

    def is_scattered(self, axes: int) -> bool:
        """Whether the points over ``axes`` layers (or groups) are scattered, and no grid."""
        many = axes >= 3 and self.steps**axes > self.points
        return self.layout == "scattered" or (self.layout == "auto" and many)

    def combinations(self, axes: int) -> list[tuple[float, ...]]:
        """The points over ``axes`` layers (or groups), top first.

        Raises:
            SpecError: a grid of more than :data:`MOST_MODELS` points.
        """
        count = self.steps**axes
        if not self.is_scattered(axes):
            fewer = (
                f"fewer for {axes} betas, which make {self.steps}^{axes} = {count:,} models; or grid.layout scattered"
            )
            require(count <= MOST_MODELS, "grid.steps", self.steps, fewer)
            return list(itertools.product(self.values(), repeat=axes))
        return scattered(self.values(), axes, self.points)

    def spread(self, groups: tuple[int, ...]) -> list[tuple[float, ...]]:
        """The points of the grid over groups, as one beta for each layer, top first.

        Args:
            groups: group of each layer, top first, numbered from 0 without gaps.
        """
        return [tuple(point[group] for group in groups) for point in self.combinations(max(groups) + 1)]


def scattered(values: tuple[float, ...], axes: int, count: int) -> list[tuple[float, ...]]:
    """Points of a box of betas: its corners, all betas 1, its diagonal, then others that fill it evenly.

    The others are an additive recurrence in log beta, whose steps are powers of the root of x^(axes + 1) = x + 1: of
    any length it leaves no large gap, and a longer one has all points of a shorter one (Roberts, 2018).

    Example::

        scattered((0.1, 1.0, 10.0), axes=3, count=64)

    Args:
        values: betas of the diagonal, ascending, the first and the last of which are the box.
        axes: betas of a point.
        count: how many points; if these are fewer than corners and diagonal have, the diagonal goes first.
    """
    low, high = math.log(values[0]), math.log(values[-1])
    one = [(1.0,) * axes] if values[0] <= 1 <= values[-1] else []
    diagonal = [(value,) * axes for value in values]
    corners = list(itertools.islice(itertools.product((values[0], values[-1]), repeat=axes), 1, 2**axes - 1))
    found = dict.fromkeys([*one, *diagonal, *corners])
    root = _root(axes)
    for n in itertools.count(1):
        if len(found) >= count:
            return list(found)[:count]
        shares = ((0.5 + n * root ** -(axis + 1)) % 1 for axis in range(axes))
        found[tuple(float(f"{math.exp(low + (high - low) * share):.10g}") for share in shares)] = None
    raise AssertionError("counting has no end")


def _root(axes: int) -> float:
    """The root above 1 of x^(axes + 1) = x + 1: the golden ratio for one axis."""
    x = 2.0
    for _ in range(64):
        x = (1 + x) ** (1 / (axes + 1))
    return x
