r"""Deep networks: what a training step costs, and what they come to in the time of a GHVAE.

    python benchmarks/deep.py --cost
    python benchmarks/deep.py --stable
    RATESCAPE_DATA=FOLDER python benchmarks/deep.py --compare OUT --data mnist --seconds 900

``--cost`` prints time and peak memory of a step against layers and image side, with and without gradient
checkpointing, each in a process of its own on one thread: random colour images, float32.

``--stable`` trains networks of 40 layers for 200 steps on mnist-5k, at three seeds, and counts the steps that were not
finite.

``--compare`` trains the paper's GHVAE (batch 256, as by default; or ``--against residual``, three layers on one grid)
and the deep network of the preset ``mnist-deep-small`` (or ``--preset``), both with the preset's likelihood, each at
three learning rates, for equal processor time on one thread, and prints -ELBO on test; the learning rate that is best
on validation is marked. How many epochs fit is timed first, the two by turns, and kept in ``OUT/plan.json``. The same
command takes up what was interrupted and trains nothing twice; ``nohup ... > OUT.log 2>&1 &`` lets it run by
itself.
"""

import argparse
import dataclasses
import itertools
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from measures import network, random_images

import ratescape as rs
from ratescape.cli.config import preset
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, load_data
from ratescape.execution.progress.observers import Epoch
from ratescape.model.hierarchy import HVAE
from ratescape.model.packs import stack
from ratescape.model.registry import build, resolved_model
from ratescape.models import train_spec
from ratescape.records.files import read_json_lines, write_atomically
from ratescape.records.folders import RunFolder
from ratescape.specs.blocks import levels
from ratescape.specs.codec import from_dict, read_mapping
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.context import TrainingContext
from ratescape.training.loop import train

LAYERS = {2: "1x1,16x1", 8: "1x1,8x3,16x4", 20: "1x2,8x8,16x10", 40: "1x4,8x16,16x20"}
"""Blocks by their number, on images of 32 pixels."""
SIDES = {28: "1x1,7x3,14x4", 32: "1x1,8x3,16x4", 64: "1x1,16x3,32x4", 128: "1x1,32x3,64x4"}
"""Eight layers at the same fractions of the image's side."""
COST_BATCH, WARM = 32, 2
"""Images of a step, and steps before the clock starts."""
LEAN = EvaluationSpec(samples=0, information=False, probes="none", draws=4, pictures=8)
STEPS, ROUNDS = 5, 5
"""Steps that are timed; and how often each network's are before the trainings begin. Medians count."""


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A network and its recipe, but for the learning rate and the length."""

    name: str
    model: ModelSpec
    training: TrainingSpec
    learning_rates: tuple[float, ...]


def contestants(name: str, against: str) -> list[Contestant]:
    """A shallow family as by default, and the network and recipe of a preset; both have the preset's likelihood."""
    values = read_mapping(preset(name))
    recipe, deep = from_dict(TrainingSpec, values["training"]), from_dict(ModelSpec, values["model"])
    lr = recipe.learning_rate
    shallow = {
        "ghvae": ModelSpec(likelihood=deep.likelihood),
        "residual": ModelSpec(family="residual", latents=(16, 8, 4), likelihood=deep.likelihood),
    }
    return [
        Contestant(against, shallow[against], TrainingSpec(), (1.5e-3, 3e-3, 6e-3)),
        Contestant(name, deep, recipe, (lr / 2, lr, 2 * lr)),
    ]


class Clock(rs.Silent):
    """Writes the processor seconds of every epoch that it sees from its beginning to its end.

    Args:
        path: of the file.
        resumed: whether the first epoch was begun by another process.
    """

    def __init__(self, path: Path, resumed: bool) -> None:
        self.path = path
        self.mark = None if resumed else time.process_time()

    def epoch(self, epoch: Epoch) -> None:
        now = time.process_time()
        if self.mark is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"epoch": epoch.epoch, "seconds": now - self.mark}) + "\n")
        self.mark = now
        print(f"  epoch {epoch.epoch}: loss {epoch.loss:.2f}", flush=True)


