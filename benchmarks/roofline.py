"""What a training step must compute and move, what the device can do, and where the time goes."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ratescape.compute.devices import synchronise
from ratescape.compute.precision import arithmetic, mixed_precision
from ratescape.model.hierarchy import HVAE, PosteriorSample


class Work(NamedTuple):
    """Of one training step of one model on one batch."""

    forward: float
    """FLOPs of the forward pass: matrix products and convolutions, a multiply-add being two."""
    backward: float
    passed: float
    """Bytes that the operators of both passes read and write: weights, their gradients, activations and theirs."""
    updated: float
    """Bytes that Adam reads and writes: gradients, moments, weights."""
    least: float
    """Bytes that any implementation moves: weights read twice, gradients written, Adam's four tensors read and three
    of them written; what the backward pass needs of the forward pass written and read once."""


class Rates(NamedTuple):
    """What the device was measured to do."""

    matrix: float
    """FLOP/s of a large matrix product in the precision of training."""
    copy: float
    """Bytes/s of a large copy, reads and writes counted."""


class Traffic(TorchDispatchMode):
    """Sums the bytes of the tensors that every operator reads and writes; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        returns = func._schema.returns
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        if not view and not func._schema.name.startswith(("aten::empty", "aten::new_empty", "aten::detach")):
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
            # An expanded tensor is smaller in memory than it looks.
            self.bytes += sum(min(t.nbytes, t.untyped_storage().nbytes()) for t in tensors)
        return out


def work(model: HVAE, batch: Tensor, precision: str, update: Callable[[list[Tensor]], None], kept: int) -> Work:
    """Count one step of one model.

    Args:
        batch: ``[B, C, H, W]``.
        update: the optimiser's step, given the gradients.
        kept: bytes that the backward pass keeps of the forward pass.
    """
    weights = list(model.parameters())

    def losses() -> Tensor:
        with mixed_precision(precision, batch.device):
            result = model(PosteriorSample(model.noise(len(batch))), batch)
        return (result.distortion + result.rates.sum(1)).mean()

    with FlopCounterMode(display=False) as flops:
        loss = losses()
        forward = flops.get_total_flops()
        torch.autograd.grad(loss, weights)
    with Traffic() as both:
        gradients = torch.autograd.grad(losses(), weights)
    with Traffic() as adam:
        update(list(gradients))
    size = sum(w.nbytes for w in weights)
    return Work(forward, flops.get_total_flops() - forward, both.bytes, adam.bytes, 10 * size + 2 * kept)


def rates(device: torch.device, precision: str) -> Rates:
    """Measure the device: medians of seven."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    side, count = (8192, 1 << 28) if device.type == "cuda" else (2048, 1 << 25)
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    source, target = torch.ones(count, device=device), torch.empty(count, device=device)
    with arithmetic(precision, device):
        product = _median(device, lambda: one @ other)
    return Rates(2 * side**3 / product, 2 * source.nbytes / _median(device, lambda: target.copy_(source)))


def _median(device: torch.device, act: Callable[[], object]) -> float:
    seconds: list[float] = []
    for _ in range(8):  # the first warms up
        synchronise(device)
        begun = time.perf_counter()
        act()
        synchronise(device)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def shares(device: torch.device, act: Callable[[], object], top: int = 12) -> tuple[float, list[tuple[str, float]]]:
    """Where the time goes: share of the wall time in which operators run, and of that the share of each operator."""
    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as profiler:
        begun = time.perf_counter()
        act()
        synchronise(device)
        wall = time.perf_counter() - begun
    # Kernels are listed once more by themselves; the operators that started them already carry their time.
    events = [e for e in profiler.key_averages() if e.device_type.name == "CPU"]
    times = {e.key: (e.self_device_time_total if cuda else e.self_cpu_time_total) / 1e6 for e in events}
    total = sum(times.values())
    longest = sorted(times.items(), key=lambda item: -item[1])[:top]
    return total / wall, [(name, seconds / total) for name, seconds in longest]
