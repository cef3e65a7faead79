"""Does every layer live? Conditioned networks over learning rates, seeds and ways of annealing, as Markdown.

    python benchmarks/robust.py --data mnist-5k --epochs 12 --lrs 1e-3 3e-3 --seeds 0 1 --batch 64
    python benchmarks/robust.py --campaign OUT.jsonl

Each network is trained as `ratescape map --method conditioned` trains it, on a box a quarter wider than betas of 0.1 to
10 on each side, but is not trained again where a layer dies, unless --restarts says so. ``--campaign`` trains what
users get by default, restarts included, over lengths, learning rates, batches, adapters, data and families at three
seeds, one after the other, and keeps each in the file: the same command takes up what was interrupted, and prints the
table of what there is. Measured on 1,000 held-out images at most:

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
import statistics
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
from ratescape.records.files import read_json_lines, to_json_lines
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

CAMPAIGN = (
    *(f"--epochs {epochs} --lrs {lr}" for epochs in (12, 30) for lr in ("3e-4", "1e-3", "3e-3")),
    *("--epochs 12 --batch 32", "--epochs 30 --batch 128", "--epochs 30 --batch 256", "--epochs 30 --batch 512"),
    *("--epochs 12 --rank 0", "--epochs 12 --rank 32", "--epochs 12 --rank 32 --width 128"),
    *("--data mnist --epochs 5 --batch 256", "--data fashion-mnist --epochs 5 --batch 256"),
    "--data cifar10 --limit 5000 --epochs 12",
    *("--family lvae --epochs 12 --lrs 1e-3", "--family lvae --epochs 12"),
    *(f"--family residual --latents 16 8 4 --epochs 12 --lrs {lr}" for lr in ("1e-3", "3e-3")),
    "--family residual --latents 16 8 8 4 4 --epochs 12",
)
LONG_CAMPAIGN = tuple(f"--epochs 90 --lrs {lr}" for lr in ("3e-4", "1e-3", "3e-3"))
"""Conditions of the campaign, as options of this command: else mnist-5k in batches of 64 at 3e-3. The long ones follow
when the others are trained at all seeds."""
CAMPAIGN_DEFAULTS = ("--annealing", "default", "--restarts", "3", "--lrs", "3e-3")
"""What a condition does not say."""
CAMPAIGN_SEEDS = (0, 1, 2)

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
            by = None if annealing == "default" else annealing
            how = ConditioningSpec(rank=rank, width=asked.width, annealing=by, rise=asked.rise)
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


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is measured of a network; rates in nats.

    Attributes:
        favoured: rates of all layers, top first, at the corner that favours the top most.
        even: the same where all betas are 1.
        mean_log_loss: over the grid, natural logarithm of nats.
        dead: groups that carry less than 0.1 nats at the corner that favours them most.
    """

    favoured: list[float]
    even: list[float]
    mean_log_loss: float
    dead: list[int]


def facts(network: Conditioned, data: ImageData, groups: tuple[int, ...]) -> Facts:
    """Rates at the top's corner and at (1, 1), the mean log loss, and the groups that are dead."""
    images, count = seen_images(network, data), max(groups) + 1
    favoured = measured_grid(network, images, corners(groups))
    rates = [
        sum(rate for rate, one in zip(point.rates, groups, strict=True) if one == group)
        for group, point in enumerate(favoured)
    ]
    dead = [group for group, rate in enumerate(rates) if rate < ACTIVE_RATE]
    (even,) = measured_grid(network, images, [(1.0,) * len(groups)])
    points = BetaGrid(LOW, HIGH, 5 if count <= 2 else 3).spread(groups)
    constant = network.model.likelihood.least(math.prod(data.shape))
    losses = [loss(point, constant) for point in measured_grid(network, images, points)]
    mean = sum(math.log(one) for one in losses) / len(losses) if min(losses) > 0 else math.nan
    return Facts(favoured[0].rates, even.rates, mean, dead)


def vector(numbers: list[float]) -> str:
    return ", ".join(f"{number:.2f}" for number in numbers)


