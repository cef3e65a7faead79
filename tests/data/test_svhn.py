"""SVHN's MATLAB files: pixels, digits and splits as published, and one DataError for anything else."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
from helpers.toy_files import random_images

from ratescape.data.formats import read_path
from ratescape.data.formats.svhn import SVHN
from ratescape.errors import DataError


def write_svhn(path: Path, count: int, **tables: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    images = random_images(32, 32, 3, count)
    digits = np.arange(1, count + 1, dtype=np.uint8).reshape(-1, 1)
    scipy.io.savemat(path, {"X": images, "y": digits, **tables}, do_compression=True)
    return images


def test_svhn(tmp_path: Path) -> None:
    images = write_svhn(tmp_path / "train_32x32.mat", 10)
    write_svhn(tmp_path / "test_32x32.mat", 4)
    read = read_path(tmp_path)
    assert read.train.pixels.shape == (10, 3, 32, 32)
    assert read.train.pixels[7, 2, 30, 11] == images[30, 11, 2, 7]
    assert read.train.labels is not None
    assert read.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert read.test is not None
    assert read.test.labels is not None
    assert read.test.labels.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"X": random_images(28, 28, 3, 4)}, r"X of uint8 \(28, 28, 3, 4\)"),
        ({"X": np.zeros((32, 32, 3, 4))}, "X of float64"),
        ({"X": np.zeros((32, 32, 3, 0), np.uint8)}, r"X of uint8 \(32, 32, 3, 0\)"),
        ({"y": np.array([[1], [2], [3], [11]], np.uint8)}, "labels y other than"),
        ({"y": np.array([[0], [1], [2], [3]], np.uint8)}, "labels y other than"),
        ({"y": np.array([[1.0], [2.5], [3.0], [4.0]])}, "labels y other than"),
    ],
)
def test_svhn_of_another_form(tmp_path: Path, tables: dict[str, npt.NDArray[np.generic]], message: str) -> None:
    path = tmp_path / "train_32x32.mat"
    write_svhn(path, 4, **tables)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} holds {message}.*replace"):
        SVHN.read((path, path))


@pytest.mark.parametrize("keep", [0, 10, 200, -100])
def test_truncated_svhn(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "train_32x32.mat"
    write_svhn(path, 4)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"{re.escape(str(path))} cannot be read as a MATLAB v5 file.*replace"):
        SVHN.read((path, path))


def test_svhn_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "train_32x32.mat"
    scipy.io.savemat(path, {"X": random_images(32, 32, 3, 4)})
    with pytest.raises(DataError, match=r"cannot be read as a MATLAB v5 file \('y'\)"):
        SVHN.read((path, path))
