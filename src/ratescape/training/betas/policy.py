"""Where the betas of Eq. 8 come from, one for each layer, at every step of training."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class StepBetas(NamedTuple):
    """The betas of one step."""

    betas: Tensor
    """Those of the loss: ``[P, L]``, or ``[P, B, L]`` with one vector for each image."""
    told: Tensor | None = None
    """What a conditioned network is told ``[P, B, L]``: where the betas of the loss are heading."""
    weights: Tensor | None = None
    """Weight ``[P, B]`` of each image in the loss; None for equal weights."""


class BetaPolicy(Protocol):
    """Chooses the betas of a step for the P members of a pack, and may learn from what they led to."""

    def draw(self, step: int, images: int) -> StepBetas:
        """The betas of a step (counted from 0) on so many images."""
        ...

    def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None:
        """See what the betas of a step led to: rates ``[P, B, L]`` and distortion ``[P, B]``, nats."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that must be kept for training to go on as if never interrupted."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a state again."""
        ...


def weighted(rates: Tensor, betas: Tensor) -> Tensor:
    """sum_l beta_l R_l for each image (the second part of Eq. 8), nats: ``[P, B, L], [P, L] -> [P, B]``.

    Betas may also be ``[P, B, L]``.
    """
    return torch.sum(rates * (betas.unsqueeze(1) if betas.ndim == 2 else betas), -1)
