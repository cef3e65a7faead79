"""How archives take damage: bits flipped, bytes cut out, doubled or moved, lengths that lie, with right and wrong
checksums. Each must give one clear error or the right images, within a stated memory and time.

    python benchmarks/files_fuzz.py --inputs 1000000

Prints how many were refused, how many gave the right images, the slowest, and the peak of memory.
"""

import argparse
import random
import resource
import struct
import time

import numpy as np
import torch

from ratescape.coding.archive import compress, decompress
from ratescape.coding.header import checksum
from ratescape.errors import RatescapeError
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


def small_model(likelihood: str) -> HVAE:
    torch.manual_seed(0)
    spec = ModelSpec(channels=4, latents=(3, 2), likelihood=likelihood)  # type: ignore[arg-type]
    return build(resolved_model(spec, SHAPE, binary=likelihood == "bernoulli"), SHAPE).eval().requires_grad_(False)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    images = (np.random.default_rng(0).random((2, 24, 1, 16, 16)) > 0.6).astype(np.uint8) * 255
    lossy, binary = small_model("gaussian"), small_model("bernoulli")
    cases = [
        (lossy, compress(lossy, images[0]), compress(lossy, images[1])),
        (binary, compress(binary, images[0], lossless=True), compress(binary, images[1], lossless=True)),
    ]
    right = [
        [decompress(data, model, layers) for layers in ((1, 2) if model is lossy else (None,))]
        for model, data, _ in cases
    ]
    counts, slowest = {"refused": 0, "not in one line": 0, "right images": 0}, 0.0
    for number in range(options.inputs):
        model, data, other = cases[number % 2]
        given = model if chance.random() < 0.95 else cases[1 - number % 2][0]
        begin = time.perf_counter()
        try:
            found = decompress(damaged(data, other, chance), given)
        except RatescapeError as error:
            counts["refused" if "\n" not in str(error) else "not in one line"] += 1
        else:
            assert any(torch.equal(found, one) for one in right[number % 2]), f"wrong images of input {number}"
            counts["right images"] += 1
        slowest = max(slowest, time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.inputs:,} inputs: {counts}; slowest {slowest:.3f} s; peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
