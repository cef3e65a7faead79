"""IDX files, the format of MNIST and the sets made after it."""

import gzip
import io
import math
from pathlib import Path
from typing import Final

import numpy as np

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.data.formats.image_set import Array, ImageSet
from ratescape.data.formats.layout import Layout, find_files
from ratescape.data.formats.reading import REPLACE, read_unpacked, reading
from ratescape.errors import DataError

IDX_FILES: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

_TYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_AXES: Final = 8
"""No image set needs more than four; a header that claims hundreds is damaged."""
_GZIP: Final = b"\x1f\x8b"
"""The first bytes of every gzipped file (RFC 1952)."""


def read_idx(path: Path) -> Array:
    """The array in an IDX file, gzipped or not (its content says which, not its name).

    Layout: two zero bytes, the type, the number of axes, each axis as big-endian uint32, then the elements
    (LeCun, http://yann.lecun.com/exdb/mnist/).

    Raises:
        DataError: the file cannot be read, or is not exactly one array.
    """
    with reading(path, "IDX"):
        content = path.read_bytes()
        if content.startswith(_GZIP):
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = read_unpacked(unpacked.read, str(path))
    return _parse(content, path)


def _parse(content: bytes, path: Path) -> Array:
    dtype, shape = _parse_header(content, path)
    start = 4 + 4 * len(shape)
    expected, found = math.prod(shape) * dtype.itemsize, len(content) - start
    if found != expected:
        state = "truncated" if found < expected else "too long"
        raise DataError(f"{path} is {state} (shape {shape} needs {expected} bytes but has {found}): {REPLACE}")
    if expected == 0:
        raise DataError(f"{path} is empty (shape {shape}): {REPLACE}")
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _parse_header(content: bytes, path: Path) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    """Type and shape of the array that a file says it holds."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise DataError(f"{path} is not an IDX file (its first bytes are {content[:4].hex() or 'missing'}): {REPLACE}")
    axes = content[3]
    if not 1 <= axes <= _MAX_AXES or len(content) < 4 + 4 * axes:
        raise DataError(f"{path} has a damaged IDX header ({axes} axes in {len(content)} bytes): {REPLACE}")
    return np.dtype(_TYPES[content[2]]), tuple(int(size) for size in np.frombuffer(content, ">u4", axes, 4))


def _find(folder: Path) -> tuple[Path, ...] | None:
    return find_files(folder, IDX_FILES)


def _read(files: tuple[Path, ...]) -> ImageSet:
    """The four files of an MNIST-like set, in the order of ``IDX_FILES``."""
    images, labels, test, test_labels = (read_idx(path) for path in files)
    return from_arrays(str(files[0].parent), Arrays(images, labels), Arrays(test, test_labels))


IDX: Final = Layout(_find, _read, shared=True)
"""An MNIST-like set: four IDX files, each gzipped or not."""
