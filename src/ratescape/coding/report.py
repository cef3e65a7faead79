"""What an archive holds, in lines for a person."""

import math
import struct

from ratescape.coding.codec import Codec
from ratescape.coding.container import Archive
from ratescape.coding.header import CHAIN, CODEC, LAYER, LOSSLESS, NAMES, Header, Section
from ratescape.coding.subject import wanted
from ratescape.records.lines import aligned

FRAME = 4
"""Bytes of a block's length."""


TAIL = 2
"""Bytes at the end of a block's stream that say nothing of its images."""

CLEARLY, SLACK = 1.2, 1.0
"""Factor, and then bits, above which images count as taking more than what was calibrated."""

FIXED = 0.1
"""Share of an archive from which on it is told what its header and codec take."""


def caution(header: Header, codec: Codec) -> str | None:
    """That images take clearly more bits than the codec was calibrated for, in one line; None if they do not."""
    layers = [one for one in header.sections if one.kind == LAYER]
    content = sum(max(one.length - (FRAME + TAIL) * one.blocks, 0) for one in layers)
    bits = 8 * content / header.count
    if bits <= CLEARLY * codec.bits + SLACK:
        return None
    more = f"{bits / codec.bits - 1:.0%} more than" if codec.bits > 0 else "where"
    return (
        f"caution: the images take {bits:.1f} bits each, {more} the {codec.bits:.1f} that the codec was calibrated "
        "for: they are of another kind than the model's, or have more detail"
    )


def size_line(header: Header) -> str:
    """The size of an archive in one line, and what of it does not grow with the images where that is a tenth or more.

    Example::

        "1,000 images in 18,204 bytes: 18.20 bytes each"
        "8 images in 4,100 bytes: 512.50 bytes each (3,900 of all bytes, header and codec, are ..."
    """
    head, codecs = len(header.to_bytes()), [one.length for one in header.sections if one.kind == CODEC]
    fixed, size = head + sum(codecs), head + sum(one.length for one in header.sections)
    text = f"{header.count:,} images in {size:,} bytes: {size / header.count:.2f} bytes each"
    if fixed < FIXED * size:
        return text
    what = "header and codec" if codecs else "the header"
    return f"{text} ({fixed:,} of all bytes, {what}, are about the same for any number of images)"


def described(archive: Archive) -> list[str]:
    """All that an archive says of itself; of one that is cut off, too."""
    header = archive.header
    kind = "black and white" if header.is_binary else "8-bit"
    made = dict(zip(("ratescape", "constriction", "torch"), header.versions, strict=True))
    lines = [
        f"{'lossless' if header.mode == LOSSLESS else 'lossy'} archive of {header.count:,} {kind} images "
        f"{' x '.join(map(str, header.shape))}, {header.layers} layers, blocks of {header.block:,}",
        f"made by {wanted(header)}",
        f"codec {header.codec.hex()[:12]}; {', '.join(f'{name} {version}' for name, version in made.items())}",
        size_line(header),
        *aligned(_table(archive)),
    ]
    codec = codec_of(archive)
    line = None if codec is None else caution(header, codec)
    lines += [] if line is None else [line]
    cut = [one for one in header.sections if not archive.has(one.kind, one.layer)]
    if cut:
        lines.append(f"the file is cut off: {', '.join(map(_name, cut))} {'is' if len(cut) == 1 else 'are'} not whole")
    return lines


def _table(archive: Archive) -> list[list[str]]:
    header = archive.header
    rows = [["", "bytes", "bytes/image", "bits/image", "calibrated for"]]
    codec = codec_of(archive)
    asked = {} if codec is None else {len(codec.wanted) - i: rate / math.log(2) for i, rate in enumerate(codec.wanted)}
    rows.append(["header", *_cells(len(header.to_bytes()), header), ""])
    framing = sum(FRAME * one.blocks for one in header.sections)
    for one in header.sections:
        for_what = f"{asked[one.layer]:.2f} bits/image" if one.layer in asked else ""
        rows.append([_name(one), *_cells(one.length - FRAME * one.blocks, header), for_what])
    rows.append(["lengths of blocks", *_cells(framing, header), ""])
    if header.mode == LOSSLESS and archive.has(CHAIN):
        checks, initial = _chain(archive)
        rows.append(["of images: checksums", *_cells(checks, header), ""])
        rows.append(["of images: start of chains", *_cells(initial // 8, header), ""])
    return rows


def _cells(size: int, header: Header) -> list[str]:
    return [f"{size:,}", f"{size / header.count:.3f}", f"{8 * size / header.count:.2f}"]


def _name(section: Section) -> str:
    return {CODEC: "codec", NAMES: "names", LAYER: f"layer {section.layer}", CHAIN: "images"}[section.kind]


def codec_of(archive: Archive) -> Codec | None:
    """The codec of a lossy archive; None where it cannot be read, or the archive is lossless."""
    if archive.header.mode == LOSSLESS or not archive.has(CODEC):
        return None
    try:
        return Codec.from_bytes(archive.block(CODEC))
    except ValueError:
        return None


def _chain(archive: Archive) -> tuple[int, int]:
    """Bytes of checksums and of groups, and bits that the starts of the chains cost, in all blocks."""
    checks, initial = 0, 0
    for number, data in enumerate(archive.blocks(CHAIN)):
        groups, cost = struct.unpack_from("<II", data)
        checks += 16 + groups + archive.header.in_block(number)
        initial += cost
    return checks, initial
