"""A made-up but realistic sweep folder, written file by file as a sweep writes it."""

import dataclasses
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from helpers.sweeps import sweep_spec
from ratescape.records.files import to_json_lines, write_atomically
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import fine_columns
from ratescape.specs.blocks import levels
from ratescape.specs.data import DataSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec

SIDE = 28
CLASSES = 10


def sweep(
    root: Path,
    *,
    steps: int = 5,
    latents: tuple[int, ...] | None = None,
    blocks: str | None = None,
    points: int = 64,
    name: str = "mnist-5k",
    validation: float = 0.1,
    seeds: tuple[int, ...] = (0,),
    groups: tuple[int | str, ...] | None = None,
    diverged: int | None = 1,
    missing: int | None = 2,
    pictures: bool = True,
    labels: bool = False,
    flagged: int | None = None,
    conditioned: bool = False,
) -> SweepFolder:
    """Write a sweep whose rates fall smoothly with the betas; run ``diverged`` broke down, ``missing`` is not done.

    With ``labels`` all that needs a label is measured too; the accuracy of run ``flagged`` is above its ceiling.
    A ``conditioned`` sweep has a fine landscape. With ``blocks`` its models are deep ones, scattered over ``points``
    betas.
    """
    model = ModelSpec(family="residual", latents=latents) if latents else ModelSpec()
    if blocks:
        layers = sum(level.blocks for level in levels(blocks))
        model = ModelSpec(family="deep", blocks=blocks, latents=(4,) * layers)
    spec = sweep_spec(
        data=DataSpec(name=name, validation=validation),
        model=model,
        grid=BetaGrid(steps=steps, points=points),
        seeds=seeds,
        groups=groups,
        method="conditioned" if conditioned else "dedicated",
    )
    folder = SweepFolder(root)
    folder.claim(spec)
    folder.write_provenance(
        {"ratescape": "0.1.0", "torch": "2.13.0", "device": "cpu", "started": "2030-01-01T10:00:00", "seconds": 214.2}
    )
    for index, run in enumerate(spec.runs()):
        if index != missing:
            found = {
                split: measurements(run.betas, (split == "test") + 0.5 * run.seed)
                | (labelled(run, split, index == flagged) if labels else {})
                for split in split_names(validation)
            }
            _write_run(folder.run(run), run, found, index == diverged, pictures and index != diverged)
    if conditioned:
        write_atomically(folder.fine, fine_columns([in_between(b) for b in spec.fine_points()]).to_csv(index=False))
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


def measurements(betas: tuple[float, ...], shift: float) -> dict[str, object]:
    """What the evaluation of a model might find; ``shift`` (nats) sets splits and seeds apart."""
    rates = rates_of(betas)
    total = sum(rates)
    psnr = 10 + 9 * (1 - math.exp(-(total + 0.3 * rates[-1]) / 30)) - 0.2 * shift
    distortion = 60 + 150 * math.exp(-total / 25) + 3 * shift
    return {
        "rates": rates,
        "rate": total,
        "distortion": distortion,
        "loss": distortion + sum(b * r for b, r in zip(betas, rates, strict=True)),
        "nelbo": distortion + total,
        "psnr": psnr,
        "active": [round(min(16, 2 * rate)) for rate in rates],
    }


def in_between(betas: tuple[float, ...]) -> dict[str, Any]:
    """What a conditioned network might give at a point of the fine landscape."""
    kept = ("rates", "rate", "distortion", "nelbo", "psnr")
    return {"betas": list(betas)} | {name: value for name, value in measurements(betas, 0).items() if name in kept}


