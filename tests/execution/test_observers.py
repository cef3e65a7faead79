"""One channel of observation: this process and worker processes tell observers the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.sweeps import HERE, LEAN, Recorder, Watcher, assert_all_was_seen, small_sweep

from ratescape.data.catalog import ImageData
from ratescape.execution.progress import Epoch, Notes, Plan, Progress, Reporter, Silent, Tracker
from ratescape.execution.sweep import resolved_run, run_single, run_sweep
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

MODEL = ModelSpec(family="residual", channels=4, latents=(3, 2, 2))


def asked(data: ImageData, **fields: Any) -> SweepSpec:
    usual: dict[str, Any] = {"model": MODEL}
    return small_sweep(data, **usual | fields)


@pytest.mark.parametrize(
    ("engine", "method"),
    [
        *(("in-process", method) for method in ("dedicated", "conditioned", "targeted")),
        ("workers", "conditioned"),
        *(pytest.param("workers", method, marks=pytest.mark.campaign) for method in ("dedicated", "targeted")),
    ],
)
def test_every_epoch_and_picture_is_seen(data: ImageData, tmp_path: Path, engine: Any, method: str) -> None:
    fields: dict[str, Any] = {"groups": (0, 1, 1), "conditioning": ConditioningSpec(width=8, fine=0)}
    if method == "targeted":
        fields = {"target_rates": ("3=1,2+1=2",)}
    spec = asked(data, method=method, **fields)
    folder, seen = SweepFolder(tmp_path / "sweep"), Recorder()
    run_sweep(spec, data, folder, ExecutionSpec(engine=engine, workers=2), seen)
    assert_all_was_seen(seen, spec, folder)
    for epoch in seen.epochs:
        top, *below = epoch.rates
        groups = (top, sum(below)) if method != "targeted" else epoch.rates
        assert epoch.group_rates == pytest.approx(groups)
    last = seen.steps[-1]
    assert (last.steps, last.models) == (last.total, last.total_models) and last.models == len(spec.runs())
    assert [one.steps for one in seen.steps] == sorted(one.steps for one in seen.steps)


def test_one_model_is_observed_alike(data: ImageData, tmp_path: Path) -> None:
    run = resolved_run(RunSpec(data=data.spec, model=MODEL, training=TrainingSpec(epochs=2, batch=32)), data)
    seen = Recorder()
    run_single(run, data, RunFolder(tmp_path), LEAN, HERE, seen)
    assert [epoch.epoch for epoch in seen.epochs] == [1, 2] and seen.epochs[0].run == key(run)
    assert seen.steps[-1] == Progress(steps=6, total=6, models=1, total_models=1)
    assert [picture.name for picture in seen.pictures] == ["reconstructions", "samples"]
    assert seen.pictures[1].png == (tmp_path / "samples.png").read_bytes()


def test_what_is_done_already_counts_but_is_not_shown_again(data: ImageData, tmp_path: Path) -> None:
    spec, folder = asked(data, groups=(0, 0, 0)), SweepFolder(tmp_path / "sweep")
    run_sweep(spec, data, folder, HERE)
    again, other = (folder.run(run) for run in spec.runs())
    again.weights.unlink()
    (again.path / "done").unlink()
    seen = Recorder()
    run_sweep(spec, data, folder, HERE, seen)
    assert {epoch.run for epoch in seen.epochs} == {picture.run for picture in seen.pictures} == {again.path.name}
    assert seen.steps[0].models == 1 and seen.steps[0].steps > seen.steps[0].total / 2
    assert seen.steps[-1].models == 2 and other.path.name not in {picture.run for picture in seen.pictures}


# The parts


PLAN = Plan(networks={"n": 10}, runs={"a": 4, "b": 4}, groups=(0,))


def test_a_tracker_adds_up_what_trainings_tell(tmp_path: Path) -> None:
    seen = Recorder()
    tracker = Tracker(PLAN, lambda name: tmp_path / name, seen, done=["a"])
    assert tracker.state() == Progress(steps=4, total=18, models=1, total_models=2)
    tracker.receive({"kind": "steps", "runs": ["n"], "step": 7})
    tracker.receive({"kind": "steps", "runs": ["a", "b"], "step": 2})  # a is done, whatever its pack has still to do
    assert seen.steps[-1] == Progress(steps=13, total=18, models=1, total_models=2)
    tracker.receive({"kind": "written", "runs": ["n"]})
    tracker.receive({"kind": "written", "runs": ["a", "b"]})
    tracker.receive({"kind": "written", "runs": ["b"]})
    assert seen.steps[-1] == Progress(steps=18, total=18, models=2, total_models=2)


def test_a_reporter_tells_steps_now_and_then_and_the_last_always(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    reporter = Reporter(told.append, ["a", "b"])
    for done in range(1, 101):
        reporter.step(done, 100)
    steps = [message["step"] for message in told]
    assert steps[-1] == 100 and len(steps) < 100
    reporter.epoch([{"epoch": 1}, {"epoch": 1}])
    assert [(message["kind"], message["runs"]) for message in told[-2:]] == [("epoch", ["a"]), ("epoch", ["b"])]


def test_notes_leave_half_a_line_for_later_and_old_sessions_alone(tmp_path: Path) -> None:
    (tmp_path / "old.1.notes").write_text('{"kind": "steps", "runs": ["n"], "step": 9}\n')
    notes = Notes(tmp_path)
    assert list(notes.messages()) == []
    tell = Notes.teller(tmp_path, "new")
    tell({"step": 1})
    (path,) = tmp_path.glob("new.*.notes")
    whole = json.dumps({"step": 2}) + "\n"
    with path.open("a") as file:
        file.write(whole[:5])
    assert list(notes.messages()) == [{"step": 1}]
    with path.open("a") as file:
        file.write(whole[5:])
    tell({"step": 3})
    assert list(notes.messages()) == [{"step": 2}, {"step": 3}]
    assert list(notes.messages()) == []


def test_notes_that_cannot_be_written_lose_nothing_but_themselves(tmp_path: Path) -> None:
    Notes.teller(tmp_path / "gone", "new")({"step": 1})
    assert list(Notes(tmp_path / "gone").messages()) == []


def test_half_a_message_on_a_full_disk_costs_itself_and_the_next_alone(tmp_path: Path) -> None:
    """As a campaign found it: the sweep ended with a traceback in place of the worker's error."""
    notes, tell = Notes(tmp_path), Notes.teller(tmp_path, "new")
    tell({"step": 1})
    (path,) = tmp_path.glob("new.*.notes")
    with path.open("a") as file:
        file.write(json.dumps({"step": 2})[:5])
    tell({"step": 3})
    tell({"step": 4})
    assert list(notes.messages()) == [{"step": 1}, {"step": 4}]


