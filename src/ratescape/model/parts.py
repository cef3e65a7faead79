"""Parts that networks of images are built of: towers, heads, the top layer, the decoder.

Written for any image whose sides are multiples of 4: two strided convolutions quarter each side, a third brings it to
the *grid*, half that where it is even (32: 8 -> 4) and three less where it is odd (28: 7 -> 4). Sizes are those of
Tables 2-3 of Xiao & Bamler (ICLR 2023).
"""

import dataclasses
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratescape.compute.precision import at_least_float32
from ratescape.errors import SpecError
from ratescape.model.distributions import Gaussian, likelihood
from ratescape.model.hierarchy import HVAE
from ratescape.model.numerics import positive
from ratescape.specs.model import ModelSpec


class Hidden(nn.Module):
    """ReLU after a layer: every hidden unit of every network is one of these."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.layer(x))


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Sizes of the maps between image and grid, and the convolutions that go between them."""

    channels: int
    height: int
    width: int

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the smallest map."""
        return (_squeezed(self.height // 4), _squeezed(self.width // 4))

    def cells(self, channels: int) -> int:
        """Numbers in a map of ``channels`` channels on the grid."""
        return channels * self.grid[0] * self.grid[1]

    def to_grid(self, inputs: int, outputs: int) -> nn.Conv2d:
        """Convolution from a quarter of the image's size to the grid."""
        return nn.Conv2d(inputs, outputs, 4, *self._steps())

    def from_grid(self, inputs: int, outputs: int) -> nn.ConvTranspose2d:
        """Transposed convolution from the grid to a quarter of the image's size."""
        return nn.ConvTranspose2d(inputs, outputs, 4, *self._steps())

    def _steps(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Stride and padding of the convolution between quarter size and grid."""
        even = [side // 4 % 2 == 0 for side in (self.height, self.width)]
        strides = tuple(2 if e else 1 for e in even)
        paddings = tuple(1 if e else 0 for e in even)
        return cast(tuple[int, int], strides), cast(tuple[int, int], paddings)


def _squeezed(side: int) -> int:
    return side // 2 if side % 2 == 0 else side - 3


def halve(inputs: int, outputs: int) -> nn.Conv2d:
    """Convolution to half the size."""
    return nn.Conv2d(inputs, outputs, 4, 2, 1)


def double(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Transposed convolution to twice the size."""
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)


def same(inputs: int, outputs: int) -> nn.Conv2d:
    """Convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, 1, 1)


class Heads(nn.Module):
    """Two linear heads on one feature vector or map: mean and standard deviation, reshaped to ``shape``."""

    def __init__(self, mean: nn.Module, spread: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.mean = mean
        self.spread = spread
        self.shape = shape

    def forward(self, features: Tensor) -> Gaussian:
        mean, spread = at_least_float32(self.mean(features)), at_least_float32(self.spread(features))
        return Gaussian(mean.reshape(-1, *self.shape), positive(spread).reshape(-1, *self.shape))


def vector_heads(inputs: int, shape: tuple[int, ...]) -> Heads:
    """Fully connected heads: ``[B, inputs] -> [B, *shape]``."""
    outputs = int(torch.Size(shape).numel())
    return Heads(nn.Linear(inputs, outputs), nn.Linear(inputs, outputs), shape)


def map_heads(inputs: int, shape: tuple[int, int, int]) -> Heads:
    """Convolutional heads: ``[B, inputs, h, w] -> [B, *shape]``."""
    return Heads(same(inputs, shape[0]), same(inputs, shape[0]), shape)


def quarter_tower(geometry: Geometry, width: int) -> nn.Sequential:
    """Image to a map of ``width`` channels at a quarter of its size."""
    return nn.Sequential(Hidden(halve(geometry.channels, width)), Hidden(halve(width, width)))


def grid_tower(geometry: Geometry, width: int) -> nn.Sequential:
    """Image to a map of ``width`` channels on the grid."""
    return nn.Sequential(*quarter_tower(geometry, width), Hidden(geometry.to_grid(width, width)))


def image_decoder(geometry: Geometry, inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Map on the grid to likelihood parameters ``[B, outputs, H, W]``: p(x | z_1)."""
    return nn.Sequential(
        Hidden(geometry.from_grid(inputs, width)), Hidden(double(width, width)), double(width, outputs)
    )


class TopLayer(nn.Module):
    """z_L, a vector: prior N(0, I); posterior from flattened features of the image; hands itself down."""

    closed_form = True
    zero: Tensor
    one: Tensor

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        self.shape = (size,)
        self.heads = vector_heads(features, self.shape)
        self.register_buffer("zero", torch.zeros(1, size), persistent=False)
        self.register_buffer("one", torch.ones(1, size), persistent=False)

    def prior(self, state: Tensor | None) -> Gaussian:
        return Gaussian(self.zero, self.one)

    def posterior(self, evidence: Tensor, state: Tensor | None, prior: Gaussian) -> Gaussian:
        return self.heads(evidence.flatten(1))

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return latents


def resolved_sizes(spec: ModelSpec) -> tuple[int, tuple[int, ...]]:
    """Channels of the hidden convolutions, and sizes of the latents, top first.

    Raises:
        SpecError: the spec leaves them open.
    """
    if spec.channels is None or spec.latents is None:
        raise SpecError("model.channels or model.latents is None: resolve the spec with the images it is for")
    return spec.channels, spec.latents


def assembled(
    spec: ModelSpec, geometry: Geometry, encoder: nn.Module, layers: Sequence[nn.Module], state_channels: int
) -> HVAE:
    """The network of an encoder and layers, with the decoder and the likelihood of its spec.

    Args:
        spec: resolved.
        state_channels: channels of the map ``[B, state_channels, h, w]`` that the last layer hands down.
    """
    width, _ = resolved_sizes(spec)
    pixels = likelihood(spec)
    decoder = image_decoder(geometry, state_channels, width, pixels.output_channels(geometry.channels))
    image_shape = (geometry.channels, geometry.height, geometry.width)
    # What makes latents or priors of latents, and the first to read the lowest ones, carry low-rank adapters.
    return HVAE(encoder, layers, decoder, pixels, image_shape, spec, adapted=("layers", "decoder.0"))
