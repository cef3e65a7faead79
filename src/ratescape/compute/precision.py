"""Number formats of training: of the weights, and of the arithmetic in matrix products and convolutions."""

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor

FLOAT = {"float32": torch.float32, "tf32": torch.float32, "bf16": torch.float32, "float64": torch.float64}
"""Format of weights, gradients, Adam's moments, losses and rates by the precision's name in a spec."""


def mixed_precision(precision: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The context of a pass: with ``bf16``, its matrix products and convolutions take and give bfloat16.

    Example::

        with arithmetic(spec.precision, device), mixed_precision(spec.precision, device):
            result = model(source, images)
    """
    if precision != "bf16":
        return contextlib.nullcontext()
    # Every weight is used once a pass: a cache of the cast ones would only hold memory.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def full_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The context of a part of a mixed-precision pass whose products keep the format of its weights."""
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else contextlib.nullcontext()


@contextlib.contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """On a GPU, float32 products and convolutions in TF32 with ``tf32``, and in float32 itself otherwise.

    PyTorch's own default is neither: TF32 in convolutions, float32 in products. It is restored afterwards. On a CPU
    denormal numbers count as 0: see :func:`denormals_as_zero`.
    """
    if device.type == "cpu":
        with denormals_as_zero():
            yield
        return
    if device.type != "cuda":
        yield
        return
    convolutions, products = cast(Any, torch.backends.cudnn), torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    try:
        convolutions.allow_tf32 = products.allow_tf32 = precision == "tf32"
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


@contextlib.contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Have this thread take numbers below the smallest normal one (1e-38 in float32) as 0; restored afterwards.

    A CPU computes with them many times as slowly, and in the training of a model whose layer has collapsed they are
    everywhere: its gradients fall without end, and moments of them are their squares (docs/results/training-speed.md).
    """
    tiny = torch.finfo(torch.float32).tiny
    is_set = float(torch.tensor(tiny) / 2) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(is_set)


def at_least_float32(tensor: Tensor) -> Tensor:
    """A bfloat16 tensor as float32, for its 8 bits are too few for a KL or a log density; others as they are."""
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor
