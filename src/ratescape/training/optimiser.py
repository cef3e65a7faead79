"""Adam over a pack: P members side by side, each with its own count of steps, so that one may stand still."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8
"""Decay of the two moments and the term that keeps the division finite: Adam's published defaults."""


class PackAdam:
    """Adam (Kingma & Ba, 2015) on parameters ``[P, ...]``, with a mask of the members that take a step.

    For each member alone the arithmetic is that of ``torch.optim.Adam`` with its default settings. PyTorch's own
    keeps one step count a tensor, which would tie the bias corrections of all members together.

    Args:
        parameters: leaf tensors ``[P, ...]``, updated in place.

    Example::

        adam = PackAdam(list(stack(models).values()))
        adam.step(gradients, lr=1e-3, update_mask=torch.tensor([True, False]))  # the second model stands still
    """

    parameters: list[Tensor]
    first: list[Tensor]
    """Running means of the gradients, like the parameters."""
    second: list[Tensor]
    """Running means of their squares, like the parameters."""
    steps: Tensor
    """``[P]``, steps that each member has taken; float64."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        members = self.parameters[0].shape[0]
        self.steps = torch.zeros(members, dtype=torch.float64, device=self.parameters[0].device)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], lr: float, update_mask: Tensor | None = None) -> None:
        """One step.

        Args:
            gradients: like the parameters.
            lr: learning rate.
            update_mask: ``[P]`` booleans, which members take the step; None for all, which is faster. The others keep
                weights, moments and step count, whatever their gradient holds (NaN included).
        """
        self.steps += 1 if update_mask is None else update_mask
        # A member that has not taken a step has no moments: its correction is taken as that of one step.
        steps = self.steps.clamp_min(1)
        scale = (lr / (1 - FIRST_DECAY**steps)).to(self.parameters[0].dtype)  # [P]
        root = (1 - SECOND_DECAY**steps).sqrt().to(self.parameters[0].dtype)  # [P]
        for p, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            if update_mask is None:
                m.lerp_(g, 1 - FIRST_DECAY)
                v.mul_(SECOND_DECAY).addcmul_(g, g, value=1 - SECOND_DECAY)
                p.sub_(_change(p, m, v, scale, root))
            else:
                mask = _across(update_mask, p)
                finite = torch.where(mask, g, 0.0)
                m.copy_(torch.where(mask, torch.lerp(m, finite, 1 - FIRST_DECAY), m))
                v.copy_(torch.where(mask, torch.addcmul(v * SECOND_DECAY, finite, finite, value=1 - SECOND_DECAY), v))
                p.sub_(torch.where(mask, _change(p, m, v, scale, root), 0.0))

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts, by name."""
        moments = {f"first.{i}": m for i, m in enumerate(self.first)}
        moments |= {f"second.{i}": v for i, v in enumerate(self.second)}
        return moments | {"steps": self.steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def _change(parameter: Tensor, first: Tensor, second: Tensor, scale: Tensor, root: Tensor) -> Tensor:
    """What a step takes off a parameter, from its moments after bias correction.

    Args:
        parameter: ``[P, ...]``, as are its moments.
        first: running mean of its gradient.
        second: running mean of its gradient's square.
        scale: ``[P]``, learning rate over the correction of the first moment.
        root: ``[P]``, square root of the correction of the second.
    """
    return _across(scale, parameter) * first / (second.sqrt() / _across(root, parameter) + EPSILON)


def _across(values: Tensor, like: Tensor) -> Tensor:
    """``[P]`` as ``[P, 1, ...]`` against ``like [P, ...]``."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def member_norms(gradients: Sequence[Tensor]) -> Tensor:
    """Euclidean norm of each member's whole gradient: ``[P]``, from gradients ``[P, ...]``."""
    squares = [g.reshape(len(g), -1).square().sum(1) for g in gradients]  # a scalar parameter's is [P] alone
    return torch.stack(squares).sum(0).sqrt()


def clipped(gradients: Sequence[Tensor], norms: Tensor, largest: float) -> list[Tensor]:
    """Gradients ``[P, ...]``, each member's scaled down to norm ``largest`` where its own (``norms [P]``) is larger."""
    factors = (largest / (norms + EPSILON)).clamp(max=1.0)
    return [g * _across(factors, g) for g in gradients]
