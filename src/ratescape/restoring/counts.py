"""Black and white pixels of which only the mean of every cell is known, with noise: exact, by dynamic programming.

The number of white pixels of a cell of m, given their logits, has a Poisson-binomial distribution, whose partial sums a
forward pass gives; drawing pixels backwards through them is exact (forward filtering, backward sampling).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from ratescape.restoring.damage import Seen

NEVER = -1e30
"""log 0, finite so that gradients are."""

LEAST_NOISE = 1 / 255
"""A mean is known no better than this: small images have 256 levels."""


def cells(values: Tensor, factor: int) -> Tensor:
    """Pixels by the cell that they lie in ``[B, C, H, W] -> [B, C, h, w, m]``."""
    batch, channels, height, width = values.shape
    parts = functional.pixel_unshuffle(values, factor).view(batch, channels, -1, height // factor, width // factor)
    return parts.movedim(2, -1)


def whole(parts: Tensor, factor: int) -> Tensor:
    """The inverse of :func:`cells`."""
    return functional.pixel_shuffle(parts.movedim(-1, 2).flatten(1, 2), factor)


def log_likelihood(logits: Tensor, seen: Seen) -> Tensor:
    """log p(y | logits) of each image, nats ``[B, C, H, W] -> [B]``; missing cells say nothing."""
    weights = _partial(cells(logits, seen.downscale))[-1] + _evidence(seen)
    return torch.logsumexp(weights, -1).masked_fill(seen.missing, 0).flatten(1).sum(1)


def expected(logits: Tensor, seen: Seen) -> Tensor:
    """P(x = 1 | y) of each pixel ``[B, C, H, W]``: sigmoid(logit) + d log p(y) / d logit, an identity of Bernoulli."""
    with torch.enable_grad():
        free = logits.detach().requires_grad_()
        (slope,) = torch.autograd.grad(log_likelihood(free, seen).sum(), free)
    return (torch.sigmoid(logits.detach()) + slope).clamp(0, 1)


def drawn(logits: Tensor, seen: Seen, generator: torch.Generator) -> Tensor:
    """Pixels drawn from p(x | y) ``[B, C, H, W]``."""
    parts = cells(logits, seen.downscale)
    partial = _partial(parts)
    weights = partial[-1] + _evidence(seen)
    uniform = torch.rand(weights.shape, generator=generator, device=logits.device, dtype=logits.dtype)
    count = (weights - torch.log(-torch.log(uniform.clamp(1e-7, 1 - 1e-7)))).argmax(-1, keepdim=True)
    pixels: list[Tensor] = []
    for index in reversed(range(parts.shape[-1])):
        before, logit = partial[index], parts[..., index : index + 1]
        if_white = before.gather(-1, (count - 1).clamp_min(0)) + logit  # log odds: the common factor is left out
        if_white = if_white.masked_fill(count == 0, NEVER)
        if_black = before.gather(-1, count.clamp_max(before.shape[-1] - 1))
        if_black = if_black.masked_fill(count == before.shape[-1], NEVER)
        chance = torch.sigmoid(if_white - if_black)
        white = torch.rand(chance.shape, generator=generator, device=logits.device, dtype=logits.dtype) < chance
        count = count - white.long()
        pixels.append(white.to(logits.dtype))
    return whole(torch.cat(pixels[::-1], -1), seen.downscale)


def _partial(parts: Tensor) -> list[Tensor]:
    """log P(c white ones among the first j), j = 0 .. m, each ``[..., j + 1]``."""
    found = [torch.zeros_like(parts[..., :1])]
    for index in range(parts.shape[-1]):
        logit = parts[..., index : index + 1]
        stay = functional.pad(found[-1] + functional.logsigmoid(-logit), (0, 1), value=NEVER)
        rise = functional.pad(found[-1] + functional.logsigmoid(logit), (1, 0), value=NEVER)
        found.append(torch.logaddexp(stay, rise))
    return found


def _evidence(seen: Seen) -> Tensor:
    """log p(y | c white ones) ``[B, C, h, w, m + 1]``; 0 where y is missing."""
    pixels, noise = seen.downscale**2, math.hypot(seen.noise, LEAST_NOISE)
    means = torch.arange(pixels + 1, device=seen.values.device, dtype=seen.values.dtype) / pixels
    scaled = (seen.values.unsqueeze(-1) - means) / noise
    logs = -0.5 * scaled.square() - math.log(noise) - 0.5 * math.log(2 * math.pi)
    return logs.masked_fill(seen.missing.unsqueeze(-1), 0)
