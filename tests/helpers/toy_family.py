"""A family from outside the package: two layers of vectors, and buffers that change in training."""

from typing import cast

import torch
from torch import Tensor, nn

from ratescape.model.distributions import Gaussian, likelihood
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource
from ratescape.model.parts import TopLayer, resolved_sizes, vector_heads
from ratescape.model.registry import Family, Sizes
from ratescape.specs.model import ModelSpec


class Centred(nn.Module):
    """Evidence for both layers: the image less the running mean of the images seen in training ``[B, C H W]``."""

    mean: Tensor

    def __init__(self, values: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(values))

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        flat = images.flatten(1)
        if self.training:
            self.mean.copy_((self.mean + flat.mean(0)) / 2)
        return [flat - self.mean] * 2


class Lower(nn.Module):
    """z_1, a vector: prior from z_2, posterior from z_2 and the image."""

    closed_form = True

    def __init__(self, above: int, size: int, features: int) -> None:
        super().__init__()
        self.shape = (size,)
        self.prior, self.heads = vector_heads(above, (size,)), vector_heads(above + features, (size,))

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        return self.heads(torch.cat([state, evidence], 1))

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return latents


class Counting(nn.Module):
    """A linear decoder that counts its passes in training, in whole numbers, under a name that comes first."""

    calls: Tensor

    def __init__(self, size: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.linear, self.shape = nn.Linear(size, shape[0] * shape[1] * shape[2]), shape
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, state: Tensor) -> Tensor:
        if self.training:
            self.calls.add_(1)
        return self.linear(state).reshape(-1, *self.shape)


def toy(spec: ModelSpec, image_shape: tuple[int, int, int]) -> HVAE:
    values, (_, (top, lower)) = image_shape[0] * image_shape[1] * image_shape[2], resolved_sizes(spec)
    layers = [TopLayer(top, values), Lower(top, lower, values)]
    decoder = Counting(lower, image_shape)
    return HVAE(Centred(values), layers, decoder, likelihood(spec), image_shape, spec, adapted=("layers", "decoder"))


def running_mean(model: HVAE) -> Tensor:
    """The buffer ``[C H W]`` of the images seen in training."""
    return cast(Centred, model.encoder).mean


TOY = Family(toy, layers=2, grey=Sizes(1, (3, 2)))
