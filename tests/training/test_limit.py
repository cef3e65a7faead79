"""Steps of too long gradients: which are skipped, that skipping ends, and that it is resumed exactly."""

import dataclasses
from pathlib import Path

import pytest
import torch
from helpers.tiny_training import BETAS, SPEC, Recorder, Stop, run, squares

from ratescape.training.context import Saving, TrainingContext
from ratescape.training.limit import BEGINNING, GradientLimit

CPU = torch.device("cpu")


def norms(value: float) -> torch.Tensor:
    return torch.tensor([value])


def stepped(limit: GradientLimit, value: float) -> bool:
    """One step of a gradient of this norm; whether it was taken."""
    accepted = limit.passes(norms(value))
    limit.observe(norms(value), accepted)
    return bool(accepted)


def settled(factor: float = 10.0) -> GradientLimit:
    """A limit that has seen a hundred steps of norms around 1."""
    limit = GradientLimit(1, factor, CPU)
    assert all(stepped(limit, 0.8 + 0.4 * (step % 2)) for step in range(100))
    return limit


def test_a_gradient_far_longer_than_usual_is_skipped() -> None:
    limit = settled()
    assert not stepped(limit, 1000.0)
    assert stepped(limit, 1.0) and stepped(limit, 5.0)
    assert float(limit.usual.exp()) == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("growth", [1e2, 1e6, 1e30])
def test_gradients_that_stay_long_are_taken_in_the_end(growth: float) -> None:
    """A fixed limit of ten times the first usual norm would skip each of these steps, for ever."""
    limit = settled()
    assert growth > 10 * 1.2
    taken = [stepped(limit, growth) for _ in range(2000)]
    assert not taken[0] and any(taken[:200])
    assert all(taken[-200:])


def test_the_limit_falls_back_once_steps_are_taken() -> None:
    limit = settled()
    for _ in range(5):
        stepped(limit, 1e5)
    assert float(limit.raised) == 5
    for _ in range(5):
        assert stepped(limit, 1.0)
    assert float(limit.raised) == 0 and not stepped(limit, 100.0)


def test_a_norm_that_is_not_finite_teaches_nothing() -> None:
    limit = settled()
    before = {name: tensor.clone() for name, tensor in limit.state().items()}
    assert not stepped(limit, float("nan")) and not stepped(limit, float("inf"))
    assert all(bool((tensor == before[name]).all()) for name, tensor in limit.state().items())


def test_members_have_limits_of_their_own() -> None:
    limit = GradientLimit(2, 10.0, CPU)
    for _ in range(BEGINNING):
        limit.observe(torch.tensor([1.0, 1e4]), torch.tensor([True, True]))
    assert limit.passes(torch.tensor([1e3, 1e3])).tolist() == [False, True]


def test_a_training_with_a_tight_limit_skips_counts_and_never_diverges() -> None:
    spec = dataclasses.replace(SPEC, epochs=12, skip=1.001, learning_rate=1e-6, max_skipped_steps=2)
    trained = run(squares(), BETAS[:1], spec)
    assert trained.history[0][-1]["skipped"] > 3
    assert trained.diverged == [False]


def test_it_is_resumed_exactly(tmp_path: Path) -> None:
    spec, images = dataclasses.replace(SPEC, skip=1.001, learning_rate=1e-6), squares()
    whole = run(images, BETAS, spec)
    assert sum(history[-1]["skipped"] for history in whole.history) > 0
    saving = Saving(tmp_path / "checkpoint", 0, "it")
    with pytest.raises(Stop):
        run(images, BETAS, spec, context=TrainingContext(saving, Recorder(stop_at=37)))
    resumed = run(images, BETAS, spec, context=TrainingContext(saving))
    for name, weights in whole.parameters.items():
        assert torch.equal(weights, resumed.parameters[name]), name
