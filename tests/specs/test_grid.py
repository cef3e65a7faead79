"""Points of landscapes with three betas or more."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import qmc

from ratescape.errors import SpecError
from ratescape.specs.grid import BetaGrid, scattered


def test_three_betas_are_scattered_and_two_are_a_grid() -> None:
    assert len(BetaGrid().combinations(2)) == 25
    points = BetaGrid().combinations(3)
    assert len(points) == len(set(points)) == 64
    assert len(BetaGrid(layout="full").combinations(3)) == 125
    assert len(BetaGrid(layout="scattered", points=30).combinations(2)) == 30


def test_corners_vae_and_diagonal_are_among_them() -> None:
    points = BetaGrid().combinations(3)
    assert points[0] == (1.0, 1.0, 1.0)
    assert set(itertools.product((0.1, 10.0), repeat=3)) <= set(points)
    assert {(value,) * 3 for value in BetaGrid().values()} <= set(points)
    assert all(0.1 <= beta <= 10 for point in points for beta in point)


def test_layers_of_a_group_share_their_beta() -> None:
    assert all(one[1] == one[2] and one[3] == one[4] for one in BetaGrid().spread((0, 1, 1, 2, 2)))


@pytest.mark.parametrize("axes", [2, 3, 5, 8])
def test_they_fill_the_box_more_evenly_than_chance(axes: int) -> None:
    """The discrepancy of the points after the corners against that of as many independent ones."""
    first = 2**axes + 5
    values = BetaGrid().values()
    logs = np.log(scattered(values, axes, first + 200)[first:])
    shares = (logs - math.log(0.1)) / math.log(100)
    random = [np.random.default_rng(seed).random(shares.shape) for seed in range(20)]
    assert qmc.discrepancy(shares) < min(map(qmc.discrepancy, random))


def test_a_longer_layout_has_the_points_of_a_shorter_one() -> None:
    values = BetaGrid().values()
    assert scattered(values, 3, 100)[:64] == scattered(values, 3, 64)


def test_a_grid_of_too_many_models_is_refused_with_their_number() -> None:
    with pytest.raises(SpecError, match=r"grid\.steps is 6: .*6\^8 = 1,679,616 models.*scattered"):
        BetaGrid(steps=6, layout="full").combinations(8)
    with pytest.raises(SpecError, match=r"grid\.points"):
        BetaGrid(points=0)
