"""Posterior samples by a Markov chain over latents: encode the guess, decode it, put back what is known.

Source: Rezende, Mohamed & Wierstra, Stochastic Backpropagation (2014), Appendix F, for missing pixels. For other damage
the pixels are drawn from p(x | z, y) likewise. Where the encoder's q is the true posterior, each step is one of Gibbs
sampling, and the chain's stationary distribution is p(z, x | y) exactly; with any other q it is near that, not it.
"""

import torch
from torch import Tensor

from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource, PosteriorSample, PriorMode, PriorSample
from ratescape.restoring.damage import Seen
from ratescape.restoring.pixels import Pixels


class TopLayers:
    """Latents of the top layers from one source, of those below from their prior's mode.

    Args:
        source: of the top ones.
        kept: how many these are.
    """

    def __init__(self, source: LatentSource, kept: int) -> None:
        self.source = source
        self.kept = kept
        self.rest = PriorMode()

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        return (self.source if index < self.kept else self.rest)(index, prior, posterior)


@torch.no_grad()
def sampled(model: HVAE, seen: Seen, pixels: Pixels, kept: int, steps: int, generator: torch.Generator) -> Tensor:
    """E[x | z, y] ``[B, C, H, W]`` at the last latents z of one chain for each of B images.

    The first guess is of latents from the prior. Guesses are kept within [0, 1], where pixels lie.

    Args:
        kept: layers whose latents are sampled, from the top.
        steps: times that the guess is encoded.
    """
    count = len(seen.values)
    output = model(TopLayers(PriorSample(model.noise(count, generator)), kept)).output
    for _ in range(steps):
        # Where a network meets what it has never seen, a step may lead further away from images: a chain of many steps
        # then runs away. The range of pixels stops it.
        guess = pixels.drawn(output, seen, generator).clamp(0, 1)
        output = model(TopLayers(PosteriorSample(model.noise(count, generator)), kept), guess).output
    return pixels.expected(output, seen)
