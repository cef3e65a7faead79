"""Arrays of numbers in MATLAB v5 files, read with every length checked: a damaged file may crash readers in C."""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np

from ratescape.data.formats.image_set import Array
from ratescape.data.formats.reading import MAX_UNPACKED

_HEADER: Final = 128
_ORDERS: Final = {b"IM": "<", b"MI": ">"}
_MATRIX, _COMPRESSED = 14, 15
_STORED: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers lie in the file: by the type of their element."""
_MEANT: Final = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""What they are: by the class of their array."""
_COMPLEX: Final = 0x0800


def read_matlab(content: bytes, names: tuple[str, ...]) -> dict[str, Array]:
    """The arrays of these names; those of a file that are no real numbers are left out.

    Source: The MathWorks, MAT-File Format, version 5.

    Raises:
        ValueError: it is no such file, or damaged; also struct.error and zlib.error.

    Example::

        read_matlab(path.read_bytes(), ("X", "y"))["X"].shape  # (32, 32, 3, 73257)
    """
    order = _ORDERS.get(content[126:128])
    if order is None:
        raise ValueError("its header is not that of version 5")
    found: dict[str, Array] = {}
    for kind, data in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            ((kind, data),) = _elements(memoryview(_unpacked(data)), order)
        if kind == _MATRIX:
            name, array = _matrix(data, order)
            if name in names and array is not None:
                found[name] = array
    return found


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of one element after the other."""
    place = 0
    while place < len(content):
        if place + 8 > len(content):
            raise ValueError("it ends within an element")
        kind, size = struct.unpack_from(f"{order}II", content, place)
        begin = place + 8
        if kind >> 16:  # a small one, whose bytes lie in its own head
            kind, size, begin = kind & 0xFFFF, kind >> 16, place + 4
            if size > 4:
                raise ValueError("an element is larger than its place")
        if begin + size > len(content):
            raise ValueError("an element is longer than the file")
        yield kind, content[begin : begin + size]
        padding = 0 if kind == _COMPRESSED else -size % 8
        place = place + 8 if begin == place + 4 else begin + size + padding


def _unpacked(data: memoryview) -> bytes:
    stream = zlib.decompressobj()
    content = stream.decompress(data, MAX_UNPACKED)
    if not stream.eof:
        raise ValueError("a compressed element is cut off, or unpacks to too much")
    return content


def _matrix(data: memoryview, order: str) -> tuple[str, Array | None]:
    """Name and numbers of an array; None for one that is no array of real numbers."""
    parts = list(_elements(data, order))
    if len(parts) < 4 or len(parts[0][1]) < 4:
        return "", None
    (flags,) = struct.unpack_from(f"{order}I", parts[0][1])
    shape = tuple(int(size) for size in np.frombuffer(parts[1][1], f"{order}i4"))
    name, (stored, numbers) = bytes(parts[2][1]).decode("latin-1"), parts[3]
    if flags & _COMPLEX or flags & 0xFF not in _MEANT or stored not in _STORED:
        return name, None
    array = np.frombuffer(numbers, np.dtype(order + _STORED[stored]))
    if min(shape, default=0) < 0 or math.prod(shape) != len(array):
        raise ValueError(f"{name} has {len(array)} numbers where its shape is {shape}")
    return name, array.astype(_MEANT[flags & 0xFF]).reshape(shape, order="F")
