"""What is said before the work: how much there is to do, how long it takes, and what would be cheaper."""

import dataclasses
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.stripes import stripes
from helpers.sweeps import HERE, LEAN, small_sweep

from ratescape import checkpoint
from ratescape.data.catalog import ImageData, load_data
from ratescape.execution import timing, trial
from ratescape.execution.engine import Job
from ratescape.execution.outlook import Outlook, few_steps, left_out
from ratescape.execution.progress.forecast import Load, PhaseForecast
from ratescape.execution.savings import savings
from ratescape.execution.sweep import resolved_run
from ratescape.execution.taken_up import all_steps_behind, steps_behind, taken_up
from ratescape.execution.timing import Speeds
from ratescape.execution.workspace import Workspace
from ratescape.landscape import map_spec
from ratescape.models import train_spec
from ratescape.records.folders import SweepFolder
from ratescape.records.spans import span
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import key
from ratescape.specs.methods import Dedicated
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

EVERYTHING = EvaluationSpec(samples=20, judge_epochs=2)


@pytest.mark.parametrize("engine", ["in-process", pytest.param("workers", marks=pytest.mark.campaign)])
def test_it_names_all_there_is_to_do_with_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = load_data(*stripes(96))
    conditioning = ConditioningSpec(width=8, fine=3, refine_recommended=1)
    spec = small_sweep(data, "conditioned", evaluation=EVERYTHING, conditioning=conditioning)
    heard: list[Outlook] = []
    execution = ExecutionSpec(engine=engine, workers=2)
    map_spec(spec, data, execution, tmp_path / "out", announce=heard.append)
    (outlook,) = heard
    assert list(outlook.loads) == ["judge", "network", "measuring", "fine landscape", "refining", "figures"]
    assert all(load.seconds and load.seconds > 0 for load in outlook.loads.values())
    assert sum(outlook.loads["network"].units.values()) == 9 and len(outlook.loads["measuring"].units) == 4
    text = str(outlook)
    for part in (f"{len(data.train.pixels)} training", "3 classes", "ghvae of 2 layers", "parameters", "9 points"):
        assert part in text
    assert re.search(r"in all +about \d", text) and text.startswith("data      array:")
    map_spec(spec, data, execution, tmp_path / "out", announce=heard.append)
    assert len(heard) == 1  # nothing is left to do: nothing is timed
    landscape = SweepFolder(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "refined")
    (landscape.run(spec.runs()[0]).path / "done").unlink()
    map_spec(spec, data, execution, tmp_path / "out", announce=heard.append)
    resumed = heard[1]
    assert list(resumed.loads) == ["measuring", "fine landscape", "refining", "figures"]
    assert all(load.seconds and load.seconds > 0 for load in resumed.loads.values())
    assert "the network is trained" in str(resumed) and re.search(r"in all +about \d", str(resumed))


def test_only_what_is_left_is_named(data: ImageData, tmp_path: Path) -> None:
    spec, heard = small_sweep(data), list[Outlook]()
    landscape = map_spec(spec, data, HERE, tmp_path)
    run = landscape.folder.run(spec.runs()[0])
    run.weights.unlink()
    (run.path / "done").unlink()
    map_spec(spec, data, HERE, tmp_path, announce=heard.append)
    measuring = heard[0].loads["measuring"]
    assert (len(measuring.units), measuring.found) == (1, 3) and "3 are done" in str(heard[0])
    assert "\ndone      3 of 4 models\n" in str(heard[0])


def test_trainings_that_go_on_are_told(data: ImageData, tmp_path: Path) -> None:
    spec, folder = small_sweep(data, "conditioned", conditioning=ConditioningSpec(width=8)), SweepFolder(tmp_path)
    (network,) = spec.networks()
    job = Job([network], [], folder, Workspace(data, folder, spec.evaluation, HERE), None)  # type: ignore[arg-type]
    assert taken_up(spec, job) is None
    folder.network(network).path.mkdir(parents=True)
    folder.network(network).checkpoint_of(2).touch()
    assert taken_up(spec, job) == "a training goes on"
    folder.packs.mkdir()
    (folder.packs / "one.safetensors").touch()
    assert taken_up(spec, job) == "2 trainings go on"
    assert taken_up(spec, dataclasses.replace(job, networks=[])) == ("the network is trained, a training goes on")


