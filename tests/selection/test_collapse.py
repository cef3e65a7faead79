"""What is said of layers that have collapsed: in which way, how much they carry, and why."""

import pandas as pd

from ratescape import selection
from ratescape.records.table import Table
from ratescape.selection.collapse import have_collapsed


def table(rows: list[tuple[float, float, float, float, int, int]]) -> Table:
    names = ["beta_2", "beta_1", "rate_2", "rate_1", "active_2", "active_1"]
    found = pd.DataFrame(rows, columns=pd.Index(names))
    return Table(found.assign(run=[f"run{i}" for i in found.index], seed=0, status="ok"), 0, (), "validation")


def test_the_price_of_a_beta_is_told_apart_from_a_failure() -> None:
    models = [(10.0, 0.1, 0.02, 30.0, 2, 9), (0.1, 10.0, 0.05, 20.0, 1, 9), (1.0, 1.0, 4.0, 20.0, 3, 9)]
    assert selection.collapse_warnings(table(models)) == [
        "z₂ has collapsed in 1 of 3 models (less than 0.1 nats), though its beta is not above the other layers' there: "
        "its training failed, or was too short",
        "z₂ has collapsed in 1 of 3 models (less than 0.1 nats): the price of its beta, which is above the other "
        "layers' there",
    ]


def test_layers_that_have_all_collapsed_in_all_models_are_one_line() -> None:
    row = {f"beta_{i}": 1.0 for i in (3, 2, 1)} | {f"rate_{i}": 0.01 for i in (3, 2, 1)}
    rows = pd.DataFrame([row | {"run": name, "seed": 0, "status": "ok"} for name in ("a", "b")])
    assert selection.collapse_warnings(Table(rows, 0, (), "validation")) == [
        "all 3 layers have collapsed in all 2 models (less than 0.1 nats): train for more steps"
    ]
    rows.loc[0, "rate_1"] = 5.0
    lines = selection.collapse_warnings(Table(rows, 0, (), "validation"))
    assert [line.split(" has")[0] for line in lines] == ["z₃", "z₂", "z₁"]


def test_layers_of_a_group_pay_for_its_beta_together() -> None:
    betas, rates = (10.0, 10.0, 0.1), (0.01, 5.0, 30.0)
    row = {f"{name}_{3 - i}": v for name, of in (("beta", betas), ("rate", rates)) for i, v in enumerate(of)}
    (line,) = selection.collapse_warnings(
        Table(pd.DataFrame([row | {"run": "a", "seed": 0, "status": "ok"}]), 0, (), "validation")
    )
    assert line.startswith("z₃ has collapsed in 1 of 1 models (less than 0.1 nats): the price of its beta")


def test_a_layer_of_many_nats_is_not_said_to_carry_less_than_a_tenth() -> None:
    lines = selection.collapse_warnings(table([(1.0, 1.0, 7.7, 20.0, 0, 9), (0.1, 1.0, 9.1, 20.0, 0, 9)]))
    assert len(lines) == 1 and "(7.7 to 9.1 nats, but no active unit)" in lines[0] and "0.1 nats" not in lines[0]
    (line,) = selection.collapse_warnings(table([(1.0, 1.0, 7.7, 20.0, 0, 9), (0.1, 1.0, 0.01, 20.0, 0, 9)]))
    assert "(less than 0.1 nats in 1, 7.7 nats, but no active unit in 1)" in line


def test_of_models_that_are_far_from_trained_no_reason_is_told() -> None:
    models = table([(10.0, 0.1, 0.02, 30.0, 2, 9), (0.1, 10.0, 0.05, 20.0, 1, 9), (0.1, 10.0, 0.05, 20.0, 1, 9)])
    models.rows["trained"] = ["far", "far", "ok"]
    assert [line.partition("(less than 0.1 nats)")[2][:20] for line in selection.collapse_warnings(models)] == [
        ", though its beta is",
        ": with more training",
    ]


def test_a_single_layer_has_no_other_to_pay_for() -> None:
    rows = pd.DataFrame({"beta_1": [10.0], "rate_1": [0.01], "run": "a", "seed": 0, "status": "ok"})
    (line,) = selection.collapse_warnings(Table(rows, 0, (), "validation"))
    assert line.startswith("z₁ has collapsed in 1 of 1 models (less than 0.1 nats)")


def test_one_layer_of_all_models_is_told_as_layer_by_layer() -> None:
    rows = table([(1.0, 1.0, 7.7, 20.0, 0, 9), (10.0, 0.1, 0.02, 30.0, 2, 9), (0.1, 10.0, 5.0, 0.01, 1, 0)]).rows
    for layer in (2, 1):
        one_by_one = [layer in selection.collapsed_layers(row) for _, row in rows.iterrows()]
        assert have_collapsed(rows, layer).tolist() == one_by_one
    assert not have_collapsed(rows, None).any()


def test_equal_betas_of_many_layers_are_written_once() -> None:
    betas = {f"beta_{layer}": 10.0 if layer > 2 else 0.1 for layer in range(1, 6)}
    assert selection.betas_text(pd.Series(betas)) == "(10 ×3, 0.1 ×2)"
    assert (
        selection.betas_text(pd.Series({name: betas[name] for name in ("beta_3", "beta_2", "beta_1")}))
        == "(10, 0.1, 0.1)"
    )
