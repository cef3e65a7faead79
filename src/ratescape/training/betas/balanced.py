"""Betas that are first controlled until all groups of layers carry alike, and go to their values from there."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ratescape.training.betas.controlled import rate_errors

CPU = torch.device("cpu")


class BalancedAnnealing:
    """All groups of layers are brought to carry alike before their betas go to their values.

    Layers that are dear before the network has found a use for them are lost, and so are layers that others make
    useless. Which ones are in danger depends on the network: the top layer of a GHVAE, the lower ones of an LVAE and of
    a residual network. So the betas of all groups begin at :attr:`START`, where every layer finds a use, and a
    controller moves each, the same for all images, until its group carries :attr:`RATE` nats. From there the betas go
    to their values geometrically.

    Args:
        groups: group of each layer, top first, numbered from 0.
        members: members P of the pack.
        hold: steps over which the groups are brought to carry alike; half of ``descent`` at most.
        descent: steps until the betas have their values.
        device: of the rates and betas.

    Example::

        annealing = BalancedAnnealing((0, 1), 1, hold=170, descent=900)
        annealing.betas(conditions, step=0)  # [P, B, L], all 0.001
        annealing.observe(0, rates)  # those of the step, [P, B, L]
    """

    START, END = 1e-3, 1.0
    """Beta at which all groups begin, the smallest that the controller gives, and the largest."""
    RATE = 15.0
    """Nats per image that each group is to carry. 5 and 15 nats serve alike."""
    INTEGRAL, PROPORTIONAL, DECAY = 0.05, 0.3, 0.9
    """Gains of the controller on the logarithm of a rate, and the weight of the past in its running mean."""

    def __init__(
        self, groups: Sequence[int], members: int, hold: int, descent: int, device: torch.device = CPU
    ) -> None:
        self.groups = torch.tensor(groups, device=device)
        self.hold = min(hold, descent // 2)
        self.descent = descent
        # Of each group of each member, [P, G]: its log beta, the running mean of its rate, and the last error.
        shape = (members, max(groups) + 1)
        self.log_betas = torch.full(shape, math.log(self.START), device=device, dtype=torch.float64)
        self.rates, self.errors = torch.zeros_like(self.log_betas), torch.zeros_like(self.log_betas)

    @property
    def steps(self) -> int:
        return self.descent

    def betas(self, conditions: Tensor, step: int) -> Tensor:
        if step + 1 >= self.descent:
            return conditions
        share = max(0.0, (step + 1 - self.hold) / (self.descent - self.hold))
        start = self.log_betas.exp()[:, None, self.groups].to(conditions.dtype)  # [P, 1, L]
        return start * (conditions / start) ** share

    def observe(self, step: int, rates: Tensor) -> None:
        if step >= self.hold:
            return
        layers = rates.double().mean(1)  # [P, L]
        observed = torch.zeros_like(self.rates).index_add(1, self.groups, layers)  # [P, G]
        usable = torch.isfinite(observed)
        decay = min(self.DECAY, step / (step + 1))
        self.rates = torch.where(usable, torch.lerp(observed, self.rates, decay), self.rates)
        errors = rate_errors(self.rates, self.RATE)
        change = self.INTEGRAL * errors + self.PROPORTIONAL * (errors - (self.errors if step else errors))
        moved = torch.where(usable, self.log_betas + change, self.log_betas)
        self.log_betas = moved.clamp(math.log(self.START), math.log(self.END))
        self.errors = torch.where(usable, errors, self.errors)

    def state(self) -> dict[str, Tensor]:
        return {"log_betas": self.log_betas, "group_rates": self.rates, "errors": self.errors}

    def restore(self, state: dict[str, Tensor]) -> None:
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
