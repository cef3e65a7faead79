"""p(x | z, y): pixels given the latents and what is known of the image, for each likelihood.

======================  =========================  ==========================================
likelihood              missing pixels             noise, small images
======================  =========================  ==========================================
Gaussian                exact                      exact: Gaussian in closed form
Bernoulli               exact                      exact: noise by Bayes' rule, small images by
                                                   :mod:`ratescape.restoring.counts`
logistic mixture        exact                      approximate: a Gaussian of the same mean and
                                                   variance for each value
======================  =========================  ==========================================
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ratescape.errors import SpecError
from ratescape.model.distributions import Bernoulli, FixedGaussian, LearnedGaussian, LogisticMixture
from ratescape.model.numerics import bernoulli_nll, gaussian_log_density, positive
from ratescape.model.observing import Likelihood
from ratescape.restoring import counts
from ratescape.restoring.damage import Seen, enlarged, small

LEAST_SIGMA = 1 / 512
"""Half a level: sigmas that are estimated from what is known are no smaller."""


class Pixels(Protocol):
    """p(x | z, y) of B images, z given by the decoder's output ``[B, K, H, W]``."""

    def expected(self, output: Tensor, seen: Seen) -> Tensor:
        """E[x | z, y] ``[B, C, H, W]``."""
        ...

    def drawn(self, output: Tensor, seen: Seen, generator: torch.Generator) -> Tensor:
        """A draw ``[B, C, H, W]``."""
        ...

    def log_likelihood(self, output: Tensor, seen: Seen) -> Tensor:
        """log p(y | z) ``[B]``, nats."""
        ...


class GaussianPixels:
    """x ~ N(mean, variance), y = A x + noise, A pooling over cells of m pixels and leaving out what is missing.

    E[x | y] = mean + gain (y - A mean) with gain = variance / m / (A variance / m + noise^2); a draw is a draw of x and
    of y, moved likewise by the true y (Matheron's rule).

    Args:
        likelihood: of the model.
        sigma: standard deviation of pixels; default: the likelihood's own, but if that is fixed, one that is estimated
            for each image.
    """

    def __init__(self, likelihood: FixedGaussian | LearnedGaussian | LogisticMixture, sigma: float | None) -> None:
        self.likelihood = likelihood
        self.sigma = sigma

    def expected(self, output: Tensor, seen: Seen) -> Tensor:
        mean = self.likelihood.mean(output)
        return self._moved(mean, small(mean, seen.downscale), self._variance(output, seen), seen)

    def drawn(self, output: Tensor, seen: Seen, generator: torch.Generator) -> Tensor:
        variance = self._variance(output, seen)
        images = self.likelihood.mean(output) + variance.sqrt() * _normal(output, self._shape(output, seen), generator)
        values = small(images, seen.downscale)
        if seen.noise > 0:
            values = values + seen.noise * _normal(output, tuple(values.shape), generator)
        return self._moved(images, values, variance, seen)

    def log_likelihood(self, output: Tensor, seen: Seen) -> Tensor:
        mean, variance = self.likelihood.mean(output), self._variance(output, seen)
        logs = gaussian_log_density(seen.values, small(mean, seen.downscale), self._of_values(variance, seen).sqrt())
        return logs.masked_fill(seen.missing, 0).flatten(1).sum(1)

    def _moved(self, images: Tensor, values: Tensor, variance: Tensor, seen: Seen) -> Tensor:
        """Images whose y would be ``values``, moved towards the true one."""
        if seen.downscale == 1 and seen.noise == 0:
            return torch.where(seen.missing, images, seen.values)
        factor = seen.downscale
        pull = ((seen.values - values) / self._of_values(variance, seen)).masked_fill(seen.missing, 0)
        return images + variance / factor**2 * enlarged(pull, factor)

    @staticmethod
    def _of_values(variance: Tensor, seen: Seen) -> Tensor:
        """Variance of y given z ``[B, C, h, w]``, or less where pixels have one in common."""
        pooled = small(variance, seen.downscale) if variance.shape[-1] > 1 else variance
        return pooled / seen.downscale**2 + seen.noise**2

    def _shape(self, output: Tensor, seen: Seen) -> tuple[int, ...]:
        return (len(output), seen.values.shape[1], *output.shape[2:])

    def _variance(self, output: Tensor, seen: Seen) -> Tensor:
        """Of pixels given z: ``[B, C, H, W]``, or ``[B, 1, 1, 1]`` where it is one for all of an image."""
        if self.sigma is not None:
            return output.new_full((len(output), 1, 1, 1), self.sigma**2)
        if isinstance(self.likelihood, LogisticMixture):
            return self.likelihood.variance(output)
        if isinstance(self.likelihood, LearnedGaussian):
            return positive(self.likelihood.pre_sigma).square().to(output.dtype).expand(len(output), 1, 1, 1)
        return self._estimated(output.detach(), seen, self.likelihood.sigma)

    def _estimated(self, output: Tensor, seen: Seen, usual: float) -> Tensor:
        """Variance about what the latents say, by moments over what is known of each image; if nothing is, ``usual``'s.

        A fixed sigma is a unit of the loss (half of it is a quarter of every beta), and says little of pixels.
        """
        known = (~seen.missing).to(output.dtype).expand_as(seen.values)
        errors = (seen.values - small(self.likelihood.mean(output), seen.downscale)).square() * known
        number = known.flatten(1).sum(1)
        mean = errors.flatten(1).sum(1) / number.clamp_min(1) - seen.noise**2
        variance = (mean * seen.downscale**2).clamp_min(LEAST_SIGMA**2)
        return torch.where(number > 0, variance, usual**2)[:, None, None, None]


