"""Whether models are trained enough: the rule on made-up curves of losses, and what it says."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratescape.records.enough import epochs_to_try, sentences, verdict
from ratescape.records.trained import TrainingFacts, excess, gain_left

DONE = TrainingFacts(epochs=40, steps=2280, gain_left=0.01, excess=0.02)


def with_(**facts: float | None) -> TrainingFacts:
    return dataclasses.replace(DONE, **facts)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (DONE, "ok"),
        (with_(gain_left=0.0499), "ok"),
        (with_(gain_left=0.05), "not to the end"),
        (with_(gain_left=0.15), "far"),
        (with_(steps=999), "far"),
        (with_(steps=1000), "ok"),
        (with_(steps=999, gain_left=None), "far"),
        (with_(steps=None), "ok"),
        (with_(steps=None, gain_left=0.15), "far"),
        (with_(excess=0.1), "overfitted"),
        (with_(excess=0.0999), "ok"),
        (with_(excess=0.1, gain_left=0.06), "overfitted"),  # longer would be worse
        (with_(excess=0.499, steps=999), "far"),
        (with_(excess=0.5, steps=999), "overfitted"),  # longer would be worse, however short it was
        (with_(excess=0.5, gain_left=0.2), "overfitted"),
        (with_(excess=0.1, gain_left=None), "overfitted"),
        (with_(gain_left=None), None),
        (with_(gain_left=None, excess=None, steps=None), None),
        (with_(gain_left=-0.01), "ok"),
    ],
)
def test_the_rule(facts: TrainingFacts, word: str | None) -> None:
    assert verdict(facts) == word
    assert (sentences([facts]) == []) == (word in (None, "ok"))


def test_each_verdict_says_what_to_try() -> None:
    assert sentences([TrainingFacts(5, 30, None, None)]) == [
        "far from trained: 30 steps (5 epochs), fewer than 1,000: try --training.epochs 170 (1,020 steps) or more"
    ]
    assert sentences([with_(gain_left=0.074)]) == [
        "not trained to the end: the loss is still falling, and twice the 40 epochs would take about another 7 % "
        "off it: try --training.epochs 80 (4,560 steps) or more"
    ]
    assert sentences([with_(excess=0.125)]) == [
        "overfitted: the held-out loss is 12 % above the training loss (both above what no model can avoid): try more "
        "images, or fewer --training.epochs"
    ]


def test_one_line_for_a_verdict_whatever_the_number_of_models() -> None:
    falling = [with_(gain_left=gain) for gain in (0.06, 0.1)]
    (line,) = sentences([DONE, *falling])
    assert line.startswith("not trained to the end (2 of 3 models): ") and "10 % off it at most" in line
    assert "try --training.epochs 80 (4,560 steps) or more" in line
    lines = sentences([*falling, *[with_(steps=100)] * 9, *[with_(excess=0.3)] * 2])
    assert [line.partition(" (")[0] for line in lines] == ["far from trained", "not trained to the end", "overfitted"]
    assert lines[-1].endswith("try more images; longer training makes these worse")  # no fewer epochs: others need more
    assert sentences([]) == sentences([DONE] * 9) == []


@given(st.integers(1, 500), st.integers(1, 300), st.none() | st.floats(-0.2, 3))
def test_what_is_to_be_tried_is_longer_and_long_enough_by_the_count_of_steps(
    epochs: int, per_epoch: int, left: float | None
) -> None:
    facts = TrainingFacts(epochs, epochs * per_epoch, left, None)
    longer = epochs_to_try(facts)
    assert longer * per_epoch >= 1000 or verdict(facts) != "far"
    assert (longer > epochs) or verdict(facts) in ("ok", None)
    assert left is None or left < 0.05 or longer >= 2 * epochs
    assert left is None or left < 0.15 or longer >= 4 * epochs


def power(count: int, exponent: float, constant: float = 0.0) -> list[float]:
    """Losses that fall as a power of the time, above a constant."""
    return [constant + 100 * (epoch + 0.5) ** -exponent for epoch in range(count)]


@given(count=st.integers(3, 200), exponent=st.floats(-0.5, 1), constant=st.floats(-2000, 2000))
def test_gain_left_is_exact_where_the_loss_falls_as_a_power(count: int, exponent: float, constant: float) -> None:
    losses = power(count, exponent, constant)
    assert gain_left(losses, constant, 0.0) == pytest.approx(1 - 2**-exponent, abs=1e-6)
    assert gain_left(losses[:1], constant, 0.0) is None


def test_gain_left_looks_at_the_end_alone_and_at_no_single_epoch() -> None:
    smooth, true = power(60, 0.1), pytest.approx(1 - 2**-0.1)
    annealed = [500.0 if epoch < 30 else loss for epoch, loss in enumerate(smooth)]
    assert gain_left(annealed, 0.0, 0.4) == true
    late = [500.0 if epoch < 50 else loss for epoch, loss in enumerate(smooth)]  # betas that change for long
    assert gain_left(late, 0.0, 49.5 / 60) == true
    noisy = [loss * (1 + 0.002 * math.sin(37 * epoch)) for epoch, loss in enumerate(smooth)]
    assert gain_left(noisy, 0.0, 0.3) == pytest.approx(1 - 2**-0.1, abs=5e-3)
    assert gain_left([3.0] * 9, 0.0, 0.3) == 0


@pytest.mark.parametrize(
    ("losses", "constant", "settled"),
    [([], 0.0, 0.3), ([3.0], 0.0, 0.0), ([3.0, 2.0], 0.0, 1.0), ([3.0, 2.0], 5.0, 0.0), ([3.0, 2.0], None, 0.0)],
)
def test_gain_left_is_not_known_of_too_short_a_log_or_of_losses_without_a_scale(
    losses: list[float], constant: float | None, settled: float
) -> None:
    assert gain_left(losses, constant, settled) is None


def test_excess_is_a_share_of_the_training_loss_above_the_constant() -> None:
    row = {"loss": 112.0, "train_loss": 110.0}
    assert excess(row, 90.0) == pytest.approx(0.1) and excess(row, 0.0) == pytest.approx(2 / 110)
    unknown = [{"loss": 112.0}, {"train_loss": 1.0}, row | {"train_loss": math.nan}, row | {"loss": math.nan}]
    assert [excess(one, 0.0) for one in unknown] == [None] * 4
    assert excess(row, None) is None and excess(row, 120.0) is None
