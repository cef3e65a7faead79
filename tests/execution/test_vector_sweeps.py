"""Landscapes of vectors: all that landscapes of images get, and in place of what is of images a reason."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import Run
from helpers.rows import frame, rows
from helpers.sweeps import HERE, LEAN, break_off, small_sweep, swept

import ratescape as rs
from ratescape.data.catalog import ImageData
from ratescape.evaluation import suite
from ratescape.evaluation.subject import Subject
from ratescape.landscape import Landscape
from ratescape.records.files import read_json_lines
from ratescape.records.fine import read_fine
from ratescape.records.folders import SweepFolder
from ratescape.records.table import read_table
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

MODEL = ModelSpec(family="vector", channels=6, latents=(2, 2))
SHORT = TrainingSpec(epochs=2, batch=64)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return rows()


def spec_of(data: ImageData, method: str = "dedicated", **fields: Any) -> SweepSpec:
    if method == "conditioned":
        fields = {"conditioning": ConditioningSpec(width=8, fine=3, restarts=0, refine_recommended=0)} | fields
    return small_sweep(data, method, **{"model": MODEL, "training": SHORT, "evaluation": LEAN} | fields)


def test_a_pack_equals_its_members_alone(data: ImageData, tmp_path: Path) -> None:
    spec = spec_of(data, training=dataclasses.replace(SHORT, precision="float64"))
    one, four = (
        read_table(swept(spec, data, tmp_path / str(pack), dataclasses.replace(HERE, pack=pack))).rows
        for pack in (1, 4)
    )
    for column in ("rate", "distortion", "rate_1", "rate_2", "test_r2", "mse"):
        np.testing.assert_allclose(one[column], four[column], rtol=1e-5)


@pytest.fixture(scope="module")
def conditioned(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return swept(spec_of(data, "conditioned"), data, tmp_path_factory.mktemp("whole"))


def test_a_network_is_resumed(
    conditioned: SweepFolder, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_off(monkeypatch, step=3)
    often = dataclasses.replace(HERE, checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        swept(spec_of(data, "conditioned"), data, tmp_path / "cut", often)
    again = swept(spec_of(data, "conditioned"), data, tmp_path / "cut", often)
    assert again.table.read_bytes() == conditioned.table.read_bytes()


def test_workers_take_up_what_was_broken_off(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(data)
    alone = dataclasses.replace(HERE, pack=1, checkpoint_seconds=0.0)
    whole = swept(spec, data, tmp_path / "whole", alone)
    with monkeypatch.context() as patch:
        break_off(patch, step=9)  # in the second model
        with pytest.raises(KeyboardInterrupt):
            swept(spec, data, tmp_path / "cut", alone)
    finished = swept(spec, data, tmp_path / "cut", ExecutionSpec(engine="workers", workers=2, pack=1))
    assert finished.table.read_bytes() == whole.table.read_bytes()


def test_it_is_chosen_from_solved_refined_and_reported(conditioned: SweepFolder, data: ImageData) -> None:
    landscape = Landscape(conditioned.path)
    assert "by R² (higher is better)" in str(landscape.best("reconstruction"))
    solved = landscape.at_rates("total=1", images=40)
    assert solved.answer.psnr is None and solved.answer.r2 is not None and "R²" in str(solved)
    assert solved.model.decode(solved.model.encode(data.test.pixels[:2])).shape == (2, 4)
    refined = landscape.refine((1.0, 2.0), 1)
    assert refined.done
    fine = read_fine(conditioned)
    assert fine is not None and fine["r2"].notna().all() and "psnr" not in fine
    page = landscape.report().read_text(encoding="utf-8")
    shown = json.loads(re.findall(r'id="data">(.*?)</script>', page)[0])
    assert shown["vectors"].startswith("data:image/png")
    assert all(run["samples"] is run["reconstructions"] is None for run in shown["runs"])
    assert "R²" in str(shown["metrics"]) and "PSNR" not in str(shown)
    assert (conditioned.path / "figures" / "vectors.png").stat().st_size > 10_000
    assert not list(conditioned.path.glob("runs/*/*.png"))


def test_what_is_drawn_is_what_the_model_makes(conditioned: SweepFolder, data: ImageData) -> None:
    (folder, *_) = sorted(conditioned.path.glob("runs/*"))
    model, seen = rs.load(folder), json.loads((folder / "views.json").read_text())
    rows_, standards = data.test.pixels, data.standards
    assert standards is not None and len(seen["labels"]) == len(rows_)
    np.testing.assert_allclose(
        seen["originals"], standards.applied(rows_)[:, :3], atol=1e-4
    )  # the constant is left out
    restored = standards.applied(model.reconstruct(rows_).double().numpy())[:, :3]
    np.testing.assert_allclose(seen["restored"], restored, atol=0.07)  # 1e6 in float32 is exact to 0.06
    np.testing.assert_allclose(seen["correlations"]["data"], np.corrcoef(rows_[:, :3].T), atol=1e-4)
    np.testing.assert_allclose(np.diag(seen["correlations"]["samples"]), 1, atol=1e-4)
    for shown, means in zip(seen["projections"], model.encode(rows_), strict=True):
        spread = np.cov(means.double().numpy().T).trace()  # of two dimensions none is lost
        assert np.cov(np.array(shown).T).trace() == pytest.approx(spread, rel=1e-2, abs=1e-4)


def test_rates_are_controlled(data: ImageData, tmp_path: Path) -> None:
    folder = swept(spec_of(data, "targeted", target_rates=("2=0.5,1=0.5",)), data, tmp_path / "out")
    (answer,) = Landscape(folder.path).answers()
    assert answer.psnr is None and answer.r2 is not None and "R²" in str(answer)
    (run,) = folder.path.glob("runs/*")
    line = read_json_lines(run / "evaluation.jsonl")[0]
    assert "psnr" not in line["metrics"] and "vectors" in line["absent"]["psnr"]
    assert "vectors" in line["absent"]["inception_score"]


def test_r2_and_mse_are_those_of_standardised_columns(data: ImageData, conditioned: SweepFolder) -> None:
    model = Landscape(conditioned.path).network().at((0.1, 0.1))
    record = suite.measure(Subject(model, data, (0.1, 0.1), LEAN))[1]["metrics"]
    standards = data.standards
    assert standards is not None
    x = standards.applied(data.test.pixels)
    back = standards.applied(model.reconstruct(data.test.pixels).double().numpy())
    back[:, 0] = x[:, 0] + (back[:, 0] - x[:, 0])
    mse = ((back - x) ** 2).mean()
    assert record["mse"] == pytest.approx(mse, rel=0.1)  # the way through units far from 0 rounds
    assert record["r2"] == pytest.approx(1 - record["mse"] / ((x - x.mean(0)) ** 2).mean())


def test_a_csv_goes_through_every_command(run: Run, tmp_path: Path) -> None:
    path, out = tmp_path / "rows.csv", tmp_path / "out"
    frame().drop(columns="amount").to_csv(path, index=False)
    small = ["--model.channels", "6", "--model.latents", "2", "2", "--training.epochs", "2"]
    quick = ("--evaluation.probes", "none", "--evaluation.no-information", "--quiet")
    words = ("--data.name", path, "--data.target", "kind", *small, *quick)
    grid = ("--method", "dedicated", "--grid.steps", "2", "--execution.engine", "in-process")
    assert run("map", *words, *grid, "--out", out).status == 0
    told = run("recommend", out, "--for", "reconstruction")
    assert told.status == 0 and "R²" in told.out
    key = next((out / "runs").iterdir())
    measured = run("evaluate", key)
    assert (measured.status == 0 and '"r2"' in measured.out + measured.err) or "r2" in measured.out
    assert run("report", out).status == 0
    assert run("train", *words, "--execution.engine", "in-process", "--out", tmp_path / "one").status == 0
    assert rs.load(tmp_path / "one").image_shape == (4,)
