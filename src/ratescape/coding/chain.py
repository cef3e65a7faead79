"""Where latents come from in lossless mode: popped from the stack, chosen at its start, or known when decoding.

All are rounded to the grid: z = mu_p + sigma_p Delta k. Rows beyond the images of a group are padding, at k = 0.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.entropy import NEAR, REACH, Floats, Stack, Symbols
from ratescape.coding.grid import ROUND, Grid
from ratescape.coding.quantise import in_units_of, placed
from ratescape.model.distributions import Gaussian

TOGETHER, FEWEST = 64, 8
"""Images that are coded at once, at most, and rows of the smallest batch."""


def rows_for(count: int) -> int:
    """Rows of the batch in which so many images are coded: the next power of two.

    Sums of another batch size are rounded otherwise, so encoder and decoder must have the same. With batches of 64
    alone, the start of a chain, whose groups are small, would take as long as thousands of images.
    """
    return max(FEWEST, 1 << (count - 1).bit_length())


class Popped:
    """Latents popped from a stack, as a sample of the posterior.

    Args:
        count: images of the group.
    """

    def __init__(self, stack: Stack, grid: Grid, count: int) -> None:
        self.stack = stack
        self.grid = grid
        self.count = count
        self.symbols: list[Symbols] = []
        self.bits = 0.0
        """That the latents of the group are expected to take."""

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        means, sigmas = in_steps(prior, posterior, self.grid.steps[index], self.count)
        self.bits += float(np.log2(sigmas * math.sqrt(2 * math.pi * math.e)).clip(0).sum())
        self.symbols.append(self._symbols(means, sigmas).reshape(self.count, -1))
        return _placed(self.symbols[index], prior, self.grid.steps[index])

    def _symbols(self, means: Floats, sigmas: Floats) -> Symbols:
        return self.stack.pop_sample(means, sigmas)


class Plain(Popped):
    """Latents at the mode of the posterior, where the stack holds too few bits to choose them."""

    def __init__(self, grid: Grid, count: int) -> None:
        super().__init__(Stack(), grid, count)

    def _symbols(self, means: Floats, sigmas: Floats) -> Symbols:
        return np.rint(means).astype(np.int32)


class Priors:
    """Latents of symbols ``[G, D]`` of every layer, top first, for a pass without images."""

    def __init__(self, symbols: Sequence[Symbols], grid: Grid) -> None:
        self.symbols = symbols
        self.grid = grid

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        return _placed(self.symbols[index], prior, self.grid.steps[index])


class Latents:
    """The same in a pass with images: keeps the posteriors, as coders see them."""

    def __init__(self, symbols: Sequence[Symbols], grid: Grid) -> None:
        self.symbols = symbols
        self.grid = grid
        self.posteriors: list[tuple[Floats, Floats]] = []

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        symbols, step = self.symbols[index], self.grid.steps[index]
        self.posteriors.append(in_steps(prior, posterior, step, len(symbols)))
        return _placed(symbols, prior, step)


def in_steps(prior: Gaussian, posterior: Gaussian | None, steps: Floats, count: int) -> tuple[Floats, Floats]:
    """Means and deviations of the posteriors of the first ``count`` images in steps of the grid ``[D]``, each
    ``[count * D]``, rounded.
    """
    assert posterior is not None  # only passes over images ask
    mean, sigma = in_units_of(prior, posterior)
    means, sigmas = (np.rint(one[:count].numpy() / steps * ROUND) / ROUND for one in (mean, sigma))
    return means.clip(NEAR - REACH, REACH - NEAR).ravel(), sigmas.clip(2**-6).ravel()


def _placed(symbols: Symbols, prior: Gaussian, steps: Floats) -> Tensor:
    places = np.zeros((rows_for(len(symbols)), symbols.shape[1]))
    places[: len(symbols)] = symbols * steps
    return placed(prior, torch.from_numpy(places))


def padded(images: Tensor) -> Tensor:
    """A whole batch: images ``[G, C, H, W]``, then zeros."""
    return torch.cat([images, images.new_zeros(rows_for(len(images)) - len(images), *images.shape[1:])])
