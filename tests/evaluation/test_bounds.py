"""The bounds against closed forms, and against brute force on small joint distributions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ratescape.errors import SpecError
from ratescape.evaluation import bounds

COUNTS = st.lists(st.integers(1, 10**6), min_size=2, max_size=40)
FRACTIONS = st.floats(0, 1)


def slope(accuracy: float, classes: int) -> float:
    """f'(a) = log(a (M - 1) / (1 - a))."""
    return math.inf if accuracy == 1 else math.log(accuracy * (classes - 1) / (1 - accuracy))


@given(COUNTS, FRACTIONS)
def test_inverse_undoes_f_on_the_whole_interval(counts: list[int], place: float) -> None:
    most_frequent = max(counts) / sum(counts)
    accuracy = min(most_frequent + place * (1 - most_frequent), 1.0)
    found = float(bounds.f_inverse(bounds.f(accuracy, counts), counts))
    # f is known to some 1e-15; divided by its slope, and at most its root where the slope is 0 (f'' >= 4).
    assert found == pytest.approx(accuracy, abs=min(1e-7, 1e-14 / max(slope(accuracy, len(counts)), 1e-300)) + 1e-15)


@given(COUNTS, st.tuples(FRACTIONS, FRACTIONS))
def test_f_and_its_inverse_grow(counts: list[int], places: tuple[float, float]) -> None:
    most_frequent = max(counts) / sum(counts)
    low, high = most_frequent + (1 - most_frequent) * np.sort(np.minimum(places, 1.0))
    assert bounds.f(low, counts) <= bounds.f(min(high, 1.0), counts) + 1e-14
    nats = np.sort(places) * bounds.label_entropy(counts) * 1.2 - 0.1
    assert np.diff(bounds.f_inverse(nats, counts)) >= 0


@given(COUNTS)
def test_ends_of_the_interval(counts: list[int]) -> None:
    entropy, most_frequent = bounds.label_entropy(counts), max(counts) / sum(counts)
    assert float(bounds.f(1.0, counts)) == pytest.approx(entropy, abs=1e-14)
    assert float(bounds.f(most_frequent, counts)) <= 1e-14
    ends = bounds.f_inverse([-math.inf, -3.0, entropy, entropy + 1, math.inf, math.nan], counts)
    np.testing.assert_array_equal(ends, [most_frequent, most_frequent, 1, 1, 1, math.nan])


