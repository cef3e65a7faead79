"""Sweeps on tiny images: engines and packs agree, what is done stays, what goes wrong says so and loses nothing."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from helpers.commands import TINY
from helpers.images import blobs
from helpers.rows import rows as vectors
from helpers.sweeps import LEAN, MODEL, Watcher, copied, small_sweep, swept, wait_for
from torch._inductor.exc import InvalidCxxCompiler

from ratescape import checkpoint
from ratescape.compute import memory
from ratescape.data.catalog import ImageData, load_data
from ratescape.data.prepared import read_prepared, write_prepared
from ratescape.errors import (
    CheckpointError,
    DataError,
    MemoryShortage,
    RatescapeError,
    RecordError,
    ResourceError,
    SpecError,
)
from ratescape.execution import local, packing, work, workspace
from ratescape.execution.progress import Progress
from ratescape.execution.sweep import resolved_run, run_single, run_sweep
from ratescape.models import evaluate, load
from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import read_table
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import key
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

HERE = ExecutionSpec(engine="in-process", pack=2)
TRAINING = TrainingSpec(epochs=2, batch=32)


def asked(data: ImageData, **fields: Any) -> SweepSpec:
    usual: dict[str, Any] = {"training": TRAINING}
    return small_sweep(data, **usual | fields)


@pytest.fixture(scope="module")
def finished(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """A sweep of 2 x 2 betas in packs of two; tests that change it take a copy."""
    return swept(asked(data), data, tmp_path_factory.mktemp("finished"), HERE)


def times(folder: SweepFolder, name: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.path.glob(f"runs/*/{name}")}


def assert_same_numbers(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Equal up to float32 rounding over a few steps of training: relative 1e-4, absolute 1e-5 nats.

    Numbers are sums of float32 terms in an order that depends on pack and threads; counts and names are equal.
    """
    pd.testing.assert_frame_equal(one, other, rtol=1e-4, atol=1e-5)


# What comes out


def test_a_sweep_measures_every_model(finished: SweepFolder, data: ImageData) -> None:
    table = read_table(finished)
    assert (table.missing, table.broken) == (0, ())
    assert list(table.rows["status"]) == ["ok"] * 4
    assert not table.rows.isna().any().any()
    totals = table.rows["rate_2"] + table.rows["rate_1"]
    np.testing.assert_allclose(table.rows["rate"], totals)
    np.testing.assert_allclose(table.rows["nelbo"], table.rows["distortion"] + totals)
    weighted = table.rows["beta_2"] * table.rows["rate_2"] + table.rows["beta_1"] * table.rows["rate_1"]
    np.testing.assert_allclose(table.rows["loss"], table.rows["distortion"] + weighted)
    pd.testing.assert_frame_equal(pd.read_csv(finished.table), table.rows, check_dtype=False)
    assert not finished.packs.exists()
    assert finished.provenance()["fingerprint"] == data.fingerprint


def test_every_run_folder_is_whole(finished: SweepFolder) -> None:
    for run in finished.spec().runs():
        place = finished.run(run)
        found = {path.name for path in place.path.iterdir()}
        files = {"spec.yaml", "weights.safetensors", "training.jsonl", "evaluation.jsonl", "done"}
        assert found == files | {"reconstructions.png", "samples.png"}
        assert place.spec() == run
        epochs = read_json_lines(place.training)
        assert [epoch["epoch"] for epoch in epochs] == [1, 2]
        assert epochs[-1]["betas"] == pytest.approx(run.betas)


def test_weights_on_disk_give_the_numbers_of_the_table(finished: SweepFolder) -> None:
    rows = read_table(finished).rows
    place = RunFolder(finished.path / "runs" / rows.loc[2, "run"])
    validation, test = evaluate(place.path)
    assert validation["metrics"]["rates"] == pytest.approx([rows.loc[2, "rate_2"], rows.loc[2, "rate_1"]], rel=1e-5)
    assert test["metrics"]["nelbo"] == pytest.approx(rows.loc[2, "test_nelbo"], rel=1e-5)
    assert [means.shape for means in load(place.path).encode(blobs(5)[:, None])] == [(5, 3), (5, 2, 2, 2)]


