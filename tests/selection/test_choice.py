"""Choice over hand-written tables: the hull by its definition, the best model under budgets, the errors."""

import dataclasses
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratescape import metrics, selection
from ratescape.errors import NoWinner, SpecError
from ratescape.records.table import Table
from ratescape.selection.uses import metrics_for

WHOLE = st.integers(-20, 20)


def is_vertex(points: list[tuple[int, int]], index: int) -> bool:
    """The definition: no other point, none of less rate, and no segment between two others is at or above this one."""
    x, y = points[index]
    others = {point for point in points if point != (x, y)}
    if any(px == x and py > y for px, py in others) or any(px < x and py >= y for px, py in others):
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


def test_hull_ends_where_more_rate_is_worse() -> None:
    assert selection.upper_hull([1, 2, 3, 4], [1.0, 3.0, 2.9, 3.0]).tolist() == [0, 1]


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
    assert choice.runner_up is not None and choice.runner_up.run == "run1"
    assert choice.vae.run == "run0" and choice.vae_is_exact
    assert choice.beta_vae is not None and choice.beta_vae.run == "run1"
    assert (choice.value(choice.row), choice.reported(choice.row)) == (18.0, 17.0)
    assert choice.explanation.splitlines() == [
        "For reconstruction: betas (10, 0.1), by PSNR in dB (higher is better)",
        "               betas       validation  test  total rate, nats (validation)",
        "best           (10, 0.1)   18          17    50",
        "next best      (0.1, 0.1)  17          16    60",
        "plain VAE      (1, 1)      15          14    30",
        "best beta-VAE  (0.1, 0.1)  17          16    60",
        "(10, 0.1) is the best.",
    ]


def test_budget_binds_the_choice_and_the_beta_vae_but_not_the_vae() -> None:
    choice = selection.best(TABLE, "reconstruction", max_rate=25)
    assert choice.run == "run4" and choice.runner_up is None and choice.beta_vae is None
    assert choice.vae.run == "run0"
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


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        ({"max_rate": "40"}, "max_rate is '40': give a number of nats"),
        ({"max_rate": -1}, "max_rate is -1: give a positive number of nats"),
        ({"max_rate": 0.0}, "max_rate is 0: give a positive number of nats"),
        ({"max_rate": np.float32("nan")}, "max_rate is nan: give a positive number of nats"),
        ({"demands": ["psnr"]}, "demands is ['psnr']: give a dictionary of columns, such as {'psnr': 18}"),
        ({"demands": {"psnr": "18"}}, "demands has 'psnr': '18': give a number for the name of a column"),
    ],
)
def test_limits_that_are_no_numbers_are_one_line(limits: dict[str, Any], line: str) -> None:
    with pytest.raises(SpecError) as caught:
        selection.best(TABLE, "psnr", **limits)
    assert str(caught.value) == line


def test_lower_is_better_takes_the_lowest() -> None:
    assert selection.best(TABLE, "distortion").run == "run2"
    assert "by distortion in nats (lower is better)" in selection.best(TABLE, "distortion").explanation


def test_hull_of_a_lower_is_better_metric_runs_along_the_low_side() -> None:
    rows = selection.measured(TABLE)
    psnr, distortion = metrics.METRICS["psnr"], metrics.METRICS["distortion"]
    assert (
        selection.hull_of(rows, distortion) == selection.hull_of(rows, psnr) == [3, 0, 2]
    )  # model 1 has more rate, and is worse
    assert selection.hull_of(rows, metrics.METRICS["loss"]) == []


def test_without_a_vae_the_nearest_grid_point_stands_in_and_says_so() -> None:
    choice = selection.best(table_of(GRID[1:], [17, 18, 12, 12], [60, 50, 5, 20]), "psnr")
    assert not choice.vae_is_exact
    assert "nearest to VAE" in choice.explanation


@given(st.permutations(range(5)))
def test_ties_do_not_depend_on_the_order_of_rows(order: list[int]) -> None:
    table = table_of(GRID, [18.0] * 5, [30.0, 20.0, 20.0, 40.0, 50.0])
    shuffled = Table(table.rows.iloc[order], 0, (), table.split)
    choice = selection.best(shuffled, "psnr")
    assert choice.runner_up is not None
    assert (choice.run, choice.runner_up.run) == ("run1", "run2")
    assert [tie.run for tie in choice.ties] == ["run2", "run0", "run3", "run4"]


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


def test_what_was_not_measured_has_a_remedy() -> None:
    for use, remedy in (("anomaly", "--evaluation.outliers DATA"), ("restoration", "--evaluation.restoration half")):
        with pytest.raises(SpecError, match=f"not measured: .*map again with {remedy}"):
            selection.best(TABLE, use)
    for use in ("generation", "restoration"):
        with pytest.raises(SpecError, match="cannot be had of rows"):
            metrics_for(pd.DataFrame({"r2": [0.5]}), use)
    reason = "not measured: inception_score (the images have no labels)"
    with pytest.raises(SpecError, match=re.escape(reason)):
        selection.best(dataclasses.replace(TABLE, absent=(reason,)), "generation")


