"""Where the betas of Eq. 8 come from, one for each layer, at every step of training."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class StepBetas(NamedTuple):
    """The betas of one step, for P members, B images and L layers (top first)."""

    betas: Tensor
    """Those of the loss: ``[P, L]``, or ``[P, B, L]`` with one vector for each image."""
    conditions: Tensor | None = None
    """Those that a network is conditioned on, ``[P, B, L]``: where the betas of the loss are heading; None for a
    network that is not."""
    weights: Tensor | None = None
    """Weight ``[P, B]`` of each image in the loss; None for equal weights."""


class BetaPolicy(Protocol):
    """Chooses the betas of a step for the P members of a pack, and may learn from what they led to.

    Example::

        class Halving:
            "Betas that fall by half every 1,000 steps, and learn nothing."

            def draw(self, step: int, images: int) -> StepBetas:
                return StepBetas(torch.full((1, 2), 0.5 ** (step // 1000)))

            def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None: ...

            def state(self) -> dict[str, Tensor]:
                return {}

            def restore(self, state: dict[str, Tensor]) -> None: ...
    """

    def draw(self, step: int, images: int) -> StepBetas:
        """The betas of a step (counted from 0) on a batch of so many images."""
        ...

    def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None:
        """Learn from what the betas of a step led to.

        Args:
            drawn: what ``draw`` gave for this step.
            rates: ``[P, B, L]``, nats, without gradients.
            distortion: ``[P, B]``, nats, without gradients.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that must be saved for training to go on as if never interrupted, by name."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a saved state."""
        ...


def weighted(rates: Tensor, betas: Tensor) -> Tensor:
    """sum_l beta_l R_l for each image (the second part of Eq. 8), nats: ``[P, B, L], [P, L] -> [P, B]``.

    Betas may also be ``[P, B, L]``.
    """
    return torch.sum(rates * (betas.unsqueeze(1) if betas.ndim == 2 else betas), -1)
