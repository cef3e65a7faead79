"""How many steps a training has, and the learning rate of each."""

import dataclasses
import math

from ratescape.specs.families import facts_of
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec

EPOCHS, FEWEST_STEPS = 20, 2000
"""Epochs unless the spec says otherwise, and the steps that they make at least: what counts where images are few."""

ANNEALING_SHARE = 0.3
"""Share of the epochs over which the betas are annealed, unless the spec says otherwise."""


def steps_per_epoch(count: int, batch: int) -> int:
    """Batches in an epoch over ``count`` images; the last, partial one is kept."""
    return math.ceil(count / batch)


def resolved_training(spec: TrainingSpec, count: int, effort: int = 1) -> TrainingSpec:
    """The spec with the fields that were left open filled in for ``count`` training images.

    Steps become the epochs that they take, so that a spec says in one way how long the training is.

    Args:
        effort: how many times the usual epochs are taken where the spec says neither epochs nor steps.

    Raises:
        SpecError: annealing would outlast training.

    Example::

        resolved_training(TrainingSpec(), 60_000)  # epochs=20, annealing=6.0
        resolved_training(TrainingSpec(steps=1000), 60_000)  # epochs=5, annealing=1.5
    """
    fewest = math.ceil((spec.steps or FEWEST_STEPS) / steps_per_epoch(count, spec.batch))
    epochs = spec.epochs or (fewest if spec.steps else max(EPOCHS * effort, fewest))
    annealing = ANNEALING_SHARE * epochs if spec.annealing is None else spec.annealing
    return dataclasses.replace(spec, epochs=epochs, steps=None, annealing=annealing)


def with_optimiser(spec: TrainingSpec, model: ModelSpec) -> TrainingSpec:
    """The spec with the optimiser, where that was left open, that suits the network: Adam for one of the user's own.

    Example::

        with_optimiser(TrainingSpec(), ModelSpec(family="ghvae")).optimiser  # muon
    """
    if spec.optimiser is not None:
        return spec
    return dataclasses.replace(spec, optimiser="adam" if model.factory else facts_of(model.family).optimiser)


def total_steps(spec: TrainingSpec, count: int) -> int:
    """Steps of a training on ``count`` images."""
    return (resolved_training(spec, count).epochs or 0) * steps_per_epoch(count, spec.batch)


def annealing_steps(spec: TrainingSpec, count: int) -> int:
    """Steps until annealed betas reach their values, in a training on ``count`` images."""
    return round((resolved_training(spec, count).annealing or 0) * steps_per_epoch(count, spec.batch))


def learning_rate(spec: TrainingSpec, step: int, steps: int) -> float:
    """Learning rate of a step (counted from 0) out of ``steps``: the warm-up's factor times the schedule's."""
    rising = min(1.0, (step + 1) / (spec.lr_warmup * steps)) if spec.lr_warmup else 1.0
    if spec.schedule == "constant":
        return spec.learning_rate * rising
    return spec.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * step / steps))
