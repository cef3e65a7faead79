"""Does every layer live? Conditioned networks over learning rates, seeds and ways of annealing, as Markdown.

    python benchmarks/robust.py --data mnist-5k --epochs 12 --lrs 1e-3 3e-3 --seeds 0 1 --batch 64

Each network is trained as `ratescape map --method conditioned` trains it, on a box a quarter wider than betas of 0.1 to
10 on each side, but is not trained again where a layer dies, unless --restarts says so. Measured on 1,000
held-out images at most:

- rates of all layers, top first, at the corner (0.1, 10) (of two groups; of more, the top's beta 0.1 and the
  others' 10), which favours the top layer most, and at (1, 1);
- the mean of log(D - constant + sum of beta x R) over the 5 x 5 grid (of more than two groups: over (0.1, 1, 10) for
  each), where the constant is the likelihood's, which no model can avoid;
- dead: the groups of layers, 0 at the top, that carry less than 0.1 nats at the corner that favours them most.
"""

import argparse
import dataclasses
import itertools
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from ratescape import checkpoint
from ratescape.data.catalog import ImageData, load_data
from ratescape.evaluation.grid import GridPoint, measured_grid, seen_images
from ratescape.execution.networks import complete_network
from ratescape.execution.sweep import resolved_sweep
from ratescape.execution.workspace import Workspace
from ratescape.metrics import ACTIVE_RATE
from ratescape.model.conditioning import Conditioned
from ratescape.records.folders import NetworkFolder, ResultsFolder
from ratescape.specs import methods
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

LOW, HIGH = 0.1, 10.0

HEAD = (
    *("annealing", "rank", "learning rate", "batch", "epochs", "seed", "rates at the corner", "rates at (1, 1)"),
    *("mean log loss", "dead", "attempts", "minutes"),
)


def network_specs(asked: argparse.Namespace, data: ImageData) -> list[NetworkSpec]:
    """All networks that are to be trained, in the order of the table."""
    specs: list[NetworkSpec] = []
    latents = None if asked.latents is None else tuple(asked.latents)
    model = ModelSpec(family=asked.family, latents=latents, blocks=asked.blocks, channels=asked.channels)
    for epochs, batch, rank, lr in itertools.product(asked.epochs, asked.batch, asked.rank, asked.lrs):
        training = TrainingSpec(epochs=epochs, batch=batch, learning_rate=lr, lr_warmup=asked.lr_warmup)
        for annealing in asked.annealing:
            how = ConditioningSpec(rank=rank, width=asked.width, annealing=annealing, rise=asked.rise)
            how = dataclasses.replace(how, descent=asked.descent, restarts=asked.restarts, knots=asked.knots)
            method = methods.Conditioned(BetaGrid(LOW, HIGH), conditioning=how)
            sweep = SweepSpec(data.spec, model, training, method, tuple(asked.seeds))
            specs += resolved_sweep(sweep, data).networks()
    return specs


def trained(spec: NetworkSpec, data: ImageData) -> tuple[Conditioned, int]:
    """The network of a spec, and in how many attempts it was trained."""
    with tempfile.TemporaryDirectory() as place:
        folder = NetworkFolder(Path(place) / "network")
        lean = EvaluationSpec(samples=0, information=False, probes="none")
        workspace = Workspace(data, ResultsFolder(Path(place)), lean, ExecutionSpec(engine="in-process"))
        complete_network(spec, folder, workspace, lambda _: None)
        network, header = checkpoint.load_network(folder.weights)
        return network, len(header["attempts"])


def corners(groups: tuple[int, ...]) -> list[tuple[float, ...]]:
    """For each group the corner that favours it most: its beta the smallest, all others the largest."""
    return [tuple(LOW if one == group else HIGH for one in groups) for group in range(max(groups) + 1)]


def loss(point: GridPoint, constant: float) -> float:
    """D less the likelihood's constant, and sum of beta x R, nats."""
    costs = (beta * rate for beta, rate in zip(point.betas, point.rates, strict=True))
    return point.distortion - constant + sum(costs)


def facts(network: Conditioned, data: ImageData, groups: tuple[int, ...]) -> tuple[str, str, str, str]:
    """Rates at the top's corner and at (1, 1), the mean log loss, and the groups that are dead."""
    images, count = seen_images(network, data), max(groups) + 1
    favoured = measured_grid(network, images, corners(groups))
    rates = [
        sum(rate for rate, one in zip(point.rates, groups, strict=True) if one == group)
        for group, point in enumerate(favoured)
    ]
    dead = [str(group) for group, rate in enumerate(rates) if rate < ACTIVE_RATE]
    (even,) = measured_grid(network, images, [(1.0,) * len(groups)])
    points = BetaGrid(LOW, HIGH, 5 if count <= 2 else 3).spread(groups)
    constant = network.model.likelihood.least(math.prod(data.shape))
    losses = [loss(point, constant) for point in measured_grid(network, images, points)]
    mean = sum(math.log(one) for one in losses) / len(losses) if min(losses) > 0 else math.nan
    return vector(favoured[0].rates), vector(even.rates), f"{mean:.3f}", ", ".join(dead) or "–"


def vector(numbers: list[float]) -> str:
    return ", ".join(f"{number:.2f}" for number in numbers)


def line(spec: NetworkSpec, data: ImageData) -> str:
    """Train a network: one line of the table."""
    begun, recipe = time.monotonic(), spec.training
    network, attempts = trained(spec, data)
    minutes = (time.monotonic() - begun) / 60
    cells: list[Any] = [
        "balanced" if spec.balanced else "staggered" if spec.staggered else "linear",
        spec.rank,
        f"{recipe.learning_rate:g}",
    ]
    cells += [recipe.batch, recipe.epochs, spec.seed, *facts(network, data, spec.groups), attempts, f"{minutes:.1f}"]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist-5k")
    parser.add_argument("--limit", type=int, default=None, help="training images at most")
    parser.add_argument("--family", default="ghvae")
    parser.add_argument("--blocks", help="of a deep network, such as 1x1,7x1,14x1")
    parser.add_argument("--channels", type=int, default=ModelSpec.channels)
    parser.add_argument("--latents", type=int, nargs="+", default=None, help="latent units or maps, top layer first")
    parser.add_argument("--epochs", type=int, nargs="+", default=[12])
    parser.add_argument("--batch", type=int, nargs="+", default=[64])
    parser.add_argument("--lrs", type=float, nargs="+", default=[1e-3, 3e-3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--rank", type=int, nargs="+", default=[8])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--knots", type=int, default=ConditioningSpec.knots)
    parser.add_argument("--lr-warmup", type=float, default=TrainingSpec.lr_warmup)
    parser.add_argument(
        "--annealing", nargs="+", default=["linear", "staggered"], choices=["linear", "staggered", "balanced"]
    )
    parser.add_argument("--rise", type=int, default=ConditioningSpec.rise)
    parser.add_argument("--restarts", type=int, default=0)
    parser.add_argument("--descent", type=float, default=ConditioningSpec.descent)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data(asked.data, limit=asked.limit)
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for spec in network_specs(asked, data):
        print(line(spec, data), flush=True)


if __name__ == "__main__":
    main()
