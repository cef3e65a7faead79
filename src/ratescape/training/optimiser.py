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

    The parameters of a member, N numbers in all, are kept side by side in one row of memory: a step of a small network
    is then ten operations in place of ten for each of its tensors, which on a CPU took as long as a convolution.

    Args:
        parameters: leaf tensors ``[P, ...]`` of one number format, updated in place; their memory is moved.

    Example::

        adam = PackAdam(list(stack(models).values()))
        gradient = adam.row(torch.autograd.grad(loss, adam.parameters))  # [P, N]
        adam.step(gradient, lr=1e-3, update_mask=torch.tensor([True, False]))  # the second model stands still
    """

    parameters: list[Tensor]
    """``[P, ...]``, views of :attr:`values`."""
    values: Tensor
    """All parameters, ``[P, N]``."""
    first: Tensor
    """Running mean of the gradient, ``[P, N]``."""
    second: Tensor
    """Running mean of its square, ``[P, N]``."""
    steps: Tensor
    """``[P]``, steps that each member has taken; float64."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.values = self.row([p.detach() for p in self.parameters])
        start = 0
        for p in self.parameters:
            size = p[0].numel()
            p.data = self.values[:, start : start + size].view(p.shape)
            start += size
        self.first, self.second = torch.zeros_like(self.values), torch.zeros_like(self.values)
        self.steps = torch.zeros(len(self.values), dtype=torch.float64, device=self.values.device)

    @staticmethod
    def row(tensors: Sequence[Tensor]) -> Tensor:
        """Tensors ``[P, ...]`` that are like the parameters, as :attr:`values` is laid out: ``[P, N]``."""
        return torch.cat([tensor.reshape(len(tensor), -1) for tensor in tensors], 1)

    @torch.no_grad()
    def step(self, gradient: Tensor, lr: float, update_mask: Tensor | None = None) -> None:
        """One step.

        Args:
            gradient: ``[P, N]``, as of :meth:`row`.
            lr: learning rate.
            update_mask: ``[P]`` booleans, which members take the step; None for all, which is faster. The others keep
                weights, moments and step count, whatever their gradient holds (NaN included).
        """
        self.steps += 1 if update_mask is None else update_mask
        # A member that has not taken a step has no moments: its correction is taken as that of one step.
        steps = self.steps.clamp_min(1).unsqueeze(1)
        scale = (lr / (1 - FIRST_DECAY**steps)).to(self.values.dtype)  # [P, 1]
        root = (1 - SECOND_DECAY**steps).sqrt().to(self.values.dtype)  # [P, 1]
        m, v, g = self.first, self.second, gradient
        if update_mask is None:
            m.lerp_(g, 1 - FIRST_DECAY)
            v.mul_(SECOND_DECAY).addcmul_(g, g, value=1 - SECOND_DECAY)
            self.values.sub_(_change(m, v, scale, root))
            return
        mask = update_mask.unsqueeze(1)
        finite = torch.where(mask, g, 0.0)
        m.copy_(torch.where(mask, torch.lerp(m, finite, 1 - FIRST_DECAY), m))
        v.copy_(torch.where(mask, torch.addcmul(v * SECOND_DECAY, finite, finite, value=1 - SECOND_DECAY), v))
        self.values.sub_(torch.where(mask, _change(m, v, scale, root), 0.0))

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts, by name."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def _change(first: Tensor, second: Tensor, scale: Tensor, root: Tensor) -> Tensor:
    """What a step takes off the parameters ``[P, N]``, from their moments after bias correction.

    Args:
        first: running mean of the gradient, ``[P, N]``.
        second: running mean of its square, ``[P, N]``.
        scale: ``[P, 1]``, learning rate over the correction of the first moment.
        root: ``[P, 1]``, square root of the correction of the second.
    """
    return (second.sqrt() / root).add_(EPSILON).reciprocal_().mul_(first).mul_(scale)


def member_norms(gradient: Tensor) -> Tensor:
    """Euclidean norm of each member's gradient: ``[P]``, from ``[P, N]``."""
    return torch.linalg.vector_norm(gradient, dim=1)


def clipped(gradient: Tensor, norms: Tensor, largest: float) -> Tensor:
    """The gradient ``[P, N]``, each member's scaled to norm ``largest`` where its own (``norms [P]``) is larger."""
    return gradient * (largest / (norms + EPSILON)).clamp(max=1.0).unsqueeze(1)
