"""What of a model is exported: modules from tensors to tensors, with the names and shapes of what goes in and out."""

import dataclasses
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ratescape.model.columns import ByColumn
from ratescape.model.distributions import Bernoulli, Gaussian
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorMode, PriorSample

Shape = tuple[int, ...]


class Encoder(nn.Module):
    """Images ``[N, C, H, W]`` in [0, 1], or rows ``[N, D]`` in their own units, to means and sigmas of posteriors.

    Each layer's posterior is that given the means above it, as :meth:`ratescape.HVAE.encode` has it.
    """

    def __init__(self, model: HVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> list[Tensor]:
        """Means of all layers, top first, then their sigmas, each ``[N, *shape]``."""
        likelihood = self.model.likelihood
        taken = images
        if isinstance(likelihood, ByColumn):
            taken = likelihood.standardised(images).to(images.dtype)
        elif isinstance(likelihood, Bernoulli):
            taken = (images >= 0.5).to(images.dtype)
        found = self.model.passes([PosteriorMode()], taken, decode=False)[0].posteriors
        return [*(one.mean for one in found), *(one.sigma for one in found)]


class Decoder(nn.Module):
    """Latents of all layers, top first, to expected images ``[N, C, H, W]``, or rows in the units of the data."""

    def __init__(self, model: HVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, latents: list[Tensor]) -> Tensor:
        def given(index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
            return latents[index]

        likelihood = self.model.likelihood
        return likelihood.in_units(likelihood.mean(self.model(given).output))


class Sampler(nn.Module):
    """Standard normal noise, one tensor a layer, to expected images whose latents are drawn from the priors."""

    def __init__(self, model: HVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, noise: list[Tensor]) -> Tensor:
        likelihood = self.model.likelihood
        return likelihood.in_units(likelihood.mean(self.model(PriorSample(noise)).output))


@dataclasses.dataclass(frozen=True)
class Part:
    """One program to be exported."""

    name: str
    module: nn.Module
    inputs: dict[str, Shape]
    """Shapes of one item's inputs by their names."""
    outputs: dict[str, Shape]
    listed: bool
    """Whether the module takes its inputs as one list."""

    def arguments(self, values: Sequence[Tensor]) -> tuple[Tensor | list[Tensor]]:
        """Inputs as the module takes them."""
        return (list(values),) if self.listed else (values[0],)

    @torch.no_grad()
    def run(self, values: Sequence[Tensor]) -> list[Tensor]:
        """What the model itself gives."""
        found = self.module(*self.arguments(values))
        return cast(list[Tensor], found) if isinstance(found, list) else [found]


def parts_of(model: HVAE) -> list[Part]:
    """Encoder, decoder and sampler of a model; layers are numbered as everywhere: ``z_1`` is the lowest.

    Example::

        [part.name for part in parts_of(model)]  # ["encoder", "decoder", "sampler"]
    """
    shapes = model.latent_shapes
    image = {"rows" if isinstance(model.likelihood, ByColumn) else "images": tuple(model.image_shape)}

    def layers(prefix: str) -> dict[str, Shape]:
        return {f"{prefix}_{len(shapes) - index}": tuple(shape) for index, shape in enumerate(shapes)}

    return [
        Part("encoder", Encoder(model), image, layers("mean") | layers("sigma"), False),
        Part("decoder", Decoder(model), layers("z"), image, True),
        Part("sampler", Sampler(model), layers("noise"), image, True),
    ]
