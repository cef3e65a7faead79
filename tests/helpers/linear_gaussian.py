"""A hierarchical VAE of two layers in which everything is linear and Gaussian, so that all posteriors are known.

z2 ~ N(0, 1), z1 = b z2 + s1 e, x = centre + W z1 + s e. W's columns are orthogonal, so that the posterior of an image
that is wholly known is one of independent pairs (z2_i, z1_i), as the network's q must be; of a damaged image it is not.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ratescape.model.distributions import FixedGaussian, Gaussian
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource

SHAPE = (1, 2, 4)
PIXELS, SIZE = 8, 3
SLOPE = np.array([0.9, 0.7, 0.5])
SCALE = 0.07
"""Of deviations of pixels: their values stay within [0, 1], as those of images do."""
S1, S = 0.6, 0.3 * SCALE
_RNG = np.random.default_rng(5)
WEIGHTS = np.linalg.qr(_RNG.standard_normal((PIXELS, SIZE)))[0] * np.array([1.0, 0.8, 0.6]) * SCALE
CENTRE = _RNG.uniform(0.45, 0.55, PIXELS)


def tensor(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


class Projection(nn.Module):
    """What both posteriors see: W^T (x - centre)."""

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        return [(images.flatten(1) - tensor(CENTRE)) @ tensor(WEIGHTS)] * 2


class Top(nn.Module):
    """z2, whose q is p(z2 | x) with z1 integrated out."""

    shape = (SIZE,)
    closed_form = True

    def prior(self, state: Tensor | None) -> Gaussian:
        return Gaussian(torch.zeros(1, SIZE, dtype=torch.float64), torch.ones(1, SIZE, dtype=torch.float64))

    def posterior(self, evidence: Tensor, state: Tensor | None, prior: Gaussian) -> Gaussian:
        squares, slope = tensor((WEIGHTS**2).sum(0)), tensor(SLOPE)
        variance = squares**2 * S1**2 + squares * S**2  # of W^T x given z2
        precision = 1 + (squares * slope).square() / variance
        return Gaussian(squares * slope / variance / precision * evidence, precision.rsqrt().expand_as(evidence))

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return latents


class Lower(nn.Module):
    """z1, whose q is p(z1 | z2, x)."""

    shape = (SIZE,)
    closed_form = True

    def prior(self, state: Tensor) -> Gaussian:
        mean = tensor(SLOPE) * state
        return Gaussian(mean, torch.full_like(mean, S1))

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        precision = tensor((WEIGHTS**2).sum(0)) / S**2 + 1 / S1**2
        mean = (evidence / S**2 + prior.mean / S1**2) / precision
        return Gaussian(mean, precision.rsqrt().expand_as(mean))

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return latents


class Decoder(nn.Module):
    """The mean of x, and a parameter by which the network knows its device and precision."""

    def __init__(self) -> None:
        super().__init__()
        self.centre = nn.Parameter(tensor(CENTRE))

    def forward(self, z: Tensor) -> Tensor:
        return (self.centre + z @ tensor(WEIGHTS).T).unflatten(1, SHAPE)


def network() -> HVAE:
    return HVAE(Projection(), [Top(), Lower()], Decoder(), FixedGaussian(S), SHAPE)


def linear_maps() -> tuple[np.ndarray, np.ndarray]:
    """x = centre + G eps + s e, eps ~ N(0, 1) those of z2 and z1: G ``[8, 6]``; and the covariance of x."""
    from_eps = np.concatenate([WEIGHTS * SLOPE, WEIGHTS * S1], 1)
    return from_eps, from_eps @ from_eps.T + S**2 * np.eye(PIXELS)
