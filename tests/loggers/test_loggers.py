"""Loggers: what each backend holds equals the log of the run; a logger that fails ends no training."""

import io
import json
import struct
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.images import blobs
from helpers.logged import expected
from helpers.sweeps import small_sweep
from PIL import Image

import ratescape as rs
from ratescape import loggers
from ratescape.data.catalog import load_data
from ratescape.errors import ResourceError, SpecError
from ratescape.execution.logged import Logs, logged, series
from ratescape.execution.progress import Epoch, Picture
from ratescape.execution.sweep import run_sweep
from ratescape.loggers import known
from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.specs.codec import from_dict
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.runs import RunSpec

EPOCH = Epoch("k", 1, (1.0, 2.0, 2.0), (3.0, 4.0, 5.0), (3.0, 9.0), 50.0, 80.0, 1e-3, "ok", 1)
SMALL: dict[str, Any] = {
    "model": {"channels": 4, "latents": (3, 2)},
    "training": {"epochs": 2, "batch": 32},
    "evaluation": {"samples": 0, "information": False, "probes": "none"},
}


def png(value: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), value).save(buffer, "png")
    return buffer.getvalue()


class Kept:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, int], Mapping[str, float]] = {}
        self.pictures: list[tuple[int, str]] = []
        self.told: list[str] = []
        self.spec: Mapping[str, Any] = {}

    def start(self, spec: Mapping[str, Any]) -> None:
        self.told.append("start")
        self.spec = json.loads(json.dumps(spec))  # plain values alone

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        (training,) = {name.partition("/")[0] for name in numbers}
        self.numbers[training, step] = {name.partition("/")[2]: value for name, value in numbers.items()}

    def picture(self, step: int, name: str, image: bytes) -> None:
        Image.open(io.BytesIO(image)).verify()
        self.pictures.append((step, name))

    def finish(self, status: str) -> None:
        self.told.append(status)


class Failing(Kept):
    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        raise OSError("no room")


class Mapped:
    """A model that was trained with loggers, and what they hold."""

    def __init__(self, folder: Path) -> None:
        self.kept, self.failing = Kept(), Failing()
        self.folder = folder
        with pytest.warns(UserWarning, match="the logger Failing failed and is told no more: OSError: no room") as told:
            rs.train(
                blobs(96),
                betas=(0.5, 2.0),
                out=folder,
                execution={"log": ["tensorboard", "mlflow"]},
                log=[self.kept, self.failing],
                **SMALL,
            )
        self.warned = len(told)
        self.lines = read_json_lines(RunFolder(folder).training)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    return Mapped(tmp_path_factory.mktemp("logged") / "model")


def test_an_object_gets_what_the_log_holds(mapped: Mapped) -> None:
    kept = mapped.kept
    ((training, _), *_) = kept.numbers
    assert [kept.numbers[training, line["epoch"]] for line in mapped.lines] == list(map(expected, mapped.lines))
    assert len(kept.numbers) == len(mapped.lines) == 2
    drawn = [(step, f"{training}/{name}") for step in (1, 2) for name in ("reconstructions", "samples")]
    assert kept.pictures == drawn  # that of the last epoch is that of the finished model
    assert kept.told == ["start", "done"] and kept.spec["trainings"] == {training: {"betas": [0.5, 2.0], "seed": 0}}


def test_a_logger_that_fails_is_told_of_once(mapped: Mapped) -> None:
    assert mapped.warned == 1 and (mapped.folder / "done").exists() and mapped.failing.told == ["start"]


def test_logging_is_in_no_spec(mapped: Mapped) -> None:
    assert "tensorboard" not in (mapped.folder / "spec.yaml").read_text()


def test_tensorboard_files_equal_the_log(mapped: Mapped) -> None:
    from tensorboardX.proto.event_pb2 import Event

    found: dict[int, dict[str, float]] = {}
    pictures: list[tuple[int, str]] = []
    (path,) = (mapped.folder / "logs" / "tensorboard").glob("*/events*")
    content, at = path.read_bytes(), 0
    while at < len(content):  # length (8 bytes), its checksum (4), event, checksum (4)
        (length,) = struct.unpack_from("<Q", content, at)
        event = Event.FromString(content[at + 12 : at + 12 + length])
        at += length + 16
        for value in event.summary.value:
            if value.HasField("image"):
                pictures.append((event.step, value.tag))
            else:
                found.setdefault(event.step, {})[value.tag] = value.simple_value
    assert pictures == [(step, name) for step in (1, 2) for name in ("reconstructions", "samples")]
    assert found == {
        line["epoch"]: {name: float(np.float32(value)) for name, value in expected(line).items()}
        for line in mapped.lines
    }


