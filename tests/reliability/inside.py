"""Damage behind what vouches for a file: content that is packed, summed or signed is damaged, and vouched for anew.

Bytes that are damaged at random seldom pass a checksum, and what lies behind it is then never tried.
"""

import contextlib
import dataclasses
import functools
import gzip
import io
import random
import struct
import tarfile
import zlib
from typing import Any

import torch

from ratescape.checkpoint.files import packed, unpacked
from ratescape.coding import container
from ratescape.coding.codec import MAGIC
from ratescape.coding.header import CODEC, Header
from ratescape.coding.identity import DIGEST, digest_of
from ratescape.errors import RatescapeError
from reliability.mutations import TEXTS, damaged, of_bytes, tree

ODD_COUNTS = (0, 1, 2, 3, 16, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1)


def packed_bytes(name: str, data: bytes, chance: random.Random) -> bytes:
    """A file of gzip: damaged before it was packed, packed twice, or two files in one."""
    inner = _gunzipped(data)
    match chance.randrange(4):
        case 0:
            return damaged(name, data, chance)
        case 1:
            pieces = [inner, of_bytes(inner, chance), b""]
            return b"".join(gzip.compress(chance.choice(pieces), 1) for _ in range(chance.randint(1, 3)))
        case _:
            return gzip.compress(of_bytes(inner, chance), 1)


@functools.cache
def _gunzipped(data: bytes) -> bytes:
    return gzip.decompress(data)


def of_archive_of_files(name: str, data: bytes, chance: random.Random) -> bytes:
    """A packed tar archive: members that are links, folders or devices, strangely named, doubled, or damaged."""
    if chance.random() < 0.3:
        return damaged(name, data, chance)
    out = io.BytesIO()
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"x", b"L", b"g")
    with tarfile.open(fileobj=out, mode="w", format=chance.choice([0, 1, 2])) as file:
        for one, content in _members(data):
            member, inner = tarfile.TarInfo(one), content
            match chance.randrange(16):
                case 0:
                    member.name = chance.choice(["../../outside", "/etc/passwd", one + "/" + one, "é" * 60, "", "."])
                case 1:
                    member.type, member.linkname = chance.choice(kinds), chance.choice(["/etc/passwd", one, "../../x"])
                case 2:
                    inner = of_bytes(content, chance)
                case 3:
                    file.addfile(member, io.BytesIO(b""))
                case _:
                    pass
            member.size = len(inner) if member.isreg() else 0
            with contextlib.suppress(ValueError):  # a name that this format cannot hold
                file.addfile(member, io.BytesIO(inner))
    content = out.getvalue()
    if chance.random() < 0.2:
        content = of_bytes(content, chance)
    return gzip.compress(content, 1)


