"""The residual family: any number of layers, each of which adds to one state on the grid."""

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
    resolved_sizes,
    same,
)
from ratescape.specs.model import ModelSpec


class RepeatedTower(nn.Module):
    """The residual's encoder: one map on the grid, seen by every layer."""

    def __init__(self, geometry: Geometry, width: int, layers: int) -> None:
        super().__init__()
        self.tower = grid_tower(geometry, width)
        self.layers = layers

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        return [self.tower(images)] * self.layers


class ResidualTop(TopLayer):
    """z_L of the residual: a vector that is spread into the first state, a map on the grid."""

    def __init__(self, geometry: Geometry, width: int, size: int) -> None:
        super().__init__(size, geometry.cells(width))
        self.spread = Hidden(nn.Linear(size, geometry.cells(width)))
        self.state_shape = (width, *geometry.grid)

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return self.spread(latents).reshape(-1, *self.state_shape)


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


def residual(spec: ModelSpec, image_shape: tuple[int, ...]) -> HVAE:
    """A network of any number of layers, one being an ordinary VAE.

    Args:
        spec: resolved; its latents are the size of the top vector, then the channels of each map below it.
        image_shape: (C, H, W).
    """
    geometry, (width, sizes) = Geometry(*image_shape), resolved_sizes(spec)
    encoder = RepeatedTower(geometry, width, len(sizes))
    layers = [ResidualTop(geometry, width, sizes[0]), *(ResidualLayer(geometry, width, size) for size in sizes[1:])]
    return assembled(spec, geometry, encoder, layers, width)
