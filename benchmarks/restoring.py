r"""Restoring: PSNR on what was missing, of the models of a landscape and of what needs no such model; time per image.

    python benchmarks/restoring.py digits --out restoring.jsonl
    python benchmarks/restoring.py digits --out restoring.jsonl --table

Damage: the lower half is missing, half of all pixels at random, a box in the middle, noise of 0.2, images of half the
sides. For each damage and method of ours the betas are chosen among all models of the landscape on ``--choose``
validation images, and reported on the first ``--images`` test images. Beside them, on the same images:

- mean: the mean of the training images at each pixel; of noise and small images these as they are (pixels repeated);
- pixel by pixel: of noise and small images of black and white pixels, Bayes' rule with each pixel's share of white;
- neighbour: the pixels of the training image that is nearest in what is known;
- biharmonic in-painting, total variation (its weight, as that of Chambolle's method, is the best of eight on
  ``--choose`` training images) and wavelets (told the noise's sigma), of scikit-image, where these are installed;
- bicubic interpolation of small images.

All results are clipped to [0, 1]. One JSON line each; what is in the file already is not measured again, so that the
same command takes up what was interrupted. Seconds are processor seconds of this process, on as many threads as
``OMP_NUM_THREADS`` says.
"""

import argparse
import dataclasses
import importlib
import importlib.util
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import ratescape as rs
from ratescape.landscape.contents import data_of
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE
from ratescape.restoring.damage import Damage, Seen, damaged, enlarged, small
from ratescape.restoring.pixels import BernoulliPixels
from ratescape.restoring.restore import Restoring, restored

DAMAGES = {
    "half": Damage("half"),
    "random half": Damage("random:0.5"),
    "box": Damage("box"),
    "noise 0.2": Damage(noise=0.2),
    "upscaling 2": Damage(downscale=2),
}
OURS = {
    "chain": Restoring(),
    "map": Restoring(method="map"),
    "map, top layer": Restoring(method="map", layers=1),
}
WEIGHTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
"""Of total variation."""


class Task(NamedTuple):
    """What one line of the results is of."""

    landscape: str
    damage: str
    method: str
    run: str
    split: str
    images: int


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Images of one split, and what is left of them."""

    split: str
    truth: Tensor
    known: Seen


class Results:
    """A file of JSON lines, read once and added to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.lines: dict[Task, dict[str, Any]] = {
            Task(*(line[name] for name in Task._fields)): line for line in map(json.loads, lines)
        }

    def measured(self, task: Task, part: Part, guess: Callable[[], Tensor], **more: Any) -> float:
        """PSNR of a task, dB: from the file, or measured now and written there."""
        if task not in self.lines:
            begun = time.process_time()
            found = guess().clamp(0, 1)
            seconds = (time.process_time() - begun) / len(part.truth)
            errors = (found - part.truth).double().square()[part.known.restored.expand_as(found)]
            psnr = -10 * math.log10(float(errors.mean()))
            self.lines[task] = task._asdict() | {"psnr": psnr, "seconds": seconds} | more
            with self.path.open("a") as file:
                file.write(json.dumps(self.lines[task]) + "\n")
            print(
                f"{task.damage}, {task.method} {task.run} on {task.split}: {psnr:.2f} dB, {seconds:.4f} s", flush=True
            )
        return float(self.lines[task]["psnr"])


def baselines(model: HVAE, train: Tensor, known: Seen, tuned: float) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Names of the methods without a model that fit the damage, and what they give ``[N, C, H, W]``."""
    if known.restored.all():
        yield "mean", lambda: enlarged(known.values, known.downscale)
    else:
        yield "mean", lambda: torch.where(known.missing, train.mean(0, keepdim=True), known.values)
    yield "neighbour", lambda: neighbours(train, known)
    if isinstance(model.likelihood, Bernoulli) and known.restored.all():
        yield "pixel by pixel", lambda: pixel_by_pixel(train, known)
    if known.downscale > 1:
        yield "bicubic", lambda: functional.interpolate(known.values, scale_factor=known.downscale, mode="bicubic")
    if importlib.util.find_spec("skimage") is None:
        return
    if known.noise > 0:
        yield "total variation", lambda: total_variation(known.values, tuned)
        if importlib.util.find_spec("pywt") is not None:
            yield "wavelets", lambda: wavelets(known)
    elif known.downscale == 1:
        yield "biharmonic", lambda: biharmonic(known)


def pixel_by_pixel(train: Tensor, known: Seen) -> Tensor:
    """Bayes' rule for black and white pixels that have nothing to do with each other: each has its share of white."""
    share = (train.sum(0, keepdim=True) + 0.5) / (len(train) + 1)
    return BernoulliPixels().expected(torch.logit(share).expand(len(known.values), -1, -1, -1), known)


def neighbours(train: Tensor, known: Seen, chunk: int = 50) -> Tensor:
    """The training images that are nearest in what is known, with what is known exactly put in their place."""
    there = small(train, known.downscale).flatten(1)
    found: list[Tensor] = []
    for begin in range(0, len(known.values), chunk):
        part = known.take(torch.arange(begin, min(begin + chunk, len(known.values))))
        weights = (~part.missing).float().expand_as(part.values).flatten(1)
        values = part.values.flatten(1)
        distances = weights @ there.square().T - 2 * (weights * values) @ there.T  # up to what is alike for all
        nearest = train[distances.argmin(1)]
        exact = part.noise == 0 and part.downscale == 1
        found.append(torch.where(part.missing, nearest, part.values) if exact else nearest)
    return torch.cat(found)


