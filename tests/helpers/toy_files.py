"""Small images, and files of them, for the tests of this folder."""

import dataclasses
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ratescape.data.catalog import ImageData
from ratescape.data.formats.idx import IDX_FILES
from ratescape.data.sources import SOURCES

IDX_CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def random_images(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def numbered(count: int) -> npt.NDArray[np.uint8]:
    """Images ``[N, 2, 2]`` that tell their number, plus 2 so that they are no booleans."""
    return np.repeat(np.arange(2, count + 2, dtype=np.uint8), 4).reshape(count, 2, 2)


def numbers(data: ImageData) -> dict[str, list[int]]:
    """The numbers of the images in each split."""
    splits = {"train": data.train, **data.held_out}
    return {name: [int(image[0, 0, 0]) - 2 for image in split.pixels] for name, split in splits.items()}


def idx_bytes(array: npt.NDArray[np.generic]) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, IDX_CODES[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist_like(folder: Path, first_pixel: int = 100) -> None:
    """Twenty training and ten test images of 2x2 in the MNIST layout; the first has pixels of ``first_pixel``."""
    images = np.arange(first_pixel, first_pixel + 20, dtype=np.uint8).repeat(4).reshape(20, 2, 2)
    labels = np.arange(20, dtype=np.uint8) % 10
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX_FILES, (images, labels, images[:10], labels[:10]), strict=True):
        (folder / name).write_bytes(idx_bytes(array))


def change_source(monkeypatch: pytest.MonkeyPatch, name: str, **changes: object) -> None:
    """Change a known data set for the length of a test."""
    monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], **changes))


def without_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this a machine without data: an empty cache in ``folder``, no folder in the environment or the system."""
    monkeypatch.delenv("RATESCAPE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    for name in SOURCES:
        change_source(monkeypatch, name, folders=())
    return folder
