"""Refined models are a table of their own, with what was measured before beside what was measured after."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.sweep_on_disk import refine_on_disk, sweep

from ratescape.records.folders import SweepFolder
from ratescape.records.refined import read_refined, refined_runs
from ratescape.records.table import read_table


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return sweep(tmp_path / "sweep", steps=3, conditioned=True, diverged=None, missing=None)


def test_without_refined_models_there_are_no_rows(folder: SweepFolder) -> None:
    table = read_refined(folder, read_table(folder))
    assert table.rows.empty and not table.broken and not refined_runs(folder)


def test_numbers_before_stand_beside_those_after(folder: SweepFolder) -> None:
    refine_on_disk(folder, (0.1, 1.0), 2.5)
    refine_on_disk(folder, (0.3, 2.5), -1.0)
    landscape = read_table(folder)
    rows = read_refined(folder, landscape).rows
    assert len(rows) == 2 and list(rows["epochs"]) == [3, 3] and len(refined_runs(folder)) == 2
    gains = dict(
        zip(zip(rows["beta_2"], rows["beta_1"], strict=True), rows["before_nelbo"] - rows["nelbo"], strict=True)
    )
    assert gains == {(0.1, 1.0): pytest.approx(2.5), (0.3, 2.5): pytest.approx(-1.0)}
    assert (rows["before_test_nelbo"] - rows["test_nelbo"]).tolist() == pytest.approx(
        (rows["before_nelbo"] - rows["nelbo"]).tolist()
    )
    origins = rows.set_index("beta_2")["origin"]
    grid = landscape.rows.set_index(["beta_2", "beta_1"])["run"]
    assert origins[0.1] == grid[0.1, 1.0] and pd.isna(origins[0.3])


def test_what_cannot_be_read_or_compared_is_told(folder: SweepFolder) -> None:
    refine_on_disk(folder, (0.1, 1.0), 1.0, revision=0)
    damaged = refine_on_disk(folder, (1.0, 1.0), 1.0)
    damaged.before.write_text("{")
    rest = refine_on_disk(folder, (10.0, 1.0), 1.0)
    table = read_refined(folder, read_table(folder))
    assert list(table.rows["run"]) == [rest.path.name]
    assert len(table.broken) == 2
    assert any("under other settings or by another judge" in line for line in table.broken)
    assert any(f"delete {damaged.path} to make it again" in line for line in table.broken)


def test_an_unfinished_one_is_not_there_yet(folder: SweepFolder) -> None:
    one = refine_on_disk(folder, (0.1, 1.0), 1.0)
    (one.path / "done").unlink()
    assert read_refined(folder, read_table(folder)).rows.empty


def test_a_damaged_spec_is_one_line(folder: SweepFolder) -> None:
    one = refine_on_disk(folder, (0.1, 1.0), 1.0)
    (one.path / "spec.yaml").write_text("betas: [")
    (line,) = read_refined(folder, read_table(folder)).broken
    assert str(one.path) in line and "\n" not in line