@functools.cache
def _members(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        return [(one.name, file.extractfile(one).read()) for one in file]  # type: ignore[union-attr]


def of_codec(name: str, data: bytes, chance: random.Random) -> bytes:
    """A codec whose tables are damaged, under a digest that is right."""
    if chance.random() < 0.1:
        return damaged(name, data, chance)
    plain = zlib.decompress(data[len(MAGIC) + DIGEST :])
    content = zlib.compress(of_bytes(plain, chance), 1)
    if chance.random() < 0.1:
        content = of_bytes(content, chance)
    return data[: len(MAGIC)] + digest_of(content) + content


def of_images_file(name: str, data: bytes, chance: random.Random) -> bytes:
    """An archive of images whose header or blocks are others, under checksums that are right."""
    if chance.random() < 0.2:
        return damaged(name, data, chance)
    header, sections = _sections(data)
    for _ in range(chance.choice([0, 1, 1, 2])):
        header = _odd_header(header, chance)
    which = chance.randrange(len(sections)) if sections and chance.random() < 0.6 else -1
    out, spools = io.BytesIO(), list[container.Spool]()
    for number, (kind, layer, blocks) in enumerate(sections):
        spool = container.Spool(kind, layer)
        found = [_odd_block(one, chance) if number == which else one for one in blocks]
        if number == which and kind == CODEC and chance.random() < 0.8:
            header = dataclasses.replace(header, codec=digest_of(_inflated(found[0])))
        if number == which and chance.random() < 0.2:
            found = chance.choice([[], found + found, found[:-1]])
        for block in found:
            spool.add(block)
        if number == which and chance.random() < 0.1:
            spool.kind = chance.randrange(6)
        spools.append(spool)
    try:
        container.write(out, header, spools)
    except (struct.error, OverflowError):  # it cannot be said in the format
        return damaged(name, data, chance)
    return out.getvalue()


@functools.cache
def _sections(data: bytes) -> tuple[Header, list[tuple[int, int, list[bytes]]]]:
    with container.Archive.opened(data) as archive:
        found = archive.header.sections
        return archive.header, [(one.kind, one.layer, list(archive.blocks(one.kind, one.layer))) for one in found]


def _odd_block(block: bytes, chance: random.Random) -> bytes:
    """A block that is damaged, as a rule before it was packed."""
    plain = _inflated(block)
    return zlib.compress(of_bytes(plain, chance), 1) if plain and chance.random() < 0.8 else of_bytes(block, chance)


def _inflated(block: bytes) -> bytes:
    """What a packed block holds; nothing of one that is not packed."""
    try:
        return zlib.decompress(block)
    except zlib.error:
        return b""


def _odd_header(header: Header, chance: random.Random) -> Header:
    changes: dict[str, Any] = {
        "mode": chance.randrange(4),
        "model": chance.randbytes(DIGEST),
        "codec": chance.randbytes(DIGEST),
        "count": chance.choice([*ODD_COUNTS, 2**63]),
        "block": chance.choice(ODD_COUNTS),
        "shape": chance.choice([(), (0,), (1, 16, 16), (3, 16, 16), (1, 65536, 65536), (16, 16), (1,) * 9]),
        "is_binary": not header.is_binary,
        "layers": chance.choice([0, 1, 2, 3, 65535]),
        "betas": chance.choice([(), (1.0,), (1.0, 1.0), (float("nan"), 1.0), (1e308, 1e-308), (1.0,) * 999]),
        "versions": tuple(chance.choice([*TEXTS[:4], "999.0", "0.1"]).encode().decode() for _ in range(3)),
        "where": chance.choice([one for one in TEXTS if one.isascii()]),
    }
    field = chance.choice(list(changes))
    return dataclasses.replace(header, **{field: changes[field]})


def of_weights(name: str, data: bytes, chance: random.Random) -> bytes:
    """A file of weights whose header or tensors are others, under a digest that is right."""
    if chance.random() < 0.2 or not name.endswith(".safetensors"):
        return damaged(name, data, chance)
    known, header = _unpacked(data)
    tensors = dict(known)
    if chance.random() < 0.5:
        header = tree(_copied(header), chance)
        if not isinstance(header, dict):
            return damaged(name, data, chance)
    else:
        one = chance.choice(sorted(tensors))
        if chance.random() < 0.3:
            tensors[chance.choice([*TEXTS[4:], one + ".x"]).encode("ascii", "replace").decode()] = tensors.pop(one)
        else:
            tensors[one] = _odd_tensor(tensors[one], chance)
    try:
        return packed(tensors, header)
    except (TypeError, ValueError, RatescapeError):
        return damaged(name, data, chance)


@functools.cache
def _unpacked(data: bytes) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    return unpacked(data, "it")


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _odd_tensor(tensor: torch.Tensor, chance: random.Random) -> torch.Tensor:
    match chance.randrange(7):
        case 0:
            return tensor.flatten()
        case 1:
            return tensor[None]
        case 2:
            return tensor.to(chance.choice([torch.float64, torch.int64, torch.bool, torch.bfloat16]))
        case 3:
            return torch.full_like(tensor, float(chance.choice([float("nan"), float("inf"), 1e30, 0.0])))
        case 4:
            return torch.zeros(chance.choice([(0,), (1,), (3, 3), (1000, 1000), ()]))
        case 5:
            return tensor[..., :1].contiguous() if tensor.ndim else tensor[None, None]
        case _:
            return torch.zeros_like(tensor, dtype=torch.complex64)


def of_matlab(name: str, data: bytes, chance: random.Random) -> bytes:
    """A .mat file whose elements say something else of themselves; or lie packed within another."""
    if chance.random() < 0.3:
        return damaged(name, data, chance)
    found = bytearray(data)
    places = _elements(data)
    for _ in range(chance.choice([1, 1, 2])):
        place = chance.choice(places) + 4 * chance.choice([0, 0, 1, 1, 2])
        number = chance.choice(
            [*range(20), *ODD_COUNTS, 0x0800 | chance.randrange(20), 0x00040000 | chance.randrange(20)]
        )
        struct.pack_into("<I", found, min(place, len(found) - 4), number)
    if chance.random() < 0.3:
        inner = zlib.compress(bytes(found[128:]), 1)
        inner = of_bytes(inner, chance) if chance.random() < 0.3 else inner
        found[128:] = struct.pack("<II", 15, len(inner)) + inner
    return bytes(found)


@functools.cache
def _elements(data: bytes) -> list[int]:
    """Where the elements of a sound file of plain matrices begin, those within them included."""
    places, place = [124], 128
    while place < len(data):
        (kind, size) = struct.unpack_from("<II", data, place)
        places.append(place)
        if kind == 14 or kind >> 16:
            place += 8
        else:
            place += 8 + size + -size % 8
    return places


def of_png(name: str, data: bytes, chance: random.Random) -> bytes:
    """A PNG of chunks that are damaged under checksums that are right; others as they may be."""
    if not name.endswith("png") or chance.random() < 0.3:
        return damaged(name, data, chance)
    chunks = list(_chunks(data))
    which = chance.randrange(len(chunks))
    kind, content = chunks[which]
    match chance.randrange(8):
        case 0 if kind == b"IHDR":
            sizes = [chance.choice([0, 1, 16, 20_000, 2**31 - 1, 2**32 - 1]) for _ in range(2)]
            content = struct.pack(">II", *sizes) + content[8:]
        case 0 | 1 if kind == b"IDAT":
            content = zlib.compress(of_bytes(zlib.decompress(content), chance), 1)
        case 2:
            chunks.insert(which, chance.choice(chunks))
        case 3:
            kind = chance.choice([b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"acTL", b"fdAT", b"tEXt", b"eXIf", b"evil"])
        case 4:
            content = zlib.compress(bytes(chance.choice([100, 10 << 20])), 1)
        case _:
            content = of_bytes(content or b"\0", chance)
    chunks[which] = (kind, content)
    framed = [struct.pack(">I", len(one)) + key + one + struct.pack(">I", zlib.crc32(key + one)) for key, one in chunks]
    return data[:8] + b"".join(framed)


@functools.cache
def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = list[tuple[bytes, bytes]](), 8
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return found
