"""A made-up but realistic sweep folder, written file by file as a sweep writes it."""

import json
import math
from pathlib import Path

from PIL import Image, ImageDraw

from ratescape.records import RunFolder, SweepFolder, to_json_lines, write_atomically
from ratescape.specs import BetaGrid, DataSpec, ModelSpec, RunSpec, SweepSpec

SIDE = 28


def sweep(
    root: Path,
    *,
    steps: int = 5,
    latents: tuple[int, ...] | None = None,
    name: str = "mnist-5k",
    validation: float = 0.1,
    seeds: tuple[int, ...] = (0,),
    groups: tuple[int, ...] | None = None,
    diverged: int | None = 1,
    missing: int | None = 2,
    pictures: bool = True,
) -> SweepFolder:
    """Write a sweep whose rates fall smoothly with the betas; run ``diverged`` broke down, ``missing`` is not done."""
    model = ModelSpec(family="ladder", latents=latents) if latents else ModelSpec()
    spec = SweepSpec(
        data=DataSpec(name=name, validation=validation),
        model=model,
        grid=BetaGrid(steps=steps),
        seeds=seeds,
        groups=groups,
    )
    folder = SweepFolder(root)
    folder.claim(spec)
    folder.write_provenance(
        {"ratescape": "0.1.0", "torch": "2.13.0", "device": "cpu", "started": "2030-01-01T10:00:00", "seconds": 214.2}
    )
    for index, run in enumerate(spec.runs()):
        if index != missing:
            _write_run(folder.run(run), run, split_names(validation), index == diverged, pictures and index != diverged)
    return folder


def split_names(validation: float) -> list[str]:
    return ["validation", "test"] if validation > 0 else ["test"]


def rates_of(betas: tuple[float, ...]) -> list[float]:
    """Nats that each layer carries, top first: less with a larger beta of its own, more where others carry less."""
    rates: list[float] = []
    for index, beta in enumerate(betas):
        others = sum(math.log10(b) for k, b in enumerate(betas) if k != index)
        size = 12 if index + 1 < len(betas) else 30
        rates.append(max(0.0, size * (1 + 0.25 * others) / (0.6 + beta**0.8) - 1.5))
    return rates


def measurements(run: RunSpec, shift: float) -> dict[str, object]:
    """What the evaluation of a run might find; ``shift`` (nats) sets splits and seeds apart."""
    rates = rates_of(run.betas)
    total = sum(rates)
    psnr = 10 + 9 * (1 - math.exp(-(total + 0.3 * rates[-1]) / 30)) - 0.2 * shift
    distortion = 60 + 150 * math.exp(-total / 25) + 3 * shift
    return {
        "rates": rates,
        "rate": total,
        "distortion": distortion,
        "loss": distortion + sum(b * r for b, r in zip(run.betas, rates, strict=True)),
        "nelbo": distortion + total,
        "psnr": psnr,
        "active": [round(min(16, 2 * rate)) for rate in rates],
    }


def _write_run(place: RunFolder, run: RunSpec, splits: list[str], diverged: bool, pictures: bool) -> None:
    place.write_spec(run)
    status = "diverged" if diverged else "ok"
    write_atomically(place.training, to_json_lines([{"epoch": 1, "status": "ok"}, {"epoch": 2, "status": status}]))
    records = []
    for split in splits:
        metrics = measurements(run, (split == "test") + 0.5 * run.seed)
        if diverged:
            metrics = {k: [math.nan] * len(v) if isinstance(v, list) else math.nan for k, v in metrics.items()}
        records.append({"split": split, "betas": list(run.betas), "metrics": metrics})
    write_atomically(place.evaluation, to_json_lines(records))
    if pictures:
        blur = min(1.0, sum(run.betas) / 12)
        strip(rows=2, blur=blur).save(place.path / "reconstructions.png")
        strip(rows=1, blur=blur).save(place.path / "samples.png")
    place.mark_done()


def strip(rows: int, blur: float, images: int = 8) -> Image.Image:
    """Digits side by side; the last row fades with ``blur``."""
    picture = Image.new("L", (SIDE * images, SIDE * rows))
    draw = ImageDraw.Draw(picture)
    for row in range(rows):
        ink = 255 if row + 1 < rows else round(255 * (1 - 0.8 * blur))
        for digit in range(images):
            draw.text((SIDE * digit + 7, SIDE * row + 1), str(digit), fill=ink, font_size=22)
    return picture


def damage(folder: SweepFolder, index: int) -> None:
    """Make the records of one run unreadable."""
    place = folder.run(folder.spec().runs()[index])
    place.evaluation.write_text(json.dumps({"split": "test"})[:-3])
