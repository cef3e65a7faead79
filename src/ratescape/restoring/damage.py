"""What happened to images, and what is left of them: y = mask of (average pooling of x, plus noise)."""

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ratescape.errors import SpecError
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE
from ratescape.model.taking import as_observed
from ratescape.restoring.masks import mask_of


@dataclasses.dataclass(frozen=True)
class Damage:
    """A corruption with a known likelihood p(y | x): images are made small, get noise, then lose pixels; any of these.

    Example::

        Damage(mask="half")
        Damage(noise=0.2, downscale=2)

    Raises:
        SpecError: noise that is negative, or a factor that is no positive whole number.
    """

    mask: Any = None
    """Which pixels are missing, as of :func:`ratescape.restoring.masks.mask_of`; of small images those of the small."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise; pixels lie in [0, 1]."""
    downscale: int = 1
    """Each pixel is the mean of so many by so many."""

    def __post_init__(self) -> None:
        if not isinstance(self.noise, (int, float)) or not 0 <= self.noise < math.inf:
            raise SpecError(f"noise is {self.noise}: give its standard deviation, 0 or above, pixels being in [0, 1]")
        if not isinstance(self.downscale, int) or self.downscale < 1:
            raise SpecError(f"downscale is {self.downscale}: give a whole number, 1 or above")

    @property
    def is_exact(self) -> bool:
        """Whether what is not missing is known exactly."""
        return self.noise == 0 and self.downscale == 1

    def shape(self, image_shape: tuple[int, ...]) -> tuple[int, int, int]:
        """(C, h, w) of the damaged images of a model.

        Raises:
            SpecError: a model of vectors, or images that cannot be made smaller by this factor.
        """
        if len(image_shape) != 3:
            raise SpecError("the model is of rows, whose gaps are not filled in yet: restoring is for models of images")
        channels, height, width = image_shape
        if height % self.downscale or width % self.downscale:
            raise SpecError(
                f"downscale is {self.downscale}, of which images of height {height} and width {width} are no multiple"
            )
        return channels, height // self.downscale, width // self.downscale


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """What is left of B images, and how it came about."""

    values: Tensor
    """y ``[B, C, h, w]``; 0 where pixels are missing."""
    missing: Tensor
    """Boolean ``[B, 1, h, w]``."""
    noise: float
    downscale: int

    def take(self, rows: Tensor) -> "Seen":
        """Some of them, by their numbers."""
        return dataclasses.replace(self, values=self.values[rows], missing=self.missing[rows])

    @property
    def shown(self) -> Tensor:
        """y, with NaN where pixels are missing."""
        return self.values.masked_fill(self.missing, math.nan)

    @property
    def restored(self) -> Tensor:
        """Whether a pixel of the whole image is not known exactly, boolean ``[B, 1, H, W]``."""
        if self.noise > 0 or self.downscale > 1:
            return torch.ones_like(enlarged(self.missing.float(), self.downscale)).bool()
        return self.missing


def small(images: Tensor, factor: int) -> Tensor:
    """Average pooling ``[B, C, H, W] -> [B, C, h, w]``."""
    return images if factor == 1 else functional.avg_pool2d(images, factor)


def enlarged(images: Tensor, factor: int) -> Tensor:
    """Every pixel repeated ``[B, C, h, w] -> [B, C, H, W]``."""
    return images if factor == 1 else functional.interpolate(images, scale_factor=float(factor), mode="nearest")


def seen(model: HVAE, items: Any, damage: Damage, seed: int, first: int = 0) -> Seen:
    """Damaged images as a caller has them.

    Args:
        items: ``[N, C, h, w]`` and other forms that :meth:`ratescape.HVAE.inputs` takes; NaN where pixels are missing.
            With noise, values may leave [0, 1]. What lies under the mask is not looked at.
        first: number of the first image among all, by which random masks are drawn.

    Raises:
        SpecError: another shape, or a mask of another one.
    """
    shape = damage.shape(model.image_shape)
    values = as_observed(items, shape, next(model.parameters()), noisy=damage.noise > 0)
    return _masked(model, values, damage, seed, first)


def damaged(model: HVAE, items: Any, damage: Damage, seed: int, first: int = 0) -> Seen:
    """What is left of whole images; image i is damaged alike whatever is beside it.

    Args:
        items: as :meth:`ratescape.HVAE.inputs` takes them.
        seed: of the noise and of random masks.
        first: number of the first image among all.

    Example::

        damaged(model, images, Damage(noise=0.2), seed=0).values  # [N, C, H, W]
    """
    shape = damage.shape(model.image_shape)
    values = small(model.inputs(items), damage.downscale)
    if damage.noise > 0:
        numbers = range(first, first + len(values))
        draws = np.stack([np.random.default_rng([seed, 1, number]).standard_normal(shape) for number in numbers])
        values = values + damage.noise * torch.from_numpy(draws).to(values.device, values.dtype)
    return _masked(model, values, damage, seed, first)


def _masked(model: HVAE, values: Tensor, damage: Damage, seed: int, first: int) -> Seen:
    missing = values.isnan().any(1, keepdim=True)
    if damage.mask is not None:
        sides = (values.shape[2], values.shape[3])
        mask = torch.from_numpy(mask_of(damage.mask, len(values), sides, seed, first))
        missing = missing | mask.to(values.device)[:, None]
    known = values.masked_fill(missing, 0)
    if isinstance(model.likelihood, Bernoulli) and damage.is_exact:
        known = (known >= 0.5).to(known.dtype)
    return Seen(known, missing, float(damage.noise), damage.downscale)
