"""Images that a model has restored."""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ratescape.errors import SpecError
from ratescape.model.numerics import psnr_of
from ratescape.model.taking import as_observed


@dataclasses.dataclass(frozen=True, eq=False)
class Restored:
    """Restored images, on the device of the model that restored them; values of Gaussians may leave [0, 1] a little.

    Example::

        restored = model.restore(images, mask="half", degrade=True)
        restored.psnr(images)  # dB, on the missing half
    """

    samples: Tensor
    """E[x | z, y] ``[N, S, C, H, W]``: expected images given what is known, y, and one sample each of the latents z
    that explain it. What is known exactly is as it was given."""
    damaged: Tensor
    """y ``[N, C, h, w]``, as the model saw it: h and w are those of the small images; NaN where pixels are missing."""
    missing: Tensor
    """Whether a pixel had to be restored, boolean ``[N, 1, H, W]``: all of noisy and of small images."""
    binary: bool = False
    """Whether the model is of black and white pixels."""

    @property
    def mean(self) -> Tensor:
        """Mean of the samples ``[N, C, H, W]``: the best guess by squared error."""
        return self.samples.mean(1)

    @property
    def spread(self) -> Tensor:
        """Standard deviation among the samples ``[N, C, H, W]``: 0 of what is known, and of a single sample."""
        count = self.samples.shape[1]
        return self.samples.std(1) if count > 1 else torch.zeros_like(self.samples[:, 0])

    def psnr(self, originals: Any) -> float:
        """PSNR of the mean on what was missing, dB, from one mean squared error of all images; the data range is 1.

        Example::

            model.restore(images, mask="box", degrade=True).psnr(images)

        Args:
            originals: the whole images ``[N, C, H, W]``, as :meth:`ratescape.HVAE.inputs` takes them.

        Returns:
            inf where nothing was missing.

        Raises:
            SpecError: images of another shape or number.
        """
        total, count = self.squared_errors(originals)
        return psnr_of(total / max(1, count))

    def squared_errors(self, originals: Any) -> tuple[float, int]:
        """Sum of the squared errors of the mean on what was missing, and of how many values it is one.

        Example::

            total, count = model.restore(images, mask="box", degrade=True).squared_errors(images)
        """
        whole = as_observed(originals, tuple(self.samples.shape[2:]), self.samples, noisy=False)
        whole = (whole >= 0.5).to(whole.dtype) if self.binary else whole
        if len(whole) != len(self.samples):
            raise SpecError(f"originals are {len(whole)} images, and {len(self.samples)} were restored: give those")
        errors = (self.mean - whole).double().square()[self.missing.expand_as(whole)]
        return float(errors.sum()), len(errors)