def test_mlflow_files_equal_the_log(mapped: Mapped, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tracking_uri=(mapped.folder / "logs" / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("ratescape")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (one,) = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    names = expected(mapped.lines[0])
    history = {name: client.get_metric_history(one.info.run_id, name) for name in names}
    for line in mapped.lines:
        got = {name: next(m.value for m in values if m.step == line["epoch"]) for name, values in history.items()}
        assert got == expected(line)
    assert {run.info.status for run in runs} == {"FINISHED"}
    artifacts = [found.path for found in client.list_artifacts(one.info.run_id, "samples")]
    assert artifacts == ["samples/00001.png", "samples/00002.png"]


@pytest.mark.parametrize(("engine", "method"), [("in-process", "conditioned"), ("workers", "dedicated")])
def test_every_training_of_a_sweep_is_logged(engine: str, method: str, tmp_path: Path) -> None:
    data = load_data(blobs(96))
    spec = small_sweep(data, method=method, conditioning=ConditioningSpec(width=8, fine=0))
    folder = SweepFolder(tmp_path / "sweep")
    execution = from_dict(
        ExecutionSpec, {"engine": engine, "workers": 1 if engine == "workers" else None, "log_pictures": 2}
    )

    def mapped() -> Kept:
        kept = Kept()
        with logged(kept, execution, folder.path, spec) as logging:
            run_sweep(spec, data, folder, logging.execution, logging.observer)
        return kept

    kept = mapped()
    for one in [folder.network(one) for one in spec.networks()] or [folder.run(run) for run in spec.runs()]:
        for line in read_json_lines(one.training):
            assert kept.numbers[one.path.name, line["epoch"]] == expected(line)
        assert (2, f"{one.path.name}/samples") in kept.pictures and (1, f"{one.path.name}/samples") not in kept.pictures
    assert kept.told == ["start", "done"]
    assert mapped().told == [], "nothing begins where all is done"


# The parts


def test_groups_are_series_where_layers_share_betas() -> None:
    found = series(EPOCH)
    assert (found["rate_group_2"], found["rate_group_1"], found["rate_3"], found["beta_3"]) == (3.0, 9.0, 3.0, 1.0)
    assert found["rate"] == 12.0
    assert "rate_group_1" not in series(EPOCH._replace(group_rates=EPOCH.rates))


def test_a_second_attempt_is_a_training_of_its_own_and_the_landscape_comes_last(tmp_path: Path) -> None:
    kept = Kept()
    logs = Logs([("kept", kept)], {})
    logs.figure(tmp_path / "landscape.png")
    assert not kept.told
    logs.epoch(EPOCH)
    logs.epoch(EPOCH._replace(attempt=2))
    logs.picture(Picture("k", "samples", png()))
    logs.picture(Picture("other", "samples", png()))  # a model that was not trained
    (tmp_path / "landscape.png").write_bytes(png())
    logs.figure(tmp_path / "landscape.png")
    assert [name for name, _ in kept.numbers] == ["k", "k-2"]
    assert kept.pictures == [(1, "k/samples"), (1, "landscape")]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_charts_have_the_epoch_as_their_axis(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for the package: what it is called with."""
    calls: list[tuple[str, Any]] = []
    run = types.SimpleNamespace(
        log=lambda numbers: calls.append(("log", numbers)),
        finish=lambda exit_code=0: calls.append(("finish", exit_code)),
    )
    package: Any = types.ModuleType(name)
    package.init = lambda *given, **options: calls.append(("init", options)) or run
    package.Image = lambda picture: np.asarray(picture).shape
    package.finish = run.finish
    if name == "wandb":
        package.Settings = dict
        run.define_metric = lambda series, step_metric=None: calls.append(("axis", (series, step_metric)))
    package.__spec__ = types.SimpleNamespace(name=name)
    monkeypatch.setitem(sys.modules, name, package)
    logger = loggers.opened(name, tmp_path)
    logger.start({"name": "digits", "spec": {}})
    logger.log(1, {"k/loss": 2.5})
    logger.picture(1, "k/samples", png())
    logger.picture(1, "landscape", png())
    logger.finish("done")
    logs = [numbers for kind, numbers in calls if kind == "log"]
    assert logs == [{"k/loss": 2.5, "k/epoch": 1}, {"k/samples": (4, 4, 3), "k/epoch": 1}, {"landscape": (4, 4, 3)}]
    assert calls[0][1]["name"] == "digits" and calls[-1] == ("finish", 0)
    assert (("axis", ("k/*", "k/epoch")) in calls) == (name == "wandb")


def test_what_cannot_log_is_refused_before_anything_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = RunSpec()

    def enter(log: Any, names: tuple[str, ...] = ()) -> None:
        with logged(log, ExecutionSpec(log=names), tmp_path, spec):
            pytest.fail("nothing shall begin")

    with pytest.raises(SpecError, match=r"execution\.log is 'tensorbord': it must be one of tensorboard, wandb"):
        enter("tensorbord")
    with pytest.raises(SpecError, match=r"execution\.log has mlflow twice"):
        enter("mlflow", ("mlflow",))
    with pytest.raises(SpecError, match="log has a dict without start, log, picture, finish"):
        enter([{}])
    monkeypatch.setitem(known.KNOWN, "mlflow", known.Known("ratescape.loggers.mlflow", "no_such_package"))
    with pytest.raises(ResourceError, match=r'pip install "ratescape\[mlflow\]"'):
        enter((), ("mlflow",))
    assert not list(tmp_path.iterdir())


def test_a_call_that_is_interrupted_says_so(tmp_path: Path) -> None:
    kept = Kept()

    def interrupted() -> None:
        with logged(kept, ExecutionSpec(), tmp_path, RunSpec(betas=(1.0, 1.0))) as logging:
            assert logging.observer is not None and logging.execution.log == ("Kept",)
            logging.observer.epoch(EPOCH)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert kept.told == ["start", "stopped"]
