"""Choice over hand-written tables: the hull by its definition, the best model under budgets, the errors."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratescape import metrics, selection
from ratescape.errors import SpecError
from ratescape.records.table import Table

WHOLE = st.integers(-20, 20)


def is_vertex(points: list[tuple[int, int]], index: int) -> bool:
    """The definition: no other point, and no segment between two others, is at or above this point."""
    x, y = points[index]
    others = {point for point in points if point != (x, y)}
    if any(px == x and py > y for px, py in others):
        return False
    left = [p for p in others if p[0] < x]
    right = [p for p in others if p[0] > x]
    return not any(Fraction(y - a[1], x - a[0]) <= Fraction(b[1] - a[1], b[0] - a[0]) for a in left for b in right)


@given(st.lists(st.tuples(WHOLE, WHOLE), max_size=14))
def test_hull_is_that_of_the_definition(points: list[tuple[int, int]]) -> None:
    rate, score = [p[0] for p in points], [p[1] for p in points]
    hull = selection.upper_hull(rate, score).tolist()
    first = [i for i in range(len(points)) if points.index(points[i]) == i]
    expected = sorted((i for i in first if is_vertex(points, i)), key=lambda i: rate[i])
    assert hull == expected


def test_hull_ignores_numbers_that_are_not_finite() -> None:
    rate = [0.0, 1.0, np.nan, 2.0, np.inf, 3.0]
    score = [0.0, 5.0, 9.0, np.nan, 9.0, 6.0]
    assert selection.upper_hull(rate, score).tolist() == [0, 1, 5]


def test_hull_keeps_ends_of_a_line_and_the_first_of_equal_points() -> None:
    assert selection.upper_hull([0, 1, 2, 3, 3, 0], [0, 1, 2, 3, 3, 0]).tolist() == [0, 3]


def table_of(
    betas: list[tuple[float, float]], psnr: list[float], rate: list[float], split: str = "validation"
) -> Table:
    rows = pd.DataFrame(
        {
            "run": [f"run{i}" for i in range(len(betas))],
            "seed": 0,
            "status": ["ok" if p == p else "diverged" for p in psnr],
            "beta_2": [b[0] for b in betas],
            "beta_1": [b[1] for b in betas],
            "rate": rate,
            "distortion": [100 - p for p in psnr],
            "loss": [120 - p for p in psnr],
            "psnr": psnr,
        }
    )
    if split != "test":
        rows["test_psnr"] = rows["psnr"] - 1
    return Table(rows, 0, (), split)


GRID = [(1.0, 1.0), (0.1, 0.1), (10.0, 0.1), (10.0, 10.0), (0.1, 10.0)]
TABLE = table_of(GRID, [15.0, 17.0, 18.0, np.nan, 12.0], [30.0, 60.0, 50.0, np.nan, 20.0])


def test_best_is_chosen_on_validation_and_compared_with_vae_and_beta_vae() -> None:
    choice = selection.best(TABLE, "reconstruction")
    assert choice.run == "run2" and choice.betas == (10.0, 0.1)
    assert choice.runner_up is not None and choice.runner_up["run"] == "run1"
    assert choice.vae["run"] == "run0" and choice.vae_is_exact
    assert choice.beta_vae is not None and choice.beta_vae["run"] == "run1"
    assert (choice.value(choice.row), choice.reported(choice.row)) == (18.0, 17.0)
    for part in ("(10, 0.1)", "18 dB", "17 on test", "50 nats", "plain VAE gets 15 dB", "best beta-VAE"):
        assert part in choice.explanation


def test_budget_binds_the_choice_and_the_beta_vae_but_not_the_vae() -> None:
    choice = selection.best(TABLE, "reconstruction", max_rate=25)
    assert choice.run == "run4" and choice.runner_up is None and choice.beta_vae is None
    assert choice.vae["run"] == "run0"
    assert selection.best(TABLE, "reconstruction", max_rate=50).run == "run2"


def test_a_demand_of_what_ranks_nothing_limits_it_from_above() -> None:
    rates = TABLE.rows["rate"]
    chosen = selection.best(TABLE, "psnr", demands={"rate": float(rates.median())})
    assert chosen.row["rate"] <= rates.median()
    assert chosen.row["rate"] <= selection.best(TABLE, "psnr", demands={"rate": float(rates.max())}).row["rate"]
    with pytest.raises(SpecError, match=r"demand rate 0.001 is not met by any model left: the best they reach is"):
        selection.best(TABLE, "psnr", demands={"rate": 0.001})


@pytest.mark.parametrize(("typed", "meant"), [("psrn", "psnr"), ("reconstuction", "reconstruction")])
def test_a_misspelt_use_names_the_one_that_was_meant(typed: str, meant: str) -> None:
    with pytest.raises(SpecError, match=f"unknown use '{typed}': did you mean {meant}\\?"):
        selection.best(TABLE, typed)


def test_demands_are_met_in_the_direction_of_their_metric() -> None:
    assert selection.best(TABLE, "psnr", demands={"distortion": 83}, max_rate=55).run == "run2"
    with pytest.raises(SpecError, match=r"distortion 80 .* 82 nats"):
        selection.best(TABLE, "psnr", demands={"distortion": 80})


def test_lower_is_better_takes_the_lowest() -> None:
    assert selection.best(TABLE, "distortion").run == "run2"
    assert "lowest distortion" in selection.best(TABLE, "distortion").explanation


def test_hull_of_a_lower_is_better_metric_runs_along_the_low_side() -> None:
    rows = selection.measured(TABLE)
    psnr, distortion = metrics.METRICS["psnr"], metrics.METRICS["distortion"]
    assert selection.hull_of(rows, distortion) == selection.hull_of(rows, psnr) == [3, 0, 2, 1]
    assert selection.hull_of(rows, metrics.METRICS["loss"]) == []


def test_without_a_vae_the_nearest_grid_point_stands_in_and_says_so() -> None:
    choice = selection.best(table_of(GRID[1:], [17, 18, 12, 12], [60, 50, 5, 20]), "psnr")
    assert not choice.vae_is_exact
    assert "nearest to a plain VAE" in choice.explanation


@given(st.permutations(range(5)))
def test_ties_do_not_depend_on_the_order_of_rows(order: list[int]) -> None:
    table = table_of(GRID, [18.0] * 5, [30.0, 20.0, 20.0, 40.0, 50.0])
    shuffled = Table(table.rows.iloc[order], 0, (), table.split)
    choice = selection.best(shuffled, "psnr")
    assert choice.runner_up is not None
    assert (choice.run, choice.runner_up["run"]) == ("run1", "run2")


def test_paper_protocol_reports_what_it_chose_on_and_warns() -> None:
    choice = selection.best(table_of(GRID, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5], split="test"), "psnr")
    assert choice.value(choice.row) == choice.reported(choice.row) == 5
    assert "optimistic" in choice.explanation


@pytest.mark.parametrize(
    ("use", "max_rate", "message"),
    [
        ("reconstruction", 10.0, "smallest total rate available is 20 nats"),
        ("representation", None, "needs accuracy_rbf or information.*choose by psnr, distortion"),
        ("generation", None, "needs inception_score"),
        ("nelbo", None, "unknown use 'nelbo'"),
        ("loss", None, "does not tell which model is better"),
        ("psnrr", None, r"unknown use 'psnrr': did you mean psnr\? it must be one of reconstruction"),
    ],
)
def test_what_cannot_be_answered_says_what_can(use: str, max_rate: float | None, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        selection.best(TABLE, use, max_rate=max_rate)


def test_no_finished_model_is_an_error() -> None:
    with pytest.raises(SpecError, match="no finished model"):
        selection.best(Table(pd.DataFrame(), 3, (), "validation"), "psnr")
    with pytest.raises(SpecError, match="no finished model"):
        selection.best(table_of(GRID[:1], [np.nan], [np.nan]), "psnr")


def test_metrics_of_lists_what_is_measured_in_a_fixed_order() -> None:
    assert [m.column for m in metrics.measured_metrics(TABLE.rows)] == ["psnr", "distortion", "rate", "loss"]
    assert metrics.METRICS["psnr"].label == "PSNR (dB)"


def test_a_use_takes_its_first_measured_metric_of_the_top_layer() -> None:
    information = {"information_2": [1.0, 2.0, 0.5, np.nan, 2.2], "information_1": [3.0, 0.0, 0.0, np.nan, 0.0]}
    accuracy = {"accuracy_rbf_2": [0.5, 0.1, 0.9, np.nan, 0.2], "accuracy_rbf_1": [0.1, 0.2, 0.3, np.nan, 0.9]}
    less = TABLE.rows.assign(**information)
    choice = selection.best(Table(less, 0, (), "validation"), "representation")
    assert (choice.metric.column, choice.metric.name) == ("information_2", "label information on z₂")
    assert choice.row["information_2"] == 2.2
    more = Table(less.assign(**accuracy), 0, (), "validation")
    assert selection.best(more, "representation").row["accuracy_rbf_2"] == 0.9
    assert selection.best(more, "accuracy_rbf_1").row["accuracy_rbf_1"] == 0.9
    assert selection.best(more, "accuracy_rbf").metric.column == "accuracy_rbf_2"
