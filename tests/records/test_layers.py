"""The tables of networks with many layers: one of models, with columns of groups, and one of their layers."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.images import blobs
from helpers.sweep_on_disk import sweep
from helpers.sweeps import small_sweep, swept

from ratescape.data.catalog import load_data
from ratescape.landscape import Landscape
from ratescape.metrics import layer_columns, metric_at
from ratescape.records.files import read_json_lines
from ratescape.records.layers import compact, group_values, long
from ratescape.records.lines import betas_text
from ratescape.records.table import read_table
from ratescape.selection import best
from ratescape.specs.grid import BetaGrid
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec

NINE = ModelSpec(family="deep", blocks="1x3,2x3,4x3", channels=4, latents=(1,))
GROUPS = ("1", "2-4")


def test_groups_add_up_their_layers_and_know_their_own_error() -> None:
    groups, rates = (0, 0, 1), [1.0, 2.0, 4.0]
    assert group_values("rate", rates, groups, {}) == {"rate_group_2": 3.0, "rate_group_1": 4.0}
    assert group_values("beta", [0.5, 0.5, 2.0], groups, {}) == {"beta_group_2": 0.5, "beta_group_1": 2.0}
    assert group_values("beta", [0.5, 0.6, 2.0], groups, {})["beta_group_2"] is None
    assert group_values("active", [None, 2, 3], groups, {}) == {"active_group_2": None, "active_group_1": 3}
    drawn = np.random.default_rng(0).normal(size=20)
    parts = {"rate_3": list(drawn), "rate_2": list(-drawn), "rate_1": list(drawn)}  # the first two cancel out
    found = group_values("se_rate", [0.1, 0.1, 0.1], groups, parts)
    assert found["se_rate_group_2"] == pytest.approx(0, abs=1e-12)
    assert found["se_rate_group_1"] == pytest.approx(drawn.std(ddof=1) / np.sqrt(20))
    assert group_values("rate", rates, (0, 1, 2), {}) == {}  # single layers have their own columns


def test_few_layers_of_their_own_keep_the_columns_they_had(tmp_path: Path) -> None:
    table = read_table(sweep(tmp_path, steps=2, pictures=False))
    assert not [name for name in table.rows if "group" in name]
    assert table.compact is table.rows
    layers = table.layers
    assert list(layers["layer"][:2]) == [2, 1] and list(layers["group"][:2]) == [2, 1]
    assert list(layers.columns[:8]) == ["run", "seed", "status", "beta_2", "beta_1", "layer", "group", "beta"]
    row = table.rows.iloc[0]
    assert layers.loc[1, "rate"] == row["rate_1"] and layers.loc[1, "test_active"] == row["test_active_1"]


def test_groups_of_few_layers_stand_beside_them(tmp_path: Path) -> None:
    rows = read_table(sweep(tmp_path, steps=2, latents=(4, 3, 2), groups=(0, 0, 1), pictures=False)).rows
    assert layer_columns(rows, "rate") == ["rate_3", "rate_2", "rate_1"]
    assert layer_columns(rows, "beta_group") == ["beta_group_2", "beta_group_1"]
    ok = rows[rows["status"] == "ok"]
    np.testing.assert_allclose(ok["test_rate_group_2"], ok["test_rate_3"] + ok["test_rate_2"])
    assert (ok["beta_group_2"] == ok["beta_3"]).all() and (ok["beta_group_1"] == ok["beta_1"]).all()
    metric = metric_at("test_rate_group_2")
    assert metric is not None and (metric.name, metric.layer) == ("rate of group 2", None)


def test_nine_layers_have_a_table_of_their_own_that_resuming_leaves_as_it_is(tmp_path: Path) -> None:
    data = load_data(blobs(64))
    spec = small_sweep(
        data, model=NINE, groups=GROUPS, grid=BetaGrid(steps=2), training=TrainingSpec(epochs=1, batch=32)
    )
    folder = swept(spec, data, tmp_path / "deep")
    models, layers = (pd.read_csv(path) for path in (folder.table, folder.layers))
    assert layer_columns(models, "rate") == [] and layer_columns(models, "beta") == []
    assert layer_columns(models, "beta_group") == ["beta_group_2", "beta_group_1"]
    assert len(models) == 4 and len(layers) == 4 * 9
    assert list(layers["layer"][:9]) == list(range(9, 0, -1))
    assert list(layers["resolution"][:9]) == [1] * 3 + [2] * 3 + [4] * 3
    assert list(layers["group"][:9]) == [2] * 3 + [1] * 6
    sums = layers.groupby(["run", "group"])["rate"].sum()
    np.testing.assert_allclose(sums[:, 2][models["run"]], models["rate_group_2"])
    np.testing.assert_allclose(models["rate_group_2"] + models["rate_group_1"], models["rate"])
    assert (models["se_rate_group_1"] > 0).all() and (models["test_se_rate_group_2"] > 0).all()
    assert layers["collapsed"].isin([True, False]).all() and (layers["se_rate"] > 0).all()

    before = {path: path.read_bytes() for path in (folder.table, folder.layers)}
    folder.layers.unlink()
    (folder.run(spec.runs()[0]).path / "done").unlink()
    swept(spec, data, folder.path)
    assert {path: path.read_bytes() for path in before} == before

    landscape = Landscape(folder.path)
    assert landscape.table.columns.equals(models.columns)
    shown = pd.read_csv(io.StringIO(landscape.layers.to_csv(index=False)))
    pd.testing.assert_frame_equal(shown, layers)
    chosen = best(landscape.records, "reconstruction", max_rate=1e6, demands={"rate_group_1": 1e6})
    assert len(chosen.betas) == 9  # choosing goes on by all layers
    own = folder.run(spec.runs()[0]).path
    assert (own / "reconstructions_by_group.png").exists() and (own / "samples_by_group.png").exists()
    assert "rate_9" in read_json_lines(folder.run(spec.runs()[0]).evaluation)[0]["parts"]


def test_a_model_that_diverged_has_rows_without_numbers() -> None:
    rows = pd.DataFrame({"run": ["a"], "seed": [0], "status": ["diverged"]})
    for layer in range(9, 0, -1):
        rows = rows.assign(**{f"beta_{layer}": 1.0, f"rate_{layer}": np.nan, f"active_{layer}": np.nan})
    groups = (0, 0, 0, 1, 1, 1, 1, 1, 1)
    table = long(rows.assign(beta_group_2=1.0, beta_group_1=1.0, rate=np.nan), NINE, groups)
    assert len(table) == 9 and table["collapsed"].isna().all()
    assert list(compact(rows.assign(rate=np.nan), groups).columns) == ["run", "seed", "status", "rate"]


def test_betas_of_many_layers_are_written_once_for_a_row_of_equal_ones() -> None:
    assert betas_text([0.1, 0.1, 2.5]) == "(0.1, 0.1, 2.5)"
    assert betas_text([0.1] * 3 + [2.5] * 5 + [1.23456]) == "(0.1 ×3, 2.5 ×5, 1.235)"
