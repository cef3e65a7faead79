"""Whether files keep what rates promise, on test images: bytes by layer against rates asked for, distortion against the
sampled model's, and sizes without loss against -ELBO.

    python benchmarks/files.py digits --total 40 --shares 0.1 0.3 0.5 0.7 0.9
    python benchmarks/files.py digits --data mnist --total 40 --shares 0.5 --lossless

One line for each share of the total (nats) that the top layer is asked to have; the rest is shared by the others as the
network has it. ``excess`` is the distortion from the file above that of the sampled model at the same betas.
"""

import argparse
import math
import time

import numpy as np

import ratescape as rs
from ratescape.coding import bench
from ratescape.coding.archive import compress, decompress
from ratescape.coding.calibrate import calibrate_subject
from ratescape.coding.container import Archive
from ratescape.coding.header import CHAIN
from ratescape.coding.lossless import initial_bits
from ratescape.coding.subject import subject_of
from ratescape.landscape.contents import data_of
from ratescape.records.lines import aligned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landscape")
    parser.add_argument("--data", help="test images of another set, such as mnist for a landscape of mnist-5k")
    parser.add_argument("--folder", help="where its files lie")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--total", type=float, default=40.0)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 0.5, 0.7, 0.9])
    parser.add_argument("--effort", type=int, default=0, help="passes of the search for better symbols, such as 40")
    parser.add_argument("--lossless", action="store_true", help="at the betas of the last share")
    options = parser.parse_args()
    landscape = rs.Landscape(options.landscape)
    network, own = landscape.network(), data_of(landscape.folder, None)
    test = rs.load_data(options.data, folder=options.folder).test if options.data else own.test
    pixels = test.pixels[: options.limit]
    levels = np.where(pixels > 127, 255, 0).astype(np.uint8) if own.spec.binary else pixels
    top, betas = len(network.latent_shapes), (1.0,)
    rows = [
        ["share", "asked (bits)", "rate", "in the file", "all, of asked", "distortion", "excess", "calibrated", "coded"]
    ]
    for share in options.shares:
        request = f"total={options.total},{top}={100 * share}%"
        betas = landscape.at_rates(request).answer.betas
        subject = subject_of(network, betas)
        begin = time.perf_counter()
        held_out = None if own.validation is None else own.validation.pixels
        codec = calibrate_subject(subject, own.train.pixels, request, held_out=held_out, effort=options.effort)
        middle = time.perf_counter()
        found = bench.lossy(subject, levels, codec)
        end = time.perf_counter()
        promise = bench.promised(subject, levels)
        asked = [rate / math.log(2) for rate in codec.wanted]
        rows.append(
            [
                f"{share:g}",
                *(" + ".join(f"{one:.2f}" for one in bits) for bits in (asked, promise.rates, found.layers)),
                f"{sum(found.layers) / sum(asked) - 1:+.1%}",
                f"{found.distortion:.2f}",
                f"{found.distortion / promise.distortion - 1:+.1%}",
                f"{middle - begin:.1f} s",
                f"{len(levels) / (end - middle):.0f} images/s",
            ]
        )
    print(f"{len(levels):,} test images, {options.total:g} nats asked for")
    print("\n".join(aligned(rows)))
    if options.lossless:
        without_loss(network.at(betas), levels, bench.promised(subject_of(network, betas), levels).elbo)


def without_loss(model: rs.HVAE, levels: np.ndarray, elbo: float) -> None:
    begin = time.perf_counter()
    data = compress(model, levels, lossless=True)
    middle = time.perf_counter()
    found = decompress(data, model)
    end = time.perf_counter()
    is_exact = np.array_equal((found * 255).round().numpy().astype(np.uint8), levels)
    with Archive.opened(data) as archive:
        blocks = [(len(one), initial_bits(one)) for one in archive.blocks(CHAIN)]
    initial = sum(bits for _, bits in blocks)
    stack = 8 * (sum(size for size, _ in blocks) - len(levels) - 16 * len(blocks))
    count = len(levels)
    print(
        f"without loss: exact {is_exact}; -ELBO {elbo:.2f}, net {(stack - initial) / count:.2f}, with initial bits "
        f"{stack / count:.2f}, with all overhead {8 * len(data) / count:.2f} bits per image; written at "
        f"{count / (middle - begin):.0f} and read at {count / (end - middle):.0f} images/s"
    )


if __name__ == "__main__":
    main()
