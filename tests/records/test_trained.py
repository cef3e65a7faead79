"""How far trainings came, as logs tell: of dedicated, conditioned, targeted and refined models, and old landscapes."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.images import blobs
from helpers.sweep_on_disk import refine_on_disk, sweep, write_logs
from helpers.sweeps import small_sweep, swept

from ratescape.data.catalog import ImageData, load_data
from ratescape.records.files import read_json_lines, to_json_lines, write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.table import read_table
from ratescape.records.trained import gain_left, losses
from ratescape.specs.training import TrainingSpec


def curve(epochs: int, left: float) -> list[float]:
    """Losses of which each doubling of the training takes such a share."""
    return [100 * (epoch + 0.5) ** math.log2(1 - left) for epoch in range(epochs)]


@pytest.fixture(params=[False, True], ids=["dedicated", "conditioned"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> SweepFolder:
    return sweep(tmp_path / "sweep", diverged=None, missing=None, pictures=False, conditioned=request.param)


@pytest.mark.parametrize(
    ("epochs", "left", "per_epoch", "word"),
    [
        (40, 0.04, 50, "ok"),
        (40, 0.06, 50, "not to the end"),
        (40, 0.16, 50, "far"),
        (40, 0.04, 20, "far"),
    ],
)
def test_the_table_says_how_each_model_is_trained(
    folder: SweepFolder, epochs: int, left: float, per_epoch: int, word: str
) -> None:
    write_logs(folder, curve(epochs, left), per_epoch)
    table = read_table(folder)
    assert list(table.rows.columns[:4]) == ["run", "seed", "status", "trained"]
    assert set(table.rows["trained"]) == {word}
    assert len(table.undertrained) == (word != "ok")
    for facts in table.trained.values():
        assert (facts.epochs, facts.steps, facts.excess) == (epochs, epochs * per_epoch, None)


def test_a_landscape_without_logs_of_losses_is_not_judged(folder: SweepFolder) -> None:
    table = read_table(folder)
    assert "trained" not in table.rows and table.undertrained == [] and table.trained == {}
    for path in folder.path.glob("*/*/training.jsonl"):
        write_atomically(path, to_json_lines([{"epoch": 1, "status": "ok", "loss": None, "distortion": "low"}]))
    assert read_table(folder).trained == {}


def test_the_held_out_loss_beside_the_training_loss_tells_overfitting(folder: SweepFolder) -> None:
    write_logs(folder, curve(40, 0.04), 50)
    paths = [folder.run(run).evaluation for run in folder.spec().runs()]
    for path, share in zip(paths, [0.0, 0.09, 0.11, 0.2, *[0.05] * 21], strict=True):
        validation, test = read_json_lines(path)
        validation["metrics"]["train_loss"] = validation["metrics"]["loss"] / (1 + share)
        write_atomically(path, to_json_lines([validation, test]))
    table = read_table(folder)
    assert (table.rows["trained"] == "overfitted").tolist() == [False, False, True, True, *[False] * 21]
    (line,) = table.undertrained
    assert line.startswith("overfitted (2 of 25 models): the held-out loss is 20 % above the training loss at most")


def test_logs_that_do_not_tell_their_steps_are_judged_by_the_held_out_images(folder: SweepFolder) -> None:
    """A landscape made before steps were logged: 500 held-out images are a tenth, and 4,500 make 18 batches."""
    write_logs(folder, curve(5, 0.01), 1)
    for path in folder.path.glob("*/*/training.jsonl"):
        records = read_json_lines(path)
        older = [{name: value for name, value in one.items() if name not in ("steps", "constant")} for one in records]
        write_atomically(path, to_json_lines(older))
    assert {facts.steps for facts in read_table(folder).trained.values()} == {None}
    for run in folder.spec().runs():
        path = folder.run(run).evaluation
        write_atomically(path, to_json_lines([line | {"images": 500} for line in read_json_lines(path)]))
    table = read_table(folder)
    assert {facts.steps for facts in table.trained.values()} == {90} and set(table.rows["trained"]) == {"far"}


@pytest.mark.parametrize("likelihood", ["gaussian", "learned-gaussian", "bernoulli"])
def test_shares_are_of_the_loss_above_the_likelihoods_constant(tmp_path: Path, likelihood: str) -> None:
    folder = sweep(tmp_path, diverged=None, missing=None, pictures=False)
    spec = folder.spec()
    of_likelihood = dataclasses.replace(spec, model=dataclasses.replace(spec.model, likelihood=likelihood))
    (tmp_path / "spec.yaml").unlink()
    folder.claim(of_likelihood)
    for old, new in zip(spec.runs(), of_likelihood.runs(), strict=True):
        folder.run(old).path.rename(folder.run(new).path)
    write_logs(folder, [loss - 20 for loss in curve(40, 0.04)], 50, constant=-20.0)
    (found,) = {facts.gain_left for facts in read_table(folder).trained.values()}
    of_all = gain_left([loss - 20 for loss in curve(40, 0.04)], 0.0, 0.3)
    assert of_all is not None and of_all > 0.05
    assert found == pytest.approx({"gaussian": 0.04, "learned-gaussian": None, "bernoulli": of_all}[likelihood])


def test_a_models_own_loss_is_taken_at_the_betas_it_ended_with() -> None:
    log: list[dict[str, Any]] = [
        {"distortion": 10.0, "rates": [3.0, 4.0], "loss": 10.3, "betas": [0.1, 0.0]},
        {"distortion": 9.0, "rates": [2.0, 1.0], "loss": 29.0, "betas": [10.0, 0.0]},
    ]
    row = {"beta_2": 10.0, "beta_1": 0.5, "rate_2": 2.0}
    assert losses(log, row) == [42.0, 29.5]
    assert losses([record | {"attempt": 1} for record in log], row) == [10.3, 29.0]


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data(blobs(300), np.arange(300) % 2)


@pytest.mark.parametrize("method", ["dedicated", "conditioned", "targeted"])
def test_a_real_training_of_few_steps_is_far_from_its_end(data: ImageData, tmp_path: Path, method: str) -> None:
    asked = {"target_rates": ("2=3,1=4", "total=9")} if method == "targeted" else {}
    spec = small_sweep(data, method, training=TrainingSpec(epochs=4, batch=32), **asked)
    folder = swept(spec, data, tmp_path)
    table = read_table(folder)
    assert set(table.rows["trained"]) == {"far"} and table.rows["train_loss"].notna().all()
    assert "test_train_loss" not in table.rows
    for facts in table.trained.values():
        assert (facts.epochs, facts.steps) == (4, 4 * 7) and facts.excess is not None
    (line,) = table.undertrained
    assert line.startswith("far from trained: 28 steps (4 epochs), fewer than 1,000: try --training.epochs 150")


def test_refined_models_are_judged_by_their_network(tmp_path: Path) -> None:
    folder = sweep(tmp_path, diverged=None, missing=None, pictures=False, conditioned=True)
    write_logs(folder, curve(40, 0.2), 50)
    refine_on_disk(folder, (0.3, 0.3), 5.0)
    assert set(read_table(folder).rows["trained"]) == {"far"}
