"""How well do images, or vectors, survive the way through the latents?"""

from typing import NamedTuple

from torch import Tensor

from ratescape.model.numerics import psnr_of


class Reconstruction(NamedTuple):
    """Reconstruction from posterior modes: mu_L, then mu_{L-1} given mu_L, ..., then expected pixels."""

    errors: Tensor
    """Mean squared error over channels and pixels of each image, float64 ``[N]``; the data range is 1. Of each vector,
    over its standardised columns."""
    means: list[Tensor]
    """Posterior means of each layer, top first, ``[N, *shape]``, each given the means above it."""
    varied: Tensor | None = None
    """Squared distance of each vector from the mean of all, mean over its standardised columns, float64 ``[N]``; None
    for images."""

    @property
    def mse(self) -> float:
        """Mean squared error over all images, channels and pixels."""
        return float(self.errors.mean())

    @property
    def psnr(self) -> float:
        """10 log10(1 / MSE), dB, from the one MSE of all images (not a mean of per-image values)."""
        return psnr_of(self.mse)

    @property
    def r2(self) -> float | None:
        """1 - MSE / variance, both of standardised columns: 1 if all is kept, 0 for the mean of all; None for images.

        None, too, where all vectors are alike.
        """
        if self.varied is None or not (variance := float(self.varied.mean())):
            return None
        return 1 - self.mse / variance
