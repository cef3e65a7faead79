"""Stable elementary functions of probabilities. Everything is in nats and differentiable."""

import math

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_SIGMA = 1e-6
"""Added to every standard deviation: softplus alone underflows to 0 in float32 near -104, and log 0 = -inf."""


def positive(pre_activation: Tensor) -> Tensor:
    """Standard deviation from an unconstrained number: softplus, kept away from 0. Any shape."""
    return functional.softplus(pre_activation) + SMALLEST_SIGMA


def inverse_softplus(value: float) -> float:
    """The number whose softplus is ``value`` > 0."""
    return value + math.log(-math.expm1(-value))


def gaussian_kl(mean_q: Tensor, sigma_q: Tensor, mean_p: Tensor, sigma_p: Tensor) -> Tensor:
    """KL[N(mean_q, sigma_q^2) || N(mean_p, sigma_p^2)] for each element, nats; shapes broadcast.

    Written with the ratio r = sigma_q / sigma_p as (r^2 - 1)/2 - log r + ..., so that it is 0, not a difference of
    large numbers, where the two agree.
    """
    ratio = sigma_q / sigma_p
    return 0.5 * (ratio - 1) * (ratio + 1) - torch.log(ratio) + 0.5 * ((mean_q - mean_p) / sigma_p) ** 2


def gaussian_log_density(value: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    """log N(value; mean, sigma^2) for each element, nats; shapes broadcast."""
    return -0.5 * ((value - mean) / sigma) ** 2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)


def bernoulli_nll(logits: Tensor, target: Tensor) -> Tensor:
    """-log Bernoulli(target; sigmoid(logits)) for each element, nats; from logits, never from probabilities."""
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none")


def discretised_logistic_log_mass(value: Tensor, mean: Tensor, log_scale: Tensor, levels: int = 256) -> Tensor:
    """log probability that a logistic variable falls into the bin of ``value``, nats; shapes broadcast.

    Values lie in [0, 1] on a grid of ``levels`` points; bins are half a grid step to each side, and the outermost
    bins reach to infinity, so that the masses of all levels sum to one (Salimans et al., PixelCNN++, 2017, Eq. 2).
    """
    half = 0.5 / (levels - 1)
    upper = (value - mean + half) * torch.exp(-log_scale)
    lower = (value - mean - half) * torch.exp(-log_scale)
    # log(S(u) - S(l)) = log S(u) + log S(-l) + log(1 - exp(l - u)): no cancellation, however far out the bin is.
    inner = (
        functional.logsigmoid(upper)
        + functional.logsigmoid(-lower)
        + torch.log(-torch.expm1(-2 * half * torch.exp(-log_scale)))
    )
    below = value < half
    above = value > 1 - half
    return torch.where(below, functional.logsigmoid(upper), torch.where(above, functional.logsigmoid(-lower), inner))


def psnr_of(mse: float) -> float:
    """10 log10(1 / MSE), dB, of values in [0, 1]."""
    return math.inf if mse == 0 else -10 * math.log10(mse)
