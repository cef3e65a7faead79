"""Compass search finds the maximum of functions whose maximum is known, within the tries that it is given."""

import math

import pytest

from ratescape.search.compass import Point, compass_search


def hill(x: Point) -> float:
    """A tilted hill with its top at (0.7, -0.4)."""
    a, b = x[0] - 0.7, x[1] + 0.4
    return -(a * a + b * b + 0.8 * a * b)


def test_it_climbs_a_tilted_hill() -> None:
    top, value, count = compass_search(hill, (-1.5, 1.5), -2, 2, step=0.5, tries=200)
    assert top == pytest.approx((0.7, -0.4), abs=1e-3)
    assert value == hill(top) and count <= 200


def test_it_stays_within_the_box() -> None:
    top, _, _ = compass_search(hill, (0.0, 0.0), -0.5, 0.5, step=0.4, tries=100)
    assert top == pytest.approx((0.5, -0.32), abs=0.01)  # on the edge a = -0.2, so b = -0.4 a


@pytest.mark.parametrize("tries", [0, 1, 7])
def test_no_more_scores_are_asked_for_than_allowed(tries: int) -> None:
    asked: list[Point] = []

    def score(x: Point) -> float:
        asked.append(x)
        return hill(x)

    _, _, count = compass_search(score, (0.0, 0.0), -2, 2, step=0.5, tries=tries)
    assert count == tries == len(asked) - 1 and len(set(asked)) == len(asked)


def test_points_that_are_not_accepted_are_never_the_result() -> None:
    top, _, _ = compass_search(lambda x: hill(x) if x[0] < 0.3 else -math.inf, (0.0, 0.0), -2, 2, step=0.5, tries=200)
    assert top[0] < 0.3 and top[0] == pytest.approx(0.3, abs=0.01)


def test_a_flat_function_ends_where_it_began() -> None:
    assert compass_search(lambda x: 0.0, (0.25,), -1, 1, step=0.5, tries=1000)[0] == (0.25,)
