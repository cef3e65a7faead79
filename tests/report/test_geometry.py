"""Lines of equal total rate and cells of betas: against their definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratescape.report.page.axes import beta_ticks, extent, grid_axis, limits, rate_frame
from ratescape.report.plots.geometry import cell_slice, diagonals, log_step, share_one_scale

ENDS = st.tuples(st.floats(-5, 0), st.floats(1, 500))


@given(x=ENDS, y=ENDS)
def test_diagonals_have_one_total_and_end_at_the_borders(x: tuple[float, float], y: tuple[float, float]) -> None:
    found = diagonals(x, y)
    assert 1 <= len(found) <= 10
    for line in found:
        for end, (across, up) in enumerate(zip(line.x, line.y, strict=True)):
            assert across + up == pytest.approx(line.total)
            assert x[0] - 1e-9 <= across <= x[1] + 1e-9 and y[0] - 1e-9 <= up <= y[1] + 1e-9
            border = (x[0], y[1]) if end == 0 else (x[1], y[0])
            assert across == pytest.approx(border[0]) or up == pytest.approx(border[1])
    steps = np.diff([0, *(line.total for line in found)])
    np.testing.assert_allclose(steps, steps[0])
    assert f"{steps[0]:e}"[0] in "125"


def test_only_a_diagonal_with_room_is_labelled() -> None:
    frame = rate_frame((0, 30), (0, 7))
    assert [line["label"] for line in frame["diagonals"]] == ["5", "10", "15", "20", "25", "30", None]
    assert [line["x"][0] for line in frame["diagonals"]] == [0, 3, 8, 13, 18, 23, 28]


@pytest.mark.parametrize(
    ("height", "room", "one"),
    [
        (30, 1, True),
        (18.1, 1, True),
        (49.9, 1, True),
        (17.9, 1, False),
        (50.1, 1, False),
        (15, 2, True),
        (30, 2, False),  # a square in a place twice as wide as high fills half of it
    ],
)
def test_one_scale_only_where_it_is_no_strip(height: float, room: float, one: bool) -> None:
    assert share_one_scale((0, 30), (0, height), room) is one


@given(st.floats(0.01, 100), st.floats(1.05, 10), st.integers(1, 5))
def test_slices_of_neighbouring_cells_tile_the_axis(beta: float, step: float, count: int) -> None:
    cells = [cell_slice(value, step, index, count) for value in (beta, beta * step) for index in range(count)]
    assert [low for low, _ in cells[1:]] == pytest.approx([high for _, high in cells[:-1]])
    assert cells[0][0] * cells[count - 1][1] == pytest.approx(beta**2)  # the beta is the middle of its cell


def test_the_step_of_a_grid_is_the_smallest_ratio() -> None:
    assert log_step(pd.Series([10, 1, 2, 1])) == 2
    assert log_step(pd.Series([0.5, 0.5])) == 2


def test_an_axis_of_cells_ends_behind_the_outermost_ones() -> None:
    axis = grid_axis([0.1, 1, 10, 1], 10)
    assert axis["cells"] == 3
    assert axis["limits"] == pytest.approx((-1.58, 1.58))
    assert axis["ticks"] == {"tickvals": [0.1, 1, 10], "ticktext": ["0.1", "1", "10"]}


def test_ticks_are_the_betas_if_few_and_powers_of_ten_otherwise() -> None:
    assert beta_ticks([0.1, 0.316227766, 1])["ticktext"] == ["0.1", "0.32", "1"]
    many = [float(value) for value in np.logspace(-1, 2, 13)]
    assert beta_ticks(many) == {"tickvals": [0.1, 1.0, 10.0, 100.0], "ticktext": ["0.1", "1", "10", "100"]}


def test_limits_leave_a_margin_and_ignore_what_is_not_known() -> None:
    assert limits([2, None, 12]) == pytest.approx((1.3, 12.7))
    assert limits([2, None, 12], from_zero=True) == pytest.approx((-0.84, 12.84))
    assert extent([3, 3]) == (2.5, 3.5)
    assert extent([None]) == (-0.5, 0.5)
