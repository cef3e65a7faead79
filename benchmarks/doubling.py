r"""Does the rule hold that tells whether models are trained enough? Maps at several lengths, as a Markdown table.

    python benchmarks/doubling.py OUT --data mnist-5k --epochs 5 10 20 40 --batch 64
    python benchmarks/doubling.py OUT --data mnist-5k --epochs 4 8 16 --batch 64 --method dedicated

For each length the table has the verdict, the share of the loss that twice the training was to take off (the mean over
the models), and the share that it took off, where the next length is twice as long: of the training loss as the log has
it, and of the validation loss of the models (mean, smallest, largest). The likelihood's constant is taken off all
losses. Landscapes that are there already are not mapped again.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from ratescape.landscape import Landscape, map_landscape
from ratescape.records.enough import epochs_to_try, verdict
from ratescape.records.files import read_json_lines
from ratescape.records.trained import losses
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Conditioned, Dedicated
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec

Betas = tuple[float, ...]


class Length(NamedTuple):
    """What a landscape of one length came to; losses are above the likelihood's constant, nats, by betas."""

    steps: int | None
    verdicts: list[str]
    predicted: list[float]
    to_try: int
    training: dict[Betas, float]
    """The mean of the last two epochs."""
    validation: dict[Betas, float]


def mapped(options: argparse.Namespace, epochs: int) -> Landscape:
    """The landscape of one length, mapped unless it is there: rates and losses alone, on 3 x 3 betas."""
    path = options.out / f"{options.method}-{epochs}"
    if (path / "landscape.csv").exists():
        return Landscape(path)
    grid, how = BetaGrid(steps=3), ConditioningSpec(fine=0, refine_recommended=0)
    return map_landscape(
        DataSpec(options.data, limit=options.limit),
        model=ModelSpec(channels=options.channels, latents=options.latents, sigma=options.sigma),
        training=TrainingSpec(epochs=epochs, batch=options.batch, learning_rate=options.learning_rate),
        method=Conditioned(grid, conditioning=how) if options.method == "conditioned" else Dedicated(grid),
        evaluation=EvaluationSpec(samples=0, probes="none", information=False),
        execution=ExecutionSpec(engine="in-process"),
        out=path,
    )


def length_of(landscape: Landscape) -> Length:
    """What there is to say of one landscape."""
    trained, training, validation = landscape.records.trained, dict[Betas, float](), dict[Betas, float]()
    spec = landscape.folder.spec()
    for run in spec.runs():
        row = landscape.table.set_index("run", drop=False).loc[landscape.folder.run(run).path.name].to_dict()
        facts = trained[row["run"]]
        source = landscape.folder.run(run) if run.merged is None else landscape.folder.network(run.merged.network)
        constant = facts.constant or 0.0
        training[run.betas] = sum(losses(read_json_lines(source.training), row)[-2:]) / 2 - constant
        validation[run.betas] = row["loss"] - constant
    facts = list(trained.values())
    return Length(
        facts[0].steps,
        [str(verdict(one)) for one in facts],
        [one.gain_left for one in facts if one.gain_left is not None],
        max(map(epochs_to_try, facts)),
        training,
        validation,
    )


def line(epochs: int, one: Length, twice: Length | None) -> str:
    """A row of the table."""
    counts = ", ".join(f"{word} ({one.verdicts.count(word)})" for word in sorted(set(one.verdicts)))
    predicted = f"{100 * sum(one.predicted) / len(one.predicted):.0f} %" if one.predicted else "–"
    seen = ["–", "–"]
    if twice is not None:
        training = [1 - twice.training[betas] / loss for betas, loss in one.training.items()]
        validation = [1 - twice.validation[betas] / loss for betas, loss in one.validation.items()]
        extent = f"({100 * min(validation):.0f} to {100 * max(validation):.0f})"
        seen = [
            f"{100 * sum(training) / len(training):.0f} %",
            f"{100 * sum(validation) / len(validation):.0f} % {extent}",
        ]
    return " | ".join(["", f"{epochs}, {one.steps}", counts, predicted, *seen, str(one.to_try), ""]).strip()


def main() -> None:
    """Map, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", default="mnist-5k")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--method", choices=["conditioned", "dedicated"], default="conditioned")
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=TrainingSpec().learning_rate)
    parser.add_argument("--channels", type=int)
    parser.add_argument("--latents", type=int, nargs="+")
    parser.add_argument("--sigma", type=float, default=ModelSpec().sigma)
    options = parser.parse_args()
    options.latents = None if options.latents is None else tuple(options.latents)
    found = {epochs: length_of(mapped(options, epochs)) for epochs in sorted(options.epochs)}
    print("| epochs, steps | verdict (models) | twice would take off | did in training | on validation | to try next |")
    print("|---|---|---:|---:|---:|---:|")
    for epochs, one in found.items():
        print(line(epochs, one, found.get(2 * epochs)))


if __name__ == "__main__":
    main()
