"""The grid that latents are rounded to in lossless mode: so fine that rounding costs nothing."""

import dataclasses
import functools
import hashlib
import math

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.entropy import REACH
from ratescape.coding.identity import DIGEST
from ratescape.coding.parsing import Reader
from ratescape.coding.quantise import in_units_of
from ratescape.errors import DataError
from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE

SEEN = 256
"""Images that the grid is chosen by, at most."""

FINE = 1 / 64
"""Largest step, in units of the prior's deviation; of a posterior's deviation, a quarter."""

SELDOM = 1e-3
"""Share of posteriors that may be narrower than four steps: single ones would make the grid too fine for the rest."""

OCTAVE = 256
"""Steps are 2^(i / 256)."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """The step of each layer, top first.

    Example::

        grid = Grid.of(model, images)
        grid.steps  # in units of the prior's deviation
    """

    exponents: tuple[int, ...]

    @classmethod
    @torch.no_grad()
    def of(cls, model: HVAE, images: Tensor) -> "Grid":
        """The grid for images such as these ``[N, C, H, W]``.

        Raises:
            DataError: the model's posteriors are not finite for them.
        """
        chosen = images[torch.linspace(0, len(images) - 1, min(len(images), SEEN)).round().long()]
        found: list[int] = []

        def source(index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
            assert posterior is not None  # these are passes over images
            mean, sigma = in_units_of(prior, posterior)
            if not bool(torch.isfinite(mean).all() and torch.isfinite(sigma).all()):
                raise DataError("images have posteriors that are not finite in this model: train it anew")
            narrow = float(np.quantile(sigma.double().cpu().numpy(), SELDOM))
            widest = float((mean.abs() + 8 * sigma).max().clamp_min(8.0))
            step = max(min(FINE, narrow / 4), widest / REACH)
            found.append(math.floor(OCTAVE * math.log2(step)))
            return posterior.mean

        model.passes([source], chosen, decode=False)
        return cls(tuple(found))

    @functools.cached_property
    def steps(self) -> tuple[float, ...]:
        return tuple(2.0 ** (exponent / OCTAVE) for exponent in self.exponents)

    @functools.cached_property
    def deviations(self) -> tuple[float, ...]:
        """The prior's deviation in steps, rounded, as coders see it."""
        return tuple(round(2**16 / step) / 2**16 for step in self.steps)

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.to_bytes()).digest()[:DIGEST]

    def to_bytes(self) -> bytes:
        return np.array(self.exponents, "<i2").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Grid":
        """What :meth:`to_bytes` gave; raises ValueError for anything else."""
        return cls(tuple(int(one) for one in Reader(data).array("<i2", len(data) // 2)))
