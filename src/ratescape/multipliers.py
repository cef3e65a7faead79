"""Where the betas of Eq. 8 come from, one for each layer, at every step of training."""

from typing import Protocol

import torch
from torch import Tensor


class Multipliers(Protocol):
    """Chooses the betas of a step for the P members of a pack, and may learn from the rates they led to."""

    def draw(self, step: int) -> Tensor:
        """Betas of a step (counted from 0): ``[P, L]``, or ``[P, B, L]`` with one vector for each image."""
        ...

    def observe(self, rates: Tensor) -> None:
        """See the rates ``[P, B, L]`` (nats) of the step just taken."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that must be kept for training to go on as if never interrupted."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a state again."""
        ...


class FixedBetas:
    """One vector of betas a member, approached by a linear warm-up from 0.

    Unequal betas without a warm-up fall into bad optima: a layer that starts out expensive collapses before the
    network has found a use for it, and never recovers.

    Args:
        betas: ``[P, L]``, top layer first.
        warmup: steps until the betas reach their values; 0 for none. The first step sees 1 / warmup of them.
    """

    def __init__(self, betas: Tensor, warmup: int) -> None:
        self.betas = betas
        self.warmup = warmup

    def draw(self, step: int) -> Tensor:
        return self.betas * min(1.0, (step + 1) / self.warmup) if self.warmup else self.betas

    def observe(self, rates: Tensor) -> None:
        """Fixed betas learn nothing from rates."""

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing to take up: the betas are a function of the step."""


def weighted(rates: Tensor, betas: Tensor) -> Tensor:
    """sum_l beta_l R_l for each image (the second part of Eq. 8), nats: ``[P, B, L], [P, L] -> [P, B]``.

    Betas may also be ``[P, B, L]``.
    """
    return torch.sum(rates * (betas.unsqueeze(1) if betas.ndim == 2 else betas), -1)
