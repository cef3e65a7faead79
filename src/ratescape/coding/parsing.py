"""Reading bytes that nobody vouches for: every length is checked before anything is made of it."""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt


class Reader:
    """Bytes, read from front to back.

    Example::

        reader = Reader(data)
        (count,) = reader.unpack("<Q")
        name = reader.text()
        reader.end()
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, length: int) -> bytes:
        """The next bytes.

        Raises:
            ValueError: there are fewer.
        """
        if length > len(self.data) - self.position:
            raise ValueError("it ends too early")
        self.position += length
        return self.data[self.position - length : self.position]

    def unpack(self, form: str) -> tuple[Any, ...]:
        """The next numbers, by a format of :mod:`struct`; raises as :meth:`take`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def array(self, dtype: str, count: int) -> npt.NDArray[Any]:
        """The next numbers as an array; raises as :meth:`take`."""
        return np.frombuffer(self.take(np.dtype(dtype).itemsize * count), dtype)

    def text(self) -> str:
        """The next text in UTF-8, after its length in two bytes; raises as :meth:`take`, or if it is no text."""
        (length,) = self.unpack("<H")
        return self.take(length).decode("utf-8")

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.data) - self.position)

    def end(self) -> None:
        """Nothing must follow.

        Raises:
            ValueError: something does.
        """
        if self.position != len(self.data):
            raise ValueError("something follows its end")


def packed_text(text: str) -> bytes:
    """A text for :meth:`Reader.text`; the end of one that is too long is left out."""
    encoded = text.encode("utf-8")[:0xFFFF].decode("utf-8", "ignore").encode("utf-8")
    return struct.pack("<H", len(encoded)) + encoded


def inflated(data: bytes, most: int) -> bytes:
    """What zlib's compressed bytes unpack to.

    Raises:
        ValueError: they are damaged, or unpack to more than ``most`` bytes.
    """
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(data, most)
    except zlib.error as error:
        raise ValueError("compressed bytes are damaged") from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("compressed bytes that end too early, go on too long, or unpack to too much")
    return plain
