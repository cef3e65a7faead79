"""In one process nothing is made twice: images on the device, the judge, and files that nobody reads."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.images import blobs
from helpers.stripes import stripes
from helpers.sweeps import LEAN, small_sweep, swept

from ratescape.data.catalog import ImageData, load_data
from ratescape.execution import workspace
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.training import TrainingSpec

ONE_BY_ONE = ExecutionSpec(engine="in-process", pack=1)
ONE_EPOCH = TrainingSpec(epochs=1, batch=64, annealing=0.0)


def counted(function: Callable[..., Any], calls: list[Any]) -> Callable[..., Any]:
    """The function, which notes its first argument at every call."""

    def noting(first: Any, *rest: Any) -> Any:
        calls.append(first)
        return function(first, *rest)

    return noting


@pytest.mark.parametrize("method", ["dedicated", "conditioned"])
def test_images_are_put_on_the_device_once(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """For the network and four packs, which are refined."""
    put: list[Any] = []
    monkeypatch.setattr(workspace, "Images", SimpleNamespace(of=counted(workspace.Images.of, put)))
    spec = small_sweep(data, method, training=ONE_EPOCH)
    swept(spec, data, tmp_path, ONE_BY_ONE)
    assert len(spec.runs()) == 4 and len(put) == 1 and put[0] is data


def test_the_judge_is_obtained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    obtained: list[Any] = []
    monkeypatch.setattr(workspace, "obtain", counted(workspace.obtain, obtained))
    data = load_data(*stripes(96))
    scored = EvaluationSpec(samples=20, judge_epochs=1, information=False, probes="none")
    folder = swept(small_sweep(data, training=ONE_EPOCH, evaluation=scored), data, tmp_path / "sweep", ONE_BY_ONE)
    (judge,) = folder.path.glob("judges/*.safetensors")
    assert obtained == [judge]
    more = dataclasses.replace(scored, samples=40)
    swept(small_sweep(data, training=ONE_EPOCH, evaluation=more), data, folder.path, ONE_BY_ONE)
    assert obtained == [judge, judge]  # once more, by what is another process or session


@pytest.mark.parametrize(("given", "written"), [("file", []), ("array", ["data"])])
def test_images_are_written_only_where_nothing_else_holds_them(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, written: list[str]
) -> None:
    handed: list[Path] = []

    def write(images: ImageData, folder: Path) -> None:
        handed.append(folder)
        before(images, folder)

    before = workspace.write_prepared
    monkeypatch.setattr(workspace, "write_prepared", write)
    images = data if given == "file" else load_data(blobs(60, seed=3))
    folder = swept(small_sweep(images, training=ONE_EPOCH, evaluation=LEAN), images, tmp_path, ONE_BY_ONE)
    assert [path.relative_to(folder.path).as_posix() for path in handed] == written
    assert (folder.path / "data").exists() == bool(written)
