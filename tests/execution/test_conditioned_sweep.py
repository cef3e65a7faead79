"""Landscapes from one network that is told its betas: mapped, resumed, refined, asked for other betas."""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.commands import TINY
from helpers.sweeps import HERE, Watcher, altered, copied, small_sweep, swept

from ratescape import checkpoint
from ratescape.cli import commands
from ratescape.data.catalog import ImageData
from ratescape.errors import CheckpointError, RecordError, SpecError
from ratescape.execution import networks
from ratescape.execution.engine import Job
from ratescape.execution.local import network_threads
from ratescape.execution.progress import Progress
from ratescape.execution.sweep import run_sweep
from ratescape.landscape import Landscape, map_spec
from ratescape.models import load, save
from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.specs.codec import from_dict
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Conditioned
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.schedule import steps_per_epoch, total_steps

SMALL = ["--method", "conditioned", "--grid.steps", "2", "--conditioning.fine", "3", "--training.epochs", "3", *TINY]


def asked(data: ImageData, **fields: Any) -> SweepSpec:
    usual: dict[str, Any] = {"method": "conditioned", "conditioning": ConditioningSpec(width=8, fine=3)}
    return small_sweep(data, **usual | fields)


@pytest.fixture(scope="module")
def finished(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return swept(asked(data), data, tmp_path_factory.mktemp("finished"))


def table_of(folder: SweepFolder) -> pd.DataFrame:
    return pd.read_csv(folder.table)


def test_one_training_gives_every_model(finished: SweepFolder) -> None:
    rows = table_of(finished)
    assert len(rows) == 4 and (rows["status"] == "ok").all()
    assert len(list(finished.path.glob("networks/*"))) == 1
    (network,) = finished.spec().networks()
    assert (network.low, network.high) == (0.08, 12.5)  # a quarter beyond the grid
    log = read_json_lines(finished.network(network).training)
    assert [line["epoch"] for line in log] == [1, 2, 3]
    assert not finished.network(network).checkpoint.exists()
    for _, row in rows.iterrows():
        folder = RunFolder(finished.path / "runs" / str(row["run"]))
        spec = folder.spec()
        assert spec.merged is not None and spec.merged.network == network
        assert spec.betas == (row["beta_2"], row["beta_1"])
        model = load(folder.path)
        whole = Landscape(finished.path).network().at((row["beta_2"], row["beta_1"]))
        for name, tensor in whole.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], tensor)


def test_the_fine_landscape_agrees_with_the_models_where_they_meet(finished: SweepFolder, data: ImageData) -> None:
    fine = pd.read_csv(finished.fine)
    assert list(fine.columns) == ["beta_2", "beta_1", "rate_2", "rate_1", "rate", "distortion", "nelbo", "psnr"]
    assert len(fine) == 9
    assert data.validation is not None and len(data.validation.pixels) <= 1000
    both = fine.merge(table_of(finished), on=["beta_2", "beta_1"], suffixes=("", "_of_model"))
    assert len(both) == 4
    for column in ("rate_2", "rate_1", "distortion", "psnr"):
        np.testing.assert_allclose(both[column], both[f"{column}_of_model"], rtol=1e-5)
    points = [(row["beta_2"], row["beta_1"]) for _, row in fine.iterrows()]
    pd.testing.assert_frame_equal(Landscape(finished.path).measure(points), fine, rtol=1e-6)
    assert len(Landscape(finished.path).measure([(0.3, 2.5)], images=10)) == 1


def test_another_method_or_box_is_another_landscape(finished: SweepFolder, data: ImageData) -> None:
    for other in ({"method": "dedicated"}, {"conditioning": ConditioningSpec(width=8, fine=3, low=0.01)}):
        with pytest.raises(RecordError, match="was made by another spec"):
            run_sweep(asked(data, **other), data, finished, HERE)
    with pytest.raises(SpecError, match=r"conditioning.high is 5.0: it must be at least grid.high \(10\)"):
        asked(data, conditioning=ConditioningSpec(high=5.0))


