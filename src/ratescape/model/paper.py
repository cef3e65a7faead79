"""The paper's two-layer networks: GHVAE, LVAE, and the bottom-up structure that it argues against.

Source: Fig. 2 and Tables 2-3 of Xiao & Bamler (ICLR 2023).
"""

from typing import cast

import torch
from torch import Tensor, nn

from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource
from ratescape.model.parts import (
    Geometry,
    Hidden,
    TopLayer,
    assembled,
    grid_tower,
    map_heads,
    quarter_tower,
    resolved_sizes,
    vector_heads,
)
from ratescape.specs.model import ModelSpec


class VectorPrior(nn.Module):
    """p(z_1 | z_2) of the paper: FC to c_256 units, then heads."""

    def __init__(self, inputs: int, hidden: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.hidden = Hidden(nn.Linear(inputs, hidden))
        self.heads = vector_heads(hidden, shape)

    def forward(self, z: Tensor) -> Gaussian:
        return self.heads(self.hidden(z))


class SeparateTowers(nn.Module):
    """The GHVAE's encoder: the two posteriors share no weight."""

    def __init__(self, geometry: Geometry, width: int) -> None:
        super().__init__()
        self.top = grid_tower(geometry, width)
        self.lower = quarter_tower(geometry, width)

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        return [self.top(images), self.lower(images)]


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


class SharedTower(nn.Module):
    """The LVAE's encoder: both posteriors start from d_1, the map at a quarter of the image's size."""

    def __init__(self, geometry: Geometry, width: int) -> None:
        super().__init__()
        self.shared = quarter_tower(geometry, width)
        self.top = Hidden(geometry.to_grid(width, width))

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        d1 = self.shared(images)
        return [self.top(d1), d1]


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


def ghvae(spec: ModelSpec, image_shape: tuple[int, ...]) -> HVAE:
    """The GHVAE: posteriors top-down, the lower one from image and z_2 together.

    Args:
        spec: resolved.
        image_shape: (C, H, W).
    """
    geometry, (width, sizes) = Geometry(*image_shape), resolved_sizes(spec)
    encoder = SeparateTowers(geometry, width)
    layers = [TopLayer(sizes[0], geometry.cells(width)), MergedLayer(geometry, width, *sizes)]
    return assembled(spec, geometry, encoder, layers, sizes[-1])


def lvae(spec: ModelSpec, image_shape: tuple[int, ...]) -> HVAE:
    """The LVAE (Sonderby et al., 2016); arguments as of :func:`ghvae`."""
    geometry, (width, sizes) = Geometry(*image_shape), resolved_sizes(spec)
    encoder = SharedTower(geometry, width)
    layers = [TopLayer(sizes[0], geometry.cells(width)), PrecisionWeightedLayer(geometry, width, *sizes)]
    return assembled(spec, geometry, encoder, layers, sizes[-1])


def bottom_up(spec: ModelSpec, image_shape: tuple[int, ...]) -> HVAE:
    """Bottom-up inference, Fig. 2a: z_2 sees the image through z_1 alone; arguments as of :func:`ghvae`."""
    geometry, (width, sizes) = Geometry(*image_shape), resolved_sizes(spec)
    encoder = BottomUpEncoder(geometry, width, *sizes)
    lower = (sizes[1], *geometry.grid)
    prior = VectorPrior(sizes[0], 8 * width, lower)
    layers = [InferredLayer((sizes[0],), None, True), InferredLayer(lower, prior, False)]
    return assembled(spec, geometry, encoder, layers, sizes[-1])