def each(images: Tensor, work: Callable[[np.ndarray, int], np.ndarray]) -> Tensor:
    """Apply a function of one image ``[H, W, C]`` and its number to all."""
    done = [work(image.movedim(0, -1).numpy(), number) for number, image in enumerate(images)]
    return torch.from_numpy(np.stack(done)).movedim(-1, 1).to(images.dtype)


def scikit_image() -> Any:
    """Its module of restoration, which need not be installed."""
    return importlib.import_module("skimage.restoration")


def total_variation(values: Tensor, weight: float) -> Tensor:
    return each(values, lambda image, _: scikit_image().denoise_tv_chambolle(image, weight, channel_axis=-1))


def wavelets(known: Seen) -> Tensor:
    def one(image: np.ndarray, _: int) -> np.ndarray:
        found = scikit_image().denoise_wavelet(image, known.noise, rescale_sigma=True, channel_axis=-1)
        return np.nan_to_num(found)  # of a constant part it makes NaN

    return each(known.values, one)


def biharmonic(known: Seen) -> Tensor:
    masks = known.missing[:, 0].numpy()
    return each(
        known.values, lambda image, number: scikit_image().inpaint_biharmonic(image, masks[number], channel_axis=-1)
    )


def weight_for(model: HVAE, train: Tensor, damage: Damage, count: int) -> float:
    """The weight of total variation that restores training images best."""
    if damage.noise == 0 or importlib.util.find_spec("skimage") is None:
        return WEIGHTS[0]
    noisy = damaged(model, train[:count], damage, seed=1).values
    errors = [float((total_variation(noisy, weight).clamp(0, 1) - train[:count]).square().mean()) for weight in WEIGHTS]
    return WEIGHTS[int(np.argmin(errors))]


def campaign(folder: Path, results: Results, images: int, choose: int) -> None:
    """All damages and methods of one landscape."""
    landscape = rs.Landscape(folder)
    data = data_of(landscape.folder, None)
    name, runs = data.spec.name, [str(run) for run in landscape.table["run"]]
    models = {run: rs.load(folder / "runs" / run) for run in runs}
    some = models[runs[0]]
    (held_out, *_) = data.held_out.values()
    train, test, validation = (
        some.inputs(pixels) for pixels in (data.train.pixels, data.test.pixels[:images], held_out.pixels[:choose])
    )
    shared = Shared(results, str(name), models, {run: betas_of(landscape, run) for run in runs})
    for title, damage in DAMAGES.items():
        on_test = Part("test", test, damaged(some, test, damage, seed=0))
        on_validation = Part("validation", validation, damaged(some, validation, damage, seed=1))
        tuned = weight_for(some, train, damage, choose)
        for method, guess in baselines(some, train, on_test.known, tuned):
            results.measured(shared.task(title, method, "", on_test), on_test, guess)
        for method in OURS:
            scores = {run: shared.psnr(title, method, run, on_validation) for run in runs}
            shared.psnr(title, method, max(scores, key=scores.__getitem__), on_test)


@dataclasses.dataclass(frozen=True)
class Shared:
    """What all lines of one landscape have in common."""

    results: Results
    landscape: str
    models: dict[str, HVAE]
    betas: dict[str, list[float]]

    def task(self, damage: str, method: str, run: str, part: Part) -> Task:
        return Task(self.landscape, damage, method, run, part.split, len(part.truth))

    def psnr(self, damage: str, method: str, run: str, part: Part) -> float:
        """PSNR of one model and method of ours, dB."""
        task, model, how = self.task(damage, method, run, part), self.models[run], OURS[method]
        return self.results.measured(task, part, lambda: restored(model, part.known, how).mean, betas=self.betas[run])


def betas_of(landscape: rs.Landscape, run: str) -> list[float]:
    """Top layer first."""
    table = landscape.table
    row = table[table["run"] == run].iloc[0]
    return [float(row[column]) for column in table.columns if column.startswith("beta_")]


def print_table(results: Results) -> None:
    """What was measured on test images, as Markdown."""
    print("| images | damage | method | betas | PSNR, dB | ms an image |\n|---|---|---|---|---:|---:|")
    for task, line in results.lines.items():
        if task.split == "test":
            betas = ", ".join(f"{beta:.3g}" for beta in line.get("betas", []))
            cells = (f"{task.images} of {task.landscape}", task.damage, task.method, betas)
            print(f"| {' | '.join(cells)} | {line['psnr']:.2f} | {1000 * line['seconds']:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landscape", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--choose", type=int, default=100)
    parser.add_argument("--table", action="store_true", help="print what is in the file")
    chosen = parser.parse_args()
    results = Results(chosen.out)
    if chosen.table:
        print_table(results)
    else:
        campaign(chosen.landscape, results, chosen.images, chosen.choose)


if __name__ == "__main__":
    main()