def line(spec: NetworkSpec, data: ImageData) -> str:
    """Train a network: one line of the table."""
    begun, recipe = time.monotonic(), spec.training
    network, attempts = trained(spec, data)
    minutes = (time.monotonic() - begun) / 60
    found = facts(network, data, spec.groups)
    cells: list[Any] = [
        "balanced" if spec.balanced else "staggered" if spec.staggered else "linear",
        spec.rank,
        f"{recipe.learning_rate:g}",
    ]
    cells += [recipe.batch, recipe.epochs, spec.seed, vector(found.favoured), vector(found.even)]
    cells += [f"{found.mean_log_loss:.3f}", ", ".join(map(str, found.dead)) or "–", attempts, f"{minutes:.1f}"]
    return f"| {' | '.join(map(str, cells))} |"


def campaign(out: Path) -> None:
    """Train the networks of the campaign that the file does not have, seed by seed, and print what it has."""
    done = {(one["condition"], one["seed"]) for one in read_json_lines(out)} if out.exists() else set()
    shorter, longer = (itertools.product(CAMPAIGN_SEEDS, conditions) for conditions in (CAMPAIGN, LONG_CAMPAIGN))
    for seed, condition in [*shorter, *longer]:
        if (condition, seed) in done:
            continue
        asked = parser().parse_args([*CAMPAIGN_DEFAULTS, *condition.split(), "--seeds", str(seed)])
        data = load_data(asked.data, limit=asked.limit)
        (spec,) = network_specs(asked, data)
        begun = time.process_time()
        network, attempts = trained(spec, data)
        record: dict[str, Any] = {"condition": condition, "seed": seed, "attempts": attempts}
        record |= {"seconds": time.process_time() - begun, **dataclasses.asdict(facts(network, data, spec.groups))}
        with out.open("a", encoding="utf-8") as file:
            file.write(to_json_lines([record]))
    print_campaign(read_json_lines(out))


def print_campaign(records: list[dict[str, Any]]) -> None:
    """A line for each condition; what seeds differ in is parted by semicolons."""
    print("| condition | top's rate at its corner | mean log loss | dead | attempts | processor minutes |")
    print("|---|---|---|---|---|---:|")
    for condition in CAMPAIGN + LONG_CAMPAIGN:
        own = sorted((one for one in records if one["condition"] == condition), key=lambda one: one["seed"])
        if own:
            tops = "; ".join(f"{one['favoured'][0]:.2f}" for one in own)
            losses = "; ".join("–" if (mean := one["mean_log_loss"]) is None else f"{mean:.3f}" for one in own)
            dead = "; ".join(", ".join(map(str, one["dead"])) or "–" for one in own)
            attempts = "; ".join(str(one["attempts"]) for one in own)
            minutes = statistics.mean(one["seconds"] for one in own) / 60
            print(f"| `{condition}` | {tops} | {losses} | {dead} | {attempts} | {minutes:.1f} |")


def parser() -> argparse.ArgumentParser:
    """The options of one table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", default="mnist-5k")
    options.add_argument("--limit", type=int, default=None, help="training images at most")
    options.add_argument("--family", default="ghvae")
    options.add_argument("--blocks", help="of a deep network, such as 1x1,7x1,14x1")
    options.add_argument("--channels", type=int, default=ModelSpec.channels)
    options.add_argument("--latents", type=int, nargs="+", default=None, help="latent units or maps, top layer first")
    options.add_argument("--epochs", type=int, nargs="+", default=[12])
    options.add_argument("--batch", type=int, nargs="+", default=[64])
    options.add_argument("--lrs", type=float, nargs="+", default=[1e-3, 3e-3])
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options.add_argument("--rank", type=int, nargs="+", default=[8])
    options.add_argument("--width", type=int, default=64)
    options.add_argument("--knots", type=int, default=ConditioningSpec.knots)
    options.add_argument("--lr-warmup", type=float, default=TrainingSpec.lr_warmup)
    options.add_argument(
        "--annealing",
        nargs="+",
        default=["linear", "staggered"],
        choices=["linear", "staggered", "balanced", "default"],
    )
    options.add_argument("--rise", type=int, default=ConditioningSpec.rise)
    options.add_argument("--restarts", type=int, default=0)
    options.add_argument("--descent", type=float, default=ConditioningSpec.descent)
    options.add_argument("--campaign", type=Path, metavar="OUT.jsonl", help="train the campaign, and nothing else")
    return options


def main() -> None:
    asked = parser().parse_args()
    torch.set_num_threads(1)
    if asked.campaign is not None:
        campaign(asked.campaign)
    else:
        data = load_data(asked.data, limit=asked.limit)
        print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
        for spec in network_specs(asked, data):
            print(line(spec, data), flush=True)


if __name__ == "__main__":
    main()