def test_steps_that_a_training_has_behind_it_are_not_foretold(data: ImageData, tmp_path: Path) -> None:
    spec, folder = small_sweep(data, "conditioned", conditioning=ConditioningSpec(width=8)), SweepFolder(tmp_path)
    (network,) = spec.networks()
    job = Job([network], [], folder, Workspace(data, folder, spec.evaluation, HERE), None)  # type: ignore[arg-type]
    assert all_steps_behind(job) == {}
    folder.network(network).path.mkdir(parents=True)
    checkpoint.save(folder.network(network).checkpoint_of(1), {"sums": torch.zeros(2)}, {"step": 4})
    assert all_steps_behind(job) == {key(network): 4}
    assert taken_up(spec, job) == "a training goes on after 4 steps"
    load = Load({key(network): 9}, cost=2.0, behind=all_steps_behind(job))
    assert load.seconds == 10 and PhaseForecast(load, stepwise=True).left({}) == 10


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_checkpoint_that_cannot_be_read_has_no_steps_behind_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(content)
    assert steps_behind(tmp_path / "checkpoint.safetensors") == 0


def test_models_that_are_refined_each_have_a_time(data: ImageData, tmp_path: Path) -> None:
    heard = list[Outlook]()
    conditioning = ConditioningSpec(width=8, refine=1, fine=0, refine_recommended=0)
    map_spec(small_sweep(data, "conditioned", conditioning=conditioning), data, HERE, tmp_path, announce=heard.append)
    assert heard[0].loads["training"].seconds and heard[0].seconds