@pytest.mark.parametrize("pack", [1, 4])
def test_packs_of_all_sizes_agree(finished: SweepFolder, data: ImageData, tmp_path: Path, pack: int) -> None:
    execution = dataclasses.replace(HERE, pack=pack)
    table = run_sweep(asked(data), data, SweepFolder(tmp_path), execution)
    assert_same_numbers(table.rows, read_table(finished).rows)


@pytest.mark.parametrize(("workers", "pack"), [(2, 1), (1, 4)])
def test_engines_agree(finished: SweepFolder, data: ImageData, tmp_path: Path, workers: int, pack: int) -> None:
    """Also with a single worker and a single pack, which is still a process of its own."""
    execution = ExecutionSpec(engine="workers", workers=workers, pack=pack)
    told: list[Progress] = []
    table = run_sweep(asked(data), data, SweepFolder(tmp_path), execution, Watcher(told.append))
    assert_same_numbers(table.rows, read_table(finished).rows)
    steps = 4 * 2 * 3  # models, epochs, batches
    assert told[-1] == Progress(steps=steps, total=steps, models=4, total_models=4)
    assert [p.steps for p in told] == sorted(p.steps for p in told)


def test_the_engine_is_a_function_of_the_settings_alone() -> None:
    """Else a resumed sweep would round otherwise than an uninterrupted one."""
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert packing.workers(ExecutionSpec(), cpu) >= 1
    assert packing.workers(ExecutionSpec(workers=3), cpu) == 3
    assert packing.workers(ExecutionSpec(workers=3), cuda) == 0
    assert packing.workers(ExecutionSpec(engine="in-process"), cpu) == 0
    assert packing.workers(ExecutionSpec(engine="workers", workers=1), cuda) == 1


@pytest.mark.parametrize(("latents", "groups"), [((3,), None), ((3, 2, 2), (0, 1, 1))])
def test_ladders_of_other_depths(data: ImageData, tmp_path: Path, latents: tuple[int, ...], groups: Any) -> None:
    model = ModelSpec(family="residual", channels=4, latents=latents)
    spec = asked(data, model=model, groups=groups, training=TrainingSpec(epochs=1, batch=64))
    rows = run_sweep(spec, data, SweepFolder(tmp_path), HERE).rows
    assert len(rows) == 2 ** (1 if groups is None else 2)
    layers = range(len(latents), 0, -1)
    betas = rows[[f"beta_{layer}" for layer in layers]]
    assert {tuple(row) for row in betas.to_numpy()} == {run.betas for run in spec.runs()}
    np.testing.assert_allclose(rows["rate"], sum(rows[f"rate_{layer}"] for layer in layers))


def test_seeds_give_models_of_their_own(data: ImageData, finished: SweepFolder, tmp_path: Path) -> None:
    grid = BetaGrid(low=0.1, high=0.1, steps=1)
    rows = run_sweep(asked(data, grid=grid, seeds=(0, 5)), data, SweepFolder(tmp_path), HERE).rows
    assert list(rows["seed"]) == [0, 5]
    assert rows.loc[0, "nelbo"] != rows.loc[1, "nelbo"]
    assert rows.loc[0, "nelbo"] == pytest.approx(read_table(finished).rows.loc[0, "nelbo"], rel=1e-4)


def test_images_given_as_an_array_are_kept_for_later(tmp_path: Path) -> None:
    data = load_data(blobs(60, seed=3))
    folder = SweepFolder(tmp_path / "sweep")
    spec = asked(data, grid=BetaGrid(low=1.0, high=1.0, steps=1))
    rows = run_sweep(spec, data, folder, HERE).rows
    assert spec.data.name == "array:" + data.fingerprint
    place = folder.run(spec.runs()[0])
    assert evaluate(place.path)[1]["metrics"]["nelbo"] == pytest.approx(rows.loc[0, "test_nelbo"], rel=1e-5)
    np.testing.assert_array_equal(read_prepared(folder.path / "data").test.pixels, data.test.pixels)


