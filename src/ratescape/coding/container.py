"""The sections of an archive (.rsc), each with a checksum: written block by block, read when they are asked for.

docs/format.md has every byte. Nothing here knows what the sections hold.
"""

import dataclasses
import hashlib
import io
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ratescape.coding.header import CHAIN, CHECK, CODEC, LAYER, NAMES, Header, Section, read_header
from ratescape.errors import DataError

COPIED = 1 << 20
"""Bytes that are read or copied at once."""

IN_MEMORY = 8 << 20
"""Bytes of a section that are kept in memory while it is made; more goes to a temporary file."""


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
    bound = _bound(header)
    offset = len(dataclasses.replace(header, sections=tuple(_placed(spools, 0, bound))).to_bytes())
    whole = dataclasses.replace(header, sections=tuple(_placed(spools, offset, bound)))
    out.write(whole.to_bytes())
    for spool in spools:
        spool.copy(out)
    return whole


def _placed(spools: Sequence[Spool], offset: int, bound: bytes) -> Iterator[Section]:
    for one in spools:
        checksum = one.hash.copy()
        checksum.update(bound)
        yield Section(one.kind, one.layer, one.blocks, offset, one.length, checksum.digest())
        offset += one.length


def _bound(header: Header) -> bytes:
    """What checksums of sections cover, too: with another count or other betas their bytes would mean other images."""
    return dataclasses.replace(header, sections=()).to_bytes()


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
        self.header = read_header(file, name)

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
        found.update(_bound(self.header))
        return not left and found.digest() == section.checksum
