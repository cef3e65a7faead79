"""Two landscapes side by side: winners, points in common, and what does not compare."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.commands import Run
from helpers.sweep_on_disk import sweep

import ratescape as rs
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.selection.compared import Side, joined, obstacles, point_differences, winners


def landscape(path: Path, **options: Any) -> SweepFolder:
    folder = sweep(path, diverged=None, missing=None, pictures=False, **options)
    folder.write_provenance({"fingerprint": "same"})
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Table, Table]:
    root = tmp_path_factory.mktemp("compared")
    one, other = landscape(root / "a", steps=3), landscape(root / "b", steps=5)
    return root, read_table(one), read_table(other)


def side(table: Table, name: str = "a", fingerprint: str | None = "same", **changes: Any) -> Side:
    return Side(name, dataclasses.replace(table, **changes), fingerprint, "mnist-5k")


def shifted(table: Table, psnr: float, error: float) -> Table:
    rows = table.rows.copy()
    for prefix in ("", "test_"):
        rows[f"{prefix}psnr"] += psnr
        rows[f"{prefix}se_psnr"] = error
        rows[f"{prefix}loss"] += 2.0
        rows[f"{prefix}rate_1"] -= rows["beta_1"]
    return dataclasses.replace(table, rows=rows)


@pytest.mark.parametrize(
    ("psnr", "error", "better"),
    [
        (1.0, 0.1, "B"),
        (-1.0, 0.1, "A"),
        (0.2, 0.1, "neither"),
        (0.2, 0.05, "B"),
        (0.01, 0.1, "neither"),
        (1.0, 0, "unknown"),
    ],
)
def test_a_winner_is_better_beyond_two_errors(
    tables: tuple[Path, Table, Table], psnr: float, error: float, better: str
) -> None:
    _, one, _ = tables
    table, notes = winners(side(shifted(one, 0, error)), side(shifted(one, psnr, error), "b"))
    row = table.set_index("use").loc["reconstruction"]
    assert row["better"] == better and row["difference"] == pytest.approx(psnr)
    assert row["difference_error"] == pytest.approx(error * 2**0.5) and not notes
    assert row["value_a"] == pytest.approx(one.rows["test_psnr"].max()), "on test"


def test_models_on_the_same_images_are_compared_in_pairs(tables: tuple[Path, Table, Table]) -> None:
    """Both err alike on hard and easy groups of images: their difference is far more exact than either number."""
    _, one, _ = tables
    hard = [float(index) for index in range(20)]
    gains = [0.2 + 0.01 * (-1) ** index for index in range(20)]
    first, second = shifted(one, 0, 1.0), shifted(one, 0.2, 1.0)
    ours = {run: {"psnr": hard} for run in one.rows["run"]}
    theirs = {run: {"psnr": [a + b for a, b in zip(hard, gains, strict=True)]} for run in one.rows["run"]}
    pair = side(first, parts_on_test=ours), side(second, "b", parts_on_test=theirs)
    row = winners(*pair)[0].set_index("use").loc["reconstruction"]
    assert row["better"] == "B" and row["difference_error"] == pytest.approx(0.01 * (20 / 19) ** 0.5 / 20**0.5)
    unlike = side(second, "b", parts_on_test={run: {"psnr": hard[:5]} for run in one.rows["run"]})
    assert winners(pair[0], unlike)[0]["better"].tolist() == ["neither"], "other groups do not pair"


def test_a_copy_differs_by_nothing(tables: tuple[Path, Table, Table], tmp_path: Path) -> None:
    root, one, _ = tables
    shutil.copytree(root / "a", tmp_path / "copy")
    for other in (root / "a", tmp_path / "copy"):
        found = rs.compare(root / "a", other)
        assert found.table[["difference", "difference_error", "better"]].to_numpy().tolist() == [[0, 0, "neither"]]
        (note,) = found.notes
        assert "the same models" in note
    again, notes = winners(side(one), side(shifted(one, 0, 0.1), "b"))
    assert again["difference_error"].tolist() == [pytest.approx(0.1)] and not notes


def test_the_table_has_groups_of_images_of_both_splits(tmp_path: Path) -> None:
    folder = landscape(tmp_path / "parts", steps=2)
    run = folder.run(folder.spec().runs()[0])
    lines = [json.loads(line) for line in run.evaluation.read_text().splitlines()]
    for line in lines:
        line["parts"] = {"psnr": [1.0, 2.0] if line["split"] == "test" else [3.0, 4.0]}
    run.evaluation.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = read_table(folder)
    key = run.path.name
    assert (table.parts[key], table.parts_on_test[key]) == ({"psnr": [3.0, 4.0]}, {"psnr": [1.0, 2.0]})


def test_points_in_common_are_those_of_the_same_betas(tables: tuple[Path, Table, Table]) -> None:
    _, one, other = tables
    points = joined(one, shifted(other, 0, 0.1))
    assert len(points) == 9 and (points["beta_2"].nunique(), points["beta_1"].nunique()) == (3, 3)
    found = point_differences(points).set_index("quantity")
    assert found.loc["loss", "mean"] == pytest.approx(2.0)
    assert found.loc["rate_1", "worst"] == pytest.approx(-10.0) and found.loc["rate_1", "at"].endswith("10)")
    assert found.loc["rate_2", "worst"] == pytest.approx(0.0)


def stamp(**changes: Any) -> str:
    return json.dumps([{"samples": changes.get("samples", 10)}, 1, changes.get("judge", "a")])


@pytest.mark.parametrize(
    ("changes", "fingerprint", "barred", "words"),
    [
        ({}, "same", set(), None),
        ({}, "other", {"*"}, "two versions of mnist-5k"),
        ({}, None, {"*"}, "other images"),
        ({"split": "test"}, "same", {"*"}, "other splits"),
        ({"stamp": stamp(samples=20)}, "same", {"*"}, "evaluation.samples"),
        ({"stamp": stamp(judge="b")}, "same", {"generation"}, "another judge"),
    ],
)
def test_what_does_not_compare_is_said(
    tables: tuple[Path, Table, Table],
    changes: dict[str, Any],
    fingerprint: str | None,
    barred: set[str],
    words: str | None,
) -> None:
    _, one, _ = tables
    notes, found = obstacles(side(one, stamp=stamp()), side(one, "b", fingerprint, **({"stamp": stamp()} | changes)))
    assert found == barred
    assert (not notes) if words is None else (words in notes[0])


def test_other_layers_have_no_points_in_common(tables: tuple[Path, Table, Table], tmp_path: Path) -> None:
    _, one, _ = tables
    three = read_table(landscape(tmp_path / "three", steps=2, latents=(3, 2, 2)))
    assert joined(one, three).empty and point_differences(joined(one, three)).empty


def test_in_python_and_at_a_terminal(tables: tuple[Path, Table, Table], tmp_path: Path, run: Run) -> None:
    root, *_ = tables
    found = rs.compare(root / "a", rs.Landscape(root / "b"))
    assert found.table["use"].tolist() == ["reconstruction"] and len(found.points) == 9 and found.notes == ()
    assert [axes.get_title() for axes in found.figure("psnr").axes] == ["A: a", "B: b", "B − A at 9 points in common"]
    page = tmp_path / "page.html"
    outcome = run("compare", root / "a", root / "b", "--out", page)
    assert outcome.status == 0 and "At 9 points of betas in common" in outcome.out
    text = page.read_text()
    assert "data:image/png;base64," in text and "reconstruction" in text and "http" not in text
    assert run("compare", root / "a", root / "b", "--out", page).status == 1, "it is there already"
    with pytest.raises(rs.SpecError, match="metric is 'psrn'"):
        found.figure("psrn")


def test_landscapes_of_other_images_get_no_differences(tables: tuple[Path, Table, Table], tmp_path: Path) -> None:
    root, *_ = tables
    other = landscape(tmp_path / "<b>other</b>", steps=3)
    other.write_provenance({"fingerprint": "another"})
    found = rs.compare(root / "a", other.path)
    assert found.differences.empty and found.table["better"].tolist() == [""] and found.table["difference"].isna().all()
    assert "other images" in str(found) and found.figure().axes[2].texts[0].get_text() == "numbers do not compare"
    assert isinstance(found.table, pd.DataFrame)
