"""Models of a conditioned landscape are trained on alone, kept beside it, and offered where they are better."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.commands import Run, refused
from helpers.sweeps import HERE, LEAN, Recorder, copied, small_sweep, swept

from ratescape.data.catalog import ImageData
from ratescape.errors import RecordError, SpecError
from ratescape.landscape import Landscape, map_spec
from ratescape.models import evaluate, load
from ratescape.records.files import read_json_lines
from ratescape.records.folders import SweepFolder
from ratescape.records.locks import locked
from ratescape.search.between import Between
from ratescape.search.ground import Ground
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

SLOW = TrainingSpec(epochs=40, batch=32, learning_rate=3e-3)


def asked(data: ImageData, **fields: Any) -> SweepSpec:
    how = {"width": 8, "fine": 3, "refine_learning_rate": 1e-3} | fields.pop("how", {})
    return small_sweep(data, "conditioned", **{"conditioning": ConditioningSpec(**how)} | fields)


@pytest.fixture(scope="module")
def finished(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return swept(asked(data), data, tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def learnt(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """A network that has learnt something: the best -ELBO is between the corners that are its grid."""
    probed = dataclasses.replace(LEAN, probes="heldout", probe_kinds=("rbf",))
    spec = asked(data, training=SLOW, evaluation=probed)
    return swept(spec, data, tmp_path_factory.mktemp("learnt"))


@pytest.fixture
def folder(finished: SweepFolder, tmp_path: Path) -> SweepFolder:
    return copied(finished, tmp_path / "copy")


# Refined


def test_refining_one_model_is_what_refining_the_grid_does_to_it(
    folder: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    landscape, seen = Landscape(folder.path), Recorder()
    one = landscape.refine((0.1, 10.0), 2, observer=seen)
    grid = swept(asked(data, how={"refine": 2}), data, tmp_path / "grid").path / "runs" / one.path.name
    assert read_json_lines(one.evaluation) == read_json_lines(grid / "evaluation.jsonl")
    for name, tensor in load(one.path).state_dict().items():
        torch.testing.assert_close(tensor, load(grid).state_dict()[name])
    assert [epoch.epoch for epoch in seen.epochs] == [1, 2]
    assert seen.steps[-1].steps == seen.steps[-1].total == 2 * -(-len(data.train.pixels) // 32)
    assert {picture.name for picture in seen.pictures} == {"reconstructions", "samples"}
    (row,) = landscape.refined.rows.to_dict("records")
    was = landscape.table.set_index("run").loc[row["origin"]]
    assert (row["before_psnr"], row["before_test_nelbo"]) == (was["psnr"], was["test_nelbo"])
    assert row["loss"] < was["loss"] and row["epochs"] == 2
    pd.testing.assert_frame_equal(Landscape(folder.path).table, landscape.table)  # the grid stays the grid
    assert evaluate(one.path)[0]["metrics"] == read_json_lines(one.evaluation)[0]["metrics"]


def test_between_the_grid_points_it_is_measured_before(folder: SweepFolder) -> None:
    landscape = Landscape(folder.path)
    one = landscape.refine((0.5, 2.0), 1)
    (row,) = landscape.refined.rows.to_dict("records")
    assert pd.isna(row["origin"]) and (row["beta_2"], row["beta_1"]) == (0.5, 2.0)
    measured = landscape.measure([(0.5, 2.0)], images=10_000).iloc[0]
    assert row["before_psnr"] == pytest.approx(measured["psnr"], rel=1e-5)
    assert not one.checkpoint.exists()


def test_asked_twice_nothing_is_trained_again(folder: SweepFolder) -> None:
    best = Landscape(folder.path).best("distortion")
    best.refine(2)
    before = {path: path.stat().st_mtime_ns for path in (folder.path / "refined").rglob("*.*")}
    seen, (one,) = Recorder(), (folder.path / "refined").glob("*/done")
    (one.parent / "checkpoint.safetensors").touch()  # as one leaves it that is killed right after the mark
    best.refine(2, observer=seen)
    assert {path: path.stat().st_mtime_ns for path in (folder.path / "refined").rglob("*.*")} == before
    assert not seen.epochs


def test_two_at_once_is_refused(folder: SweepFolder) -> None:
    with locked(folder.path), pytest.raises(RecordError, match="another ratescape is working in"):
        Landscape(folder.path).best("psnr").refine(1)


def test_what_cannot_be_refined_is_one_line(folder: SweepFolder, data: ImageData, tmp_path: Path) -> None:
    landscape = Landscape(folder.path)
    for epochs in (0, -1):
        with pytest.raises(SpecError, match=f"refine is {epochs}: the epochs must be positive"):
            landscape.refine((1.0, 1.0), epochs)
    with pytest.raises(SpecError, match="outside the box"):
        landscape.refine((1.0, 100.0), 1)
    with pytest.raises(SpecError, match="seed is 3"):
        landscape.refine((1.0, 1.0), 1, seed=3)
    dedicated = swept(small_sweep(data, grid=BetaGrid(1, 1, 1)), data, tmp_path / "dedicated")
    with pytest.raises(SpecError, match="refining needs a landscape mapped by method conditioned"):
        Landscape(dedicated.path).best("psnr").refine(1)
    with pytest.raises(SpecError, match="mapped by dedicated models"):
        Landscape(dedicated.path).best("psnr", between=True)
    refined = swept(asked(data, how={"refine": 2}), data, tmp_path / "refined")
    with pytest.raises(SpecError, match="more than the 2 that all its models were refined for"):
        Landscape(refined.path).best("psnr").refine(2)


def test_a_map_refines_what_it_recommends_and_measures_it_as_the_rest(data: ImageData, tmp_path: Path) -> None:
    spec = asked(data, how={"refine_recommended": 2})
    landscape = map_spec(spec, data, HERE, tmp_path / "sweep")
    best = landscape.best("reconstruction")
    (row,) = landscape.refined.rows.to_dict("records")
    assert (row["beta_2"], row["beta_1"]) == best.choice.betas and row["epochs"] == 2
    assert best.refined is not None and "for 2 epochs: PSNR" in str(best.refined)
    by_hand = landscape.refine((0.5, 2.0), 1)
    trained = by_hand.weights.stat().st_mtime_ns
    anew = dataclasses.replace(spec, evaluation=dataclasses.replace(spec.evaluation, seed=1))
    landscape = map_spec(anew, data, HERE, tmp_path / "sweep")
    assert len(landscape.refined.rows) == 2 and not landscape.refined.broken  # measured anew, none trained again
    assert by_hand.weights.stat().st_mtime_ns == trained
    none = map_spec(asked(data, how={"refine_recommended": 0}), data, HERE, tmp_path / "none")
    assert none.refined.rows.empty


# On the command line


def test_recommend_refines_shows_and_remembers(folder: SweepFolder, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    words = ["recommend", folder.path, "--for", "distortion"]
    said = run(*words, "--refine", "3", "--out", out)
    assert said.status == 0 and "\nRefined for 3 epochs: distortion " in said.out
    (one,) = (folder.path / "refined").iterdir()
    assert f"ratescape evaluate {one}" in said.out
    again = run(*words)
    assert again.out == said.out.replace(f"{out}\n", "")
    images = np.zeros((2, 16, 16), np.uint8)
    torch.testing.assert_close(load(out).encode(images), load(one).encode(images))
    lines = read_json_lines(one / "evaluation.jsonl")
    for line in lines:
        line["metrics"]["distortion"] += 1000
    (one / "evaluation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    worse = run(*words)
    assert "so the unrefined model is kept" in worse.out and f"evaluate {folder.path / 'runs'}" in worse.out
    refused(run(*words, "--refine", "-1"), "refine is -1", "at least 0")
    (one / "before.jsonl").unlink()
    assert f"delete {one} to make it again" in run(*words).out


# Between the grid points


def test_what_the_fine_landscape_measures_is_polished(learnt: SweepFolder) -> None:
    landscape = Landscape(learnt.path)
    found = landscape.between("nelbo", tries=40)
    assert found is not None and found.tried == 40
    fine = pd.read_csv(learnt.fine)
    axis = np.exp(np.linspace(np.log(0.1), np.log(10), 15))
    dense = landscape.measure([(a, b) for a in axis for b in axis])["nelbo"].min()
    assert found.row["nelbo"] <= fine["nelbo"].min() + 1e-6 and found.row["nelbo"] < dense + 0.15
    assert found.row["nelbo"] == pytest.approx(found.choice.value(found.choice.row) - found.gain, abs=0.2)


def test_any_use_is_searched_by_its_own_metric(learnt: SweepFolder, run: Run) -> None:
    landscape = Landscape(learnt.path)
    best = landscape.best("accuracy_rbf_1", between=True, tries=3)
    assert best.between is not None and best.between.tried == 3
    found = best.between
    measured = evaluate(landscape.folder.network(learnt.spec().networks()[0]).path, betas=found.betas)[0]
    assert found.row["accuracy_rbf_1"] == pytest.approx(measured["metrics"]["accuracy_rbf"][1], rel=1e-5)
    assert found.is_better == (found.gain > found.margin) and found.margin >= 0
    said = run("recommend", learnt.path, "--for", "accuracy_rbf_1", "--between", "--tries", "3")
    assert said.status == 0 and str(found) in said.out
    refused(run("recommend", learnt.path, "--between", "--tries", "-1"), "tries is -1")


def test_a_better_one_is_loaded_and_refined_in_place_of_the_grids(learnt: SweepFolder, tmp_path: Path) -> None:
    landscape = Landscape(copied(learnt, tmp_path / "copy").path)
    best = landscape.best("nelbo", between=True)
    assert best.between is not None
    best = dataclasses.replace(best, between=dataclasses.replace(best.between, gain=1.0, margin=0.5))  # beyond chance
    assert best.between is not None and str(best.between) in str(best)
    assert best.betas == best.between.betas != best.choice.betas and best.folder is None
    images = np.zeros((2, 16, 16), np.uint8)
    torch.testing.assert_close(best.load().encode(images), landscape.network().at(best.betas).encode(images))
    best.refine(1)
    (row,) = landscape.refined.rows.to_dict("records")
    assert (row["beta_2"], row["beta_1"]) == best.between.betas
    assert row["before_nelbo"] == pytest.approx(best.between.row["nelbo"], rel=1e-6)


def test_a_winner_within_its_error_is_not_sold_as_better(learnt: SweepFolder) -> None:
    found = Landscape(learnt.path).between("nelbo", tries=4)
    assert found is not None
    level: Between = dataclasses.replace(found, gain=0.5, margin=0.6)
    assert not level.is_better and "better within its error: betas (" in str(level) and "0.5 nats" in str(level)
    same = dataclasses.replace(level, betas=found.choice.betas, gain=0.0, margin=0.0)
    assert not same.is_better and str(same).endswith("within its error (4 points measured).")


def test_the_error_of_a_difference_is_over_its_images(learnt: SweepFolder, data: ImageData) -> None:
    landscape = Landscape(learnt.path)
    network, spec = landscape.network(), learnt.spec()
    ground = Ground(network, data, None, spec.evaluation, learnt)
    model, betas = network.at((0.5, 2.0)), (0.5, 2.0)
    row = ground.row(model, betas)
    for column in ("rate", "distortion", "nelbo"):
        values = ground.of_images(model, betas, column)
        assert values is not None and float(values.mean()) == pytest.approx(row[column], rel=1e-5)
        assert float(values.std()) / math.sqrt(len(values)) == pytest.approx(row[f"se_{column}"], rel=1e-4)
    values = ground.of_images(model, betas, "psnr")
    assert values is not None
    assert float(values.std()) / math.sqrt(len(values)) == pytest.approx(row["se_psnr"], rel=1e-4)
    assert ground.of_images(model, betas, "accuracy_rbf_1") is None


def test_demands_are_kept_to(learnt: SweepFolder) -> None:
    landscape = Landscape(learnt.path)
    psnr = float(landscape.table["psnr"].median())
    found = landscape.between("nelbo", demands={"psnr": psnr}, tries=10)
    assert found is not None and found.row["psnr"] >= psnr
