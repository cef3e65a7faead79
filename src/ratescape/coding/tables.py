"""Static tables of symbols: one for each dimension (or channel) of a layer, the same for all images.

A table is a range of whole numbers and for each an 8-bit cost, in eighths of a bit. Weights follow from costs by whole
numbers alone, so that every machine codes alike.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from ratescape.coding.entropy import Symbols, categorical

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FRACTIONS = np.array([256, 235, 215, 197, 181, 166, 152, 140], np.int64)
"""256 * 2^(-i / 8): what a weight is at i eighths of a bit."""

HIGHEST = 160
"""Largest cost, 20 bits above that of the most frequent symbol."""

PSEUDO = 0.5
"""Images that each symbol of a table is taken to have been seen in, shared out by a Gaussian: a table is measured on
some thousand images, and a symbol that none of them had must not be impossible."""

WIDEST = 4096
"""Most symbols of one table."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """The tables of one layer, one after the other.

    Example::

        tables = Tables.fitted(symbols)  # [M, R], R tables
        tables.bits(symbols).sum(1)  # [M]
    """

    low: Ints
    """Smallest symbol of each table ``[R]``."""
    size: Ints
    """Symbols of each table ``[R]``, one at least."""
    costs: npt.NDArray[np.uint8]
    """Of all tables in turn ``[sum of sizes]``, eighths of a bit."""

    @classmethod
    def fitted(cls, symbols: Symbols) -> "Tables":
        """The tables of symbols that were seen, ``[M, R]``, and of one more to either side.

        A table whose symbols were all the same has that symbol alone, and costs nothing.
        """
        smallest, largest = symbols.min(0).astype(np.int64), symbols.max(0).astype(np.int64)
        is_one = smallest == largest
        low = np.where(is_one, smallest, smallest - 1)
        size = np.where(is_one, 1, largest - smallest + 3)
        offsets = np.concatenate([[0], np.cumsum(size)])
        flat = (offsets[:-1] - low) + symbols
        counts = np.bincount(flat.ravel(), minlength=int(offsets[-1])).astype(np.float64)
        row = np.repeat(np.arange(len(size)), size)
        value = np.arange(len(row)) - offsets[row] + low[row]
        mean, deviation = symbols.mean(0), symbols.std(0) + 0.5
        bell = np.exp(-0.5 * ((value - mean[row]) / deviation[row]) ** 2)
        counts += PSEUDO * size[row] * bell / np.add.reduceat(bell, offsets[:-1])[row] + 0.01
        below = np.log2(np.maximum.reduceat(counts, offsets[:-1])[row] / counts)
        return cls(low, size, np.clip(np.rint(8 * below), 0, HIGHEST).astype(np.uint8))

    @functools.cached_property
    def offsets(self) -> Ints:
        """Where each table begins in :attr:`costs` ``[R]``."""
        return np.concatenate([[0], np.cumsum(self.size)[:-1]])

    @property
    def high(self) -> Ints:
        """Largest symbol of each table ``[R]``."""
        return self.low + self.size - 1

    @functools.cached_property
    def weights(self) -> Floats:
        """Whole numbers in proportion to the probabilities, of all tables in turn."""
        costs = self.costs.astype(np.int64)
        return (FRACTIONS[costs % 8] << (HIGHEST // 8 - costs // 8)).astype(np.float64)

    @functools.cached_property
    def lengths(self) -> Floats:
        """Code lengths in bits, of all tables in turn."""
        totals = np.add.reduceat(self.weights, self.offsets)
        return np.log2(np.repeat(totals, self.size) / self.weights)

    @functools.cached_property
    def coded(self) -> Ints:
        """Numbers of the tables that have something to tell: two symbols or more."""
        return np.flatnonzero(self.size > 1)

    @functools.cached_property
    def models(self) -> list[Any]:
        """What the coder needs of each table of :attr:`coded`."""
        begins = self.offsets
        return [categorical(self.weights[begins[r] : begins[r] + self.size[r]]) for r in self.coded]

    def bits(self, symbols: Symbols) -> Floats:
        """Code lengths of symbols ``[M, R]``."""
        return self.lengths[(self.offsets - self.low) + symbols]
