r"""One network against the best of many dedicated models, beta point by beta point, as JSON lines and Markdown.

    python benchmarks/excess.py reference.jsonl --data mnist-5k --epochs 20 --batch 64 --points grid random \
        --lrs 3e-3 6e-3 --paths geometric none --seeds 0                               # dedicated models
    python benchmarks/excess.py reference.jsonl --landscape LANDSCAPE [LANDSCAPE ...]  # networks against them

The reference at a beta point is the lowest test loss, D + sum of beta x R, of any dedicated model trained there, over
learning rates, optimisers, ways of annealing and seeds: what a user would get who tuned each point by its test loss,
which flatters the reference. The excess of a network is how much larger its own test loss is; the constant of the
likelihood, which no model can avoid, is taken off both. Trainings that are in the file already are not repeated.
"""

import argparse
import dataclasses
import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratescape.data.batches import Images, stream
from ratescape.data.catalog import ImageData, load_data
from ratescape.evaluation.rates import rates
from ratescape.execution.sweep import resolved_run
from ratescape.landscape import Landscape
from ratescape.model.hierarchy import HVAE
from ratescape.model.packs import member
from ratescape.model.registry import build
from ratescape.specs.grid import BetaGrid
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.loop import train
from ratescape.training.schedule import annealing_steps

LOW, HIGH = 0.1, 10.0
Point = tuple[float, ...]


def points(names: list[str]) -> list[Point]:
    """Beta points by name: the 5 x 5 grid, its corners and centre, or six points drawn at random."""
    generator = np.random.default_rng(0)
    random = [tuple(float(f"{beta:.4g}") for beta in LOW * (HIGH / LOW) ** generator.random(2)) for _ in range(6)]
    known: dict[str, list[Point]] = {
        "grid": BetaGrid(LOW, HIGH, 5).spread((0, 1)),
        "coarse": BetaGrid(LOW, HIGH, 3).spread((0, 1)),
        "corners": [*BetaGrid(LOW, HIGH, 2).spread((0, 1)), (1.0, 1.0)],
        "random": random,
    }
    return [point for name in names for point in known[name]]


def test_loss(model: HVAE, data: ImageData, betas: Point) -> tuple[float, list[float]]:
    """D less the likelihood's constant plus sum of beta x R on the test images, and the rates, nats."""
    split = data.test
    images = Images(split.pixels, bool(data.spec.binary), torch.device("cpu"), torch.float32)
    measured = rates(model, images, seed=0)
    of_layers = measured.rates.mean(0).tolist()
    constant = model.likelihood.least(math.prod(data.shape))
    costs = sum(beta * rate for beta, rate in zip(betas, of_layers, strict=True))
    return float(measured.distortion.mean()) - constant + costs, of_layers


def trained(run: RunSpec, data: ImageData) -> HVAE:
    """A dedicated model, trained as `ratescape train` trains it."""
    torch.manual_seed(stream(run.seed, "weights"))
    model = build(run.model, data.shape)
    images = Images(data.train.pixels, bool(data.spec.binary), torch.device("cpu"), torch.float32)
    steps = annealing_steps(run.training, len(images))
    policy = FixedBetas(torch.tensor([run.betas]), steps, run.training.annealing_path)
    result = train(run.training, model, images, policy, 1, run.seed)
    model.load_state_dict(member(result.parameters, 0))
    return model


def identity(record: dict[str, Any]) -> tuple[Any, ...]:
    names = ("data", "epochs", "batch", "lr", "path", "seed", "betas", "optimiser")
    return tuple(map(str, (record[name] for name in names)))


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def extend(asked: argparse.Namespace) -> None:
    """Train the dedicated models that the file does not have yet."""
    data = load_data(asked.data, limit=asked.limit)
    done = {identity(record) for record in read(asked.file)}
    recipes: list[tuple[float, str, int]] = list(itertools.product(asked.lrs, asked.paths, asked.seeds))
    for betas, (lr, path, seed) in itertools.product(points(asked.points), recipes):
        if path == "none" and len(asked.paths) > 1 and len(set(betas)) == 1:
            continue  # geometric annealing begins at the smallest beta: there is none either
        record: dict[str, Any] = {"data": asked.data, "epochs": asked.epochs, "batch": asked.batch}
        record |= {"lr": lr, "path": path, "seed": seed, "betas": list(betas), "optimiser": asked.optimiser}
        if identity(record) in done:
            continue
        begun = time.process_time()
        annealing = 0 if path == "none" else None
        recipe = TrainingSpec(epochs=asked.epochs, batch=asked.batch, learning_rate=lr, annealing=annealing)
        recipe = dataclasses.replace(recipe, optimiser=asked.optimiser)
        run = resolved_run(RunSpec(model=ModelSpec(), training=recipe, betas=betas, seed=seed), data)
        loss, of_layers = test_loss(trained(run, data), data, betas)
        record |= {"loss": loss, "rates": of_layers, "seconds": time.process_time() - begun}
        with asked.file.open("a") as file:
            file.write(json.dumps(record) + "\n")


def compare(asked: argparse.Namespace) -> None:
    """The excess of the network of each landscape over the reference of whichever optimiser is the better."""
    references: dict[Point, dict[str, Any]] = {}
    for record in read(asked.file):
        betas = tuple(record["betas"])
        if betas not in references or record["loss"] < references[betas]["loss"]:
            references[betas] = record
    for path in asked.landscape:
        landscape = Landscape(path)
        network, data = landscape.network(), load_data(asked.data, limit=asked.limit)
        print(
            f"\n{path.name}\n\n| betas | dedicated | rates | network | rates | excess |\n|---|---:|---|---:|---|---:|"
        )
        excesses: list[float] = []
        for betas, best in sorted(references.items()):
            loss, of_layers = test_loss(network.at(betas), data, betas)
            excesses.append(loss / best["loss"] - 1)
            shown = [", ".join(f"{rate:.1f}" for rate in one) for one in (best["rates"], of_layers)]
            where = ", ".join(f"{beta:g}" for beta in betas)
            print(f"| {where} | {best['loss']:.2f} | {shown[0]} | {loss:.2f} | {shown[1]} | {excesses[-1]:+.1%} |")
        print(f"| mean, worst | | | | | {np.mean(excesses):+.1%}, {max(excesses):+.1%} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON lines, one for each dedicated model")
    parser.add_argument("--landscape", type=Path, nargs="+", default=None)
    parser.add_argument("--data", default="mnist-5k")
    parser.add_argument("--limit", type=int, default=None, help="training images at most")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--points", nargs="+", default=["grid", "random"])
    parser.add_argument("--lrs", type=float, nargs="+", default=[1e-3, 3e-3, 6e-3])
    parser.add_argument("--paths", nargs="+", default=["geometric", "none"], choices=["geometric", "linear", "none"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--optimiser", default="muon", choices=["muon", "adam"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.landscape is None:
        extend(asked)
    else:
        compare(asked)


if __name__ == "__main__":
    main()