def test_targets_given_with_an_array_are_kept_for_later(tmp_path: Path) -> None:
    images = blobs(60, seed=3)
    targets = np.stack([images.mean((1, 2)), images.std((1, 2))], axis=1)
    data = load_data(images, targets=targets)
    folder = SweepFolder(tmp_path / "sweep")
    evaluation = dataclasses.replace(LEAN, probes="heldout")
    spec = asked(data, grid=BetaGrid(low=1.0, high=1.0, steps=1), evaluation=evaluation)
    rows = run_sweep(spec, data, folder, HERE).rows
    place = folder.run(spec.runs()[0])
    again = evaluate(place.path, evaluation)[1]["metrics"]["ridge_r2"]
    assert again == pytest.approx([rows.loc[0, "test_ridge_r2_2"], rows.loc[0, "test_ridge_r2_1"]], rel=1e-5)
    kept = read_prepared(folder.path / "data")
    for name, split in {"train": data.train, **data.held_out}.items():
        reread = {"train": kept.train, **kept.held_out}[name]
        np.testing.assert_array_equal(reread.targets, split.targets)
        assert reread.labels is None


# Again


def test_the_same_again_trains_and_measures_nothing(finished: SweepFolder, data: ImageData, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "again")
    before, table = times(folder, "*"), folder.table.read_bytes()
    assert len(before) == 4 * 7
    told: list[Progress] = []
    run_sweep(asked(data), data, folder, dataclasses.replace(HERE, pack=4), Watcher(told.append))
    assert times(folder, "*") == before
    assert folder.table.read_bytes() == table
    assert told == []


