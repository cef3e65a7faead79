"""All measurements on one model, as records: a registry of them, asked one after the other.

A new metric is one entry of :mod:`ratescape.metrics` and one measurement that is registered here. For another
process to measure it too, such as a worker of a sweep, the module that registers it must be imported there.

Example::

    def worst_image(subject: Subject, split: SplitView) -> Measured:
        return Measured({"worst_distortion": float(split.rates.distortion.max())})

    metrics.register(Metric("worst_distortion", "worst distortion", "nats", False, "of the image kept worst"))
    suite.register(Measurement(("worst_distortion",), worst_image))
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch

from ratescape import metrics
from ratescape.compute.memory import keep_freed_memory
from ratescape.compute.precision import arithmetic
from ratescape.data.catalog import ImageData
from ratescape.errors import SpecError
from ratescape.evaluation.comparable import stamp
from ratescape.evaluation.measurements import BUILT_IN
from ratescape.evaluation.subject import Measured, Measurement, SplitView, Subject
from ratescape.specs.evaluation import EvaluationSpec

FLAG = "flag"
"""The one text among the metrics, of no registered column: which measurements contradict each other."""

MEASUREMENTS: list[Measurement] = []
"""All that is measured, in the order of a record's metrics."""


ABSURD = 1000
"""How many times worse than a guess a model is that counts as broken: no training, however short, leaves one so; an
explosion leaves one far worse."""


def register(measurement: Measurement) -> Measurement:
    """Have something measured on every model from now on; its metrics are registered first, each by itself.

    Raises:
        SpecError: a column that is no registered metric, or that something else measures already.
    """
    taken = {column for known in MEASUREMENTS for column in known.columns}
    for column in measurement.columns:
        if column not in metrics.METRICS and column.removesuffix("s") not in metrics.LAYER_METRICS:
            raise SpecError(f"measurement of {column}, which is no metric: give it to ratescape.metrics.register first")
        if column in taken:
            raise SpecError(f"{column} is measured already: choose another column")
    MEASUREMENTS.append(measurement)
    return measurement


Told = Callable[[int, int], object]
"""Is told how many measurements are made, out of how many."""


def measure(subject: Subject, told: Told | None = None) -> list[dict[str, Any]]:
    """Measure a model on validation and test: one record each, of which landscapes are made.

    A record has ``split``, its number of ``images``, ``betas``, ``metrics``, ``errors`` (their standard errors, as far
    as there are any), ``parts`` (of means over images, those over groups of images), ``absent`` (why what is not among
    the metrics could not be measured), and what :func:`ratescape.evaluation.comparable.stamp` adds.

    Metrics, nats per image unless said otherwise; lists run over the layers, top first:

    - ``rates``, their sum ``rate``, ``distortion``, ``loss`` (distortion + sum of beta x rate, Eq. 8), ``nelbo``
      (-ELBO), ``psnr`` (dB; of vectors ``r2`` and ``mse``, of standardised columns), ``active`` units;
    - ``inception_score``, ``diversity``, ``sharpness`` (Eq. 12), other draws for each split, ``judge_accuracy``, and
      ``score_of_data``, the inception score of the split's own images;
    - ``chance``, the share of the most frequent class;
    - ``train_loss``, on the first split alone: the loss on as many training images, which is there to tell overfitting;
    - ``information`` about the labels (nats), ``accuracy_...`` and ``clustering_nmi`` of the probes (fractions), the
      ceilings ``ceiling_information`` and ``ceiling_rate`` (Eq. 11), ``accuracy_sample``, which they bind, and ``flag``
      where it is above one;
    - ``ridge_r2`` of the data's targets, where there are any (R^2, at most 1);
    - whatever else is registered.

    On a GPU float32 is float32, whatever training was done in.

    Args:
        told: is told after each measurement how many are made.

    Example::

        validation, test = measure(Subject(model, data, (1.0, 1.0), EvaluationSpec(samples=0)))
        test["metrics"]["rates"]
    """
    if subject.device.type == "cpu":
        keep_freed_memory()
    with arithmetic("float32", subject.device):
        splits = list(subject.splits.items())
        counted = _counted(told, len(splits) * len(MEASUREMENTS))
        return [_record(subject, name, split, counted) for name, split in splits]


def is_sound(subject: Subject) -> bool:
    """Whether a model has numbers that mean something; what was looked at is not computed again.

    Rates and distortion of every held-out image are finite. And those of a typical one (the median) are not a thousand
    times worse than a guess without any model: no training would leave them so. Rates count as they do in the loss,
    though at most once: a large beta alone is no fault of the model.

    Example::

        is_sound(Subject(model, data, (1.0, 1.0), EvaluationSpec(samples=0)))
    """
    with arithmetic("float32", subject.device):
        found = [split.rates for split in subject.splits.values()]
    if not all(bool(numbers.isfinite().all()) for one in found for numbers in (one.rates, one.distortion)):
        return False
    likelihood, values = subject.model.likelihood, math.prod(subject.data.shape)
    worst = ABSURD * likelihood.plain(values)
    weights = torch.tensor(subject.betas, dtype=torch.float64).clamp(max=1.0)
    rates = [float(one.rates.cpu().double().median(0).values @ weights) for one in found]
    excesses = [float(one.distortion.median()) - likelihood.least(values) for one in found]
    return max(*rates, *excesses) <= worst


def blank(data: ImageData, betas: tuple[float, ...], settings: EvaluationSpec) -> list[dict[str, Any]]:
    """The records of a model that has nothing to measure because its training diverged: every number is missing."""
    missing = [None] * len(betas)
    kept = ("psnr",) if data.columns is None else ("r2", "mse")
    empty = dict.fromkeys(("rate", "distortion", "loss", "nelbo", *kept)) | {"rates": missing, "active": missing}
    nothing = stamp(settings, None) | {"metrics": empty, "errors": {}, "parts": {}, "absent": {}}
    return [{"split": name, "images": 0, "betas": betas} | nothing for name in data.held_out]


def _counted(told: Told | None, total: int) -> Callable[[], object]:
    """To be called after each of so many measurements."""
    made = itertools.count(1)
    return lambda: None if told is None else told(next(made), total)


def _record(subject: Subject, name: str, split: SplitView, counted: Callable[[], object]) -> dict[str, Any]:
    """What all measurements say of one split."""
    judge = subject.judge
    record: dict[str, Any] = {"split": name, "images": len(split.images), "betas": subject.betas}
    record |= stamp(subject.settings, None if judge is None else judge.facts)
    record |= {"metrics": {}, "errors": {}, "parts": {}, "absent": {}}
    for measurement in MEASUREMENTS:
        found = _measured(measurement, split)
        record["metrics"] |= found.metrics
        record["errors"] |= found.errors
        record["parts"] |= found.parts
        record["absent"] |= found.absent
        counted()
    return record


def _measured(measurement: Measurement, split: SplitView) -> Measured:
    found = split.once(measurement.measure)
    unknown = found.metrics.keys() - {*measurement.columns, FLAG}
    if unknown:
        raise SpecError(
            f"a measurement of {', '.join(measurement.columns)} gave {', '.join(sorted(unknown))} too: declare all"
        )
    return found


for _measurement in BUILT_IN:
    register(_measurement)
