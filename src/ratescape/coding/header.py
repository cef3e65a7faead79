"""The header of an archive: what it says of itself, where its sections lie, and what vouches for all of it."""

import dataclasses
import hashlib
import math
import struct
from typing import IO, Final

from ratescape.coding.identity import DIGEST
from ratescape.coding.parsing import Reader, packed_text
from ratescape.errors import DataError

MAGIC: Final = b"\x89RSC\r\n\x1a\n"
"""What an archive begins with. The first byte is no ASCII, and the line ends show a transfer as text."""

FORMAT: Final = 2
"""Version of the format; another is refused."""

LOSSY, LOSSLESS = 0, 1
"""Modes."""

CODEC, NAMES, LAYER, CHAIN = range(4)
"""Kinds of sections."""

CHECK = 8
"""Bytes of a checksum, of BLAKE2b: too long for a damaged file to have it by chance."""

HEADER_MOST = 1 << 20
"""Bytes that a header has at most."""

_PRELUDE = struct.Struct("<8sHBBI")
_SECTION = struct.Struct(f"<BHIQQ{CHECK}s")


@dataclasses.dataclass(frozen=True)
class Section:
    """Where a section lies, and what vouches for it."""

    kind: int
    layer: int
    """Number of the layer of latents, L at the top; 0 for sections of no layer."""
    blocks: int
    """Pieces that it consists of, each after its length in four bytes."""
    offset: int
    """From the beginning of the archive, bytes."""
    length: int
    checksum: bytes


@dataclasses.dataclass(frozen=True)
class Header:
    """What an archive says of itself."""

    mode: int
    model: bytes
    """Digest of the model, or of a conditioned network and betas."""
    codec: bytes
    """Digest of the codec."""
    count: int
    """Images."""
    block: int
    """Images that one block of a section holds; the last may hold fewer."""
    shape: tuple[int, ...]
    """Of an image, (C, H, W)."""
    is_binary: bool
    """Whether pixels are black or white."""
    layers: int
    betas: tuple[float, ...]
    """At which a conditioned network was taken, top layer first; empty for an ordinary model."""
    versions: tuple[str, str, str]
    """Of ratescape, constriction and torch."""
    where: str
    """Path of the model as it was named; empty where it had none."""
    sections: tuple[Section, ...] = ()

    @property
    def blocks(self) -> int:
        """Blocks of each section of images."""
        return -(-self.count // self.block)

    def in_block(self, number: int) -> int:
        """Images of a block."""
        return min(self.block, self.count - number * self.block)

    def to_bytes(self) -> bytes:
        """The header as it stands at the beginning of an archive, its checksum included."""
        sections = [
            _SECTION.pack(one.kind, one.layer, one.blocks, one.offset, one.length, one.checksum)
            for one in self.sections
        ]
        content = b"".join(
            [
                self.model,
                self.codec,
                struct.pack("<QIB", self.count, self.block, len(self.shape)),
                struct.pack(f"<{len(self.shape)}I", *self.shape),
                struct.pack("<BHH", self.is_binary, self.layers, len(self.betas)),
                struct.pack(f"<{len(self.betas)}d", *self.betas),
                *map(packed_text, (*self.versions, self.where)),
                struct.pack("<H", len(sections)),
                *sections,
            ]
        )
        prelude = _PRELUDE.pack(MAGIC, FORMAT, self.mode, 0, len(content))
        return prelude + content + checksum(prelude + content)


def checksum(data: bytes) -> bytes:
    """The checksum of some bytes, eight bytes."""
    return hashlib.blake2b(data, digest_size=CHECK).digest()


def read_header(file: IO[bytes], name: str) -> Header:
    """The header at the beginning of a file.

    Args:
        name: of the archive, for errors.

    Raises:
        DataError: it is no archive, of another format, or its header is damaged or contradicts itself.
    """
    prelude = file.read(_PRELUDE.size)
    if not prelude.startswith(MAGIC):
        raise DataError(f"{name} is not an archive of ratescape: check the path")
    if len(prelude) < _PRELUDE.size:
        raise damaged(name, "it ends within its header")
    _, version, mode, _, length = _PRELUDE.unpack(prelude)
    if version != FORMAT:
        raise DataError(
            f"{name} is of format {version}, and this ratescape reads format {FORMAT}: "
            f"{'upgrade ratescape' if version > FORMAT else 'read it by the ratescape that wrote it'}"
        )
    content = file.read(min(length, HEADER_MOST))
    if len(content) < length or file.read(CHECK) != checksum(prelude + content):
        raise damaged(name, "its header does not match its checksum")
    try:
        header = _parsed(Reader(content), mode)
    except (ValueError, struct.error) as error:
        raise damaged(name, str(error)) from error
    if reason := _contradiction(header):
        raise damaged(name, reason)
    return header


def damaged(name: str, reason: str) -> DataError:
    """The error of an archive that is damaged."""
    return DataError(f"{name} is damaged ({reason}): get a sound copy")


def _parsed(reader: Reader, mode: int) -> Header:
    model, codec = reader.take(DIGEST), reader.take(DIGEST)
    count, block, axes = reader.unpack("<QIB")
    shape = reader.unpack(f"<{axes}I")
    is_binary, layers, betas = reader.unpack("<BHH")
    at = reader.unpack(f"<{betas}d")
    versions = (reader.text(), reader.text(), reader.text())
    where = reader.text()
    (sections,) = reader.unpack("<H")
    listed = tuple(Section(*_SECTION.unpack(reader.take(_SECTION.size))) for _ in range(sections))
    reader.end()
    return Header(mode, model, codec, count, block, shape, bool(is_binary), layers, at, versions, where, listed)


def _contradiction(header: Header) -> str | None:
    """What a header says that cannot be, though its checksum is right; None for nothing."""
    if header.mode not in (LOSSY, LOSSLESS):
        return f"there is no mode {header.mode}"
    if not (header.count and header.block and header.layers and header.shape and all(header.shape)):
        return "it has no images, layers or pixels"
    if not all(math.isfinite(beta) and beta > 0 for beta in header.betas):
        return "a beta is not positive"
    if any(one.blocks != header.blocks for one in header.sections if one.kind in (LAYER, CHAIN)):
        return f"a section has another number of blocks than {header.count} images make"
    if any(one.kind > CHAIN or 4 * one.blocks > one.length for one in header.sections):
        return "a section cannot be what it says"
    return None
