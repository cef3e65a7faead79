"""Ways to carry out P small convolutions side by side, layer by layer of the 32x32 GHVAE: forward and backward.

    python benchmarks/convolutions.py [--members 8] [--batch 64] [--device auto] [--rounds 7]

- grouped: what `torch.func.vmap` makes of a mapped convolution, one of P groups; for layers that see the shared images,
  one wide convolution
- channels last: the same in that memory format
- unfolded: patches as columns, one batched matrix product (`baddbmm`); transposed layers fold its columns
- one by one: P ordinary convolutions after each other

All are checked against the last. Milliseconds, medians of alternating rounds; the first round warms up.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ratescape.compute.devices import chosen_device, synchronise


class Layer(NamedTuple):
    """A convolution of the network: K x K taps, and sizes of the map that it sees."""

    name: str
    inputs: int
    outputs: int
    side: int
    taps: int
    stride: int
    transposed: bool = False
    shared: bool = False
    """Sees the images, which are the same for all members."""


LAYERS = [
    Layer("image to 16x16 (twice)", 3, 32, 32, 4, 2, shared=True),
    Layer("16x16 to 8x8 (twice)", 32, 32, 16, 4, 2),
    Layer("8x8 to 4x4", 32, 32, 8, 4, 2),
    Layer("8x8 to 4x4, merged", 64, 32, 8, 4, 2),
    Layer("4x4 heads (twice)", 32, 32, 4, 3, 1),
    Layer("4x4 to 8x8 (twice)", 32, 32, 4, 4, 2, transposed=True),
    Layer("8x8 to 16x16", 32, 32, 8, 4, 2, transposed=True),
    Layer("16x16 to image", 32, 3, 16, 4, 2, transposed=True),
]
Way = Callable[[Layer, Tensor, Tensor, Tensor], Tensor]
"""Input ``[P, B, C, H, W]`` (``[B, C, H, W]`` if shared), weight ``[P, O, C, K, K]`` (``[P, C, O, K, K]`` if
transposed), bias ``[P, O]``, to ``[P, B, O, H', W']``."""


def one_by_one(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    convolve = functional.conv_transpose2d if layer.transposed else functional.conv2d
    inputs = [x] * len(weight) if layer.shared else x.unbind()
    return torch.stack([convolve(*one, layer.stride, 1) for one in zip(inputs, weight, bias, strict=True)])


def grouped(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    def convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if layer.transposed:
            return functional.conv_transpose2d(x, weight, bias, layer.stride, 1)
        return functional.conv2d(x, weight, bias, layer.stride, 1)

    return torch.func.vmap(convolve, in_dims=(None if layer.shared else 0, 0, 0))(x, weight, bias)


def channels_last(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    members = len(weight)
    side_by_side = x if layer.shared else x.transpose(0, 1).flatten(1, 2)  # [B, P C, H, W]
    wide, taps = (t.to(memory_format=torch.channels_last) for t in (side_by_side, weight.flatten(0, 1)))
    groups = 1 if layer.shared else members
    if layer.transposed:
        out = functional.conv_transpose2d(wide, taps, bias.flatten(), layer.stride, 1, 0, groups)
    else:
        out = functional.conv2d(wide, taps, bias.flatten(), layer.stride, 1, 1, groups)
    return out.unflatten(1, (members, -1)).transpose(0, 1)


def unfolded(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    members, side = len(weight), layer.side // layer.stride
    if layer.transposed:
        patches = x.flatten(3).transpose(1, 2).flatten(2)  # [P, C, B HW]
        columns = weight.flatten(2).transpose(1, 2) @ patches  # [P, O K K, B HW]
        each = columns.unflatten(2, (x.shape[1], -1)).transpose(1, 2).flatten(0, 1)  # [P B, O K K, HW]
        out = functional.fold(each, layer.side * layer.stride, layer.taps, padding=1, stride=layer.stride)
        return out.unflatten(0, (members, -1)) + bias[:, None, :, None, None]
    columns = functional.unfold(x if layer.shared else x.flatten(0, 1), layer.taps, padding=1, stride=layer.stride)
    if layer.shared:  # one product for all members
        patches = columns.transpose(0, 1).flatten(1)  # [C K K, B HW]
        out = torch.addmm(bias.reshape(-1, 1), weight.flatten(0, 1).flatten(1), patches).unflatten(0, (members, -1))
    else:
        patches = columns.unflatten(0, (members, -1)).transpose(1, 2).flatten(2)  # [P, C K K, B HW]
        out = torch.baddbmm(bias.unsqueeze(2), weight.flatten(2), patches)  # [P, O, B HW]
    return out.unflatten(2, (-1, side, side)).transpose(1, 2)


WAYS: dict[str, Way] = {
    "grouped": grouped,
    "channels last": channels_last,
    "unfolded": unfolded,
    "one by one": one_by_one,
}


def tensors(layer: Layer, members: int, batch: int, device: torch.device) -> list[Tensor]:
    """Input, weight and bias."""
    x = torch.randn(*([] if layer.shared else [members]), batch, layer.inputs, layer.side, layer.side, device=device)
    maps = (layer.inputs, layer.outputs) if layer.transposed else (layer.outputs, layer.inputs)
    weight = 0.1 * torch.randn(members, *maps, layer.taps, layer.taps, device=device)
    bias = torch.randn(members, layer.outputs, device=device)
    return [x.requires_grad_(not layer.shared), weight.requires_grad_(), bias.requires_grad_()]


def step(layer: Layer, way: Way, given: list[Tensor]) -> list[Tensor]:
    """Output, and the gradients of its sum of squares."""
    out = way(layer, *given)
    return [out, *torch.autograd.grad(out.square().sum(), [t for t in given if t.requires_grad])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    device = chosen_device(options.device)
    print(f"P = {options.members}, batch {options.batch}, {device}, {torch.get_num_threads()} threads; ms\n")
    print(f"| layer | {' | '.join(WAYS)} |\n|---|{'---|' * len(WAYS)}")
    for layer in LAYERS:
        given = tensors(layer, options.members, options.batch, device)
        expected = step(layer, one_by_one, given)
        seconds: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(1 + options.rounds):
            for name, way in WAYS.items():
                synchronise(device)
                begun = time.perf_counter()
                found = step(layer, way, given)
                synchronise(device)
                seconds[name].append(time.perf_counter() - begun)
                for ours, theirs in zip(found, expected, strict=True):
                    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2 * theirs.abs().max().item())
        print(
            f"| {layer.name} | " + " | ".join(f"{1e3 * statistics.median(t[1:]):.1f}" for t in seconds.values()) + " |"
        )


if __name__ == "__main__":
    main()
