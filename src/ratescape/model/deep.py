"""The deep family: residual top-down blocks at several resolutions, each of which is a layer of latents.

The blocks are those of very deep VAEs (Child, ICLR 2021), without the prior's own contribution to the state, so that a
layer is what :class:`~ratescape.model.latents.Layer` says. With state x of a layer, and evidence e of the image at
its resolution,

    p(z | x) = heads(prior body (x)),   q(z | x, e) = heads(posterior body (x, e)),
    x <- x + W z,   x <- x + body (x),

then x goes to the next resolution, if that is another: every cell is repeated, and a learned map is added. What keeps
40 such layers stable: the prior's last convolution starts at zero; W and the last convolution of every residual body
start smaller by the root of the number of blocks; no batch norm, which would couple the images of a batch.

The image's own resolution is the dearest, so nothing but latents is worked out there: without any, the encoder begins
with a strided convolution to half the image's sides, and the decoder ends with a transposed one from there.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratescape.compute.precision import at_least_float32
from ratescape.model.distributions import Gaussian, likelihood
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource
from ratescape.model.numerics import SMALLEST_SIGMA, inverse_softplus, positive
from ratescape.model.parts import resolved_sizes, same
from ratescape.model.recomputing import recomputed
from ratescape.specs.blocks import Level, fitting, sizes
from ratescape.specs.model import ModelSpec

Size = tuple[int, int]
"""Height and width of a map."""

MOST_ENCODER_BLOCKS = 2
"""Residual blocks of the encoder at one resolution, at most: what follows there is left to the top-down blocks."""


class Body(nn.Sequential):
    """Bottleneck: 1x1 to the inner width, twice 3x3 (1x1 on maps of two cells a side at most), 1x1 out; GELU first.

    Args:
        inputs: channels.
        inner: channels of the bottleneck.
        outputs: channels.
        size: of the maps.
    """

    def __init__(self, inputs: int, inner: int, outputs: int, size: Size) -> None:
        kernel = 3 if max(size) > 2 else 1
        widths = ((inputs, inner, 1), (inner, inner, kernel), (inner, inner, kernel), (inner, outputs, 1))
        parts = [(nn.GELU(), nn.Conv2d(before, after, k, padding=k // 2)) for before, after, k in widths]
        super().__init__(*(part for pair in parts for part in pair))

    @property
    def last(self) -> nn.Conv2d:
        """The convolution whose output is the body's."""
        *_, last = self
        assert isinstance(last, nn.Conv2d)
        return last


class Residual(nn.Module):
    """Adds to a map what a body makes of it.

    Args:
        depth: number of such blocks in a row, by whose root the last convolution starts smaller.
    """

    def __init__(self, width: int, inner: int, size: Size, depth: int) -> None:
        super().__init__()
        self.body = Body(width, inner, width, size)
        shrink(self.body.last, depth)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@torch.no_grad()
def shrink(layer: nn.Conv2d, depth: int) -> None:
    """Start a convolution's weights smaller by the root of ``depth``, so that a sum over so many stays of its size."""
    layer.weight.mul_(1 / math.sqrt(depth))


class Grow(nn.Module):
    """A map to the next resolution: every cell repeated (nearest neighbour), and a learned map added."""

    def __init__(self, width: int, size: Size) -> None:
        super().__init__()
        self.size = size
        self.bias = nn.Parameter(torch.zeros(1, width, *size))

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, self.size, mode="nearest") + self.bias


