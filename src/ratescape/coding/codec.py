"""A calibrated codec as an object, and as bytes: in a file of its own, and inside every archive made with it."""

import dataclasses
import math
import struct
from pathlib import Path

import numpy as np

from ratescape.coding.identity import DIGEST, Packed, digest_of
from ratescape.coding.parsing import Reader, inflated
from ratescape.coding.quantise import LayerCode
from ratescape.coding.tables import HIGHEST, WIDEST, Tables
from ratescape.errors import CheckpointError
from ratescape.records.files import failed, is_refusal, write_atomically

VERSION = 2
"""Of a codec's bytes."""

MAGIC = b"\x89RSQ\r\n\x1a\n" + bytes([VERSION])
"""What a codec's own file begins with. The first byte is no ASCII, and the line ends show a transfer as text.
The last byte is the version."""

MOST_EFFORT = 2**16 - 1
"""Passes of a search that a codec can ask for."""

MOST_BYTES = 64 << 20
"""What a codec may unpack to."""


@dataclasses.dataclass(frozen=True, eq=False)
class Codec(Packed):
    """How the latents of one model become bits, calibrated once: see :func:`ratescape.calibrate`.

    Example::

        codec = rs.calibrate(model, data.train)
        codec.save("mine.codec")
        data = rs.compress(model, images, codec=rs.Codec.load("mine.codec"))
    """

    layers: tuple[LayerCode, ...]
    """Top first."""
    model: bytes
    """Digest of the model that it was calibrated for."""
    wanted: tuple[float, ...]
    """Rates asked for, top layer first, nats per image."""
    lengths: tuple[float, ...]
    """Mean code lengths on the images of the calibration, top layer first, bits per image."""
    effort: int = 0
    """Passes of the search for better symbols of each image; 0 for none."""

    @property
    def bits(self) -> float:
        """Mean code length of all layers, bits per image."""
        return sum(self.lengths)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Codec":
        """What :meth:`to_bytes` gave.

        Example::

            again = rs.Codec.from_bytes(codec.to_bytes())

        Raises:
            ValueError: the bytes are of no codec.
        """
        reader = Reader(inflated(data, MOST_BYTES))
        count, effort = reader.unpack("<HH")
        model = reader.take(DIGEST)
        found = [_read_layer(reader) for _ in range(count)]
        reader.end()
        codes, wanted, lengths = zip(*found, strict=True) if found else ((), (), ())
        return cls(tuple(codes), model, tuple(wanted), tuple(lengths), effort)

    def save(self, path: str | Path) -> None:
        """Write it to a file, whole or not at all.

        Example::

            rs.calibrate(model, images, {2: 20, 1: 40}).save("digits.codec")

        Raises:
            RecordError: the file cannot be written.
        """
        content = self.to_bytes()
        write_atomically(Path(path), MAGIC + digest_of(content) + content)

    @classmethod
    def load(cls, path: str | Path) -> "Codec":
        """What :meth:`save` wrote.

        Example::

            data = rs.compress(model, images, codec=rs.Codec.load("digits.codec"))

        Raises:
            CheckpointError: there is no such file, or it is damaged or no codec.
            RecordError: the system refuses it.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            if is_refusal(error) and not isinstance(error, IsADirectoryError):
                raise failed(error) from error
            raise CheckpointError(f"{path} cannot be read ({error.strerror}): check the path") from error
        content = data[len(MAGIC) + DIGEST :]
        if not data.startswith(MAGIC):
            raise CheckpointError(f"{path} is not a codec of ratescape: check the path")
        if digest_of(content) != data[len(MAGIC) : len(MAGIC) + DIGEST]:
            raise CheckpointError(f"{path} is damaged: delete it, and the codec is calibrated anew")
        try:
            return cls.from_bytes(content)
        except ValueError as error:
            raise CheckpointError(
                f"{path} is damaged ({error}): delete it, and the codec is calibrated anew"
            ) from error

    def _plain(self) -> bytes:
        parts = [struct.pack("<HH", len(self.layers), self.effort), self.model]
        for code, wanted, length in zip(self.layers, self.wanted, self.lengths, strict=True):
            tables = code.tables
            parts += [
                struct.pack(f"<B{len(code.shape)}I", len(code.shape), *code.shape),
                struct.pack("<Idddd", len(code.steps), code.multiplier, code.price, wanted, length),
                code.steps.astype("<i2").tobytes(),
                tables.low.astype("<i2").tobytes(),
                tables.size.astype("<u2").tobytes(),
                tables.costs.tobytes(),
            ]
        return b"".join(parts)


def _read_layer(reader: Reader) -> tuple[LayerCode, float, float]:
    (axes,) = reader.unpack("<B")
    shape = reader.unpack(f"<{axes}I")
    count, multiplier, price, wanted, length = reader.unpack("<Idddd")
    dimensions = math.prod(shape)
    if not 0 < count <= dimensions <= 1 << 24 or dimensions % count:
        raise ValueError("a layer whose tables do not fit its shape")
    steps = reader.array("<i2", count).astype(np.int16)
    low, size = reader.array("<i2", count).astype(np.int64), reader.array("<u2", count).astype(np.int64)
    if not ((size >= 1) & (size <= WIDEST)).all():
        raise ValueError("a table of no symbols, or of too many")
    costs = reader.array("<u1", int(size.sum())).astype(np.uint8)
    if costs.max() > HIGHEST or not all(math.isfinite(one) for one in (multiplier, price, wanted, length)):
        raise ValueError("a table with costs out of range")
    return LayerCode(tuple(shape), steps, Tables(low, size, costs), multiplier, price), wanted, length
