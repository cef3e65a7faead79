"""The grid that latents are rounded to in lossless mode: so fine that rounding costs nothing."""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratescape.coding.entropy import REACH
from ratescape.coding.identity import Packed
from ratescape.coding.parsing import Reader, inflated
from ratescape.coding.quantise import OCTAVE, by_table, in_units_of, refuse_infinite, steps_of
from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE

SEEN = 256
"""Images that the grid is chosen by, at most."""

COARSEST = 1 / 4
"""Largest step, in units of the prior's deviation, and of a narrow posterior's: the rounding of a sample then adds half
a per cent to its variance."""

NARROW = 0.01
"""Share of posteriors that may be narrower: single ones would make the grid too fine for the rest."""

FINEST = 8 / REACH
"""Smallest step: the range of symbols then reaches eight deviations of the prior."""

ROUND = 2**16
"""Numbers that a coder sees are rounded to 1 / ROUND, which is coarser than what machines and batches differ by."""


@dataclasses.dataclass(frozen=True, eq=False)
class Grid(Packed):
    """The steps of each layer, top first.

    Example::

        grid = Grid.of(model, images)
        grid.steps[0]  # of each dimension [D], in units of the prior's deviation
    """

    exponents: tuple[npt.NDArray[np.int16], ...]
    """Of each layer: of each dimension of a vector, or of each channel of a map; a step is 2^(i / 256)."""
    shapes: tuple[tuple[int, ...], ...]
    """Of one image's latents."""

    @classmethod
    @torch.no_grad()
    def of(cls, model: HVAE, images: Tensor) -> "Grid":
        """The grid for images such as these ``[N, C, H, W]``.

        Raises:
            DataError: the model's posteriors are not finite for them.
        """
        chosen = images[torch.linspace(0, len(images) - 1, min(len(images), SEEN)).round().long()]
        found: list[npt.NDArray[np.int16]] = []

        def source(index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
            assert posterior is not None  # these are passes over images
            _, sigma = in_units_of(prior, posterior)
            refuse_infinite(sigma)
            rows = by_table(sigma.double().cpu().numpy(), posterior.mean.shape[1])
            steps = np.clip(np.quantile(rows, NARROW, axis=0) * COARSEST, FINEST, COARSEST)
            found.append(np.floor(OCTAVE * np.log2(steps)).astype(np.int16))
            return posterior.mean

        model.passes([source], chosen, decode=False)
        return cls(tuple(found), tuple(model.latent_shapes))

    @functools.cached_property
    def steps(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Of each layer ``[D]``."""
        pairs = zip(self.exponents, self.shapes, strict=True)
        return tuple(steps_of(one, math.prod(shape)) for one, shape in pairs)

    @functools.cached_property
    def deviations(self) -> tuple[npt.NDArray[np.float64], ...]:
        """The prior's deviation in steps ``[D]``, rounded, as coders see it."""
        return tuple(np.rint(ROUND / one) / ROUND for one in self.steps)

    @classmethod
    def from_bytes(cls, data: bytes, shapes: Sequence[tuple[int, ...]]) -> "Grid":
        """What :meth:`to_bytes` gave, of a model of these shapes; raises ValueError for anything else."""
        reader = Reader(inflated(data, 2 * sum(shape[0] for shape in shapes)))
        found = tuple(reader.array("<i2", shape[0]).astype(np.int16) for shape in shapes)
        reader.end()
        return cls(found, tuple(shapes))

    def _plain(self) -> bytes:
        return b"".join(one.astype("<i2").tobytes() for one in self.exponents)
