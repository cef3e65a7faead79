"""Results go into folders of our own alone; nothing of anybody else's is touched, or advised to be deleted."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.images import blobs
from helpers.sweeps import HERE, LEAN, MODEL, THREE_EPOCHS, small_sweep
from helpers.syncs import names_synced
from PIL import Image

import ratescape as rs
from ratescape import checkpoint
from ratescape.data.catalog import ImageData, load_data
from ratescape.errors import CheckpointError, DataError, RecordError, ResourceError
from ratescape.execution.sweep import run_sweep
from ratescape.records.folders import SweepFolder
from ratescape.records.locks import locked
from ratescape.records.ownership import MARK, refuse_foreign
from ratescape.specs.execution import ExecutionSpec
from ratescape.training import loop


@pytest.fixture(scope="module")
def data(images_file: Path) -> ImageData:
    return load_data(images_file)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 40 images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, pixels in enumerate(blobs(40)):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


# Folders


@pytest.mark.parametrize("inside", ["", "results", "deep/results"])
def test_images_are_not_mixed_with_results(photos: Path, inside: str) -> None:
    before = snapshot(photos)
    quick: dict[str, Any] = {"model": MODEL, "training": THREE_EPOCHS, "evaluation": LEAN, "execution": HERE}
    quick["out"] = photos / inside
    with pytest.raises(RecordError, match=r"lies in the folder of the images.*--out"):
        rs.map_landscape(str(photos), method=rs.Dedicated(grid=rs.BetaGrid(steps=2)), **quick)
    with pytest.raises(RecordError, match=r"lies in the folder of the images.*--out"):
        rs.train(str(photos), **quick)
    assert snapshot(photos) == before


@pytest.mark.parametrize("inside", ["inner", "runs/inner"])
def test_results_are_not_put_inside_other_results(tmp_path: Path, inside: str) -> None:
    outer = tmp_path / "outer"
    (outer / inside).mkdir(parents=True)
    (outer / "lock").write_text(MARK)
    refuse_foreign(outer)
    with pytest.raises(RecordError, match=r"outer/.*inner lies inside .*outer, which holds other results.*--out"):
        refuse_foreign(outer / inside)
    assert not any((outer / inside).iterdir())


def test_a_folder_called_like_a_known_set_is_no_folder_of_images(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second landscape of mnist goes into mnist/ beside the first."""
    monkeypatch.chdir(tmp_path)
    known = dataclasses.replace(data, spec=dataclasses.replace(data.spec, name="mnist"))
    for name in ("first", "second"):
        run_sweep(small_sweep(known), known, SweepFolder(Path("mnist") / name), HERE)


@pytest.mark.parametrize("name", ["notes.txt", "spec.yaml", "lock", "networks/mine.txt"])
def test_folders_of_others_are_refused(data: ImageData, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("training: mine\n")
    before = snapshot(tmp_path)
    with pytest.raises(RecordError, match=r"holds other files \(such as .*\).*choose a new or an empty folder"):
        run_sweep(small_sweep(data), data, SweepFolder(tmp_path), HERE)
    assert snapshot(tmp_path) == before


def test_what_a_killed_command_left_is_ours(data: ImageData, tmp_path: Path) -> None:
    """Killed before its lock said anything, or after it wrote what else comes before spec.yaml."""
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "lock").touch()
    with locked(tmp_path / "late"):
        (tmp_path / "late" / "packs").mkdir()
        (tmp_path / "late" / "packs" / "plan.json").write_text('{"pack": 1}')
    for name in ("early", "late"):
        assert len(run_sweep(small_sweep(data), data, SweepFolder(tmp_path / name), HERE).rows) == 4


def test_what_fails_before_its_work_leaves_no_folder(data: ImageData, tmp_path: Path) -> None:
    out, nowhere = tmp_path / "some" / "where", ExecutionSpec(device="cuda:7")
    if torch.cuda.is_available():
        pytest.skip("has GPUs")
    with pytest.raises(ResourceError):
        run_sweep(small_sweep(data), data, SweepFolder(out), nowhere)
    with pytest.raises(ResourceError):
        rs.train(data.spec.name, model=MODEL, training=THREE_EPOCHS, execution=nowhere, out=out)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_midway_loses_nothing(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third training breaks down: two models and its checkpoint stay, and the end is that of a whole sweep."""
    spec, often = small_sweep(data), ExecutionSpec(engine="in-process", checkpoint_seconds=0)
    whole = run_sweep(spec, data, SweepFolder(tmp_path / "whole"), HERE)
    calls: list[int] = []

    def fail(*given: object) -> None:
        calls.append(len(calls))
        if len(calls) == 22:
            raise RecordError("the disk is full")

    folder = SweepFolder(tmp_path / "broken")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_report", fail)
        with pytest.raises(RecordError, match="the disk is full"):
            run_sweep(spec, data, folder, often)
    assert list(folder.packs.glob("*.safetensors")) and len(list(folder.path.glob("runs/*/done"))) == 2
    again = run_sweep(spec, data, folder, often)
    assert again.rows.equals(whole.rows)


def test_a_handful_of_images_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", images=blobs(4))
    few = load_data(tmp_path / "few.npz")
    with pytest.raises(DataError, match=r"few.npz has 2 images to train on.*at least 16.*add some images"):
        rs.map_landscape(str(tmp_path / "few.npz"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists() and len(few.train.pixels) == 2


# Files


def test_files_of_others_are_not_to_be_deleted(photos: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.safetensors"
    empty.touch()
    for path in (photos / "0.png", empty):
        with pytest.raises(CheckpointError, match="is not a model of ratescape: check the path") as caught:
            rs.load(path)
        assert "delete" not in str(caught.value)


def test_damaged_files_are_to_be_deleted_only_where_they_are_made_again(data: ImageData, tmp_path: Path) -> None:
    spec = small_sweep(data, "conditioned", conditioning=rs.ConditioningSpec(fine=2, width=8))
    folder = SweepFolder(tmp_path / "out")
    run_sweep(spec, data, folder, HERE)
    weights = folder.run(spec.runs()[0]).weights
    mine = tmp_path / "mine.safetensors"
    rs.save(rs.load(weights), mine)
    for path in (weights, folder.network(spec.networks()[0]).weights):
        path.write_bytes(bytes(len(path.read_bytes())))
        with pytest.raises(CheckpointError, match=r"damaged.*delete it and run the same .*command again"):
            checkpoint.load(path)
    mine.write_bytes(mine.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"mine.safetensors is damaged.*restore it from a copy") as caught:
        rs.load(mine)
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, len(MARK) - 1])
def test_half_a_mark_is_what_a_command_may_leave_that_was_killed_as_it_began(tmp_path: Path, size: int) -> None:
    (tmp_path / "lock").write_text(MARK[:size])
    refuse_foreign(tmp_path)
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == MARK


@pytest.mark.parametrize("content", ["x", "This is mine.", MARK[1:]])
def test_a_lock_file_of_somebody_else_is_theirs(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content)
    with pytest.raises(RecordError, match="holds other files"):
        refuse_foreign(tmp_path)


def test_the_mark_lasts_before_anything_else_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut could leave a file of ours alone, which the same command would take for somebody's."""
    synced = names_synced(monkeypatch)
    with locked(tmp_path / "new"):
        assert synced[-2:] == ["lock", "new"]
        synced.clear()
        (tmp_path / "new" / "spec.yaml").touch()
    with locked(tmp_path / "new"):  # which costs nothing where the mark is there
        assert synced == []
