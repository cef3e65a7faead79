"""How well do images survive the way through the latents?"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ratescape.data.batches import Images
from ratescape.model.hierarchy import CHUNK, HVAE, PosteriorMode


class Reconstruction(NamedTuple):
    """Reconstruction from posterior modes."""

    mse: float
    """Mean squared error over all images, channels and pixels; the data range is 1."""
    means: list[Tensor]
    """Posterior means of each layer, top first, ``[N, *shape]``, each given the means above it."""

    @property
    def psnr(self) -> float:
        """10 log10(1 / MSE), dB, from the one MSE of all images (not a mean of per-image values)."""
        return math.inf if self.mse == 0 else -10 * math.log10(self.mse)


@torch.no_grad()
def reconstruction(model: HVAE, images: Images) -> Reconstruction:
    """Encode every image to modes (mu_L, then mu_{L-1} given mu_L, ...) and decode to expected pixels.

    Example::

        reconstruction(model, images).psnr  # dB
    """
    squared, count = 0.0, 0
    means: list[list[Tensor]] = []
    for chunk in images.in_order(CHUNK):
        result = model(PosteriorMode(), chunk)
        squared += float((model.likelihood.mean(result.output) - chunk).double().square().sum())
        count += chunk.numel()
        means.append(result.latents)
    return Reconstruction(squared / count, [torch.cat(layer) for layer in zip(*means, strict=True)])