def test_an_observer_may_care_about_nothing() -> None:
    """And what it does not ask for is still told it, without harm."""
    told: list[Progress] = []
    tracker = Tracker(PLAN, Path, Watcher(told.append), done=[])
    record = {"epoch": 1, "betas": [1.0], "rates": [2.0], "distortion": 3.0, "loss": 5.0, "learning_rate": 1e-3}
    tracker.receive({"kind": "epoch", "runs": ["a"], "record": record | {"status": "ok", "attempt": 1}})
    tracker.receive({"kind": "steps", "runs": ["a"], "step": 3})
    assert [progress.steps for progress in told] == [3]


@pytest.mark.parametrize("engine", ["in-process", "workers"])
def test_an_observer_that_fails_is_told_of_once_and_ends_nothing(data: ImageData, tmp_path: Path, engine: Any) -> None:
    class Broken(Silent):
        calls = 0

        def epoch(self, epoch: Epoch) -> None:
            self.calls += 1
            raise OSError("the logger's disk is full")

    broken, folder = Broken(), SweepFolder(tmp_path / "sweep")
    with pytest.warns(UserWarning, match="an observer failed and sees no more: OSError: the logger's disk is full"):
        table = run_sweep(asked(data), data, folder, ExecutionSpec(engine=engine, workers=2), broken)
    assert broken.calls == 1 and (table.rows["status"] == "ok").all()