def test_other_settings_of_evaluation_measure_again_without_training(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    folder = copied(finished, tmp_path / "again")
    weights, training = times(folder, "weights.safetensors"), times(folder, "training.jsonl")
    spec = asked(data, evaluation=dataclasses.replace(LEAN, draws=4, pictures=3))
    rows = run_sweep(spec, data, folder, HERE).rows
    assert (times(folder, "weights.safetensors"), times(folder, "training.jsonl")) == (weights, training)
    old = read_table(finished).rows
    assert (rows["nelbo"] != old["nelbo"]).all()
    np.testing.assert_allclose(rows["nelbo"], old["nelbo"], rtol=0.05)
    np.testing.assert_allclose(rows["psnr"], old["psnr"])
    assert folder.spec() == spec


def test_a_pack_half_done_under_old_settings_ends_under_the_new(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    folder = copied(finished, tmp_path / "again")
    undone = folder.run(asked(data).runs()[0])
    (undone.path / "done").unlink()
    spec = asked(data, evaluation=dataclasses.replace(LEAN, seed=9))
    run_sweep(spec, data, folder, HERE)
    settings = [read_json_lines(folder.run(run).evaluation)[0]["settings"] for run in spec.runs()]
    assert [one["seed"] for one in settings] == [9] * 4


def test_deleted_runs_and_weights_are_made_again_alike(finished: SweepFolder, data: ImageData, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "again")
    first, second, *_ = [folder.run(run) for run in asked(data).runs()]
    shutil.rmtree(first.path)
    second.weights.unlink()
    run_sweep(asked(data), data, folder, HERE)
    assert folder.table.read_bytes() == finished.table.read_bytes()
    again, _ = checkpoint.load(second.weights)
    once, _ = checkpoint.load(finished.path / "runs" / second.path.name / "weights.safetensors")
    for name, tensor in once.items():
        np.testing.assert_array_equal(again[name], tensor)


# Refusals


def test_another_spec_is_refused(finished: SweepFolder, data: ImageData) -> None:
    before = times(finished, "*")
    with pytest.raises(RecordError, match=r"another spec \(it differs in training\.epochs\)"):
        run_sweep(asked(data, training=TrainingSpec(epochs=3, annealing=0.6, batch=32)), data, finished, HERE)
    assert times(finished, "*") == before


def test_other_images_under_the_same_name_are_refused(finished: SweepFolder, data: ImageData) -> None:
    before = finished.table.read_bytes()
    other = dataclasses.replace(data, fingerprint="0" * 12)
    with pytest.raises(RecordError, match=r"was begun with other images .*: restore them, or choose another folder"):
        run_sweep(asked(data), other, finished, HERE)
    assert finished.table.read_bytes() == before


def test_images_of_another_name_are_told_from_those_of_the_folder(finished: SweepFolder, data: ImageData) -> None:
    grey = dataclasses.replace(data, spec=dataclasses.replace(data.spec, name="grey.npz"), fingerprint="0" * 12)
    with pytest.raises(RecordError) as refusal:
        run_sweep(asked(grey), grey, finished, HERE)
    assert str(refusal.value) == (
        f"{finished.path} is of the images {data.spec.name} (fingerprint {data.fingerprint}), not of grey.npz "
        f"(fingerprint {'0' * 12}): map {data.spec.name} to go on with it, or choose another folder with --out"
    )


def test_images_changed_between_a_kill_and_the_next_run_are_refused(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed just after the images were handed over: they must not be trained on under the new ones' name."""
    folder = SweepFolder(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local.LocalEngine, "carry_out", killed)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(asked(data), data, folder, HERE)
    with pytest.raises(RecordError, match="other images"):
        run_sweep(asked(data), dataclasses.replace(data, fingerprint="0" * 12), folder, HERE)


def test_the_same_folder_made_anew_sees_the_new_images(data: ImageData, tmp_path: Path) -> None:
    """Nothing of the folder's former life is remembered."""
    spec, grey = asked(data, grid=BetaGrid(1.0, 1.0, 1)), load_data(np.full((96, 16, 16), 99, np.uint8))
    run_sweep(spec, data, SweepFolder(tmp_path / "sweep"), HERE)
    shutil.rmtree(tmp_path / "sweep")
    rows = run_sweep(asked(grey, grid=BetaGrid(1.0, 1.0, 1)), grey, SweepFolder(tmp_path / "sweep"), HERE).rows
    expected = run_sweep(asked(grey, grid=BetaGrid(1.0, 1.0, 1)), grey, SweepFolder(tmp_path / "other"), HERE).rows
    pd.testing.assert_frame_equal(rows, expected)


def test_a_pack_that_does_not_fit_is_refused_with_advice(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = packing.member_bytes(asked(data), data)
    monkeypatch.setattr(memory, "free_bytes", lambda _: int(2.5 * each / packing.MEMORY_SHARE))
    with pytest.raises(ResourceError, match=r"a pack of 4 needs about .* GiB .*: set execution\.pack to at most 2, or"):
        run_sweep(asked(data), data, SweepFolder(tmp_path / "four"), dataclasses.replace(HERE, pack=4))
    monkeypatch.setattr(memory, "free_bytes", lambda _: each // 2)
    with pytest.raises(ResourceError, match=r"a pack of 1 needs .*: take fewer execution\.workers or a smaller"):
        run_sweep(asked(data), data, SweepFolder(tmp_path / "one"), ExecutionSpec())


def test_a_finished_sweep_needs_no_memory(
    finished: SweepFolder, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _: 0)
    assert len(run_sweep(asked(data), data, finished, ExecutionSpec()).rows) == 4


def test_automatic_packs_are_as_large_as_fits(data: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = asked(data)
    monkeypatch.setattr(packing, "CPU_PACK", 2)
    assert packing.pack_size(spec, data, ExecutionSpec(engine="in-process")) == 2
    assert packing.pack_size(spec, data, ExecutionSpec(workers=4)) == 1
    assert packing.pack_size(spec, data, ExecutionSpec(engine="in-process", pack=100)) == 4
    small = small_sweep(vectors(), grid=BetaGrid(steps=5))
    assert packing.pack_size(small, vectors(), ExecutionSpec(workers=2)) == 13  # of 25 models of rows
    each = packing.member_bytes(spec, data)
    monkeypatch.setattr(memory, "free_bytes", lambda _: int(1.5 * each / packing.MEMORY_SHARE))
    assert packing.pack_size(spec, data, ExecutionSpec(engine="in-process")) == 1


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "meta:x"])
def test_a_device_that_is_not_there_is_named(data: ImageData, tmp_path: Path, device: str) -> None:
    with pytest.raises(ResourceError, match=rf"execution\.device is '{device}', which cannot be used here \(.*try cpu"):
        run_sweep(asked(data), data, SweepFolder(tmp_path), ExecutionSpec(device=device))


def test_images_the_network_cannot_take_are_refused() -> None:
    odd = load_data(np.full((40, 18, 18), 9, np.uint8))
    with pytest.raises(SpecError, match="images are 18 x 18: ghvae takes heights and widths that are multiples of 4"):
        asked(odd)


def test_two_sweeps_at_once(
    data: ImageData, images_file: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    out = tmp_path / "sweep"
    words = ["--data.name", images_file, *TINY, "--training.epochs", "100000", "--execution.engine", "in-process"]
    first = start("map", *words, "--out", out)
    try:
        wait_for((out / "packs" / "plan.json").exists)
        with pytest.raises(RecordError, match=rf"another ratescape is working in {out}: wait for it to end"):
            run_sweep(asked(data), data, SweepFolder(out), HERE)
        assert first.poll() is None
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()


# What goes wrong on the way


def test_members_that_diverge_are_recorded_and_the_others_finish(data: ImageData, tmp_path: Path) -> None:
    """A beta of 1e30 makes gradients whose squares no float32 holds."""
    training = dataclasses.replace(TRAINING, annealing=0.0, max_skipped_steps=3)
    folder = SweepFolder(tmp_path / "four")
    spec = asked(data, training=training, grid=BetaGrid(low=1.0, high=1e30, steps=2))
    rows = run_sweep(spec, data, folder, dataclasses.replace(HERE, pack=4)).rows
    assert list(rows["status"]) == ["ok", "diverged", "diverged", "diverged"]
    assert np.isfinite(rows.loc[0, "nelbo"]) and rows.loc[1:, ["rate_2", "nelbo", "test_psnr"]].isna().all(axis=None)
    alone = run_sweep(
        asked(data, training=training, grid=BetaGrid(1.0, 1.0, 1)), data, SweepFolder(tmp_path / "alone"), HERE
    ).rows
    assert rows.loc[0, "nelbo"] == pytest.approx(alone.loc[0, "nelbo"], rel=1e-4)
    before = folder.table.read_bytes()
    run_sweep(spec, data, folder, HERE)
    assert folder.table.read_bytes() == before
    anew = run_sweep(dataclasses.replace(spec, evaluation=dataclasses.replace(LEAN, draws=2)), data, folder, HERE).rows
    assert list(anew["status"]) == list(rows["status"])


def interrupted(data: ImageData, folder: SweepFolder, monkeypatch: pytest.MonkeyPatch, pack: int = 2) -> Path:
    """Stop a sweep when its first pack is trained and not yet written; returns the checkpoint it leaves."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work, "write_run", killed)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(asked(data), data, folder, dataclasses.replace(HERE, pack=pack))
    (path,) = folder.packs.glob("*.safetensors")
    return path


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_is_named_with_its_remedy(
    finished: SweepFolder, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    folder = SweepFolder(tmp_path)
    path = interrupted(data, folder, monkeypatch)
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes({"truncated": bytes(content[:-100]), "flipped": bytes(content), "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=rf"the checkpoint is damaged .*; delete it and run .*: {path}"):
        run_sweep(asked(data), data, folder, HERE)
    path.unlink()
    run_sweep(asked(data), data, folder, HERE)
    assert folder.table.read_bytes() == finished.table.read_bytes()


def test_weights_that_are_cut_off_are_no_finished_landscape(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    folder = copied(finished, tmp_path / "again")
    run_sweep(asked(data), data, folder, HERE)
    weights = folder.run(asked(data).runs()[0]).weights
    whole = weights.read_bytes()
    for content in (whole[:-1], whole + b"0", whole[:20], b"", b"\xff" * len(whole)):
        weights.write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"is damaged \(it is cut off\).*same `map` command.*: {weights}"):
            run_sweep(asked(data), data, folder, HERE)
    weights.unlink()
    run_sweep(asked(data), data, folder, HERE)
    assert weights.read_bytes() == whole


def test_damaged_weights_are_named_with_their_remedy(finished: SweepFolder, data: ImageData, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "again")
    weights = folder.run(asked(data).runs()[0]).weights
    weights.write_bytes(weights.read_bytes()[:-10])
    spec = asked(data, evaluation=dataclasses.replace(LEAN, seed=1))
    with pytest.raises(CheckpointError, match=rf"delete it and run the same `map` command again .*: {weights}"):
        run_sweep(spec, data, folder, HERE)
    weights.unlink()
    run_sweep(spec, data, folder, HERE)
    assert read_table(folder).missing == 0


def test_other_damage_is_named_with_its_remedy(
    finished: SweepFolder, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(finished, tmp_path / "again")
    place = folder.run(asked(data).runs()[0])
    place.evaluation.write_text("{")
    with pytest.raises(RecordError, match=rf"evaluation\.jsonl is missing or damaged .*: delete {place.path} to make"):
        run_sweep(asked(data), data, folder, HERE)
    half = SweepFolder(tmp_path / "half")
    interrupted(data, half, monkeypatch)
    with pytest.raises(RecordError, match=r"was begun with packs of 2, not 3: leave out execution\.pack"):
        run_sweep(asked(data), data, half, dataclasses.replace(HERE, pack=3))
    (half.packs / "plan.json").write_text("{}")
    with pytest.raises(RecordError, match=rf"plan\.json is damaged: delete {half.packs} and run the same command"):
        run_sweep(asked(data), data, half, HERE)
    workspace.hand_over(data, half)
    (half.packs / "data" / "train.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"holds no prepared images, or damaged ones .*: delete it"):
        read_prepared(half.packs / "data")


def test_the_same_oversized_pack_resumes(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SweepFolder(tmp_path)
    interrupted(data, folder, monkeypatch, pack=9)
    assert json.loads((folder.packs / "plan.json").read_text()) == {"pack": 4}
    assert len(run_sweep(asked(data), data, folder, dataclasses.replace(HERE, pack=9)).rows) == 4


SHORT = """
from pathlib import Path
from ratescape.execution import work

train = work.train

def short_of_memory(recipe, model, images, betas, members, *rest, **how):
    with Path("{log}").open("a") as log:
        log.write(str(members))
    if members > {fitting}:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return train(recipe, model, images, betas, members, *rest, **how)

work.train = short_of_memory
"""
"""Lets packs run out of memory; also as the sitecustomize.py of worker processes."""


@pytest.mark.parametrize(
    ("engine", "fitting", "tried"), [("in-process", 2, "422"), ("in-process", 1, "4211211"), ("workers", 1, "4211211")]
)
def test_a_pack_that_runs_out_of_memory_is_split(
    finished: SweepFolder,
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: Any,
    fitting: int,
    tried: str,
) -> None:
    code = SHORT.format(fitting=fitting, log=tmp_path / "log")
    if engine == "workers":
        (tmp_path / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    else:
        monkeypatch.setattr(work, "train", work.train)  # puts it back
        exec(code, {})
    told: list[Progress] = []
    execution = ExecutionSpec(engine=engine, workers=1, pack=4, checkpoint_seconds=0.0)
    table = run_sweep(asked(data), data, SweepFolder(tmp_path / "sweep"), execution, Watcher(told.append))
    assert_same_numbers(table.rows, read_table(finished).rows)
    assert told[-1].steps == told[-1].total == 24
    assert (tmp_path / "log").read_text() == tried


def test_a_machine_that_cannot_compile_says_so(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", failing_compile)
    with pytest.raises(
        ResourceError, match=r"execution\.compile does not work here \(No working C\+\+ .*: leave it out"
    ):
        run_sweep(asked(data), data, SweepFolder(tmp_path), dataclasses.replace(HERE, compile="always"))


def failing_compile(*_: Any, **__: Any) -> Any:
    raise InvalidCxxCompiler


def test_a_split_pack_is_taken_up_as_its_halves(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked_for, sizes = SweepFolder(tmp_path), asked(data), []

    def short_then_killed(*given: Any, **how: Any) -> None:
        sizes.append(given[4])
        raise RuntimeError("CUDNN_STATUS_ALLOC_FAILED") if given[4] > 2 else KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work, "train", short_then_killed)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(asked_for, data, folder, dataclasses.replace(HERE, pack=4))
    assert sizes == [4, 2]
    packs = packing.planned(asked_for, data, folder, dataclasses.replace(HERE, pack=4))
    assert [len(pack.runs) for pack in packs] == [2, 2]
    assert [run for pack in packs for run in pack.runs] == asked_for.runs()


def test_a_model_that_does_not_fit_alone_is_an_error(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "train", work.train)
    exec(SHORT.format(fitting=0, log=tmp_path / "log"), {})
    with pytest.raises(MemoryShortage, match=r"while training 1 model\(s\) at once: .* smaller training\.batch"):
        run_sweep(asked(data), data, SweepFolder(tmp_path), HERE)


def test_a_killed_worker_is_a_clear_error_and_nothing_is_lost(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    folder = SweepFolder(tmp_path)

    def kill_one() -> None:
        """As soon as there is a worker: seconds pass until it can train, so that the kill comes before the end."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process().children():
                    if any("workers import serve" in word for word in process.cmdline()):
                        process.kill()
                        return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    execution = ExecutionSpec(engine="workers", workers=2, pack=2)
    with pytest.raises(ResourceError, match=r"a worker process was ended by SIGKILL, .*: run the same command again"):
        run_sweep(asked(data), data, folder, execution)
    killer.join()
    run_sweep(asked(data), data, folder, HERE)
    assert_same_numbers(read_table(folder).rows, read_table(finished).rows)


def test_a_full_disk_at_any_write_loses_nothing(
    finished: SweepFolder, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at one write after the other, further on each time, until the sweep gets through."""
    folder = SweepFolder(tmp_path / "sweep")
    execution = dataclasses.replace(HERE, checkpoint_seconds=0.0)
    failures: list[str] = []
    for allowed in (0, 1, 2, 3, 5, 8, 12, 18, 26, 36, 1000):
        left = allowed

        def write(_: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        kept = {path.parent: path for path in folder.path.glob("runs/*/done")}
        before = {path: (parent / "weights.safetensors").stat().st_mtime_ns for parent, path in kept.items()}
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", write)
            try:
                run_sweep(asked(data), data, folder, execution)
                break
            except RecordError as error:
                failures.append(str(error))
        assert {p: (p.parent / "weights.safetensors").stat().st_mtime_ns for p in kept.values()} == before
    assert len(failures) >= 6
    assert all("No space left on device): free some space" in message for message in failures)
    assert folder.table.read_bytes() == finished.table.read_bytes()
    assert not list(folder.path.rglob("*.tmp"))


def test_images_that_cannot_be_handed_over_are_a_clear_error(data: ImageData, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot write"):
        write_prepared(data, tmp_path / "file" / "inside")


# One model


def single(data: ImageData, **fields: Any) -> RunSpec:
    spec = RunSpec(data=data.spec, model=MODEL, training=TRAINING, betas=(0.1, 10.0))
    return resolved_run(dataclasses.replace(spec, **fields), data)


def test_one_model_is_as_in_a_sweep_and_is_not_made_twice(
    finished: SweepFolder, data: ImageData, tmp_path: Path
) -> None:
    run, folder = single(data), RunFolder(tmp_path)
    assert key(run) in {path.name for path in (finished.path / "runs").iterdir()}
    run_single(run, data, folder, LEAN, HERE)
    metrics = read_json_lines(folder.evaluation)[1]["metrics"]
    rows = read_table(finished).rows.set_index("run")
    assert metrics["nelbo"] == pytest.approx(rows.loc[key(run), "test_nelbo"], rel=1e-4)
    before = folder.weights.stat().st_mtime_ns
    run_single(run, data, folder, LEAN, HERE)
    assert folder.weights.stat().st_mtime_ns == before
    assert not (tmp_path / "checkpoint.safetensors").exists()
    refusals: list[tuple[RunSpec, ImageData, str]] = [
        (single(data, betas=(1.0, 1.0)), data, r"another spec \(it differs in betas\)"),
        (run, dataclasses.replace(data, fingerprint="0" * 12), "other images"),
    ]
    for spec, images, message in refusals:
        with pytest.raises(RatescapeError, match=message):
            run_single(spec, images, folder, LEAN, HERE)
    assert folder.weights.stat().st_mtime_ns == before
