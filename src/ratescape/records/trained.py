"""How far the trainings of a landscape came, as their logs and measurements tell."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ratescape.errors import RecordError
from ratescape.records.files import Unreadable, read_json_lines
from ratescape.records.folders import SweepFolder
from ratescape.specs.runs import NetworkSpec, RunSpec

Log = Sequence[Mapping[str, Any]]
"""One record for each epoch of a training."""

END = 0.5
"""Share of a training, at its end, over which the fall of its loss is measured. The last third foretold less than came
(docs/results/trained.md)."""


@dataclasses.dataclass(frozen=True)
class TrainingFacts:
    """How far the training of one model came; of a model taken from a conditioned network, that of the network."""

    epochs: int
    steps: int | None
    """None where the records do not tell."""
    gain_left: float | None
    """What twice the training would still take off the loss, as a share of the loss above the likelihood's constant:
    see :func:`gain_left`. None where the log does not tell."""
    excess: float | None
    """How far the held-out loss is above the training loss: see :func:`excess`. None where it was not measured."""
    constant: float | None = 0.0
    """The likelihood's, nats per image; None where losses may have either sign, so that shares of them mean nothing."""


def training_facts(
    folder: SweepFolder, run: RunSpec, row: Mapping[str, Any], images: int | None
) -> TrainingFacts | None:
    """What is known of the training of one model of a landscape.

    Args:
        row: its row of the landscape's table.
        images: the training images, as far as they are known; for logs that do not tell their steps.

    Returns:
        None where there is no log of losses, as in landscapes of other programs, or where the training diverged.

    Example::

        training_facts(folder, run, row, 3600).gain_left  # 0.04: twice the training would take 4 % off the loss
    """
    source = folder.run(run) if run.merged is None else folder.network(run.merged.network)
    try:
        log = read_json_lines(source.training)
    except Unreadable:
        raise
    except RecordError:
        return None
    if not log or log[-1].get("status") != "ok" or not all(_tells(record) for record in log):
        return None
    per_epoch = None if images is None else math.ceil(images / run.training.batch)
    return facts_of(run, log, row, None if per_epoch is None else per_epoch * len(log))


def facts_of(run: RunSpec, log: Log, row: Mapping[str, Any], steps: int | None = None) -> TrainingFacts:
    """As :func:`training_facts`, of a log that is whole.

    Args:
        row: ``beta_L .. beta_1`` that the model ended with, and what was measured, if anything was.
        steps: of the training, for logs that do not tell them.

    Example::

        facts_of(run, history, {"beta_2": 1.0, "beta_1": 1.0}).steps
    """
    constant = _constant(run, log)
    steps = log[-1].get("steps") or steps
    left = gain_left(losses(log, row), constant, settled(run))
    return TrainingFacts(len(log), steps, left, excess(row, constant), constant)


def _tells(record: Mapping[str, Any]) -> bool:
    known = record.get("distortion"), record.get("loss")
    return all(isinstance(number, (int, float)) and math.isfinite(number) for number in known)


def _constant(run: RunSpec, log: Log) -> float | None:
    """The likelihood's constant; None where the log does not tell, or losses may have either sign."""
    if run.model.likelihood in ("learned-gaussian", "by-column"):
        return None
    if run.model.likelihood == "gaussian":
        return log[-1].get("constant")
    return 0.0


def losses(log: Log, row: Mapping[str, Any]) -> list[float]:
    """The loss of every epoch, nats per image, as comparable as the log allows.

    A network's is a mean over betas drawn for each image, weighted by what models lose there: in relative terms, all
    betas count alike. A model's own is taken at the betas that it ended with, whatever they were meanwhile.
    """
    names = [name for name in row if name.removeprefix("beta_").isdigit()]  # of layers, not of groups
    betas = [row[name] for name in sorted(names, key=_layer, reverse=True)]
    if "attempt" in log[-1]:
        return [float(record["loss"]) for record in log]
    return [r["distortion"] + sum(b * rate for b, rate in zip(betas, r["rates"], strict=True)) for r in log]


def _layer(column: str) -> int:
    return int(column.rpartition("_")[2])


def settled(run: RunSpec) -> float:
    """The share of a training after which its betas have their values."""
    if run.target is not None:
        return 1 - run.target.control.frozen
    epochs, network = run.training.epochs or 1, None if run.merged is None else run.merged.network
    return (run.training.annealing or 0.0) / epochs if network is None else _of_network(network)


def _of_network(network: NetworkSpec) -> float:
    how = network.staggered or network.balanced
    return how.descent if how is not None else (network.training.annealing or 0.0) / (network.training.epochs or 1)


def gain_left(losses: Sequence[float], constant: float | None, settled: float) -> float | None:
    """What twice the training would still take off the loss, as a share of the loss above a constant.

    Over the last half of the training, as far as betas had their values, a straight line is fitted to log(loss -
    constant) over log t, where t counts epochs. Losses that fall as a power of t lose the same share whenever the
    training doubles, which is what the line's slope gives. All epochs of that part count, so the noise of single ones
    does not decide. ``benchmarks/doubling.py`` compares it with what twice the training gave.

    Args:
        losses: of every epoch, nats per image.
        constant: what no model can avoid of them; None for none that makes shares of the rest mean anything.
        settled: share of the training after which betas have their values.

    Returns:
        None where fewer than two epochs are left, or there is no constant that losses are above.

    Example::

        gain_left([5 + 60 / (epoch + 0.5) ** 0.2 for epoch in range(60)], constant=5.0, settled=0.3)  # 0.13
    """
    count = len(losses)
    first = max(math.ceil(settled * count - 1e-9), math.floor((1 - END) * count))  # 0.3 x 10 is 3, but for rounding
    times = [math.log(epoch + 0.5) for epoch in range(first, count)]  # an epoch's mean is that of its middle
    if constant is None or len(times) < 2 or min(losses[first:]) <= constant:
        return None
    seen = [math.log(loss - constant) for loss in losses[first:]]
    return 1 - 2 ** _slope(times, seen)


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the line of least squares."""
    middle, mean = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((one - middle) * (other - mean) for one, other in zip(x, y, strict=True))
    return covariance / sum((one - middle) ** 2 for one in x)


def excess(row: Mapping[str, Any], constant: float | None) -> float | None:
    """How far the held-out loss of a model is above its training loss, as a share of the latter above a constant.

    Args:
        row: with ``loss`` and ``train_loss``, of as many images each, nats per image.
        constant: as of :func:`gain_left`.

    Returns:
        None where one of the two was not measured, or there is no constant that the training loss is above.
    """
    held_out, seen = row.get("loss"), row.get("train_loss")
    if constant is None or held_out is None or seen is None or not (math.isfinite(held_out) and seen > constant):
        return None
    return (held_out - seen) / (seen - constant)