def test_no_finished_model_is_an_error() -> None:
    with pytest.raises(SpecError, match="no finished model"):
        selection.best(Table(pd.DataFrame(), 3, (), "validation"), "psnr")
    with pytest.raises(SpecError, match="no finished model"):
        selection.best(table_of(GRID[:1], [np.nan], [np.nan]), "psnr")


def test_metrics_of_lists_what_is_measured_in_a_fixed_order() -> None:
    assert [m.column for m in metrics.measured_metrics(TABLE.rows)] == ["psnr", "distortion", "rate", "loss"]
    assert metrics.METRICS["psnr"].label == "PSNR (dB)"


def with_columns(table: Table, **columns: list[float]) -> Table:
    return dataclasses.replace(table, rows=table.rows.assign(**columns))


INFORMATION = {"information_2": [1.0, 2.0, 0.5, np.nan, 2.2], "information_1": [3.0, 0.0, 0.0, np.nan, 0.0]}
ACCURACY = {"accuracy_rbf_2": [0.5, 0.1, 0.9, np.nan, 0.2], "accuracy_rbf_1": [0.1, 0.2, 0.3, np.nan, 0.95]}


def test_a_use_takes_its_first_measured_metric_and_every_layer_competes() -> None:
    less = with_columns(TABLE, **INFORMATION)
    choice = selection.best(less, "representation")
    assert (choice.metric.column, choice.metric.name, choice.layer) == (
        "information_1",
        "label information (from below) on z₁",
        1,
    )
    assert choice.run == "run0"
    more = with_columns(less, **ACCURACY)
    choice = selection.best(more, "representation")
    assert (choice.run, choice.layer, choice.metric.name) == ("run4", 1, "RBF SVM accuracy on μ₁")
    assert choice.runner_up is not None and (choice.runner_up.run, choice.runner_up.layer) == ("run2", 2)
    assert "betas (0.1, 10) z₁, by RBF SVM accuracy" in choice.explanation
    assert selection.best(more, "accuracy_rbf").layer == 1
    assert selection.best(more, "accuracy_rbf_2").run == "run2"
    assert selection.best(more, "reconstruction").layer is None


def test_a_collapsed_layer_never_wins_and_is_told() -> None:
    """As the trial found it: the mean of a layer without an active unit reads best, a sample of it nothing."""
    table = with_columns(
        TABLE,
        **ACCURACY,
        accuracy_sample_1=[0.3, 0.3, 0.3, np.nan, 0.33],
        chance=[0.34] * 5,
        rate_2=[5.0] * 5,
        rate_1=[25.0] * 5,
        active_2=[3.0] * 5,
        active_1=[3.0, 3.0, 3.0, 3.0, 0.0],
    )
    choice = selection.best(table, "representation")
    assert (choice.run, choice.layer) == ("run2", 2)
    assert choice.passed_over is not None and (choice.passed_over.run, choice.passed_over.layer) == ("run4", 1)
    assert (
        "Left out: z₁ has collapsed at betas (0.1, 10) (25 nats, but no active unit): its mean reads 0.95, a sample "
        "of it nothing (0.33, chance 0.34)." in choice.explanation
    )
    asked = selection.best(table, "accuracy_rbf_1")  # by name it may be asked for, and is marked
    assert asked.run == "run4" and "z₁*" in asked.explanation and "a sample of it nothing" in asked.explanation
    dead = table.rows.assign(active_2=0.0, active_1=0.0)
    with pytest.raises(NoWinner, match="all have collapsed"):
        selection.best(dataclasses.replace(table, rows=dead), "representation")


def test_a_model_that_makes_the_same_of_all_images_reconstructs_none() -> None:
    """As a trial found it: of models without any active unit, one was the best by far more than its error."""
    dead = with_columns(TABLE, rate_2=[18.0] * 5, rate_1=[18.0] * 5, active_2=[0.0] * 5, active_1=[0.0] * 5)
    for use in ("reconstruction", "psnr", "distortion"):
        assert "No model reconstructs yet: every layer" in selection.best(dead, use).explanation
    alive = selection.best(with_columns(dead, active_1=[0.0, 0.0, 0.0, 0.0, 2.0]), "reconstruction")
    assert alive.run == "run4" and "No model" not in alive.explanation  # one layer is enough


def test_a_model_of_rows_that_the_mean_beats_reconstructs_none() -> None:
    rows = with_columns(TABLE, r2=[-0.2, -0.1, -0.3, -0.02, -0.4])
    assert "the mean of all items would come nearer" in selection.best(rows, "r2").explanation
    assert "No model" not in selection.best(with_columns(TABLE, r2=[0.1] * 5), "r2").explanation


def test_what_scores_of_samples_are_worth_is_said() -> None:
    table = with_columns(TABLE, inception_score=[2.0] * 5, score_of_data=[8.0] * 5, judge_accuracy=[0.44] * 5)
    told = selection.best(table, "generation").explanation
    assert "The images themselves get 8, samples that show nothing 1." in told
    assert "The judge names only 44% of the test images rightly: its scores are rough." in told
    good = with_columns(table, judge_accuracy=[0.97] * 5)
    assert "rough" not in selection.best(good, "generation").explanation


