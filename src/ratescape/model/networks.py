"""The networks: the paper's GHVAE and LVAE, its bottom-up structure, and a residual of any number of layers.

Source: Fig. 2 and Tables 2-3 of Xiao & Bamler (ICLR 2023). Written for any image whose sides are multiples of 4:
two strided convolutions quarter each side, a third brings it to the *grid*, half that where it is even (32: 8 -> 4)
and three less where it is odd (28: 7 -> 4).
"""

import dataclasses
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratescape.compute.precision import at_least_float32
from ratescape.errors import SpecError
from ratescape.model.distributions import Gaussian, likelihood
from ratescape.model.hierarchy import HVAE, LatentSource
from ratescape.model.numerics import positive
from ratescape.specs.model import ModelSpec

SMALLEST_SIDE = 16


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


class VectorPrior(nn.Module):
    """p(z_1 | z_2) of the paper: FC to c_256 units, then heads."""

    def __init__(self, inputs: int, hidden: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.hidden = Hidden(nn.Linear(inputs, hidden))
        self.heads = vector_heads(hidden, shape)

    def forward(self, z: Tensor) -> Gaussian:
        return self.heads(self.hidden(z))


class MergedLayer(nn.Module):
    """z_1 of the GHVAE: posterior from the image's map and a map grown from z_2, concatenated."""

    closed_form = True

    def __init__(self, geometry: Geometry, width: int, above: int, size: int) -> None:
        super().__init__()
        self.shape = (size, *geometry.grid)
        self.prior_network = VectorPrior(above, 8 * width, self.shape)
        self.spread = Hidden(nn.Linear(above, geometry.cells(width)))
        self.grow = Hidden(geometry.from_grid(width, width))
        self.merge = Hidden(geometry.to_grid(2 * width, width))
        self.heads = map_heads(width, self.shape)
        self.seed_shape = (width, *geometry.grid)

    def prior(self, state: Tensor) -> Gaussian:
        return self.prior_network(state)

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        from_above = self.grow(self.spread(state).reshape(-1, *self.seed_shape))  # [B, c, H/4, W/4]
        return self.heads(self.merge(torch.cat([from_above, evidence], 1)))

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return latents  # the paper's decoder sees z_1 alone


class PrecisionWeightedLayer(nn.Module):
    """z_1 of the LVAE: the image's own Gaussian times the prior, renormalised (Sonderby et al., 2016)."""

    closed_form = True

    def __init__(self, geometry: Geometry, width: int, above: int, size: int) -> None:
        super().__init__()
        self.shape = (size, *geometry.grid)
        self.prior_network = VectorPrior(above, 8 * width, self.shape)
        self.squeeze = Hidden(geometry.to_grid(width, width))
        self.heads = map_heads(width, self.shape)

    def prior(self, state: Tensor) -> Gaussian:
        return self.prior_network(state)

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        mean, variance = self.heads(self.squeeze(evidence))  # the head's positive output is a variance here
        prior_variance = prior.sigma.square()
        total = variance + prior_variance
        merged = (mean * prior_variance + prior.mean * variance) / total
        return Gaussian(merged, torch.sqrt(variance / total) * prior.sigma)

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return latents


class InferredLayer(nn.Module):
    """A layer of the bottom-up model: its posterior was inferred by the encoder, from below."""

    def __init__(self, shape: tuple[int, ...], prior_network: nn.Module | None, closed_form: bool) -> None:
        super().__init__()
        self.shape = shape
        self.closed_form = closed_form
        self.prior_network = prior_network
        self.register_buffer("origin", torch.zeros(1, *shape), persistent=False)

    def prior(self, state: Tensor | None) -> Gaussian:
        if self.prior_network is None:
            origin = cast(Tensor, self.origin)
            return Gaussian(origin, torch.ones_like(origin))
        return self.prior_network(state)

    def posterior(self, evidence: Gaussian, state: Tensor | None, prior: Gaussian) -> Gaussian:
        return evidence

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return latents


class ResidualLayer(nn.Module):
    """A lower layer of the residual: a map on the grid; prior and posterior see all layers above through the state."""

    closed_form = True

    def __init__(self, geometry: Geometry, width: int, size: int) -> None:
        super().__init__()
        self.shape = (size, *geometry.grid)
        self.prior_hidden = Hidden(same(width, width))
        self.prior_heads = map_heads(width, self.shape)
        self.merge = Hidden(same(2 * width, width))
        self.posterior_heads = map_heads(width, self.shape)
        self.update = Hidden(same(width + size, width))

    def prior(self, state: Tensor) -> Gaussian:
        return self.prior_heads(self.prior_hidden(state))

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        return self.posterior_heads(self.merge(torch.cat([state, evidence], 1)))

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return state + self.update(torch.cat([state, latents], 1))


class ResidualTop(TopLayer):
    """z_L of the residual: a vector that is spread into the first state, a map on the grid."""

    def __init__(self, geometry: Geometry, width: int, size: int) -> None:
        super().__init__(size, geometry.cells(width))
        self.spread = Hidden(nn.Linear(size, geometry.cells(width)))
        self.state_shape = (width, *geometry.grid)

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return self.spread(latents).reshape(-1, *self.state_shape)


class SeparateTowers(nn.Module):
    """The GHVAE's encoder: the two posteriors share no weight."""

    def __init__(self, geometry: Geometry, width: int) -> None:
        super().__init__()
        self.top = grid_tower(geometry, width)
        self.lower = quarter_tower(geometry, width)

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        return [self.top(images), self.lower(images)]


class SharedTower(nn.Module):
    """The LVAE's encoder: both posteriors start from d_1, the map at a quarter of the image's size."""

    def __init__(self, geometry: Geometry, width: int) -> None:
        super().__init__()
        self.shared = quarter_tower(geometry, width)
        self.top = Hidden(geometry.to_grid(width, width))

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        d1 = self.shared(images)
        return [self.top(d1), d1]


class BottomUpEncoder(nn.Module):
    """Fig. 2a: q(z_1 | x), then q(z_2 | z_1), at the very z_1 that the source gives in the pass to come."""

    def __init__(self, geometry: Geometry, width: int, top: int, size: int) -> None:
        super().__init__()
        self.tower = grid_tower(geometry, width)
        self.lower_heads = map_heads(width, (size, *geometry.grid))
        self.hidden = Hidden(nn.Linear(geometry.cells(size), 8 * width))
        self.top_heads = vector_heads(8 * width, (top,))

    def forward(self, images: Tensor, source: LatentSource) -> list[Gaussian]:
        lower: Gaussian = self.lower_heads(self.tower(images))
        z1 = source(1, lower, lower)
        return [self.top_heads(self.hidden(z1.flatten(1))), lower]


class RepeatedTower(nn.Module):
    """The residual's encoder: one map on the grid, seen by every layer."""

    def __init__(self, geometry: Geometry, width: int, layers: int) -> None:
        super().__init__()
        self.tower = grid_tower(geometry, width)
        self.layers = layers

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        return [self.tower(images)] * self.layers


def resolved_model(spec: ModelSpec, image_shape: tuple[int, int, int], binary: bool) -> ModelSpec:
    """Fill the fields that were left to fit the data.

    Args:
        image_shape: (C, H, W).
        binary: whether the pixels are thresholded to 0 and 1.

    Raises:
        SpecError: the family cannot take images of this size, or the likelihood does not fit the pixels.
    """
    channels, height, width = image_shape
    if channels not in (1, 3):
        raise SpecError(f"images have {channels} channels: {spec.family} takes 1 (grey) or 3 (colour)")
    if any(side < SMALLEST_SIDE or side % 4 for side in (height, width)):
        raise SpecError(
            f"images are {height} x {width}: {spec.family} takes heights and widths that are multiples of 4 and at "
            f"least {SMALLEST_SIDE} (28 x 28 and 32 x 32 in the paper); resize or pad the images"
        )
    if spec.likelihood == "bernoulli" and not binary:
        raise SpecError("model.likelihood is 'bernoulli' but the pixels are not binary: set data.binary to true")
    if spec.likelihood == "logistic-mixture" and binary:
        raise SpecError("model.likelihood is 'logistic-mixture' but the pixels are binary: set data.binary to false")
    grey = channels == 1
    return dataclasses.replace(
        spec,
        channels=spec.channels or (16 if grey else 32),
        latents=spec.latents or ((20, 16) if grey else (32, 32)),
        likelihood=spec.likelihood or ("bernoulli" if binary else "gaussian"),
    )


def build(spec: ModelSpec, image_shape: tuple[int, int, int]) -> HVAE:
    """The network of a completed spec, with PyTorch's default initialisation.

    Args:
        spec: as returned by :func:`resolved_model`.
        image_shape: (C, H, W).

    Raises:
        SpecError: the spec is not complete.
    """
    if spec.channels is None or spec.latents is None:
        raise SpecError("model.channels or model.latents is None: complete the spec with the images it is for")
    geometry = Geometry(*image_shape)
    width, sizes = spec.channels, spec.latents
    pixels = likelihood(spec)
    outputs = pixels.output_channels(geometry.channels)
    match spec.family:
        case "ghvae":
            encoder = SeparateTowers(geometry, width)
            layers = [TopLayer(sizes[0], geometry.cells(width)), MergedLayer(geometry, width, *sizes)]
        case "lvae":
            encoder = SharedTower(geometry, width)
            layers = [TopLayer(sizes[0], geometry.cells(width)), PrecisionWeightedLayer(geometry, width, *sizes)]
        case "bottom-up":
            encoder = BottomUpEncoder(geometry, width, *sizes)
            lower = (sizes[1], *geometry.grid)
            prior = VectorPrior(sizes[0], 8 * width, lower)
            layers = [InferredLayer((sizes[0],), None, True), InferredLayer(lower, prior, False)]
        case "residual":
            encoder = RepeatedTower(geometry, width, len(sizes))
            layers = [ResidualTop(geometry, width, sizes[0])]
            layers += [ResidualLayer(geometry, width, size) for size in sizes[1:]]
            return HVAE(encoder, layers, image_decoder(geometry, width, width, outputs), pixels, image_shape, spec)
    return HVAE(encoder, layers, image_decoder(geometry, sizes[-1], width, outputs), pixels, image_shape, spec)
