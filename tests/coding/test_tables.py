"""Static tables of symbols, and the queue of bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratescape.coding.entropy import queued, unqueued
from ratescape.coding.tables import HIGHEST, Tables


def symbols_of(seed: int, images: int = 3000) -> np.ndarray:
    """Five dimensions: constant, nearly constant, narrow, off centre, wide."""
    random = np.random.default_rng(seed)
    rare = random.random(images) < 0.002
    columns = [np.zeros(images), rare, *(random.normal(m, s, images).round() for m, s in ((0, 0.7), (5, 2), (-3, 40)))]
    return np.stack(columns, 1).astype(np.int32)


def test_lengths_are_near_the_entropy_of_new_symbols() -> None:
    tables, new = Tables.fitted(symbols_of(0)), symbols_of(1)
    high = np.clip(new, tables.low, tables.high)
    bits = tables.bits(high).mean(0)
    entropy = [-sum(p * np.log2(p) for p in np.unique(c, return_counts=True)[1] / len(c)) for c in new.T]
    assert bits[0] == 0.0
    assert bits == pytest.approx(entropy, rel=0.03, abs=0.01)


def test_probabilities_of_a_table_sum_to_one_and_weights_are_whole() -> None:
    tables = Tables.fitted(symbols_of(0))
    sums = np.add.reduceat(np.exp2(-tables.lengths), tables.offsets)
    assert sums == pytest.approx(1.0, abs=1e-12)
    assert (tables.weights == np.floor(tables.weights)).all() and tables.weights.min() >= 256
    assert tables.costs.max() <= HIGHEST


def test_what_is_queued_is_as_long_as_its_lengths_say_and_comes_out_again() -> None:
    symbols = symbols_of(0)
    tables = Tables.fitted(symbols)
    data = queued([symbols[:, r] - np.int32(tables.low[r]) for r in tables.coded], tables.models)
    assert 8 * len(data) == pytest.approx(tables.bits(symbols).sum(), abs=40)
    found = unqueued(data, tables.models, [len(symbols)] * len(tables.coded))
    for r, column in zip(tables.coded, found, strict=True):
        assert (column + tables.low[r] == symbols[:, r]).all()


@given(st.binary(max_size=64))
def test_any_bytes_give_symbols_within_the_tables_or_an_error(data: bytes) -> None:
    tables = Tables.fitted(symbols_of(0, 300))
    try:
        found = unqueued(data, tables.models, [50] * len(tables.coded))
    except ValueError:
        return
    for r, column in zip(tables.coded, found, strict=True):
        assert column.min() >= 0 and column.max() < tables.size[r]
