"""How many steps a training has, and the learning rate of each."""

import dataclasses
import itertools
from typing import Any

import pytest

from ratescape.errors import SpecError
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.schedule import (
    annealing_steps,
    learning_rate,
    resolved_training,
    total_steps,
    with_optimiser,
)

SPEC = TrainingSpec(lr_warmup=0)


def test_open_fields_are_filled_in_for_the_images() -> None:
    many, few = resolved_training(TrainingSpec(), 60_000), resolved_training(TrainingSpec(), 3600)
    assert (many.epochs, many.annealing) == (20, 6) and total_steps(TrainingSpec(), 60_000) == 20 * 235
    assert few.epochs == 134 and total_steps(TrainingSpec(), 3600) == 134 * 15 >= 2000 > 133 * 15
    assert resolved_training(TrainingSpec(epochs=3, annealing=1), 3600) == TrainingSpec(epochs=3, annealing=1)
    with pytest.raises(SpecError, match="outlasts training"):
        resolved_training(TrainingSpec(annealing=21), 60_000)


def test_more_effort_takes_more_epochs_but_no_more_steps_where_images_are_few() -> None:
    many, few = (resolved_training(TrainingSpec(), count, effort=2) for count in (60_000, 3600))
    assert many.epochs == 40 and few.epochs == 134


def test_steps_become_the_epochs_that_they_take() -> None:
    asked = TrainingSpec(steps=100, batch=32)
    spec = resolved_training(asked, 150, effort=2)  # 5 steps an epoch
    assert (spec.epochs, spec.steps, spec.annealing) == (20, None, 6) and total_steps(asked, 150) == 100
    assert total_steps(TrainingSpec(steps=101, batch=32), 150) == 105  # the last epoch is a whole one
    assert resolved_training(spec, 150) == spec
    with pytest.raises(SpecError, match="outlasts training"):
        resolved_training(TrainingSpec(steps=10, annealing=3, batch=32), 150)


def test_warm_up_raises_the_learning_rate_from_nothing() -> None:
    warmed = dataclasses.replace(SPEC, lr_warmup=0.25)
    rates = [learning_rate(warmed, step, 100) for step in range(100)]
    plain = [learning_rate(SPEC, step, 100) for step in range(100)]
    assert [rate / whole for rate, whole in zip(rates[:25], plain[:25], strict=True)] == pytest.approx(
        [(step + 1) / 25 for step in range(25)]
    )
    assert rates[24:] == plain[24:]


def test_learning_rate_schedules() -> None:
    cosine = [learning_rate(SPEC, step, 100) for step in range(100)]
    assert cosine[0] == SPEC.learning_rate and cosine[50] == pytest.approx(SPEC.learning_rate / 2)
    assert all(a > b for a, b in itertools.pairwise(cosine))
    constant = dataclasses.replace(SPEC, schedule="constant")
    assert {learning_rate(constant, step, 100) for step in range(100)} == {SPEC.learning_rate}


def test_annealing_is_given_in_epochs_and_rounded_to_steps() -> None:
    assert annealing_steps(TrainingSpec(epochs=10, batch=32, annealing=2.5), 150) == 12  # 2.5 x 5, to even
    assert annealing_steps(TrainingSpec(epochs=10, batch=32), 150) == 15
    assert annealing_steps(TrainingSpec(epochs=10, annealing=0), 150) == 0


def test_the_optimiser_suits_the_network_unless_one_is_given() -> None:
    def of(spec: TrainingSpec, **model: Any) -> str | None:
        return with_optimiser(spec, ModelSpec(**model)).optimiser

    families = ("ghvae", "lvae", "residual", "vector")
    assert [of(TrainingSpec(), family=one) for one in families] == ["muon", "muon", "muon", "adam"]
    assert of(TrainingSpec(), factory="mine:net") == "adam"
    assert of(TrainingSpec(optimiser="muon"), family="vector") == "muon"
    assert of(TrainingSpec(optimiser="adam"), family="ghvae") == "adam"
