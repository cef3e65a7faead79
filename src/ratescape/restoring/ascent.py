"""The most probable latents given what is known of an image: maximum a posteriori, by gradient steps.

Latents are sought in the coordinates eps = (z - mu) / sigma, in which every layer's prior given those above is standard
normal: what grows is log p(y | z) - |eps|^2 / 2. A density's mode depends on its coordinates; in these no latents gain
from a prior that happens to be narrow. Where the sigmas of priors are constant it is the mode of p(z | y).
"""

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

MEMORIES = (0.9, 0.99)
"""Of Adam (Kingma & Ba, 2015), which treats each number by itself: images do not depend on their batch."""


def most_probable(model: HVAE, seen: Seen, pixels: Pixels, kept: int, steps: int) -> Tensor:
    """E[x | z, y] ``[B, C, H, W]`` at the most probable latents z that are found.

    Args:
        kept: layers whose latents are sought, from the top; those below are at their prior's mode.
        steps: of gradients, from the encoder's guess.
    """
    place = _encoded(model, seen, pixels, kept)
    free, fixed = [eps.clone().requires_grad_() for eps in place[:kept]], place[kept:]
    optimiser = torch.optim.Adam(free, LENGTH, MEMORIES)
    shorter = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        for eps, slope in zip(free, _slopes(model, seen, pixels, free, fixed), strict=True):
            eps.grad = slope
        optimiser.step()
        shorter.step()
    with torch.no_grad():
        return pixels.expected(model(PriorSample([*free, *fixed])).output, seen)


def _slopes(model: HVAE, seen: Seen, pixels: Pixels, free: list[Tensor], fixed: list[Tensor]) -> tuple[Tensor, ...]:
    """Gradient of -log p(y | z) + |eps|^2 / 2 in eps of the top layers, ``[B, *shape]`` each."""
    with torch.enable_grad():
        output = model(PriorSample([*free, *fixed])).output
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