def test_nothing_is_timed_unless_somebody_wants_to_know(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(*_: object) -> None:
        raise AssertionError("timed")

    monkeypatch.setattr(timing.Timing, "speeds", timed)
    map_spec(small_sweep(data), data, HERE, tmp_path)


def test_a_timing_that_fails_ends_nothing(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(timing, "member_step", fails)
    heard: list[Outlook] = []
    landscape = map_spec(small_sweep(data), data, HERE, tmp_path, announce=heard.append)
    assert len(landscape.table) == 4 and "not timed" in str(heard[0])


def test_one_model_is_looked_at_alike(data: ImageData, tmp_path: Path) -> None:
    run = resolved_run(RunSpec(data=data.spec, model=small_sweep(data).model), data)
    heard: list[Outlook] = []
    small = RunSpec(run.data, run.model, small_sweep(data).training, run.betas)
    for _ in range(2):
        train_spec(small, data, HERE, tmp_path, evaluation=LEAN, announce=heard.append)
    (outlook,) = heard
    assert list(outlook.loads) == ["training", "measuring"] and outlook.seconds is not None


def test_the_timing_ends_a_training_after_a_moment() -> None:
    taken: list[int] = []

    def slow(watch: Any) -> None:
        for step in range(1000):
            time.sleep(0.05)
            taken.append(step)
            watch.step(step + 1, 1000)

    seconds = timing.seconds_of_steps(torch.device("cpu"), slow)
    assert 0.05 <= seconds < 0.5 and len(taken) <= timing.STEPS


def test_a_constant_part_does_not_grow() -> None:
    assert trial.extrapolated((1.2, 2.0), (20, 100, 1000)) == pytest.approx(1 + 0.01 * 1000)
    assert trial.extrapolated((1.0, 1.0), (20, 100, 1000)) == 1
    assert trial.extrapolated((1.0, 5.0), (10, 20, 40), exponent=2) == pytest.approx(1 + 4 * (1600 - 100) / 300)
    assert trial.extrapolated((1.0, 2.0), (10, 10, 10)) == 2  # there are no more images


def test_timing_changes_no_number(data: ImageData, tmp_path: Path) -> None:
    """Random numbers of what follows stay as they were: the table of a map that was announced is that of one not."""
    spec = small_sweep(data)
    silent = map_spec(spec, data, HERE, tmp_path / "silent")
    heard = map_spec(spec, data, HERE, tmp_path / "heard", announce=str)
    assert silent.folder.table.read_bytes() == heard.folder.table.read_bytes()


def test_corners_that_scattered_points_leave_out_are_counted() -> None:
    model = ModelSpec(family="deep", blocks="1x1,7x1,14x1")
    few, many = (SweepSpec(model=model, method=Dedicated(BetaGrid(points=points))) for points in (6, 12))
    assert left_out(many) is None and left_out(SweepSpec()) is None
    assert left_out(few) == (
        "6, too few for all 8 corners of the box of 3 betas, the plain VAE and points of equal betas: "
        "5 of the corners left out"
    )


def test_what_saves_most_comes_first() -> None:
    spec = small_sweep(load_data(*stripes(96)), "conditioned", evaluation=EvaluationSpec(), grid=BetaGrid(steps=5))
    loads: dict[Any, Load] = {
        "network": Load({"n": 2000}, 0.005),
        "measuring": Load(dict.fromkeys(map(str, range(25)), 1), 10.0),
        "refining": Load({"0": 1}, 10.0),
    }
    speeds = Speeds(None, 0.1, None, {"inception_score": 7.5, "accuracy_logistic": 1.5, "rates": 1.0}, None)
    found = savings(spec, loads, speeds)
    assert [one.option for one in found] == [
        "--evaluation.samples 1000",
        "--grid.steps 3",
        "--evaluation.probes none",
    ]
    assert found[0].seconds == pytest.approx(0.9 * 7.5 * 25) and found[1].seconds == pytest.approx(250 * 16 / 25)
    with_judge: dict[Any, Load] = loads | {"judge": Load({"judge": 100}, 3.0)}
    judged = savings(spec, with_judge, speeds)
    assert judged[0].option == "--evaluation.samples 0" and judged[0].seconds == pytest.approx(300 + 7.5 * 25)
    grid = BetaGrid(layout="scattered", points=25)
    found = savings(dataclasses.replace(spec, method=Dedicated(grid)), loads, speeds)
    assert [one.seconds for one in found if one.option == "--grid.points 12"] == [125]


def test_a_training_that_is_too_short_is_told_before_and_half_of_one_is_not_advised() -> None:
    spec = small_sweep(load_data(*stripes(96)), "conditioned", evaluation=LEAN)
    speeds = Speeds(None, 0.1, None, {}, None)
    for steps, few, shorter in ((999, True, False), (1000, False, False), (2000, False, True)):
        loads: dict[Any, Load] = {"network": Load({"n": steps}, 0.1)}
        assert (few_steps(loads, TrainingSpec(epochs=steps, batch=96), 96) is not None) == few
        assert any("epochs" in one.option for one in savings(spec, loads, speeds)) == shorter
    recipe = TrainingSpec(steps=30, batch=16)
    told = str(Outlook("d", "n", "m", "here", {}, few_steps=few_steps({"training": Load({"a": 30})}, recipe, 96)))
    assert (
        "\nshort     30 steps are few: models of fewer than 1,000 are far from trained: try --training.epochs 170"
        in told
    )
    assert few_steps({"measuring": Load({"a": 1})}, recipe, 96) is None
    refining: dict[Any, Load] = {"training": Load({"a": 12})}  # of models of a network that is trained
    assert few_steps(refining, TrainingSpec(epochs=1000, batch=96), 96) is None


def test_without_times_it_says_so() -> None:
    outlook = Outlook("d", "n", "m", "a cluster", {"measuring": Load({"a": 1})})
    assert outlook.seconds is None and "not timed, a cluster" in str(outlook)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (7.4, "7 s"), (42, "40 s"), (200, "3 min"), (9000, "2.5 h"), (400_000, "4.6 days")],
)
def test_spans_are_as_exact_as_anybody_cares(seconds: float, text: str) -> None:
    assert span(seconds) == text
