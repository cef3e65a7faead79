"""The most probable latents given what is known of an image: maximum a posteriori, by gradient steps.

Latents are sought in the coordinates eps = (z - mu) / sigma, in which every layer's prior given those above is standard
normal: what grows is log p(y | z) - |eps|^2 / 2. A density's mode depends on its coordinates; in these no latents gain
from a prior that happens to be narrow. Where the sigmas of priors are constant it is the mode of p(z | y).
"""

import math

import torch
from torch import Tensor

from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorMode, PriorSample
from ratescape.restoring.chain import TopLayers
from ratescape.restoring.damage import Seen
from ratescape.restoring.pixels import Pixels

LENGTH = 0.1
"""Of the first steps, in standard deviations of the prior; they become shorter along half a cosine, down to 0."""

MEMORY, MEMORY_OF_SQUARES, SMALLEST = 0.9, 0.99, 1e-8
"""Adam's constants (Kingma & Ba, 2015). It treats each number by itself, so images do not depend on their batch."""


def most_probable(model: HVAE, seen: Seen, pixels: Pixels, kept: int, steps: int) -> Tensor:
    """E[x | z, y] ``[B, C, H, W]`` at the most probable latents z that are found.

    Args:
        kept: layers whose latents are sought, from the top; those below are at their prior's mode.
        steps: of gradients, from the encoder's guess.
    """
    place = _encoded(model, seen, pixels, kept)
    slopes, squares = ([torch.zeros_like(eps) for eps in place[:kept]] for _ in range(2))
    for step in range(steps):
        length = LENGTH * 0.5 * (1 + math.cos(math.pi * step / steps))
        corrections = (1 - MEMORY ** (step + 1), 1 - MEMORY_OF_SQUARES ** (step + 1))
        for index, slope in enumerate(_slopes(model, seen, pixels, place, kept)):
            slopes[index].lerp_(slope, 1 - MEMORY)
            squares[index].lerp_(slope.square(), 1 - MEMORY_OF_SQUARES)
            scale = (squares[index] / corrections[1]).sqrt() + SMALLEST
            place[index] = place[index] - length * slopes[index] / corrections[0] / scale
    with torch.no_grad():
        return pixels.expected(model(PriorSample(place)).output, seen)


def _slopes(model: HVAE, seen: Seen, pixels: Pixels, place: list[Tensor], kept: int) -> tuple[Tensor, ...]:
    """Gradient of -log p(y | z) + |eps|^2 / 2 in eps of the top layers, ``[B, *shape]`` each."""
    with torch.enable_grad():
        free = [eps.detach().requires_grad_() for eps in place[:kept]]
        output = model(PriorSample([*free, *place[kept:]])).output
        prior = torch.stack([eps.square().sum() for eps in free]).sum() / 2
        return torch.autograd.grad(prior - pixels.log_likelihood(output, seen).sum(), free)


@torch.no_grad()
def _encoded(model: HVAE, seen: Seen, pixels: Pixels, kept: int) -> list[Tensor]:
    """eps of the encoder's modes ``[B, *shape]``, of an image that shows what is known and else what is usual."""
    blank = [noise.zero_() for noise in model.noise(len(seen.values))]
    guess = pixels.expected(model(PriorSample(blank)).output, seen)
    found = Standardised(kept)
    model(found, guess)
    return [*found.place, *blank[kept:]]


class Standardised:
    """Posterior modes of the top layers, noted in the coordinates of their priors.

    Args:
        kept: how many layers these are; others are at their prior's mode.
    """

    def __init__(self, kept: int) -> None:
        self.source = TopLayers(PosteriorMode(), kept)
        self.kept = kept
        self.noted: dict[int, Tensor] = {}

    @property
    def place(self) -> list[Tensor]:
        return [self.noted[index] for index in range(self.kept)]

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        z = self.source(index, prior, posterior)
        self.noted[index] = (z - prior.mean) / prior.sigma  # the last call of a layer is that of the pass itself
        return z
