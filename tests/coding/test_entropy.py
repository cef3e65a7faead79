"""The stack of bits, and what is said where the library is missing."""

import sys

import numpy as np
import pytest

import ratescape
from ratescape.coding.entropy import NEAR, REACH, Stack, library
from ratescape.errors import ResourceError


def started() -> Stack:
    stack = Stack()
    stack.push_coins(np.random.default_rng(0).integers(0, 2, 9000).astype(np.int32), np.full(9000, 0.5))
    return stack


def test_a_pop_and_the_push_of_its_result_leave_no_trace() -> None:
    stack, random = started(), np.random.default_rng(1)
    before, bits = stack.to_bytes(), stack.bits
    means, sigmas = random.normal(0, 300, 400), random.uniform(2, 16, 400)
    symbols = stack.pop_sample(means, sigmas)
    assert stack.bits < bits - 400 and not stack.ran_dry
    assert np.abs((symbols - means) / sigmas).max() < 6 and np.std((symbols - means) / sigmas) > 0.8
    stack.push_sample(symbols, means, sigmas)
    assert stack.to_bytes() == before


def test_every_push_has_its_pop_and_costs_what_theory_says() -> None:
    stack, random = started(), np.random.default_rng(2)
    before, bits = stack.to_bytes(), stack.bits
    coins, chances = random.integers(0, 2, 500).astype(np.int32), random.uniform(0.05, 0.95, 500)
    levels, weights = (
        random.integers(0, 256, 60).astype(np.int32),
        random.integers(1, 9999, (60, 256)).astype(np.float64),
    )
    stack.push_coins(coins, chances)
    stack.push_table(levels, weights)
    theory = -np.log2(np.where(coins, chances, 1 - chances)).sum()
    theory -= np.log2(weights[np.arange(60), levels] / weights.sum(1)).sum()
    assert stack.bits - bits == pytest.approx(theory, abs=3)
    again = Stack(stack.to_bytes())
    assert (again.pop_table(weights) == levels).all() and (again.pop_coins(chances) == coins).all()
    assert again.to_bytes() == before


def test_an_empty_stack_says_that_it_ran_dry_and_a_copy_is_its_own() -> None:
    stack = Stack()
    assert stack.is_empty
    stack.pop_gaussian(np.full(10, 9.0))
    assert stack.ran_dry
    full = started()
    other = full.copy()
    other.pop_coins(np.full(100, 0.5))
    assert full.bits == started().bits and other.bits < full.bits


@pytest.mark.parametrize(("mean", "sigma"), [(np.nan, 1.0), (np.inf, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, np.nan)])
def test_gaussians_that_the_library_would_take_or_panic_at_are_refused(mean: float, sigma: float) -> None:
    stack = started()
    with pytest.raises(ValueError, match="a Gaussian whose mean or deviation"):
        stack.pop_sample(np.array([mean]), np.array([sigma]))
    with pytest.raises(ValueError, match="a Gaussian whose mean or deviation"):
        stack.push_sample(np.zeros(1, np.int32), np.array([mean]), np.array([sigma]))


def test_the_ends_of_the_ranges_can_be_coded() -> None:
    stack, sigmas = started(), np.full(2, 5.0)
    before, ends = stack.to_bytes(), np.array([-REACH, REACH], np.int32)
    stack.push_gaussian(ends, sigmas)
    assert (stack.pop_gaussian(sigmas) == ends).all()
    means, near = np.array([700.4, -90.6]), np.array([700 + NEAR, -91 - NEAR], np.int32)
    stack.push_sample(near, means, sigmas)
    assert (stack.pop_sample(means, sigmas) == near).all() and stack.to_bytes() == before


def test_bytes_that_are_no_stack_are_a_value_error() -> None:
    for data in (b"abc", bytes(8)):
        with pytest.raises(ValueError):
            Stack(data)


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ResourceError, match=r'need the extra "files": pip install "ratescape\[files\]"'):
        library()
    assert callable(ratescape.compress)
