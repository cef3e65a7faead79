"""SVHN's cropped digits, as two MATLAB files."""

from pathlib import Path
from typing import Final

import numpy as np

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.data.formats.image_set import ImageSet
from ratescape.data.formats.layout import Layout, find_files
from ratescape.data.formats.matlab import read_matlab
from ratescape.data.formats.reading import REPLACE, reading
from ratescape.errors import DataError

SVHN_FILES: Final = ("train_32x32.mat", "test_32x32.mat")


def _find(folder: Path) -> tuple[Path, ...] | None:
    return find_files(folder, SVHN_FILES)


def _read(files: tuple[Path, ...]) -> ImageSet:
    """Both files, in the order of ``SVHN_FILES``."""
    train, test = (_read_file(path) for path in files)
    return from_arrays(str(files[0].parent), train, test)


def _read_file(path: Path) -> Arrays:
    """Images ``[N, 32, 32, 3]`` and digits ``[N]`` of a MATLAB v5 file with X ``[32, 32, 3, N]`` and y ``[N, 1]``."""
    with reading(path, "a MATLAB v5 file"):
        tables = read_matlab(path.read_bytes(), ("X", "y"))
        images, labels = tables["X"], tables["y"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.size == 0:
        raise DataError(f"{path} holds X of {images.dtype} {images.shape}, not of uint8 (32, 32, 3, N): {REPLACE}")
    if labels.dtype.kind not in "ui" or labels.size == 0 or labels.min() < 1 or labels.max() > 10:
        raise DataError(f"{path} holds labels y other than whole numbers 1 to 10 (10 is the digit 0): {REPLACE}")
    return Arrays(images.transpose(3, 0, 1, 2), labels % 10)


SVHN: Final = Layout(_find, _read)
"""SVHN's cropped digits: ``train_32x32.mat`` and ``test_32x32.mat``."""
