"""`ratescape bench-files`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import say
from ratescape.cli.words import one_or_each
from ratescape.errors import SpecError
from ratescape.specs.checks import require

if TYPE_CHECKING:
    from ratescape.coding.bench import Lossy, Promise
    from ratescape.coding.compare import Point


@dataclasses.dataclass(frozen=True)
class BenchFiles:
    """Compare files of a model with PNG, WebP, JPEG, gzip, bz2 and xz, on test images."""

    model: Positional[Path]
    """As of compress."""
    data: Positional[str]
    """A known name, or the path of a folder of images, a .npz or a .npy file; of splits, the test images."""
    use: Annotated[str | None, arg(name="for")] = None
    """Of a landscape, the model that is best for this use."""
    betas: tuple[float, ...] | None = None
    """Betas of a conditioned network: one for each layer, or each group of layers, top first, or one for all."""
    rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE ...")] = ()
    """Mean size of each layer in nats per image, as of compress."""
    limit: int = 10_000
    """Images at most."""
    out: Path | None = None
    """File for a figure of sizes and errors (.png)."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set, and for a path that has moved."""

    def run(self) -> None:
        require(self.limit > 0, "limit", self.limit, "at least 1")
        from ratescape.cli.opening import Wanted, open_model
        from ratescape.coding import bench
        from ratescape.coding.compare import compared
        from ratescape.coding.entropy import library
        from ratescape.data.batches import black_and_white
        from ratescape.data.catalog import load_data
        from ratescape.report.files import draw
        from ratescape.specs.factories import allow_factories

        library()
        allow_factories(importable(self.allow_factory))
        pixels = load_data(self.data, folder=self.data_folder).test.pixels[: self.limit]
        opened = open_model(Wanted(self.model, self.use, one_or_each(self.betas), self.rates, self.data_folder))
        subject = opened.subject
        levels = black_and_white(pixels) if subject.is_binary else pixels
        promise, ours = bench.promised(subject, levels), bench.lossy(subject, levels, opened.codec()[0])
        points = list(ours.points)
        try:
            points.append(bench.lossless(subject, levels))
        except SpecError as error:
            say(f"no lossless files: {error}")
        points += compared(levels, subject.is_binary)
        for line in [*_heading(len(levels), promise, ours), *_table(points)]:
            say(line)
        if self.out is not None:
            draw(self.out, points)
            say(str(self.out))


def _heading(count: int, promise: "Promise", ours: "Lossy") -> list[str]:
    from ratescape.records.lines import aligned

    rows = [["bits per image", *(f"layer {len(ours.layers) - i}" for i in range(len(ours.layers))), "all"]]
    rows.append(["rate of the model", *(f"{rate:.2f}" for rate in promise.rates), f"{sum(promise.rates):.2f}"])
    rows.append(["in the file", *(f"{bits:.2f}" for bits in ours.layers), f"{sum(ours.layers):.2f}"])
    return [
        f"{count:,} test images",
        *aligned(rows),
        f"distortion {ours.distortion:.2f} nats from the file, {promise.distortion:.2f} at a sample of the posterior",
        f"-ELBO {promise.elbo:.2f} bits ({promise.elbo / 8:.2f} bytes) per image",
    ]


def _table(points: "list[Point]") -> list[str]:
    from ratescape.records.lines import aligned

    rows = [["", "", "bytes/image", "PSNR (dB)"]]
    rows += [[p.name, p.setting, f"{p.size:.2f}", f"{p.psnr:.2f}" if p.error else "without loss"] for p in points]
    return aligned(rows)
