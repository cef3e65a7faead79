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

    @property
    def plain(self) -> Tensor:
        """What there is without a model ``[N, C, H, W]``: y within [0, 1], enlarged.

        In place of what is missing it has the mean of what is known of the image's channel, 0.5 where nothing is.
        """
        means = self.damaged.flatten(2).nanmean(2)[:, :, None, None].nan_to_num(0.5)
        factor = self.samples.shape[-1] // self.damaged.shape[-1]
        filled = torch.where(self.damaged.isnan(), means, self.damaged).clamp(0, 1)
        return filled.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

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
        return self._squared_errors(self.mean, originals)

    def plain_squared_errors(self, originals: Any) -> tuple[float, int]:
        """The same of what there is without a model: :attr:`plain`.

        Example::

            total, count = model.restore(images, mask="box", degrade=True).plain_squared_errors(images)
        """
        return self._squared_errors(self.plain, originals)

    def _squared_errors(self, guess: Tensor, originals: Any) -> tuple[float, int]:
        whole = as_observed(originals, tuple(self.samples.shape[2:]), self.samples, noisy=False)
        whole = (whole >= 0.5).to(whole.dtype) if self.binary else whole
        if len(whole) != len(self.samples):
            raise SpecError(f"originals are {len(whole)} images, and {len(self.samples)} were restored: give those")
        errors = (guess - whole).double().square()[self.missing.expand_as(whole)]
        return float(errors.sum()), len(errors)
