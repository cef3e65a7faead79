"""Distributions of latents (diagonal Gaussians) and of pixels (likelihoods); that of vectors is in ``columns``."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ratescape.errors import SpecError
from ratescape.model.columns import ByColumn
from ratescape.model.numerics import (
    bernoulli_nll,
    discretised_logistic_log_mass,
    gaussian_kl,
    gaussian_log_density,
    inverse_softplus,
    positive,
)
from ratescape.model.observing import Likelihood as Likelihood
from ratescape.specs.model import ModelSpec


class Gaussian(NamedTuple):
    """Independent Gaussians: ``mean`` and standard deviation ``sigma``, each ``[B, *shape]`` (B may be 1)."""

    mean: Tensor
    sigma: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """The sample mean + sigma * noise, ``[B, *shape]``, for standard normal ``noise``."""
        return self.mean + self.sigma * noise

    def kl(self, other: "Gaussian") -> Tensor:
        """KL[self || other] for each image, nats: ``[B]``."""
        return gaussian_kl(self.mean, self.sigma, other.mean, other.sigma).flatten(1).sum(1)

    def log_density(self, value: Tensor) -> Tensor:
        """log density of ``value`` for each image, nats: ``[B]``."""
        return gaussian_log_density(value, self.mean, self.sigma).flatten(1).sum(1)


class Bernoulli(Likelihood):
    """Binary pixels; the output holds logits."""

    def output_channels(self, channels: int) -> int:
        return channels

    def distortion(self, output: Tensor, images: Tensor) -> Tensor:
        return bernoulli_nll(output, images).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return torch.sigmoid(output)


class FixedGaussian(Likelihood):
    """N(output, sigma^2) with one fixed sigma for all pixels, constants included (the paper: 0.71)."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def output_channels(self, channels: int) -> int:
        return channels

    def distortion(self, output: Tensor, images: Tensor) -> Tensor:
        squares = ((images - output) / self.sigma).square().flatten(1).sum(1)
        return 0.5 * squares + self.least(images[0].numel())

    def least(self, values: int) -> float:
        return (math.log(self.sigma) + 0.5 * math.log(2 * math.pi)) * values

    def plain(self, values: int) -> float:
        """Who guesses one half everywhere is off by as much at most, and pays for it by sigma."""
        return max(super().plain(values), values * 0.5 * (0.5 / self.sigma) ** 2)

    def mean(self, output: Tensor) -> Tensor:
        return output


