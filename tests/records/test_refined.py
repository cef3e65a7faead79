"""Refined models are a table of their own, with what was measured before beside what was measured after."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.sweep_on_disk import measurements, sweep

from ratescape.records.files import to_json_lines, write_atomically
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.refined import read_refined, refined_runs
from ratescape.records.table import read_table


def refine_on_disk(folder: SweepFolder, betas: tuple[float, ...], gain: float, **facts: Any) -> RunFolder:
    """Write the records of a model that was refined for three epochs, whose -ELBO fell by ``gain``."""
    run = folder.spec().runs()[0]
    assert run.merged is not None
    refined = dataclasses.replace(run, betas=betas, merged=dataclasses.replace(run.merged, refine=3))
    one = folder.refined(refined)
    one.write_spec(refined)
    write_atomically(one.training, to_json_lines([{"epoch": 1, "status": "ok"}]))
    for path, shift in ((one.before, 0.0), (one.evaluation, -gain)):
        found: list[dict[str, Any]] = []
        for split in ("validation", "test"):
            numbers: dict[str, Any] = measurements(betas, float(split == "test"))
            numbers["nelbo"] += shift
            found.append({"split": split, "betas": list(betas), "metrics": numbers} | facts)
        write_atomically(path, to_json_lines(found))
    one.mark_done()
    return one


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
