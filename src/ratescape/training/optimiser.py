"""Adam over a pack: P members side by side, each with its own count of steps, so that one may stand still."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

FIRST, SECOND, SMALL = 0.9, 0.999, 1e-8
"""Decay of the two moments and the term that keeps the division finite: Adam's published defaults."""


class PackAdam:
    """Adam (Kingma & Ba, 2015) on parameters ``[P, ...]``; a member takes a step only where it is told to.

    For each member alone the arithmetic is that of ``torch.optim.Adam`` with its default settings. PyTorch's own
    keeps one step count a tensor, which would tie the bias corrections of all members together.

    Args:
        parameters: leaf tensors ``[P, ...]``, updated in place.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        members = self.parameters[0].shape[0]
        self.taken = torch.zeros(members, dtype=torch.float64, device=self.parameters[0].device)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rate: float, moves: Tensor | None = None) -> None:
        """One step.

        Args:
            gradients: like the parameters.
            rate: learning rate.
            moves: ``[P]`` booleans, which members take the step; None for all. The others keep weights, moments
                and step count, whatever their gradient holds (NaN included).
        """
        if moves is None:
            self.taken += 1
        else:
            self.taken += moves
            gradients = [torch.where(_across(moves, g), g, 0.0) for g in gradients]
        # A member that has never moved has no moments: its correction is taken as that of one step.
        steps = self.taken.clamp_min(1)
        scale = (rate / (1 - FIRST**steps)).to(self.parameters[0].dtype)  # [P]
        root = (1 - SECOND**steps).sqrt().to(self.parameters[0].dtype)
        for p, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            if moves is None:
                m.lerp_(g, 1 - FIRST)
                v.mul_(SECOND).addcmul_(g, g, value=1 - SECOND)
                p.sub_(_across(scale, p) * m / (v.sqrt() / _across(root, p) + SMALL))
            else:
                mask = _across(moves, p)
                m.copy_(torch.where(mask, torch.lerp(m, g, 1 - FIRST), m))
                v.copy_(torch.where(mask, torch.addcmul(v * SECOND, g, g, value=1 - SECOND), v))
                change = _across(scale, p) * m / (v.sqrt() / _across(root, p) + SMALL)
                p.sub_(torch.where(mask, change, 0.0))

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts, by name."""
        moments = {f"first.{i}": m for i, m in enumerate(self.first)}
        moments |= {f"second.{i}": v for i, v in enumerate(self.second)}
        return moments | {"taken": self.taken}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a state again."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def _across(values: Tensor, like: Tensor) -> Tensor:
    """``[P]`` as ``[P, 1, ...]`` against ``like [P, ...]``."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def norms(gradients: Sequence[Tensor]) -> Tensor:
    """Euclidean norm of each member's whole gradient: ``[P]``."""
    squares = [g.reshape(len(g), -1).square().sum(1) for g in gradients]  # a scalar parameter's is [P] alone
    return torch.stack(squares).sum(0).sqrt()


def clipped(gradients: Sequence[Tensor], lengths: Tensor, longest: float) -> list[Tensor]:
    """Gradients of which each member's is scaled down to norm ``longest`` where ``lengths [P]`` exceeds it."""
    factors = (longest / (lengths + SMALL)).clamp(max=1.0)
    return [g * _across(factors, g) for g in gradients]