class BernoulliPixels:
    """Pixels that are 0 or 1."""

    def expected(self, output: Tensor, seen: Seen) -> Tensor:
        if seen.downscale > 1:
            return counts.expected(output, seen)
        return self._known(torch.sigmoid(self._informed(output, seen)), seen)

    def drawn(self, output: Tensor, seen: Seen, generator: torch.Generator) -> Tensor:
        if seen.downscale > 1:
            return counts.drawn(output, seen, generator)
        chance = torch.sigmoid(self._informed(output, seen))
        uniform = torch.rand(chance.shape, generator=generator, device=output.device, dtype=output.dtype)
        return self._known((uniform < chance).to(output.dtype), seen)

    def log_likelihood(self, output: Tensor, seen: Seen) -> Tensor:
        if seen.downscale > 1:
            return counts.log_likelihood(output, seen)
        logs = -bernoulli_nll(output, seen.values)
        if seen.noise > 0:
            noise = seen.values.new_tensor(seen.noise)
            white = functional.logsigmoid(output) + gaussian_log_density(seen.values, torch.ones_like(noise), noise)
            black = functional.logsigmoid(-output) + gaussian_log_density(seen.values, torch.zeros_like(noise), noise)
            logs = torch.logaddexp(white, black)
        return logs.masked_fill(seen.missing, 0).flatten(1).sum(1)

    @staticmethod
    def _informed(logits: Tensor, seen: Seen) -> Tensor:
        """Logits given noisy values y, whose likelihood ratio of 1 and 0 is exp((2 y - 1) / (2 noise^2))."""
        if seen.noise == 0:
            return logits
        return logits + ((2 * seen.values - 1) / (2 * seen.noise**2)).masked_fill(seen.missing, 0)

    @staticmethod
    def _known(images: Tensor, seen: Seen) -> Tensor:
        return images if seen.noise > 0 else torch.where(seen.missing, images, seen.values)


class LevelPixels:
    """The 256 levels of a logistic mixture, of which some are known exactly."""

    def __init__(self, likelihood: LogisticMixture) -> None:
        self.likelihood = likelihood

    def expected(self, output: Tensor, seen: Seen) -> Tensor:
        return torch.where(seen.missing, self.likelihood.mean(output), seen.values)

    def drawn(self, output: Tensor, seen: Seen, generator: torch.Generator) -> Tensor:
        return torch.where(seen.missing, self.likelihood.drawn(output, generator), seen.values)

    def log_likelihood(self, output: Tensor, seen: Seen) -> Tensor:
        logs = self.likelihood.log_mass(output, seen.values)  # [B, H, W]
        return logs.masked_fill(seen.missing.squeeze(1), 0).flatten(1).sum(1)


def pixels_of(likelihood: Likelihood, seen: Seen, sigma: float | None) -> Pixels:
    """p(x | z, y) of a likelihood.

    Raises:
        SpecError: a likelihood of which this is not known, or a sigma that it has no use for.
    """
    if sigma is not None and not isinstance(likelihood, (FixedGaussian, LearnedGaussian)):
        raise SpecError("sigma is of models with a Gaussian likelihood: leave it out")
    match likelihood:
        case Bernoulli():
            return BernoulliPixels()
        case LogisticMixture() if seen.noise == 0 and seen.downscale == 1:
            return LevelPixels(likelihood)
        case FixedGaussian() | LearnedGaussian() | LogisticMixture():
            return GaussianPixels(likelihood, sigma)
        case _:
            raise SpecError(f"the model's likelihood is {type(likelihood).__name__}: restoring does not know it")


def _normal(like: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)
