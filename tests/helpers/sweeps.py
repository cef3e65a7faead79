"""Sweeps from flat fields, small ones to run, and observers of them."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ratescape.data.catalog import ImageData
from ratescape.execution.progress import Epoch, Observer, Picture, Progress, Silent
from ratescape.execution.sweep import resolved_sweep, run_sweep
from ratescape.records.files import read_json_lines
from ratescape.records.folders import SweepFolder
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Conditioned, Dedicated, Targeted
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training import compiling

LEAN = EvaluationSpec(samples=0, information=False, probes="none")
"""Leaves out what needs a judge or classifiers."""

HERE = ExecutionSpec(engine="in-process")
MODEL = ModelSpec(channels=4, latents=(3, 2))
THREE_EPOCHS = TrainingSpec(epochs=3, batch=32)

METHODS: dict[str, type[Any]] = {kind.kind: kind for kind in (Dedicated, Conditioned, Targeted)}


def sweep_spec(method: str = "dedicated", **fields: Any) -> SweepSpec:
    """A sweep from flat fields, as in a YAML file: those of the method beside the others."""
    return SweepSpec(method=METHODS[method](**own(method, fields)), **others(fields))


def break_off(monkeypatch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Have trainings of this process break off at a step, counted over all from now on; returns the steps begun."""
    begun: list[int] = []
    before = compiling.pack_pass

    def dies(*given: Any) -> Any:
        begun.append(len(begun) + 1)
        if len(begun) == step:
            raise KeyboardInterrupt
        return before(*given)

    monkeypatch.setattr(compiling, "pack_pass", dies)
    return begun


def altered(spec: SweepSpec, **fields: Any) -> SweepSpec:
    """The sweep with other fields, given flat; another method takes over the fields that mean something for it."""
    kind = METHODS[fields.pop("method", spec.method.kind)]
    kept = {f.name: getattr(spec.method, f.name) for f in dataclasses.fields(kind) if hasattr(spec.method, f.name)}
    return dataclasses.replace(spec, method=kind(**kept | own(kind.kind, fields)), **others(fields))


def own(method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that a method owns."""
    names = {field.name for field in dataclasses.fields(METHODS[method])}
    return {name: value for name, value in fields.items() if name in names}


def others(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that no method owns."""
    names = {field.name for kind in METHODS.values() for field in dataclasses.fields(kind)}
    return {name: value for name, value in fields.items() if name not in names}


def small_sweep(data: ImageData, method: str = "dedicated", **fields: Any) -> SweepSpec:
    """A resolved sweep of 2 x 2 betas that trains in a moment, with other fields given flat."""
    usual: dict[str, Any] = {"data": data.spec, "model": MODEL, "training": THREE_EPOCHS, "evaluation": LEAN}
    few = {"grid": BetaGrid(steps=2), "conditioning": ConditioningSpec(fine=3)}  # 21 x 21 points would take seconds
    return resolved_sweep(sweep_spec(method, **usual | own(method, few) | fields), data)


def swept(
    spec: SweepSpec, data: ImageData, path: Path, execution: ExecutionSpec = HERE, observer: Observer | None = None
) -> SweepFolder:
    """The folder of a sweep that was run there."""
    folder = SweepFolder(path)
    run_sweep(spec, data, folder, execution, observer)
    return folder


def copied(folder: SweepFolder, path: Path) -> SweepFolder:
    """A copy of a sweep's folder, to be changed."""
    shutil.copytree(folder.path, path)
    return SweepFolder(path)


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Wait until a condition holds; it must within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class Watcher(Silent):
    """Calls a function at every progress."""

    def __init__(self, call: Callable[[Progress], object]) -> None:
        self.call = call

    def progress(self, progress: Progress) -> None:
        self.call(progress)


class Recorder(Silent):
    """Keeps all that it sees."""

    def __init__(self) -> None:
        self.steps: list[Progress] = []
        self.epochs: list[Epoch] = []
        self.pictures: list[Picture] = []

    def progress(self, progress: Progress) -> None:
        self.steps.append(progress)

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)

    def picture(self, picture: Picture) -> None:
        self.pictures.append(picture)


def assert_all_was_seen(seen: Recorder, spec: SweepSpec, folder: SweepFolder) -> None:
    """Every epoch and picture once, and with what the records of the finished sweep hold."""
    runs = [folder.run(run) for run in spec.runs()]
    trained = [folder.network(network) for network in spec.networks()] or runs
    assert {epoch.run for epoch in seen.epochs} == {one.path.name for one in trained}
    for one in trained:
        epochs = [epoch for epoch in seen.epochs if epoch.run == one.path.name]
        logged = read_json_lines(one.training)
        assert [epoch.epoch for epoch in epochs] == list(range(1, (spec.training.epochs or 0) + 1))
        for epoch, line in zip(epochs, logged, strict=True):
            assert (list(epoch.betas), list(epoch.rates)) == (line["betas"], line["rates"])
            assert (epoch.distortion, epoch.loss) == (line["distortion"], line["loss"])
            assert (epoch.learning_rate, epoch.status) == (line["learning_rate"], "ok")
    pictures = {(picture.run, picture.name): picture.png for picture in seen.pictures}
    assert pictures == {
        (run.path.name, name): (run.path / f"{name}.png").read_bytes()
        for run in runs
        for name in ("reconstructions", "samples")
    }
    assert len(seen.pictures) == 2 * len(runs)
