"""Images, or vectors, as every reader returns them, before they are divided for training and measuring."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """What the numbers of a vector are called, and which of them are booleans: one entry for each of D."""

    names: tuple[str, ...]
    boolean: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """Images that belong together, or vectors, with their labels and targets."""

    pixels: npt.NDArray[Any]
    """Images: uint8 ``[N, C, H, W]``, as the source has them (binary data too). Vectors: float64 ``[N, D]``, in the
    units of the source."""
    labels: npt.NDArray[np.int64] | None
    """int64 ``[N]``, classes 0..M-1; None for unlabelled images."""
    targets: npt.NDArray[np.float64] | None = None
    """float64 ``[N, T]``, finite: T numbers to regress on for each image; None for images without."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """All that a source holds."""

    train: Split
    test: Split | None
    """None where the source has no test split of its own."""
    classes: tuple[str, ...] | None
    """Names of the classes, in the order of their codes."""
    columns: Columns | None = None
    """Of vectors; None for images."""

    def fingerprint(self) -> str:
        """First 12 hex digits of a SHA-256 over shapes, pixels, labels and targets: equal content, equal digits.

        Targets enter only where there are any, and columns only those of vectors, so that other sets keep the
        fingerprints that finished landscapes have on record.
        """
        digest = hashlib.sha256()
        if self.columns is not None:
            digest.update(repr((self.columns.names, self.columns.boolean)).encode())
        for split in (self.train, self.test):
            arrays = (None, None) if split is None else (split.pixels, split.labels)
            extra = () if split is None or split.targets is None else (split.targets,)
            for array in (*arrays, *extra):
                digest.update(repr(None if array is None else array.shape).encode())
                if array is not None:
                    digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        return digest.hexdigest()[:12]