class LearnedGaussian(Likelihood):
    """N(output, sigma^2) with one learned sigma for all pixels, which starts at the given value."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.pre_sigma = nn.Parameter(torch.tensor(inverse_softplus(sigma)))

    def output_channels(self, channels: int) -> int:
        return channels

    def distortion(self, output: Tensor, images: Tensor) -> Tensor:
        return -gaussian_log_density(images, output, positive(self.pre_sigma)).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output


class LogisticMixture(Likelihood):
    """Mixture of discretised logistics over 256 levels; in colour, green sees red and blue sees both, linearly.

    Source: Salimans et al., PixelCNN++ (2017), Eqs. 2-3. The output holds for each of K components a logit, C means,
    C log scales and C (C - 1) / 2 couplings.
    """

    SMALLEST_LOG_SCALE = -7.0
    """exp(-7) is a quarter of a grid step (1/255): narrower components cannot be told apart."""

    def __init__(self, mixtures: int) -> None:
        super().__init__()
        self.mixtures = mixtures

    def output_channels(self, channels: int) -> int:
        return self.mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)

    def distortion(self, output: Tensor, images: Tensor) -> Tensor:
        return -self.log_mass(output, images).flatten(1).sum(1)

    def log_mass(self, output: Tensor, images: Tensor) -> Tensor:
        """log probability of each pixel, all its channels together, nats ``[B, H, W]``."""
        logits, means, log_scales, couplings = self._parts(output, images.shape[1])
        conditional = self._conditional_means(means, couplings, images.unsqueeze(1))
        masses = discretised_logistic_log_mass(images.unsqueeze(1), conditional, log_scales)  # [B, K, C, H, W]
        return torch.logsumexp(torch.log_softmax(logits, 1) + masses.sum(2), 1)

    def mean(self, output: Tensor) -> Tensor:
        channels = 1 if output.shape[1] == self.output_channels(1) else 3
        logits, means, _, couplings = self._parts(output, channels)
        expected = means
        for _ in range(channels - 1):  # the coupling is linear, so means propagate from red to green to blue
            expected = self._conditional_means(means, couplings, expected)
        weights = torch.softmax(logits, 1).unsqueeze(2)
        return (weights * expected).sum(1).clamp(0, 1)

    def variance(self, output: Tensor) -> Tensor:
        """Variance of each value given the output, as if no level were cut off ``[B, K, H, W] -> [B, C, H, W]``."""
        channels = 1 if output.shape[1] == self.output_channels(1) else 3
        logits, means, log_scales, couplings = self._parts(output, channels)
        weights = torch.softmax(logits, 1).unsqueeze(2)
        own = torch.exp(2 * log_scales) * (math.pi**2 / 3)  # of a logistic distribution
        expected, within = means, own
        if channels == 3:
            for _ in range(2):
                expected = self._conditional_means(means, couplings, expected)
            red, green, blue = own.unbind(2)
            to_green, red_to_blue, green_to_blue = couplings.unbind(2)
            via_red = (red_to_blue + green_to_blue * to_green).square() * red
            coupled = [red, green + to_green.square() * red, blue + via_red + green_to_blue.square() * green]
            within = torch.stack(coupled, 2)
        mean = (weights * expected).sum(1, keepdim=True)
        return (weights * (within + (expected - mean).square())).sum(1)

    def drawn(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images drawn from the distribution ``[B, K, H, W] -> [B, C, H, W]``, on the grid of 256 levels."""
        channels = 1 if output.shape[1] == self.output_channels(1) else 3
        logits, means, log_scales, couplings = self._parts(output, channels)
        uniform = torch.rand(logits.shape, generator=generator, device=output.device, dtype=output.dtype)
        chosen = (logits - torch.log(-torch.log(uniform.clamp(1e-7, 1 - 1e-7)))).argmax(1)[:, None, None]
        means, scales, couplings = (
            part.gather(1, chosen.expand(-1, 1, *part.shape[2:])) for part in (means, log_scales.exp(), couplings)
        )
        uniform = torch.rand(means.shape, generator=generator, device=output.device, dtype=output.dtype)
        noise = scales * torch.logit(uniform, 1e-7)
        values = torch.zeros_like(means)
        for _ in range(channels):  # a channel is right once those before it are
            values = self._conditional_means(means, couplings, values) + noise
            values = ((values * 255).round() / 255).clamp(0, 1)
        return values.squeeze(1)

    def distribution(self, output: Tensor, images: Tensor, channel: int) -> Tensor:
        """P(level <= j) for j = 0 .. 254 of one channel, given the channels before it: ``[B, H, W, 255]``.

        Args:
            output: ``[B, K, H, W]``.
            images: ``[B, C, H, W]`` in [0, 1]; the channel itself and those after it are not looked at.
        """
        logits, means, log_scales, couplings = self._parts(output, images.shape[1])
        conditional = self._conditional_means(means, couplings, images.unsqueeze(1))
        before = discretised_logistic_log_mass(images.unsqueeze(1), conditional, log_scales)[:, :, :channel].sum(2)
        weights = torch.softmax(torch.log_softmax(logits, 1) + before, 1)  # [B, K, H, W]
        edges = (torch.arange(255, dtype=output.dtype, device=output.device) + 0.5) / 255
        steepness = torch.exp(-log_scales[:, :, channel]).unsqueeze(-1)
        below = torch.sigmoid((edges - conditional[:, :, channel].unsqueeze(-1)) * steepness)  # [B, K, H, W, 255]
        return (weights.unsqueeze(-1) * below).sum(1)

    def _parts(self, output: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits ``[B, K, H, W]``, means and log scales ``[B, K, C, H, W]``, couplings ``[B, K, C(C-1)/2, H, W]``."""
        grouped = output.unflatten(1, (self.mixtures, -1))
        couplings = channels * (channels - 1) // 2
        logits, means, log_scales, coupling = torch.split(grouped, [1, channels, channels, couplings], 2)
        # A bias of one half and a scale of e^-2 start the mixture in the middle of the pixel range.
        return logits.squeeze(2), means + 0.5, (log_scales - 2).clamp_min(self.SMALLEST_LOG_SCALE), torch.tanh(coupling)

    @staticmethod
    def _conditional_means(means: Tensor, couplings: Tensor, values: Tensor) -> Tensor:
        """Means of each channel given the values of the channels before it."""
        if means.shape[2] == 1:
            return means
        red, green, blue = means.unbind(2)
        to_green, red_to_blue, green_to_blue = couplings.unbind(2)
        green = green + to_green * values[:, :, 0]
        blue = blue + red_to_blue * values[:, :, 0] + green_to_blue * values[:, :, 1]
        return torch.stack([red, green, blue], 2)


def likelihood(spec: ModelSpec, columns: int | None = None) -> Likelihood:
    """The likelihood that a resolved model spec names.

    Args:
        columns: of vectors; None for images.

    Raises:
        SpecError: the spec leaves it open, or it is that of vectors and there are none.
    """
    match spec.likelihood:
        case "bernoulli":
            return Bernoulli()
        case "gaussian":
            return FixedGaussian(spec.sigma)
        case "learned-gaussian":
            return LearnedGaussian(spec.sigma)
        case "logistic-mixture":
            return LogisticMixture(spec.mixtures)
        case "by-column":
            if columns is None:
                raise SpecError("model.likelihood is 'by-column', which is for vectors: leave it out for images")
            return ByColumn(columns)
        case None:
            raise SpecError("model.likelihood is None: resolve the spec with the images it is for")
