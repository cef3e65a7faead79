"""Where the betas of Eq. 8 come from, one for each layer, at every step of training."""

from typing import Protocol

import torch
from torch import Tensor

from ratescape.specs import WarmupPath


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
    """One vector of betas a member, approached by a warm-up.

    Unequal betas without a warm-up fall into bad optima: a layer that starts out expensive collapses before the
    network has found a use for it, and never recovers. Two ways lead to the betas:

    - ``geometric``: from the beta-VAE of the smallest beta, linear in log beta. The cheap layer learns what the dear
      one must give up while that is still possible; equal betas need no warm-up, and get none.
    - ``linear``: all betas from 0 (Sonderby et al., 2016; the paper's LVAE). The dear layer passes beta = 1 early on,
      when the cheap one has learned little: on binary MNIST, betas (0.1, 10) ended 13 nats worse than by the other.

    Args:
        betas: ``[P, L]``, top layer first.
        warmup: steps until the betas reach their values; 0 for none.
        path: the way there.
    """

    def __init__(self, betas: Tensor, warmup: int, path: WarmupPath = "geometric") -> None:
        self.betas = betas
        self.warmup = warmup
        self.path: WarmupPath = path

    def draw(self, step: int) -> Tensor:
        if step + 1 >= self.warmup:
            return self.betas
        share = (step + 1) / self.warmup
        if self.path == "linear":
            return self.betas * share
        smallest = self.betas.amin(1, keepdim=True)
        return smallest * (self.betas / smallest) ** share

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
