"""Gradient checkpointing: what a part of a network computes is forgotten, and computed again in the backward pass.

Source: Chen et al., "Training deep nets with sublinear memory cost" (2016).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint


class _Mode:
    """Whether passes are made so now; plain, since torch.compile cannot trace a ContextVar.

    Threads share it: what one of them asks for changes the memory of another's training, never its numbers.
    """

    active = False


_mode = _Mode()


@contextlib.contextmanager
def recomputing(active: bool) -> Iterator[None]:
    """Within it, passes keep for the backward pass only what goes in and out of each part (:func:`recomputed`).

    Example::

        with recomputing(True):
            result = pack_pass(model, tensors, source, images)
        torch.autograd.grad(result.distortion.sum(), list(tensors.values()))  # computes each part once more
    """
    before, _mode.active = _mode.active, active
    try:
        yield
    finally:
        _mode.active = before


def is_recomputing() -> bool:
    """Whether passes are made so now."""
    return _mode.active


def recomputed(part: nn.Module, method: str, *inputs: Any) -> Any:
    """What a method of a part of a network makes of its inputs; within :func:`recomputing`, computed again if needed.

    It must depend on nothing but the part and its inputs: noise is drawn elsewhere.

    Args:
        part: its weights and buffers may be those of a functional call; they are remembered for the backward pass.
        method: its name, such as ``forward``.
        inputs: tensors, or what holds them.
    """
    if not (_mode.active and torch.is_grad_enabled()):
        return getattr(part, method)(*inputs) if method != "forward" else part(*inputs)
    bound = _Bound(part, method)
    # In the backward pass the functional call is over, so that the part holds other weights: these are given again.
    tensors = dict(bound.named_parameters(remove_duplicate=False)) | dict(bound.named_buffers(remove_duplicate=False))
    return checkpoint(lambda *given: functional_call(bound, tensors, given), *inputs, use_reentrant=False)


class _Bound(nn.Module):
    """A method of a module, as a module that a functional call can take."""

    def __init__(self, part: nn.Module, method: str) -> None:
        super().__init__()
        self.part = part
        self.method = method

    def forward(self, *inputs: Any) -> Any:
        return self.part(*inputs) if self.method == "forward" else getattr(self.part, self.method)(*inputs)