def step_seconds(model: HVAE, images: Images, recipe: TrainingSpec, *, checkpointing: bool = False) -> float:
    """Processor seconds of a step of the real training loop: the median over an epoch of the images but its first."""
    marks: list[float] = []

    class Marks:
        def step(self, done: int, total: int) -> None:
            marks.append(time.process_time())

        def epoch(self, records: object) -> None: ...

    policy = FixedBetas(torch.ones(1, len(model.latent_shapes)), 0)
    context = TrainingContext(listener=Marks(), checkpointing=checkpointing)
    train(dataclasses.replace(recipe, epochs=1, steps=None), model, images, policy, 1, 0, context=context)
    return statistics.median(after - before for before, after in itertools.pairwise(marks[WARM - 1 :]))


def image_seconds(one: Contestant, data: ImageData) -> float:
    """Processor seconds of training for each image."""
    batch, binary = one.training.batch, bool(data.spec.binary)
    images = Images(data.train.pixels[: batch * (STEPS + WARM)], binary)
    return step_seconds(build(resolved_model(one.model, data.shape, binary), data.shape), images, one.training) / batch


def planned(out: Path, both: list[Contestant], data: ImageData, seconds: float) -> dict[str, int]:
    """Epochs of each that take so many processor seconds, timed unless that was done before."""
    path = out / "plan.json"
    if not path.exists():
        rounds = [[image_seconds(one, data) for one in both] for _ in range(ROUNDS)]
        each = [statistics.median(times) for times in zip(*rounds, strict=True)]
        count = len(data.train.pixels)
        epochs = {one.name: max(1, int(seconds / (time_ * count))) for one, time_ in zip(both, each, strict=True)}
        write_atomically(path, json.dumps({"seconds": seconds, "epochs": epochs}, indent=1))
    plan = json.loads(path.read_text(encoding="utf-8"))
    if plan["seconds"] != seconds:
        raise SystemExit(f"{path} was made for {plan['seconds']} seconds: give these, or another folder")
    return plan["epochs"]


def trained(one: Contestant, lr: float, epochs: int, data: ImageData, out: Path) -> dict[str, Any]:
    """Train and measure a contestant at one learning rate, unless that is done: a row of the table."""
    path = out / f"{one.name}-{lr:g}"
    recipe = dataclasses.replace(one.training, epochs=epochs, steps=None, learning_rate=lr)
    run = RunSpec(data.spec, one.model, recipe)
    print(f"{path.name}: {epochs} epochs", flush=True)
    clock = Clock(out / f"{path.name}.seconds.jsonl", path.exists())
    how = ExecutionSpec(engine="in-process", checkpoint_seconds=60)
    folder = RunFolder(path)
    if not folder.evaluation.exists():
        train_spec(run, data, how, path, clock, LEAN)
    seconds = [line["seconds"] for line in read_json_lines(clock.path)]
    records = {line["split"]: line["metrics"] for line in read_json_lines(folder.evaluation)}
    steps = read_json_lines(folder.training)[-1]["steps"]
    model = rs.load(path)
    return {
        "name": one.name,
        "lr": lr,
        "steps": steps,
        "seconds": statistics.mean(seconds) * epochs,
        "parameters": sum(p.numel() for p in model.parameters()),
        "validation": records["validation"]["nelbo"],
        "test": records["test"]["nelbo"],
        "rates": records["test"]["rates"],
        "distortion": records["test"]["distortion"],
    }


