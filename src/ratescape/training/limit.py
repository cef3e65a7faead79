"""Steps of far too long gradients are skipped; the limit rises with each, so that skipping never freezes a training."""

from collections.abc import Mapping

import torch
from torch import Tensor

DECAY = 0.99
"""Of the moving average of log norms: the last hundred steps decide what is usual."""
RISE = 1.5
"""By so much the limit rises with each step skipped, and falls back with each one taken."""
BEGINNING = 20
"""Steps that are taken anyway, from which the average begins."""


class GradientLimit:
    """Longest gradient at which each of P members takes a step: so many times the usual norm.

    With a fixed limit, a training whose gradients have grown for good, as they do when betas rise, would skip every
    step for ever.

    Args:
        members: P.
        factor: how many times the usual norm is too long.
        device: where norms are.

    Example::

        limit = GradientLimit(1, 10.0, torch.device("cpu"))
        accepted = limit.passes(norms)  # [P] booleans
        limit.observe(norms, accepted)
    """

    usual: Tensor
    """Moving average of the log norms of steps taken, ``[P]``."""
    raised: Tensor
    """By how much the limit has risen, as an exponent of :data:`RISE`: ``[P]``."""
    taken: Tensor
    """Steps taken, ``[P]``."""

    def __init__(self, members: int, factor: float, device: torch.device) -> None:
        self.factor = factor
        self.usual, self.raised, self.taken = (
            torch.zeros(members, dtype=torch.float64, device=device) for _ in range(3)
        )

    def passes(self, norms: Tensor) -> Tensor:
        """Which gradients are short enough: ``[P]`` booleans, from norms ``[P]``; one that is not finite is not."""
        limit = self.factor * self.usual.exp() * RISE**self.raised
        return torch.isfinite(norms) & ((norms <= limit) | (self.taken < BEGINNING))

    def observe(self, norms: Tensor, accepted: Tensor) -> None:
        """Learn from a step that members with ``accepted [P]`` took, and others skipped for their norms ``[P]``.

        A norm that is not finite says nothing of what is usual.
        """
        finite = torch.isfinite(norms)
        logs = torch.where(finite & (norms > 0), norms, torch.ones_like(norms)).double().log()
        weight = torch.clamp_min(1 / (self.taken + 1), 1 - DECAY)  # a plain mean at first
        self.usual = torch.where(accepted, self.usual + weight * (logs - self.usual), self.usual)
        risen = torch.where(accepted, (self.raised - 1).clamp_min(0), self.raised + 1)
        self.raised = torch.where(finite, risen, self.raised)
        self.taken += accepted

    def state(self) -> dict[str, Tensor]:
        """What is saved with the training, by name."""
        return {"usual": self.usual, "raised": self.raised, "taken": self.taken}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