def test_closed_forms() -> None:
    """Uniform classes: f(a) is the KL divergence from (a, 1 - a) to (1/M, 1 - 1/M); two classes: log 2 - H_2(a)."""
    accuracy = np.linspace(0.1, 1, 10)[:-1]
    expected = accuracy * np.log(10 * accuracy) + (1 - accuracy) * np.log((1 - accuracy) * 10 / 9)
    np.testing.assert_allclose(bounds.f(accuracy, [7] * 10), expected, atol=1e-14)
    assert bounds.label_entropy([7] * 10) == pytest.approx(math.log(10), abs=1e-15)
    assert float(bounds.f(0.75, [5, 5])) == pytest.approx(math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(bounds.f_inverse(0.0, [5, 5])) == pytest.approx(0.5, abs=1e-7)
    assert bounds.label_entropy([3, 1]) == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    # Mistakes that one class would explain need less information than those spread over nine.
    assert float(bounds.f(0.9, [5, 5])) == pytest.approx(math.log(2) - (math.log(10) - 0.9 * math.log(9)))


def test_classes_without_images_do_not_count() -> None:
    np.testing.assert_array_equal(
        bounds.f_inverse([0.1, 0.5], [4, 0, 3, 0, 2]), bounds.f_inverse([0.1, 0.5], [4, 3, 2])
    )


def test_any_shape() -> None:
    nats = np.linspace(0, 2, 24).reshape(2, 3, 4)
    inverse = bounds.f_inverse(nats, [1, 2, 3, 4])
    assert inverse.shape == nats.shape and bounds.f(inverse, [1, 2, 3, 4]).shape == nats.shape
    assert float(inverse[1, 2, 0]) == float(bounds.f_inverse(nats[1, 2, 0], [1, 2, 3, 4]))


@given(arrays.arrays(np.int64, st.tuples(st.integers(2, 5), st.integers(1, 6)), elements=st.integers(0, 20)))
def test_no_classifier_beats_its_ceiling(joint: np.ndarray) -> None:
    """Bayes accuracy sum_z max_y p(y, z) <= f^-1(I(y; z)) for random joint counts over labels (rows) and codes."""
    counts = joint.sum(1)
    if (counts > 0).sum() < 2:
        return
    p = joint / joint.sum()
    independent = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    information = np.sum(p[p > 0] * np.log(p[p > 0] / independent[p > 0]))
    best = p.max(0).sum()
    assert best <= float(bounds.ceiling_by_information(information, counts)) + 1e-7


@pytest.mark.parametrize(("classes", "accuracy"), [(2, 0.8), (10, 0.3), (10, 0.95)])
def test_the_ceiling_is_reached(classes: int, accuracy: float) -> None:
    """By uniform classes and a symmetric channel, whose mistakes are uniform: no tighter bound of this form exists."""
    wrong = (1 - accuracy) / (classes - 1)
    information = math.log(classes) + accuracy * math.log(accuracy) + (1 - accuracy) * math.log(wrong)
    assert float(bounds.ceiling_by_information(information, [9] * classes)) == pytest.approx(accuracy, abs=1e-12)


def test_rates_of_all_layers_from_the_top_down_count() -> None:
    counts = [10] * 10
    rates = np.array([[0.3, 0.5, 0.1], [0.0, 0.2, 9.0]])
    expected = [[0.3, 0.8, 0.9], [0.0, 0.2, 9.2]]
    np.testing.assert_array_equal(bounds.ceiling_by_rate(rates, counts), bounds.f_inverse(expected, counts))
    assert float(bounds.ceiling_by_rate([0.0, 0.2, 9.0], counts)[-1]) == 1.0


def test_distortion_floor() -> None:
    np.testing.assert_allclose(bounds.distortion_floor(100.0, [[10.0, 20.0], [0.0, 1.0]]), [70.0, 99.0])
    assert float(bounds.distortion_floor(-5.0, [1.0])) == -6.0


def test_distortion_floor_holds_of_a_code_that_is_known() -> None:
    """A uniform bit x, z a copy flipped with probability e, the best decoder: R + D = H exactly."""
    flip = 0.1
    entropy_of_flip = -flip * math.log(flip) - (1 - flip) * math.log(1 - flip)
    rate, distortion = math.log(2) - entropy_of_flip, entropy_of_flip
    assert float(bounds.distortion_floor(math.log(2), [rate])) == pytest.approx(distortion)


def test_sampling_error_is_the_scatter_of_measured_accuracies() -> None:
    measured = np.random.default_rng(0).binomial(500, 0.83, 20_000) / 500
    assert float(bounds.sampling_error(0.83, 500)) == pytest.approx(measured.std(), rel=0.02)
    assert np.all(bounds.sampling_error([0.0, 1.0], 500) > 0)
    assert np.isnan(bounds.sampling_error(math.nan, 5))


def test_flags_are_raised_by_more_than_chance() -> None:
    generator = np.random.default_rng(1)
    at_ceiling = generator.binomial(1000, 0.7, 4000) / 1000
    flagged = np.mean([bounds.exceeds(float(a), 1000, 0.7) for a in at_ceiling])
    assert flagged < 0.004  # one-sided, three standard errors: 0.00135
    assert bounds.exceeds(0.75, 1000, 0.7) and not bounds.exceeds(0.75, 50, 0.7)
    assert not bounds.exceeds(0.5, 1000, 0.7) and not bounds.exceeds(1.0, 1000, 1.0)
    assert not bounds.exceeds(math.nan, 1000, 0.7) and not bounds.exceeds(0.9, 1000, math.nan)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([5], "two classes"),
        ([5, 0], "two classes"),
        ([], "two classes"),
        ([0, 0], "two classes"),
        ([0.5, 0.5], "whole number"),
        ([3, -1], "whole number"),
        ([[3, 1]], "whole number"),
        ([3, math.nan], "whole number"),
    ],
)
def test_counts_that_bound_nothing(counts: list[float], words: str) -> None:
    for measure in (lambda: bounds.f_inverse(0.1, counts), lambda: bounds.label_entropy(counts)):
        with pytest.raises(SpecError, match=words):
            measure()


def test_percent_and_missing_images_are_refused() -> None:
    with pytest.raises(SpecError, match="not percent"):
        bounds.f(93.0, [1, 1])
    with pytest.raises(SpecError, match="not percent"):
        bounds.exceeds(0.9, 10, 95.0)
    with pytest.raises(SpecError, match="at least one"):
        bounds.sampling_error(0.9, 0)
