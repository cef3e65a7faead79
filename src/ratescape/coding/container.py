"""The format of an archive (.rsc): a header, and sections that it lists, each with a checksum; docs/format.md has every
byte. Nothing here knows what the sections hold.
"""

import dataclasses
import hashlib
import io
import math
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from ratescape.coding.identity import DIGEST
from ratescape.coding.parsing import Reader, packed_text
from ratescape.errors import DataError

MAGIC: Final = b"\x89RSC\r\n\x1a\n"
"""What an archive begins with. The first byte is no ASCII, and the line ends show a transfer as text."""

FORMAT: Final = 1
"""Version of the format; another is refused."""

LOSSY, LOSSLESS = 0, 1
"""Modes."""

CODEC, NAMES, LAYER, CHAIN = range(4)
"""Kinds of sections."""

CHECK = 8
"""Bytes of a checksum, of BLAKE2b: too long for a damaged file to have it by chance."""

HEADER_MOST = 1 << 20
"""Bytes that a header has at most."""

COPIED = 1 << 20
"""Bytes that are read or copied at once."""

IN_MEMORY = 8 << 20
"""Bytes of a section that are kept in memory while it is made; more goes to a temporary file."""

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


class Spool:
    """A section while it is made: in memory, or in a temporary file once it is large.

    Example::

        with Spool(LAYER, 2) as spool:
            spool.add(block)
            spool.copy(out)
    """

    def __init__(self, kind: int, layer: int = 0) -> None:
        self.kind = kind
        self.layer = layer
        self.blocks = 0
        self.length = 0
        self.hash = hashlib.blake2b(digest_size=CHECK)
        self.file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (closed by leaving the spool)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def add(self, content: bytes) -> None:
        """Append a block."""
        framed = struct.pack("<I", len(content)) + content
        self.hash.update(framed)
        self.file.write(framed)
        self.blocks += 1
        self.length += len(framed)

    def copy(self, out: IO[bytes]) -> None:
        """Write it all."""
        self.file.seek(0)
        while chunk := self.file.read(COPIED):
            out.write(chunk)


def write(out: IO[bytes], header: Header, spools: Sequence[Spool]) -> Header:
    """Write an archive: the header, then the sections in their order. Returns the header with its sections."""
    offset = len(dataclasses.replace(header, sections=tuple(_placed(spools, 0))).to_bytes())
    whole = dataclasses.replace(header, sections=tuple(_placed(spools, offset)))
    out.write(whole.to_bytes())
    for spool in spools:
        spool.copy(out)
    return whole


def _placed(spools: Sequence[Spool], offset: int) -> Iterator[Section]:
    for one in spools:
        yield Section(one.kind, one.layer, one.blocks, offset, one.length, one.hash.digest())
        offset += one.length


class Archive:
    """An archive that is read: its header, and its sections on demand, which may be cut off at the end.

    Example::

        with Archive.opened("digits.rsc") as archive:
            print(archive.header.count, archive.has(LAYER, 2))

    Raises:
        DataError: it is no archive, of another format, or its header is damaged.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.file = file
        self.name = name
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self.header = self._read_header()

    @classmethod
    def opened(cls, source: bytes | str | Path) -> "Archive":
        """The archive of some bytes, or of a file."""
        if isinstance(source, bytes):
            return cls(io.BytesIO(source), "the archive")
        try:
            file = Path(source).open("rb")  # noqa: SIM115 (closed by leaving the archive)
        except OSError as error:
            raise DataError(f"{source} cannot be read ({error.strerror}): check the path") from error
        try:
            return cls(file, str(source))
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def has(self, kind: int, layer: int = 0) -> bool:
        """Whether a section is there to its end."""
        found = self._find(kind, layer)
        return found is not None and found.offset + found.length <= self.size

    def blocks(self, kind: int, layer: int = 0) -> Iterator[bytes]:
        """The blocks of a section, one after the other, once its checksum is found to be right.

        Raises:
            DataError: it is missing, cut off or damaged.
        """
        section = self._find(kind, layer)
        what = (
            f"layer {layer}" if kind == LAYER else {CODEC: "the codec", NAMES: "the names", CHAIN: "the images"}[kind]
        )
        if section is None or not self.has(kind, layer):
            raise DataError(f"{self.name} ends before the end of {what}: get a whole copy")
        if not self._is_sound(section):
            rest = ", or decode the layers above alone, by --layers (in Python layers=)" if kind == LAYER else ""
            raise DataError(f"{self.name} is damaged in {what} (checksum): get a sound copy{rest}")
        position, end = section.offset, section.offset + section.length
        for _ in range(section.blocks):
            self.file.seek(position)
            head = self.file.read(4)
            length = int.from_bytes(head, "little")
            if len(head) < 4 or length > end - position - 4:
                raise DataError(f"{self.name} has a block in {what} that is longer than the section: get a sound copy")
            yield self.file.read(length)
            position += 4 + length

    def block(self, kind: int) -> bytes:
        """The one block of a section; raises as :meth:`blocks`."""
        found = list(self.blocks(kind))
        if len(found) != 1:
            raise DataError(
                f"{self.name} has a section of {len(found)} blocks where there must be one: get a sound copy"
            )
        return found[0]

    def _find(self, kind: int, layer: int) -> Section | None:
        return next((one for one in self.header.sections if (one.kind, one.layer) == (kind, layer)), None)

    def _is_sound(self, section: Section) -> bool:
        found, left = hashlib.blake2b(digest_size=CHECK), section.length
        self.file.seek(section.offset)
        while left and (chunk := self.file.read(min(left, COPIED))):
            found.update(chunk)
            left -= len(chunk)
        return not left and found.digest() == section.checksum

    def _read_header(self) -> Header:
        prelude = self.file.read(_PRELUDE.size)
        if not prelude.startswith(MAGIC):
            raise DataError(f"{self.name} is not an archive of ratescape: check the path")
        if len(prelude) < _PRELUDE.size:
            raise self._damaged("it ends within its header")
        _, version, mode, _, length = _PRELUDE.unpack(prelude)
        if version != FORMAT:
            raise DataError(
                f"{self.name} is of format {version}, and this ratescape reads format {FORMAT}: "
                f"{'upgrade ratescape' if version > FORMAT else 'read it by the ratescape that wrote it'}"
            )
        content = self.file.read(min(length, HEADER_MOST))
        if len(content) < length or self.file.read(CHECK) != checksum(prelude + content):
            raise self._damaged("its header does not match its checksum")
        try:
            header = _parsed(Reader(content), mode)
        except (ValueError, struct.error) as error:
            raise self._damaged(str(error)) from error
        if reason := _contradiction(header):
            raise self._damaged(reason)
        return header

    def _damaged(self, reason: str) -> DataError:
        return DataError(f"{self.name} is damaged ({reason}): get a sound copy")


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