def test_workers_and_seeds(data: ImageData, finished: SweepFolder, tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    told: list[Progress] = []
    run_sweep(asked(data, seeds=(0, 1)), data, folder, ExecutionSpec(engine="workers", workers=2), Watcher(told.append))
    rows = table_of(folder)
    assert len(rows) == 8 and len(list(folder.path.glob("networks/*"))) == 2
    first = rows[rows["seed"] == 0].drop(columns=["run"]).reset_index(drop=True)
    for column in ("rate_2", "rate_1", "psnr"):
        np.testing.assert_allclose(first[column], table_of(finished)[column], rtol=1e-3)
    assert told[-1].steps == told[-1].total == 2 * 3 * -(-len(data.train.pixels) // 32)
    assert Landscape(folder.path).network(seed=1).latent_shapes == [(3,), (2, 2, 2)]
    with pytest.raises(SpecError, match="seed is 7"):
        Landscape(folder.path).network(seed=7)


@pytest.mark.parametrize(("latents", "groups", "fine"), [((3,), None, 0), ((3, 2, 2), (0, 1, 1), 9)])
def test_other_depths_and_groups(
    data: ImageData, tmp_path: Path, latents: tuple[int, ...], groups: tuple[int, ...] | None, fine: int
) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    run_sweep(asked(data, model=ModelSpec("residual", 4, latents), groups=groups), data, folder, HERE)
    rows = table_of(folder)
    assert len(rows) == (2 if groups is None else 4) and (rows["status"] == "ok").all()
    if groups:
        assert (rows["beta_2"] == rows["beta_1"]).all()
    assert (len(pd.read_csv(folder.fine)) if folder.fine.exists() else 0) == fine


def test_refined_models_start_from_the_network_and_are_trained_on(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    folder = SweepFolder(tmp_path / "refined")
    spec = asked(data, conditioning=ConditioningSpec(width=8, fine=3, refine=2, refine_learning_rate=1e-3))
    run_sweep(spec, data, folder, ExecutionSpec(engine="in-process", pack=3))
    before, after = table_of(finished), table_of(folder)
    assert (after["loss"] < before["loss"]).all()  # a little training at its own betas helps an untrained network
    (run, *_) = spec.runs()
    log = read_json_lines(folder.run(run).training)
    assert [line["epoch"] for line in log] == [1, 2, 3, 4, 5]
    assert log[-1]["betas"] == pytest.approx([0.1, 0.1])
    assert log[3]["learning_rate"] < 1e-3
    alone = SweepFolder(tmp_path / "alone")
    run_sweep(spec, data, alone, ExecutionSpec(engine="in-process", pack=1))
    np.testing.assert_allclose(table_of(alone)["loss"], after["loss"], rtol=1e-4)


def test_a_network_that_diverged_leaves_models_without_numbers(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = networks.initial_network

    def poisoned(*arguments: Any) -> Any:
        network = broken(*arguments)
        with torch.no_grad():
            next(network.parameters()).fill_(float("nan"))
        return network

    monkeypatch.setattr(networks, "initial_network", poisoned)
    spec = asked(
        data, training=TrainingSpec(epochs=20, batch=32, max_skipped_steps=2), conditioning=ConditioningSpec(refine=1)
    )
    run_sweep(spec, data, SweepFolder(tmp_path / "sweep"), HERE)
    folder = SweepFolder(tmp_path / "sweep")
    rows = table_of(folder)
    assert (rows["status"] == "diverged").all() and rows["psnr"].isna().all()
    assert not folder.fine.exists()


def test_from_the_command_line_to_a_model_between_the_grid_points(
    images_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["map", "--data.name", str(images_file), *SMALL, "--execution.engine", "in-process", "--out", str(out)]
    assert commands.main(words) == 0
    (network,) = out.glob("networks/*")
    lean = ["--evaluation.samples", "0", "--evaluation.probes", "none", "--evaluation.no-information"]
    capsys.readouterr()
    assert commands.main(["evaluate", str(network), "--betas", "0.5", "2", *lean]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["split"] for line in lines] == ["validation", "test"]
    assert lines[0]["betas"] == [0.5, 2.0] and "extrapolated" not in lines[0]
    assert commands.main(["evaluate", str(network), "--betas", "0.5", "2", "--evaluation.draws", "2"]) == 0
    more = json.loads(capsys.readouterr().out.splitlines()[0])["settings"]
    own = SweepFolder(out).spec().evaluation
    assert from_dict(EvaluationSpec, more) == dataclasses.replace(own, draws=2) != EvaluationSpec(draws=2)
    assert commands.main(["evaluate", str(network), "--betas", "0.5", "200", *lean]) == 1
    assert "outside the box 0.08 to 12.5" in capsys.readouterr().err
    assert commands.main(["evaluate", str(network), "--betas", "0.5", "200", "--extrapolate", *lean]) == 0
    assert all(json.loads(line)["extrapolated"] for line in capsys.readouterr().out.splitlines())
    assert commands.main(["evaluate", str(network), *lean]) == 1
    assert "is a network conditioned on betas: say which" in capsys.readouterr().err
    run = next(out.glob("runs/*"))
    assert commands.main(["evaluate", str(run), "--betas", "1", "1", *lean]) == 1
    assert "is a model of its own betas" in capsys.readouterr().err
    assert commands.main(["evaluate", str(tmp_path / "nowhere"), "--betas", "1", "1", *lean]) == 1
    assert "is not a results folder" in capsys.readouterr().err
    assert commands.main(["train", "--config", str(run / "spec.yaml")]) == 1
    assert "taken from a conditioned network" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match=r"conditioned on betas: open its landscape, and ask \.network"):
        load(network)


def test_rates_asked_for_on_the_command_line(
    finished: SweepFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = pd.read_csv(finished.fine)
    wanted = [f"{layer}={fine[f'rate_{layer}'].iloc[4]:.6g}" for layer in (2, 1)]
    out = tmp_path / "model.safetensors"
    finished = copied(finished, tmp_path / "copy")
    assert commands.main(["solve", str(finished.path), "--rates", *wanted, "--strict", "--out", str(out)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("caution: ")]
    assert "betas (" in said[0] and said[1].startswith("  layer 2: ") and said[-1] == str(out)
    load(out)
    assert commands.main(["solve", str(finished.path), "--rates", "2=1000"]) == 0
    assert "rate ceiling" in capsys.readouterr().out
    assert commands.main(["solve", str(finished.path), "--rates", "2=1000", "--strict"]) == 1
    assert "not every rate was reached" in capsys.readouterr().err
    assert commands.main(["solve", str(finished.path), "--rates", "top=3"]) == 1
    assert "write LAYERS=RATE" in capsys.readouterr().err


def test_answers_are_kept_for_the_report(finished: SweepFolder, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "copy")
    landscape = Landscape(folder.path)
    first, other = landscape.at_rates({2: 0.5}).answer, landscape.at_rates("total=2bits").answer
    for answer in (first, other, first):
        landscape.keep(answer)
    assert landscape.answers() == [other, first]  # the same request has one answer
    page = landscape.report().read_text(encoding="utf-8")
    assert json.dumps(first.request) in page and other.outcomes[0].layers == (2, 1)
    assert other.outcomes[0].wanted == pytest.approx(2 * math.log(2))
    folder.answers.write_text('{"request": "2=1"}\n')
    with pytest.raises(RecordError, match=r"answers\.jsonl is damaged: delete it"):
        landscape.answers()


def test_a_folded_model_can_be_kept(finished: SweepFolder, tmp_path: Path) -> None:
    landscape = Landscape(finished.path)
    model = landscape.network().at((0.5, 2.0))
    save(model, tmp_path / "mine.safetensors")
    images = np.zeros((2, 16, 16), np.uint8)
    for one, other in zip(load(tmp_path / "mine.safetensors").encode(images), model.encode(images), strict=True):
        torch.testing.assert_close(one, other)


def test_a_dedicated_landscape_has_no_network(data: ImageData, tmp_path: Path) -> None:
    spec = altered(asked(data), method="dedicated", grid=BetaGrid(low=1, high=1, steps=1))
    landscape = map_spec(spec, data, HERE, tmp_path / "dedicated")
    with pytest.raises(SpecError, match="mapped by dedicated models"):
        landscape.network()
    assert landscape.between("distortion", 1e9) is None
    assert not landscape.folder.fine.exists() and not list(landscape.folder.path.glob("networks"))


def test_the_network_serves_other_grids_and_refining_in_its_folder(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    folder = copied(finished, tmp_path / "copy")
    (weights,) = folder.path.glob("networks/*/weights.safetensors")
    made = weights.stat().st_mtime_ns
    run_sweep(asked(data, grid=BetaGrid(steps=3), conditioning=ConditioningSpec(width=8, fine=2)), data, folder, HERE)
    assert len(table_of(folder)) == 9 and len(pd.read_csv(folder.fine)) == 4
    run_sweep(asked(data, conditioning=ConditioningSpec(width=8, fine=3, refine=1)), data, folder, HERE)
    assert len(table_of(folder)) == 4 and len(pd.read_csv(folder.fine)) == 9
    run_sweep(asked(data), data, folder, HERE)
    pd.testing.assert_frame_equal(table_of(folder), table_of(finished))
    assert weights.stat().st_mtime_ns == made


def test_a_network_that_is_gone_is_made_again(finished: SweepFolder, data: ImageData, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "copy")
    (weights,) = folder.path.glob("networks/*/weights.safetensors")
    before = checkpoint.load(weights)[0]
    taken = {mark: mark.stat().st_mtime_ns for mark in folder.path.glob("runs/*/done")}
    weights.unlink()
    folder.fine.unlink()
    run_sweep(asked(data), data, folder, HERE)
    # Its models are taken from it again, since elsewhere it would not be the same to the last digit.
    assert len(taken) == 4 and all(mark.stat().st_mtime_ns > made for mark, made in taken.items())
    for name, tensor in checkpoint.load(weights)[0].items():
        torch.testing.assert_close(tensor, before[name])
    assert folder.fine.read_bytes() == finished.fine.read_bytes()
    assert not list(folder.path.glob("networks/*/checkpoint.*")) and not list(folder.path.glob("networks/*/steps"))


def test_a_fine_landscape_of_another_network_is_measured_anew(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    """A network that was made again on another machine may differ from the one that was measured."""
    folder = copied(finished, tmp_path / "copy")
    measured = folder.fine.read_text()
    known = folder.provenance()
    assert known["fine"]["network"] == checkpoint.digest_of(next(folder.path.glob("networks/*/weights.safetensors")))
    folder.fine.write_text(measured.replace("0.", "1."))
    folder.write_provenance(known | {"fine": known["fine"] | {"network": "of another machine"}})
    run_sweep(asked(data), data, folder, HERE)
    assert folder.fine.read_text() == measured and folder.provenance()["fine"] == known["fine"]


def test_epochs_left_open_make_two_thousand_steps_on_few_images(data: ImageData) -> None:
    count = len(data.train.pixels)
    for method in ("dedicated", "conditioned"):
        whole = asked(data, method=method, training=TrainingSpec(batch=32)).training
        assert whole.steps is None and 2000 <= total_steps(whole, count) < 2000 + steps_per_epoch(count, 32)


def test_the_spec_says_which_annealing_ran(data: ImageData, finished: SweepFolder) -> None:
    assert "annealing: staggered" in (finished.path / "spec.yaml").read_text()
    asked_for = {"lvae": "balanced", "ghvae": "staggered"}
    for family, usual in asked_for.items():
        spec = asked(data, model=ModelSpec(family, channels=4, latents=(3, 2)))
        assert isinstance(spec.method, Conditioned) and spec.method.conditioning.annealing == usual
        left_open = dataclasses.replace(spec.method.conditioning, annealing=None)
        assert altered(spec, conditioning=left_open).networks() == spec.networks()
    one = asked(data, groups=(0, 0))
    assert isinstance(one.method, Conditioned) and one.method.conditioning.annealing == "linear"


def test_lists_serve_as_tuples(data: ImageData, tmp_path: Path) -> None:
    latents: Any = [3, 2]
    spec = asked(data, model=ModelSpec(channels=4, latents=latents), groups=[0, 0])
    run_sweep(spec, data, SweepFolder(tmp_path / "sweep"), HERE)
    assert len(table_of(SweepFolder(tmp_path / "sweep"))) == 2


def test_betas_of_a_group_stay_equal(data: ImageData, tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    run_sweep(asked(data, groups=(0, 0)), data, folder, HERE)
    network = Landscape(folder.path).network()
    network.at((0.5, 0.5))
    with pytest.raises(SpecError, match=r"equal within the groups \(0, 0\)"):
        network.at((0.5, 0.7))
    found = Landscape(folder.path).at_rates({2: 1e6, 1: 1e6})
    assert found.answer.betas[0] == found.answer.betas[1]


def test_a_damaged_network_is_named_with_its_remedy(finished: SweepFolder, data: ImageData, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "copy")
    (network,) = folder.spec().networks()
    weights = folder.network(network).weights
    weights.write_bytes(weights.read_bytes()[:-9])
    shutil.rmtree(folder.run(folder.spec().runs()[1]).path)
    with pytest.raises(CheckpointError, match="delete it and run the same `map` command again"):
        run_sweep(asked(data), data, folder, HERE)
    weights.unlink()
    run_sweep(asked(data), data, folder, HERE)
    np.testing.assert_allclose(table_of(folder)["psnr"], table_of(finished)["psnr"], rtol=1e-5)


def test_a_budget_is_used_up_between_the_grid_points(
    data: ImageData, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = SweepFolder(tmp_path / "learnt")
    how = ConditioningSpec(width=8, fine=3, descent=0.4)
    recipe = TrainingSpec(epochs=60, batch=32, learning_rate=3e-3)
    run_sweep(asked(data, training=recipe, conditioning=how), data, learnt, HERE)
    landscape = Landscape(learnt.path)
    table = landscape.table
    budget = float(table["rate"].sort_values().iloc[-2:].mean())  # between the two largest
    between = landscape.between("distortion", budget)
    assert between is not None and between.row["rate"] <= budget
    assert between.row["distortion"] < between.choice.value(between.choice.row)
    out = tmp_path / "best.safetensors"
    words = ["recommend", str(learnt.path), "--for", "distortion", "--max-rate", str(budget), "--out", str(out)]
    assert commands.main(words) == 0
    said = capsys.readouterr().out
    assert f"Between the grid points: betas ({', '.join(f'{beta:.4g}' for beta in between.betas)})" in said
    images = np.zeros((2, 16, 16), np.uint8)
    for one, other in zip(load(out).encode(images), between.model.encode(images), strict=True):
        torch.testing.assert_close(one, other)

    def gone(*arguments: Any, **more: Any) -> Any:
        raise RecordError("the images are gone")

    monkeypatch.setattr(Landscape, "between", gone)
    assert commands.main(words[:-2]) == 0
    assert "between the grid points: the images are gone" in capsys.readouterr().out


@pytest.mark.parametrize(("seeds", "threads"), [((0,), 4), ((0, 1), 2), ((0, 1, 2, 3, 4), 1)])
def test_threads_of_a_network_do_not_depend_on_what_is_left(
    data: ImageData, tmp_path: Path, seeds: tuple[int, ...], threads: int
) -> None:
    spec, folder = small_sweep(data, "conditioned", seeds=seeds), SweepFolder(tmp_path)
    folder.claim(spec)
    for left in range(len(seeds) + 1):
        job = Job(spec.networks()[:left], [], folder, cast(Any, None), cast(Any, None))
        assert network_threads(job, 4) == threads
