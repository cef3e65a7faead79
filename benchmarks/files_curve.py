"""Real bytes against PSNR, from one conditioned network at many totals and several splits, beside dedicated models and
JPEG and WebP of tiled sheets.

    python benchmarks/files_curve.py digits --out curve.jsonl --effort 40
    python benchmarks/files_curve.py digits --out curve.jsonl --effort 40 --dedicated seven --figure curve.png

One line of JSON for each point, on test images; the same command goes on where it was broken off. Betas of each point
are those at which the network has the rates; where a size cannot be had the line says so, in place of numbers.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import ratescape as rs
from ratescape.coding import bench
from ratescape.coding.calibrate import calibrate_subject
from ratescape.coding.compare import Levels, Point, compared
from ratescape.coding.subject import Subject, subject_of
from ratescape.data.catalog import ImageData
from ratescape.errors import SpecError
from ratescape.landscape.contents import data_of
from ratescape.report.files import draw


class Asked(NamedTuple):
    """One point of the curves."""

    name: str
    request: str | None
    """None: the model's own rates."""
    run: str = ""
    """Key of a dedicated model."""

    @property
    def key(self) -> str:
        return f"{self.name} {self.request or self.run}"


def asked_for(options: argparse.Namespace, layers: int) -> Iterator[Asked]:
    for share in options.shares:
        for total in np.geomspace(options.low, options.high, options.totals):
            request = f"total={total:.4g},{layers}={100 * share:g}%"
            yield Asked(f"one network, {share:.0%} in the top layer", request)
    if options.dedicated:
        rows = rs.Landscape(options.dedicated).table.dropna(subset=["rate"]).sort_values("rate")
        for place in (0.2, 0.5, 0.8):
            yield Asked("dedicated models", None, str(rows["run"].iloc[round(place * (len(rows) - 1))]))


def measured(asked: Asked, options: argparse.Namespace, own: ImageData, levels: Levels) -> dict[str, Any]:
    """The line of one point."""
    begin = time.perf_counter()
    try:
        subject = subject_for(asked, options)
        held_out = None if own.validation is None else own.validation.pixels
        codec = calibrate_subject(subject, own.train.pixels, asked.request, held_out=held_out, effort=options.effort)
    except SpecError as error:
        return {"key": asked.key, "name": asked.name, "error": str(error)}
    middle = time.perf_counter()
    found, promise = bench.lossy(subject, levels, codec), bench.promised(subject, levels)
    point = found.points[-1]
    return {
        "key": asked.key,
        "name": asked.name,
        "betas": subject.betas,
        "wanted_nats": codec.wanted,
        "bits": found.layers,
        "bytes": point.size,
        "mse": point.error,
        "psnr": point.psnr,
        "distortion": found.distortion,
        "sampled_distortion": promise.distortion,
        "calibrated_s": middle - begin,
        "coded_s": time.perf_counter() - middle,
    }


def subject_for(asked: Asked, options: argparse.Namespace) -> Subject:
    if asked.run:
        return subject_of(rs.load(Path(options.dedicated) / "runs" / asked.run))
    landscape = rs.Landscape(options.landscape)
    return subject_of(landscape.network(), landscape.at_rates(asked.request or "").answer.betas)


def figure(path: Path, lines: list[dict[str, Any]], levels: Levels, is_binary: bool) -> None:
    ours = [Point(line["name"], line["bytes"], line["mse"]) for line in lines if "bytes" in line]
    others = [point for point in compared(levels, is_binary) if point.error > 0 and point.name.endswith("sheet")]
    draw(path, [*ours, *others])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landscape")
    parser.add_argument("--out", type=Path, default=Path("curve.jsonl"))
    parser.add_argument("--data", help="test images of another set, such as mnist for a landscape of mnist-5k")
    parser.add_argument("--folder", help="where its files lie")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--low", type=float, default=8.0, help="smallest total, nats")
    parser.add_argument("--high", type=float, default=80.0, help="largest total, nats")
    parser.add_argument("--totals", type=int, default=20)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 0.75])
    parser.add_argument("--effort", type=int, default=0)
    parser.add_argument("--dedicated", help="a landscape of dedicated models of the same images; three are taken")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    landscape = rs.Landscape(options.landscape)
    own = data_of(landscape.folder, None)
    test = rs.load_data(options.data, folder=options.folder).test if options.data else own.test
    pixels = test.pixels[: options.limit]
    is_binary = bool(own.spec.binary)
    levels = np.where(pixels > 127, 255, 0).astype(np.uint8) if is_binary else pixels
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {line["key"] for line in lines}
    for asked in asked_for(options, len(landscape.network().latent_shapes)):
        if asked.key in done:
            continue
        lines.append(measured(asked, options, own, levels))
        with options.out.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        print(json.dumps(lines[-1]), flush=True)
    if options.figure is not None:
        figure(options.figure, lines, levels, is_binary)
        print(options.figure)


if __name__ == "__main__":
    main()
