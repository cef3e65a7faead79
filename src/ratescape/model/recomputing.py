"""Gradient checkpointing: what a part of a network computes is forgotten, and computed again in the backward pass.

Source: Chen et al., "Training deep nets with sublinear memory cost" (2016).
"""

import contextlib
import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeVar, cast

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


T = TypeVar("T", bound=nn.Module)


def recomputed(part: T) -> T:
    """A part of a network; within :func:`recomputing`, what acts like it but computes again in the backward pass.

    Its methods must depend on nothing but the part and their inputs: noise is drawn elsewhere.

    Args:
        part: its weights and buffers may be those of a functional call; they are remembered for the backward pass.

    Example::

        prior = recomputed(layer).prior(state)
    """
    return cast(T, _Recomputed(part)) if _mode.active and torch.is_grad_enabled() else part


class _Recomputed:
    """Stands for a part: what is asked of it is the part's own, but that its methods forget what they compute."""

    def __init__(self, part: nn.Module) -> None:
        self.part = part

    def __call__(self, *inputs: Any) -> Any:
        return _checkpointed(self.part, "forward", *inputs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.part, name)
        return partial(_checkpointed, self.part, name) if inspect.ismethod(found) else found


def _checkpointed(part: nn.Module, method: str, *inputs: Any) -> Any:
    """What a method of a part makes of tensors, or of what holds them."""
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
