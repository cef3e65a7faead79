"""Batches: pixels as models see them, and streams of random numbers that are independent by use."""

import itertools

import numpy as np
import pytest
import torch
from helpers.toy_files import random_images

from ratescape.data.batches import STREAMS, Images, stream, unit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pixels_lie_in_the_unit_interval(dtype: torch.dtype) -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    grey = unit(levels, binary=False, dtype=dtype)
    assert grey.dtype == dtype
    assert torch.equal(grey, torch.arange(256, dtype=dtype) / 255)
    binary = unit(levels, binary=True, dtype=dtype)
    assert binary.dtype == dtype
    assert binary.tolist() == [0.0] * 128 + [1.0] * 128


def test_images_are_held_as_bytes_and_taken_by_index() -> None:
    pixels = random_images(10, 3, 4, 5)
    images = Images(pixels, binary=False, dtype=torch.float64)
    assert len(images) == 10
    assert images.pixels.dtype == torch.uint8
    assert images.device == torch.device("cpu")
    taken = images.take(torch.tensor([7, 0, 7]))
    np.testing.assert_array_equal(taken, pixels[[7, 0, 7]] / 255)


def test_strides_do_not_depend_on_where_images_come_from() -> None:
    """Else the last digits of a training would: a grey image's stride over channels is anything to NumPy."""
    loaded = np.zeros((6, 16, 16), np.uint8)[:, None]
    assert loaded.strides != np.zeros((6, 1, 16, 16), np.uint8).strides and loaded.flags.c_contiguous
    assert Images(loaded, binary=False).pixels.stride() == (256, 256, 16, 1)


@pytest.mark.parametrize(("size", "sizes"), [(4, [4, 4, 2]), (5, [5, 5]), (20, [10])])
def test_images_in_order(size: int, sizes: list[int]) -> None:
    images = Images(random_images(10, 1, 4, 4), binary=True)
    batches = list(images.in_order(size))
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches), images.take(torch.arange(10)))


def test_streams_differ_by_seed_use_and_position() -> None:
    asked = list(itertools.product(range(5), STREAMS, range(20)))
    seeds = [stream(*each) for each in asked]
    assert len(set(seeds)) == len(asked)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert [stream(*each) for each in asked] == seeds


def test_streams_stay() -> None:
    """Resumed trainings and the records of finished ones rest on these numbers."""
    before = {"order": 0, "noise": 1, "weights": 2, "evaluation": 3, "samples": 4, "probes": 5, "betas": 6}
    assert before | {"restoring": 7} == STREAMS
    assert stream(0, "order") == 6375474603054492659
    assert stream(3, "noise", 17) == 8143111084897319325


def test_orders_are_permutations_that_depend_on_seed_and_epoch() -> None:
    images = Images(np.zeros((150, 1, 16, 16), np.uint8), binary=True)
    orders = [tuple(images.order(seed, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4 and all(sorted(order) == list(range(150)) for order in orders)
    assert tuple(images.order(1, 1).tolist()) == orders[3]
