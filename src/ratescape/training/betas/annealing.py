"""How the betas of the loss reach those that a network is conditioned on."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ratescape.specs.runs import NetworkSpec
from ratescape.training.betas.balanced import CPU, BalancedAnnealing
from ratescape.training.schedule import annealing_steps, total_steps


class Annealing(Protocol):
    """The way of the betas of the loss to where they are heading."""

    @property
    def steps(self) -> int:
        """Steps until every beta has its value; 0 for none."""
        ...

    def betas(self, conditions: Tensor, step: int) -> Tensor:
        """The betas of the loss at a step.

        Args:
            conditions: what the network is conditioned on, ``[P, B, L]``, top layer first.
            step: counted from 0.
        """
        ...

    def observe(self, step: int, rates: Tensor) -> None:
        """Learn from the rates of a step, nats ``[P, B, L]``."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that must be saved for training to go on as if never interrupted, by name."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a saved state."""
        ...


class LinearAnnealing:
    """All betas rise linearly from 0 over the first steps.

    Args:
        steps: until they have their values; 0 for none.

    Example::

        LinearAnnealing(100).betas(torch.tensor([0.1, 10.0]), step=49)  # [0.05, 5.0]
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def betas(self, conditions: Tensor, step: int) -> Tensor:
        return conditions * (min(1.0, (step + 1) / self.steps) if self.steps else 1.0)

    def observe(self, step: int, rates: Tensor) -> None:
        """It depends on the step alone."""

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing to restore."""


class StaggeredAnnealing:
    """The lowest layers' betas rise first, those above follow one group after the other.

    As long as the rate of a layer costs nothing, a prior that knows the layers above saves nothing: these are paid for
    before they are of any use, and are lost for good. So the betas of the lowest group rise at once, linearly from 0.
    Those of all others come down to earth slowly: geometrically from :attr:`START` to their values, over a number of
    steps that is largest for the top group and falls linearly towards the lowest one's. For group g of G (0 at
    the top) that is ``descent + (rise - descent) g / (G - 1)``.

    Args:
        groups: group of each layer, top first, numbered from 0; a single group rises as the lowest.
        rise: steps until the betas of the lowest group have their values.
        descent: steps until those of the top group have; if that is less than ``rise``, all groups take so many.

    Example::

        annealing = StaggeredAnnealing((0, 1), rise=10, descent=100)
        annealing.betas(torch.tensor([10.0, 10.0]), step=9)  # [0.0025, 10.0]
        annealing.betas(torch.tensor([10.0, 10.0]), step=99)  # [10.0, 10.0]
    """

    START = 1e-3
    """Beta at which all but the lowest group begin: a layer of 100 nats costs 0.1, next to nothing. A beta that is to
    be smaller still has its value from the first step."""

    def __init__(self, groups: Sequence[int], rise: int, descent: int) -> None:
        from_top = list(dict.fromkeys(groups))  # groups may be numbered in any order
        lowest = len(from_top) - 1
        ranks = [from_top.index(group) for group in groups]
        fastest = min(rise, descent) if lowest else rise
        spans = [descent + (fastest - descent) * rank / lowest if lowest else fastest for rank in ranks]
        self.spans = torch.tensor(spans, dtype=torch.float64)
        self.is_lowest = torch.tensor([rank == lowest for rank in ranks])

    @property
    def steps(self) -> int:
        return int(self.spans.max().ceil())

    def betas(self, conditions: Tensor, step: int) -> Tensor:
        if step + 1 >= self.steps:
            return conditions
        device, dtype = conditions.device, conditions.dtype
        shares = ((step + 1) / self.spans).clamp(max=1).to(device, dtype, non_blocking=True)  # [L]
        start = conditions.clamp(max=self.START)
        geometric = start * (conditions / start) ** shares
        return torch.where(self.is_lowest.to(device, non_blocking=True), conditions * shares, geometric)

    def observe(self, step: int, rates: Tensor) -> None:
        """It depends on the step alone."""

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing to restore."""


def network_annealing(spec: NetworkSpec, count: int, device: torch.device = CPU) -> Annealing:
    """How a conditioned network's betas are annealed, in a training on ``count`` images.

    Args:
        device: of the training.

    Example::

        network_annealing(NetworkSpec(), 60_000).steps  # 1410
    """
    steps = total_steps(spec.training, count)
    if spec.balanced is not None:
        return BalancedAnnealing(spec.groups, 1, spec.balanced.hold, round(spec.balanced.descent * steps), device)
    if spec.staggered is None:
        return LinearAnnealing(annealing_steps(spec.training, count))
    return StaggeredAnnealing(spec.groups, spec.staggered.rise, round(spec.staggered.descent * steps))
