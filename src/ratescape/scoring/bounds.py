"""Bounds of the likelihood of every item, and the log-likelihood ratios of Havtorn et al. (ICML 2021).

L(x) is the ELBO. L^{>k}(x) is that of a model whose k lowest layers tell nothing of the item: they are at the mode of
their prior, and their rates are dropped; the layers above come from the posterior. The difference

    LLR^{>k}(x) = L(x) - L^{>k}(x)

is what the k lowest layers explain of the item: little where its shape is familiar, much where only details are. Here
inference is top-down, so the layers above have the same posterior in both passes: with the same noise their samples and
rates are equal, and what is left is the difference of the distortions less the rates of the lower layers,

    LLR^{>k} = D^{>k} - D - sum over l <= k of R_l.

A model whose lower layers have collapsed, and are not looked at, gives 0.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE, Pass, PosteriorSample

SOURCES = 16
"""Passes over the same items that share one pass of the encoder, at most (or those of one sample): outputs of so many
are held at once."""


class Bounds(NamedTuple):
    """Of B items, nats, float64."""

    rates: Tensor
    """Of L layers, top first ``[B, L]``: means over the samples."""
    distortion: Tensor
    """``[B]``, likewise."""
    nll: Tensor
    """-log of the mean over K samples of p(x, z) / q(z | x) (Burda et al., 2016) ``[B]``; for one sample -ELBO."""
    llr: Tensor
    """LLR^{>k} for k = L - 1, ..., 1 ``[B, L - 1]``: means over the samples."""


class Above:
    """Latents of the layers above from the posterior, for given noise; those below at the mode of their prior.

    Args:
        noise: standard normal ``[1, *shape]`` (the same for all items) or ``[B, *shape]`` a layer, top first.
        lowest: k, how many layers are below.
    """

    def __init__(self, noise: Sequence[Tensor], lowest: int) -> None:
        self.noise = noise
        self.first = len(noise) - lowest

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        # An encoder that infers bottom-up asks for a layer's sample before there is a prior, and gives the posterior.
        if posterior is not None and (index < self.first or prior is posterior):
            return posterior.at(self.noise[index])
        return prior.mean


def bounds(model: HVAE, items: Tensor, noise: Sequence[Sequence[Tensor]]) -> Bounds:
    """Bounds of every item.

    Args:
        items: ``[B, ...]`` as the network takes them.
        noise: of each of K samples, as of :class:`Above`.

    Example::

        found = bounds(model, model.inputs(images), [model.noise(1) for _ in range(10)])
        found.rates.sum(1) + found.distortion  # -ELBO [B]
    """
    layers = len(model.latent_shapes)
    at_once = max(1, SOURCES // layers)
    samples: list[Bounds] = []
    for begin in range(0, len(noise), at_once):
        own = noise[begin : begin + at_once]
        sources = [source for one in own for source in _sources(one, layers)]
        passes = model.passes(sources, items)
        samples += [_of_sample(passes[i : i + layers]) for i in range(0, len(passes), layers)]
    rates, distortion, weights, llr = (torch.stack(values).mean(0) for values in zip(*samples, strict=True))
    if len(samples) == 1:  # the rates' closed form, which has the same mean as the weight and varies less
        return Bounds(rates, distortion, distortion + rates.sum(1), llr)
    weights = torch.stack([-one.nll for one in samples])  # [K, B]
    return Bounds(rates, distortion, math.log(len(samples)) - torch.logsumexp(weights, 0), llr)


def _sources(noise: Sequence[Tensor], layers: int) -> list[PosteriorSample | Above]:
    """Of one sample: all layers from the posterior, then k = L - 1, ..., 1 of them at their mode."""
    return [PosteriorSample(noise), *(Above(noise, k) for k in range(layers - 1, 0, -1))]


def _of_sample(passes: Sequence[Pass]) -> Bounds:
    """From the passes of one sample; ``nll`` is less its log weight, log p(x, z) - log q(z | x)."""
    whole, *cut = passes
    rates, distortion = whole.rates.double(), whole.distortion.double()
    spent = [
        posterior.log_density(z).double() - prior.log_density(z).double()
        for z, prior, posterior in zip(whole.latents, whole.priors, whole.posteriors, strict=True)
    ]
    below = rates.flip(1).cumsum(1).flip(1)[:, 1:]  # of the L - 1, ..., 1 lowest layers [B, L - 1]
    without = [one.distortion.double() for one in cut]
    llr = torch.stack(without, 1) - distortion[:, None] - below if cut else below
    return Bounds(rates, distortion, distortion + torch.stack(spent).sum(0), llr)