def compare(options: argparse.Namespace) -> None:
    """Train all, and print a line for each and the winner of each network."""
    out: Path = options.compare
    out.mkdir(parents=True, exist_ok=True)
    data = load_data(DataSpec(options.data, limit=options.limit))
    both = [one for one in contestants(options.preset, options.against) if one.name in (options.only or [one.name])]
    epochs = planned(out, both, data, options.seconds)
    rows = [trained(one, lr, epochs[one.name], data, out) for one in both for lr in one.learning_rates]
    print(
        "\n| network | parameters | learning rate | steps | processor s | -ELBO validation | test | bits/dim "
        "| rates, top first |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        own = [other["validation"] for other in rows if other["name"] == row["name"]]
        mark = "**" if row["validation"] == min(own) else ""
        rates = ", ".join(f"{rate:.1f}" for rate in row["rates"])
        print(
            f"| {row['name']} | {row['parameters']:,} | {row['lr']:g} | {row['steps']:,} | {row['seconds']:.0f} | "
            f"{row['validation']:.2f} | {mark}{row['test']:.2f}{mark} | "
            f"{row['test'] / math.log(2) / math.prod(data.shape):.3f} | {rates} |"
        )
    write_atomically(out / "results.json", json.dumps(rows, indent=1))


def cost_of(blocks: str, side: int, checkpointing: bool, steps: int) -> dict[str, float]:
    """Seconds and peak bytes of a step, in this process, which has done nothing else."""
    shape = (3, side, side)
    model = network(ModelSpec(family="deep", blocks=blocks), shape, torch.device("cpu"))
    images = random_images((WARM + steps) * COST_BATCH, shape, torch.device("cpu"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = step_seconds(model, images, TrainingSpec(batch=COST_BATCH), checkpointing=checkpointing)
    peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return {"seconds": seconds, "bytes": peak, "parameters": sum(p.numel() for p in model.parameters())}


def cost(options: argparse.Namespace) -> None:
    """Print a line for each network, measured in a process of its own, with and without checkpointing."""
    cases = [(32, blocks) for blocks in LAYERS.values()] + list(SIDES.items())
    print("| side | blocks | layers | parameters | s a step | MiB | checkpointing: s | x | MiB | x |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for side, blocks in dict.fromkeys(cases):
        words = [sys.executable, __file__, "--one", blocks, "--side", str(side), "--steps", str(options.steps)]
        plain, again = (
            json.loads(subprocess.run([*words, *more], check=True, capture_output=True, text=True).stdout)
            for more in ([], ["--checkpointing"])
        )
        print(
            f"| {side} | {blocks} | {sum(level.blocks for level in levels(blocks))} | {plain['parameters']:,} | "
            f"{plain['seconds']:.2f} | {plain['bytes'] / 2**20:.0f} | "
            f"{again['seconds']:.2f} | {again['seconds'] / plain['seconds']:.2f} | "
            f"{again['bytes'] / 2**20:.0f} | {again['bytes'] / plain['bytes']:.2f} |",
            flush=True,
        )


def stable() -> None:
    """Print what became of three networks of 40 layers, with nothing that would skip or shorten a gradient."""
    data, shape = load_data("mnist-5k"), (1, 28, 28)
    spec = resolved_model(
        ModelSpec(family="deep", channels=16, latents=(4,), blocks="1x8,4x16,7x16"), shape, binary=True
    )
    models: list[HVAE] = []
    for seed in range(3):
        torch.manual_seed(seed)
        models.append(build(spec, shape))
    batch, steps = 16, 200
    images = Images(data.train.pixels[: batch * steps], binary=True)
    recipe, policy = TrainingSpec(epochs=1, batch=batch), FixedBetas(torch.ones(3, spec.layers), 0)
    found = train(recipe, models[0], images, policy, 3, 0, initial=stack(models))
    finite = all(bool(weights.isfinite().all()) for weights in found.parameters.values())
    for seed, (record,) in enumerate(found.history):
        print(f"seed {seed}: {steps} steps, {record['skipped']} not finite, mean loss {record['loss']:.1f} nats")
    print(f"all weights are finite: {finite}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cost", action="store_true")
    what.add_argument("--stable", action="store_true")
    what.add_argument("--compare", type=Path, metavar="OUT")
    what.add_argument("--one", metavar="BLOCKS", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--preset", default="mnist-deep-small")
    parser.add_argument("--against", default="ghvae", choices=["ghvae", "residual"])
    parser.add_argument("--only", nargs="*", metavar="NAME", help="train and show these networks alone")
    parser.add_argument("--seconds", type=float, default=900.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        print(json.dumps(cost_of(options.one, options.side, options.checkpointing, options.steps)))
    elif options.cost:
        cost(options)
    elif options.stable:
        stable()
    else:
        compare(options)


if __name__ == "__main__":
    main()