def test_within_one_error_of_the_difference_the_smaller_rate_wins_and_all_ties_are_named() -> None:
    rows = [18.0, 17.9, 17.85, np.nan, 17.0]
    table = dataclasses.replace(table_of(GRID, rows, [50, 40, 30, 5, 20]), images=400)
    exact = with_columns(table, se_psnr=[0.01] * 5)
    assert selection.best(exact, "psnr").run == "run0" and not selection.best(exact, "psnr").ties
    assert "best by more than one standard error" in selection.best(exact, "psnr").explanation
    choice = selection.best(with_columns(table, se_psnr=[0.08, 0.09, 0.08, 0.1, 0.1]), "psnr")
    assert choice.run == "run1"  # 0.1 below the highest, within sqrt(0.08^2 + 0.09^2) = 0.12; 0.15 is not
    assert [tie.run for tie in choice.ties] == ["run0"] and choice.error == 0.09
    assert choice.runner_up is not None and choice.runner_up.run == "run0"
    for part in ("17.900 ± 0.090", "highest", "Within one error of the best value: (0.1, 0.1), (1, 1); (0.1, 0.1) has"):
        assert part in choice.explanation
    assert "Measured on 400 items of validation: errors are large." in choice.explanation
    large = dataclasses.replace(table, images=5000)
    assert "errors are large" not in selection.best(large, "psnr").explanation


def test_models_that_err_alike_on_the_same_images_do_not_tie() -> None:
    table = with_columns(table_of(GRID, [18.0, 17.9, 17.85, np.nan, 17.0], [50, 40, 30, 5, 20]), se_psnr=[0.5] * 5)
    assert len(selection.best(table, "psnr").ties) == 2
    shared = np.random.default_rng(0).normal(size=20)
    parts = {f"run{i}": {"psnr": list(shared + noise)} for i, noise in enumerate((0.0, 0.01 * shared**2, 0.3 * shared))}
    choice = selection.best(dataclasses.replace(table, parts=parts), "psnr")
    assert choice.runner_up is not None  # run1 differs by 0.1 ± 0.003; run2 by 0.15 ± 0.07
    assert choice.run == "run0" and not choice.ties
    noisy = parts | {"run2": {"psnr": list(-shared)}}
    assert [tie.run for tie in selection.best(dataclasses.replace(table, parts=noisy), "psnr").ties] == ["run0"]


def test_among_ties_of_representation_what_a_sample_carries_decides() -> None:
    table = with_columns(TABLE, **ACCURACY, se_accuracy_rbf_2=[0.08] * 5, se_accuracy_rbf_1=[0.08] * 5)
    samples = {"accuracy_sample_2": [0.4, 0.1, 0.8, np.nan, 0.2], "accuracy_sample_1": [0.1, 0.1, 0.1, np.nan, 0.5]}
    choice = selection.best(with_columns(table, **samples), "representation")
    assert (choice.run, choice.layer) == ("run2", 2)  # 0.9 ties with 0.95, and a sample tells more
    assert "labels are read best off samples of (10, 0.1) z₂, too (0.8), not off means alone" in choice.explanation
    assert selection.best(table, "representation").run == "run4"  # not measured: the smaller rate
    # 0.9 ties with 0.95 here, too, but is not near it: its mean reads less, which is what one builds on.
    exact = with_columns(TABLE, **ACCURACY, se_accuracy_rbf_2=[0.04] * 5, se_accuracy_rbf_1=[0.04] * 5)
    choice = selection.best(with_columns(exact, **samples), "representation")
    assert choice.value(choice.row) == 0.95 and "run2" in {tie.run for tie in choice.ties}


def test_of_many_ties_five_are_named_and_the_rest_counted() -> None:
    betas = [(0.1 * i, 1.0) for i in range(1, 10)]
    text = selection.best(table_of(betas, [18.0] * 9, [float(r) for r in range(9)]), "psnr").explanation
    assert "(0.2, 1), (0.3, 1), (0.4, 1), (0.5, 1), (0.6, 1) and 3 more" in text


def test_what_samples_are_worth_is_not_said_to_be_of_test_images() -> None:
    columns = {"inception_score": [3.0, 2.0, 4.0, np.nan, 1.5], "test_inception_score": [3.0, 2.0, 4.1, np.nan, 1.5]}
    text = selection.best(with_columns(TABLE, **columns), "generation").explanation
    assert "one draw" in text and "other draws" in text and "test" not in text and "images" not in text


def test_errors_of_several_seeds_are_the_larger_of_both_counts() -> None:
    rows = pd.DataFrame(
        {"beta_2": [1, 1, 1, 2], "beta_1": 1, "psnr": [10.0, 11, 12, 9], "se_psnr": [0.1, 0.9, 0.1, 0.2]}
    )
    errors = selection.standard_errors(rows, metrics.METRICS["psnr"])
    spread = 1 / 3**0.5  # sd 1 of three models
    np.testing.assert_allclose(errors, [spread, 0.9, spread, 0.2])
