"""How archives take damage: bits flipped, bytes cut out, doubled or moved, lengths that lie, with right and wrong
checksums. Each must give one clear error or the right images, within a stated memory and time.

    python benchmarks/files_fuzz.py --inputs 1000000 --out fuzz.jsonl

One line of JSON for each 2,000 inputs; the same command goes on where it was broken off, and ends with a summary: how
many were refused, how many gave the right images, the slowest, and the peak of memory.
"""

import argparse
import functools
import json
import multiprocessing
import os
import random
import resource
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.archive import compress, decoded_by, decompress
from ratescape.coding.container import Archive
from ratescape.coding.header import checksum
from ratescape.coding.subject import Subject, subject_of
from ratescape.errors import RatescapeError
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)
BATCH = 2000
"""Inputs of a line of results."""
COUNT = 6
"""Images of an archive: few, so that most damage hits what is parsed, and little time goes into networks."""


class Case(NamedTuple):
    """An archive, another to splice from, and what it may give."""

    subject: Subject
    data: bytes
    other: bytes
    right: list[Tensor]


def case(likelihood: str) -> Case:
    torch.manual_seed(0)
    spec = ModelSpec(channels=4, latents=(3, 2), likelihood=likelihood)  # type: ignore[arg-type]
    model = build(resolved_model(spec, SHAPE, binary=likelihood == "bernoulli"), SHAPE).eval().requires_grad_(False)
    images = (np.random.default_rng(0).random((2, COUNT, *SHAPE)) > 0.6).astype(np.uint8) * 255
    is_lossless = likelihood == "bernoulli"
    data, other = (compress(model, some, lossless=is_lossless) for some in images)
    return Case(
        subject_of(model), data, other, [decompress(data, model, n) for n in ((None,) if is_lossless else (1, 2))]
    )


@functools.cache
def cases() -> tuple[Case, Case]:
    """A lossy and a lossless archive, made once in each process."""
    torch.set_num_threads(1)
    return case("gaussian"), case("bernoulli")


def damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """One to three damages, and in half of all cases a checksum of the header that is right all the same."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place, length = chance.randrange(len(found)), chance.randint(1, 60)
        match chance.randrange(7):
            case 0:
                found[place] ^= 1 << chance.randrange(8)
            case 1:
                del found[place:]
            case 2:
                del found[place : place + length]
            case 3:
                found[place:place] = found[place : place + length]
            case 4:
                found[place : place + 4] = struct.pack("<I", chance.choice([0, 1, 0xFFFFFFFF, chance.getrandbits(32)]))
            case 5:
                begin = chance.randrange(len(other))
                found[place : place + length] = other[begin : begin + length]
            case _:
                found[place : place + length] = chance.randbytes(length)
        found = found or bytearray(1)
    length = struct.unpack_from("<I", found, 12)[0] if len(found) >= 16 else len(found)
    if chance.random() < 0.5 and 16 + length + 8 <= len(found):
        found[16 + length : 24 + length] = checksum(bytes(found[: 16 + length]))
    return bytes(found)


def read(data: bytes, subject: Subject) -> Tensor:
    """As decompress; the digest of a model that is the right one is not computed anew each time."""
    with Archive.opened(data) as archive:
        if archive.header.betas or archive.header.model != subject.digest:
            return decompress(data, subject.model)
        return torch.cat(list(decoded_by(archive, subject)))


def outcome(data: bytes, right: list[Tensor], reader: Callable[[bytes], Tensor]) -> str:
    """What became of an input: refused, refused in more than one line, right or wrong images."""
    try:
        found = reader(data)
    except RatescapeError as error:
        return "not in one line" if "\n" in str(error) else "refused"
    return "right images" if any(torch.equal(found, one) for one in right) else "WRONG IMAGES"


def batch(number: int) -> dict[str, Any]:
    """The outcomes of the inputs of one line; an error that is none of ours ends the campaign and names the input."""
    counts, slowest = Counter[str](), 0.0
    for index in range(number * BATCH, (number + 1) * BATCH):
        chance = random.Random(index)
        one, another = cases() if index % 2 else reversed(cases())
        given = one if chance.random() < 0.95 else another
        data, begin = damaged(one.data, one.other, chance), time.perf_counter()
        try:
            counts[outcome(data, one.right, functools.partial(read, subject=given.subject))] += 1
        except BaseException as error:  # also panics of the coder's library, which are no Exception
            raise RuntimeError(f"input {index}: {error!r}") from error
        slowest = max(slowest, time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"batch": number, "counts": counts, "slowest_s": slowest, "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("fuzz.jsonl"))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    known = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    left = sorted(set(range(-(-options.inputs // BATCH))) - {one["batch"] for one in known})
    begin = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool, options.out.open("a") as file:
        for found in pool.imap_unordered(batch, left):
            known.append(found)
            file.write(json.dumps(found) + "\n")
            file.flush()
    speed = len(left) * BATCH / (time.perf_counter() - begin)
    counts = sum((Counter(one["counts"]) for one in known), Counter[str]())
    slowest, peak = (max(one[name] for one in known) for name in ("slowest_s", "peak_mb"))
    print(
        f"{sum(counts.values()):,} inputs: {dict(counts)}; slowest {slowest:.3f} s; "
        f"peak memory of a process {peak:.0f} MB; {speed:.0f} inputs/s"
    )


if __name__ == "__main__":
    main()
