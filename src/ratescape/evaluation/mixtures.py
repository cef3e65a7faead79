"""Mixtures of Gaussian posteriors, a class each: the densities that mutual information is made of."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ratescape.model.numerics import gaussian_log_density

ROWS = 256
"""Samples whose densities under all posteriors are held at once, 27 MB for N = 26,032: more would leave the cache."""

PROBED_ROWS = 16
"""Samples at which float32 is compared with float64."""

DENSITY_ERROR = 0.01
"""Nats that class densities may be off by in float32, root mean square. The errors of samples are independent, and an
average of exponentials is off by half their square, so that information moves by 0.01 / sqrt(N) and 5e-5 nats: for N =
10,000 a fiftieth of its usual standard error, 0.005."""

RELATIVE_ERROR = 0.003
"""The same, relative to how far the densities of the classes differ at a sample: an exponent may stretch them until
they differ by some nats, and their errors with them."""

LEAST_EXPONENT = -80.0
"""Exponentials are no smaller than those of this, 2e-35: N of them do not count beside the largest, which is 1, and
numbers below 1e-38 slow float32 down twentyfold."""


class Draws(NamedTuple):
    """Samples and the Gaussians they were drawn from, float64, images of a class side by side."""

    z: Tensor
    """``[N, D]``, as are the next two; less the mean of the posterior means, as only the spread should count."""
    mean: Tensor
    sigma: Tensor
    own_class: Tensor
    """int64 ``[N]``."""
    counts: Tensor
    """Images of each class, int64 ``[M]``."""
    spread: Tensor
    """Variance of the means over images ``[D]``."""

    def log_ratios(self, scores: Tensor, rows: Tensor) -> Tensor:
        """log r(y_j | z_j) / p(y_j) ``[R]`` with r(y | z_j) ~ p(y) exp(scores_jy), for the samples ``rows [R]``.

        Args:
            scores: ``[R, M]``.
        """
        log_prior = self.log_prior
        posterior = torch.log_softmax(log_prior + scores, 1)
        return column(posterior - log_prior, self.own_class[rows])

    @property
    def log_prior(self) -> Tensor:
        """log p(y) ``[M]``."""
        return (self.counts.double() / self.counts.sum()).log()


class Mixtures:
    """The mixtures of the classes, of components N(m_i, s_i^2 + smoothing v).

    -(z - m)^2 / (2 s^2) is expanded to z^2 a + z b + c, so that all pairs are one matrix product. That cancels: terms
    of size z^2 / s^2 leave a difference of order 1. At the smallest sigma that a model can have, 1e-6, float64
    (1e-16) still leaves 1e-4 nats a dimension; float32 (6e-8) does so only for sigma above some 1e-2, and is taken
    where it is seen to be good enough. Scaling the latents would change nothing, as a and b scale against it.
    """

    def __init__(self, draws: Draws, smoothing: float, chunk: int) -> None:
        self.draws, self.chunk = draws, chunk
        mean = draws.mean
        variance = draws.sigma.square() + smoothing * draws.spread
        weighted = mean / variance
        constants = -0.5 * ((mean * weighted) + (2 * math.pi * variance).log_()).sum(1)  # [N]
        components = torch.cat([-0.5 / variance, weighted], 1).T  # [2 D, N]
        self.parts = constants.float(), components.float()
        if not self._suffices((constants, components)):
            self.parts = constants, components

    def others(self, rows: Tensor) -> Tensor:
        """log of the mean over i != j of class y of N(z_j; m_i, s_i^2 + smoothing v), for j in ``rows [R]``.

        Returns:
            float64 ``[R, M]``.
        """
        return torch.cat([self._others(batch, *self.parts) for batch in rows.split(self.chunk)])

    def _others(self, rows: Tensor, constants: Tensor, components: Tensor) -> Tensor:
        """The same, computed in the precision of constants and components."""
        z = self.draws.z[rows]
        squares = torch.cat([z.square(), z], 1).to(components.dtype)  # [B, 2 D]
        densities = torch.addmm(constants, squares, components)  # [B, N]
        densities[torch.arange(len(rows), device=rows.device), rows] = -math.inf
        sums = [_log_sum(of_class) for of_class in densities.split(self.draws.counts.tolist(), 1)]
        number = self.draws.counts.repeat(len(rows), 1)  # [B, M], of the images but j
        number.scatter_add_(1, self.draws.own_class[rows].unsqueeze(1), torch.full_like(rows, -1).unsqueeze(1))
        return torch.stack(sums, 1).double() - number.double().log()

    def _suffices(self, exact_parts: tuple[Tensor, Tensor]) -> bool:
        """Whether float32 gives the class densities at some samples as float64 does."""
        rows = some(len(self.draws.z), PROBED_ROWS, self.draws.z.device)
        exact = self._others(rows, *exact_parts)
        error = self._others(rows, *self.parts) - exact
        limit = min(DENSITY_ERROR, RELATIVE_ERROR * float(exact.std(1).square().mean().sqrt()))
        return float(error.square().mean().sqrt()) <= limit  # False where anything is not a number


def _log_sum(values: Tensor) -> Tensor:
    """log of the sum of exp(values ``[B, K]``) over k, ``[B]``; destroys the values."""
    largest = values.amax(1, keepdim=True)
    return values.sub_(largest).clamp_(min=LEAST_EXPONENT).exp_().sum(1).log_().add_(largest.squeeze(1))


def some(count: int, wanted: int, device: torch.device) -> Tensor:
    """About so many of ``count`` samples, of all classes, as these lie side by side."""
    return torch.arange(0, count, math.ceil(count / wanted), device=device)


def with_own(draws: Draws, others: Tensor) -> Tensor:
    """The log densities of the classes at all z_j, image j's own posterior now included ``[N, M]``."""
    own = gaussian_log_density(draws.z, draws.mean, draws.sigma).sum(1)
    number = draws.counts[draws.own_class].double()
    of_class = torch.logaddexp(column(others, draws.own_class) + (number - 1).log(), own) - number.log()
    return others.scatter(1, draws.own_class.unsqueeze(1), of_class.unsqueeze(1))


def column(matrix: Tensor, columns: Tensor) -> Tensor:
    """``matrix [R, M]`` at one column of each row, ``columns [R]``: ``[R]``."""
    return matrix.gather(1, columns.unsqueeze(1)).squeeze(1)