class DeepTower(nn.Module):
    """The encoder: residual blocks and average pooling from the image down; each layer sees its own resolution.

    Args:
        channels: of the images.
        width: channels of its maps.
        inner: channels of bottlenecks.
        chosen: the levels of latents, the coarsest first.
        chain: size of every resolution that it works at, the finest first; if that is not the image's own, it is half.
        halves: whether the stem halves the image's sides.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        inner: int,
        chosen: Sequence[Level],
        chain: dict[int, Size],
        *,
        halves: bool,
    ) -> None:
        super().__init__()
        self.blocks_of = [level.blocks for level in chosen]
        self.resolutions = [level.resolution for level in chosen]
        self.stem = nn.Conv2d(channels, width, 5, 2, 2) if halves else same(channels, width)
        wanted = {level.resolution: min(level.blocks, MOST_ENCODER_BLOCKS) for level in chosen}
        self.chain = [resolution for resolution in chain if resolution >= chosen[0].resolution]
        counts = [wanted.get(one, 1) for one in self.chain]
        depth = sum(counts)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Residual(width, inner, chain[resolution], depth) for _ in range(count)))
            for resolution, count in zip(self.chain, counts, strict=True)
        )

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        """Images ``[B, C, H, W]`` to the evidence of each layer ``[B, width, h, w]``, top first."""
        x, found = self.stem(images), dict[int, Tensor]()
        for resolution, blocks in zip(self.chain, self.blocks, strict=True):
            if resolution != self.chain[0]:
                x = functional.avg_pool2d(x, 2, ceil_mode=True)
            for block in cast(nn.Sequential, blocks):
                x = recomputed(block)(x)
            found[resolution] = x
        return [found[one] for one, count in zip(self.resolutions, self.blocks_of, strict=True) for _ in range(count)]


class MapHeads(nn.Module):
    """A body whose outputs are mean and standard deviation of latents ``[B, latents, h, w]``."""

    def __init__(self, inputs: int, inner: int, latents: int, size: Size) -> None:
        super().__init__()
        self.body = Body(inputs, inner, 2 * latents, size)
        with torch.no_grad():
            assert self.body.last.bias is not None
            self.body.last.bias[:latents] = 0
            self.body.last.bias[latents:] = inverse_softplus(1 - SMALLEST_SIGMA)  # sigma starts near one

    def forward(self, features: Tensor) -> Gaussian:
        mean, spread = at_least_float32(self.body(features)).chunk(2, 1)
        return Gaussian(mean, positive(spread))


class DeepLayer(nn.Module):
    """One top-down block: a layer of latents ``[latents, h, w]`` on the maps of its resolution.

    Args:
        width: channels of the state.
        inner: channels of bottlenecks.
        latents: channels of the latents.
        size: of its maps.
        depth: layers of the whole hierarchy.
        is_top: whether the state begins here, as a learned map.
        below: size of the next layer's maps if it is another.
    """

    closed_form = True

    def __init__(
        self, width: int, inner: int, latents: int, size: Size, depth: int, *, is_top: bool, below: Size | None
    ) -> None:
        super().__init__()
        self.shape = (latents, *size)
        self.start = nn.Parameter(torch.zeros(1, width, *size)) if is_top else None
        self.prior_heads = MapHeads(width, inner, latents, size)
        nn.init.zeros_(self.prior_heads.body.last.weight)
        self.posterior_heads = MapHeads(2 * width, inner, latents, size)
        self.spread = nn.Conv2d(latents, width, 1)
        shrink(self.spread, depth)
        self.residual = Residual(width, inner, size, depth)
        self.grow = nn.Identity() if below is None else Grow(width, below)

    def prior(self, state: Tensor | None) -> Gaussian:
        return self.prior_heads(self._begun(state))

    def posterior(self, evidence: Tensor, state: Tensor | None, prior: Gaussian) -> Gaussian:
        begun = self._begun(state)
        return self.posterior_heads(torch.cat([begun.expand(evidence.shape[0], *begun.shape[1:]), evidence], 1))

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return self.grow(self.residual(self._begun(state) + self.spread(latents)))

    def _begun(self, state: Tensor | None) -> Tensor:
        """What layers above hand down, ``[B, width, h, w]``, or where the state begins, ``[1, width, h, w]``."""
        if self.start is not None:
            return self.start
        assert state is not None
        return state


def deep(spec: ModelSpec, image_shape: tuple[int, ...]) -> HVAE:
    """A network of top-down blocks at several resolutions.

    Args:
        spec: resolved; ``blocks`` says which, ``latents`` the channels of each layer's latents, top first.
        image_shape: (C, H, W).

    Raises:
        SpecError: the images lack one of the resolutions.
    """
    channels, height, width_ = image_shape
    (width, latents), chain = resolved_sizes(spec), sizes(height, width_)
    chosen = fitting(spec.blocks or "", height, width_)
    inner = max(1, round(spec.bottleneck * width))
    each = [chain[level.resolution] for level in chosen for _ in range(level.blocks)]
    below = [after if after != own else None for own, after in zip(each, [*each[1:], each[-1]], strict=True)]
    layers = [
        DeepLayer(width, inner, count, own, len(each), is_top=index == 0, below=after)
        for index, (count, own, after) in enumerate(zip(latents, each, below, strict=True))
    ]
    pixels = likelihood(spec)
    image_size, halves = (height, width_), each[-1] != (height, width_)
    worked = {resolution: size for resolution, size in chain.items() if size != image_size or not halves}
    encoder = DeepTower(channels, width, inner, chosen, worked, halves=halves)
    outputs = pixels.output_channels(channels)
    last = to_image(width, outputs, image_size) if halves else same(width, outputs)
    decoder = nn.Sequential(*_growing(width, inner, each[-1], worked), nn.GELU(), last)
    return HVAE(encoder, layers, decoder, pixels, image_shape, spec, adapted=("layers", "decoder.1"))


def _growing(width: int, inner: int, finest: Size, chain: dict[int, Size]) -> list[nn.Module]:
    """The state below the last layer to maps of the finest resolution that is worked at."""
    above = [size for size in reversed(chain.values()) if max(size) > max(finest)]
    parts = [(Grow(width, size), Residual(width, inner, size, len(above))) for size in above]
    return [part for pair in parts for part in pair]


def to_image(width: int, outputs: int, size: Size) -> nn.ConvTranspose2d:
    """Transposed convolution from half the image's sides (rounded up) to the image's ``size``."""
    even = (1 - size[0] % 2, 1 - size[1] % 2)
    layer = nn.ConvTranspose2d(width, outputs, 5, 2, 2, output_padding=even)
    with torch.no_grad():  # PyTorch scales by the outputs; what a pixel sums is a quarter of the kernel over the width
        layer.weight.mul_(math.sqrt(4 * outputs / width))
    return layer
