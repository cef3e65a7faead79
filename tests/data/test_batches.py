"""Images on the training device, and the order in which they are seen."""

import numpy as np
import torch

from ratescape.data.batches import Images, stream


def test_orders_are_permutations_that_depend_on_seed_and_epoch() -> None:
    images = Images(np.zeros((150, 1, 16, 16), np.uint8), binary=True)
    orders = [tuple(images.order(seed, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4 and all(sorted(order) == list(range(150)) for order in orders)
    assert tuple(images.order(1, 1).tolist()) == orders[3]


def test_streams_do_not_collide() -> None:
    seeds = {stream(seed, use, position) for seed in range(20) for use in ("order", "noise") for position in range(200)}
    assert len(seeds) == 20 * 2 * 200


def test_binary_pixels_round_at_one_half() -> None:
    images = Images(np.array([0, 127, 128, 255], np.uint8).reshape(4, 1, 1, 1), binary=True)
    assert images.take(torch.arange(4)).flatten().tolist() == [0, 0, 1, 1]
    grey = Images(np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1), binary=False)
    np.testing.assert_allclose(grey.take(torch.arange(3)).flatten(), [0, 0.2, 1])