def labelled(run: RunSpec, split: str, flagged: bool) -> dict[str, object]:
    """What labels allow to measure: samples best at a middling top rate, accuracies that rise and saturate."""
    noise = random.Random(f"{run.betas} {run.seed} {split}")
    rates = rates_of(run.betas)
    top, below = rates[0], sum(rates[1:])
    diversity = 9.6 - 2.5 * math.exp(-(top + below) / 8) + noise.gauss(0, 0.05)
    sharpness = 0.16 + 0.5 * math.exp(-(((top - 9) / 9) ** 2) - ((below - 14) / 30) ** 2) + noise.gauss(0, 0.006)
    information = [math.log(CLASSES) * (1 - math.exp(-(rate + 0.05) / 3.5)) for rate in rates]
    ceilings = [ceiling(nats) for nats in information]

    def accuracies(part: float, help_from_below: float) -> list[float]:
        """So much of what the ceiling leaves above chance."""
        gain = part * (1 - help_from_below * math.exp(-below / 20))
        return [0.1 + (c - 0.1) * gain + noise.gauss(0, 0.004) for c in ceilings]

    rbf = accuracies(0.93, 0.05)
    if flagged:
        rbf[0] = min(1.0, ceilings[0] + 0.05)
    return {
        "inception_score": diversity * sharpness,
        "diversity": diversity,
        "sharpness": sharpness,
        "judge_accuracy": 0.991,
        "information": information,
        "information_paper": [1.02 * nats for nats in information],
        "accuracy_logistic": accuracies(0.7, 0.4),
        "accuracy_linear_svm": accuracies(0.72, 0.4),
        "accuracy_rbf": rbf,
        "accuracy_knn": accuracies(0.88, 0.1),
        "clustering_nmi": [0.4 * nats / math.log(CLASSES) for nats in information],
        "ceiling_information": ceilings,
        "ceiling_rate": [ceiling(sum(rates[: index + 1])) for index in range(len(rates))],
        "accuracy_sample": [0.97 * accuracy for accuracy in rbf],
        "flag": "accuracy_sample_2 above ceiling_rate" if flagged else None,
    }


def ceiling(nats: float) -> float:
    """Largest accuracy that so much information about one of ten equally frequent classes allows, by bisection."""
    low, high = 1 / CLASSES, 1.0
    while high - low > 1e-12:
        a = (low + high) / 2
        rest = (1 - a) * math.log((1 - a) / (CLASSES - 1)) if a < 1 else 0.0
        low, high = (a, high) if math.log(CLASSES) + a * math.log(a) + rest < nats else (low, a)
    return low


def _write_run(
    place: RunFolder, run: RunSpec, found: dict[str, dict[str, object]], diverged: bool, pictures: bool
) -> None:
    place.write_spec(run)
    status = "diverged" if diverged else "ok"
    write_atomically(place.training, to_json_lines([{"epoch": 1, "status": "ok"}, {"epoch": 2, "status": status}]))
    records = []
    for split, metrics in found.items():
        if diverged:
            metrics = {k: [math.nan] * len(v) if isinstance(v, list) else math.nan for k, v in metrics.items()}
        records.append({"split": split, "betas": list(run.betas), "metrics": metrics})
    write_atomically(place.evaluation, to_json_lines(records))
    if pictures:
        blur = min(1.0, sum(run.betas) / 12)
        strip(rows=2, blur=blur).save(place.path / "reconstructions.png")
        strip(rows=1, blur=blur).save(place.path / "samples.png")
    place.mark_done()


def refine_on_disk(folder: SweepFolder, betas: tuple[float, ...], gain: float, **facts: Any) -> RunFolder:
    """Write the records of a model that was refined for three epochs, whose -ELBO fell by ``gain``."""
    run = folder.spec().runs()[0]
    assert run.merged is not None
    refined = dataclasses.replace(run, betas=betas, merged=dataclasses.replace(run.merged, refine=3))
    one = folder.refined(refined)
    one.write_spec(refined)
    write_atomically(one.training, to_json_lines([{"epoch": 1, "status": "ok"}]))
    for path, shift in ((one.before, 0.0), (one.evaluation, -gain)):
        found: list[dict[str, Any]] = []
        for split in ("validation", "test"):
            numbers: dict[str, Any] = measurements(betas, float(split == "test"))
            numbers["nelbo"] += shift
            found.append({"split": split, "betas": list(betas), "metrics": numbers} | facts)
        write_atomically(path, to_json_lines(found))
    one.mark_done()
    return one


def write_logs(folder: SweepFolder, losses: Sequence[float], per_epoch: int, constant: float = 0.0) -> None:
    """Write the training log of every model or network of a made-up sweep: one epoch for each of these losses."""
    spec = folder.spec()
    runs = [folder.run(run) for run in spec.runs()]
    paths = [folder.network(network).training for network in spec.networks()] or [run.training for run in runs]
    for path in paths:
        log = [
            {"epoch": epoch, "steps": epoch * per_epoch, "rates": [0.0] * spec.model.layers, "distortion": loss}
            | {"loss": loss, "constant": constant, "status": "ok"}
            | ({"attempt": 1} if spec.networks() else {})
            for epoch, loss in enumerate(losses, 1)
        ]
        write_atomically(path, to_json_lines(log))


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
