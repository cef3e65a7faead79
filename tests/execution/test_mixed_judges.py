"""A table holds the scores of one judge, whatever device or machine a sweep is taken up on again."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.stripes import stripes
from helpers.sweeps import HERE, MODEL, small_sweep

from ratescape import checkpoint
from ratescape.data.catalog import ImageData, load_data
from ratescape.execution import workspace
from ratescape.execution.sweep import resolved_run, run_single, run_sweep
from ratescape.judges import cache
from ratescape.judges.cache import Judge
from ratescape.models import evaluate
from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import read_table
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

SCORED = EvaluationSpec(samples=20, judge_epochs=1, information=False, probes="none")


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data(*stripes(96))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose cache of judges is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on judges come out otherwise, as on a GPU, and the cache is another."""
    train = cache.train_judge

    def elsewhere(*arguments: Any, **options: Any) -> Any:
        trained = train(*arguments, **options)
        with torch.no_grad():
            for weights in trained.parameters():
                weights.mul_(1.01)
        return trained

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    monkeypatch.setattr(cache, "train_judge", elsewhere)


def asked(data: ImageData, evaluation: EvaluationSpec = SCORED, steps: int = 2) -> SweepSpec:
    training, grid = TrainingSpec(epochs=1, batch=32), BetaGrid(steps=steps)
    return small_sweep(data, training=training, grid=grid, groups=(0, 0), evaluation=evaluation)


def judges_of(folder: SweepFolder) -> set[str]:
    """Digests of the judges that scored the models of a sweep."""
    lines = [line for run in folder.spec().runs() for line in read_json_lines(folder.run(run).evaluation)]
    return {line["judge"]["digest"] for line in lines}


def test_a_sweep_taken_up_on_another_machine_keeps_its_judge(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, folder = asked(data), SweepFolder(tmp_path / "sweep")
    run_sweep(spec, data, folder, HERE)
    (judge,) = judges_of(folder)
    (file,) = folder.path.glob("judges/*.safetensors")
    assert checkpoint.digest_of(file) == judge
    lost, kept = (folder.run(run) for run in spec.runs())
    scores = read_table(folder).rows["inception_score"].tolist()
    shutil.rmtree(lost.path)
    measured = kept.evaluation.stat().st_mtime_ns
    another_machine(tmp_path, monkeypatch)
    run_sweep(spec, data, folder, HERE)
    assert judges_of(folder) == {judge} and kept.evaluation.stat().st_mtime_ns == measured
    assert read_table(folder).rows["inception_score"].tolist() == pytest.approx(scores, rel=1e-6)
    assert not (tmp_path / "another" / "ratescape" / "judges").exists()  # nobody asked for a judge of that machine


def test_a_judge_that_is_lost_is_replaced_and_all_scores_are_measured_anew(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, folder = asked(data), SweepFolder(tmp_path / "sweep")
    run_sweep(spec, data, folder, HERE)
    weights = [folder.run(run).weights.stat().st_mtime_ns for run in spec.runs()]
    (judge,) = judges_of(folder)
    shutil.rmtree(folder.path / "judges")
    shutil.rmtree(folder.run(spec.runs()[0]).path)
    another_machine(tmp_path, monkeypatch)
    run_sweep(spec, data, folder, HERE)
    (other,) = judges_of(folder)
    assert other != judge
    assert folder.run(spec.runs()[1]).weights.stat().st_mtime_ns == weights[1]
    assert read_table(folder).broken == ()


def test_a_sweep_taken_up_on_another_device_keeps_its_judge(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun on a CPU, and taken up where the judge is asked for on a GPU that is said to be there."""
    spec, folder = asked(data), SweepFolder(tmp_path / "sweep")
    run_sweep(spec, data, folder, HERE)
    (digest,) = judges_of(folder)
    shutil.rmtree(folder.run(spec.runs()[0]).path)
    another_machine(tmp_path, monkeypatch)
    asked_for: list[tuple[Path, JudgeSpec]] = []

    def obtain(path: Path, images: ImageData, recipe: JudgeSpec, where: torch.device, told: Any) -> Judge:
        asked_for.append((path, recipe))
        assert cache.obtain(path, images, recipe, "meta").digest == digest  # "meta" is a device of another type
        return cache.obtain(path, images, recipe, where, told)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(workspace, "obtain", obtain)
    run_sweep(spec, data, folder, dataclasses.replace(HERE, device="cpu"))
    assert asked_for == [(next(folder.path.glob("judges/*.safetensors")), spec_of_judge(folder))]
    assert judges_of(folder) == {digest} and read_table(folder).broken == () and len(read_table(folder).rows) == 2


def spec_of_judge(folder: SweepFolder) -> JudgeSpec:
    (file,) = folder.path.glob("judges/*.safetensors")
    return cache.load_judge(file).spec


def test_evaluate_uses_the_judge_of_the_landscape(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, folder = asked(data, steps=2), SweepFolder(tmp_path / "sweep")
    run_sweep(spec, data, folder, HERE)
    another_machine(tmp_path, monkeypatch)
    before = sorted(folder.path.rglob("*"))
    (judge,) = judges_of(folder)
    lines = evaluate(folder.run(spec.runs()[0]).path, SCORED)
    assert {line["judge"]["digest"] for line in lines} == {judge}
    assert evaluate(folder.run(spec.runs()[0]).path) == lines  # the landscape's own settings, unless others are given
    assert lines[0]["metrics"]["inception_score"] == pytest.approx(read_table(folder).rows["inception_score"][0])
    assert sorted(folder.path.rglob("*")) == before
    fewer = evaluate(folder.run(spec.runs()[0]).path, {"samples": 10, "information": False, "probes": "none"})
    assert {line["judge"]["digest"] for line in fewer} == {judge}
    other = evaluate(folder.run(spec.runs()[0]).path, dataclasses.replace(SCORED, judge_epochs=2))
    assert other[0]["judge"]["digest"] != judge and sorted(folder.path.rglob("*")) == before


def test_a_single_model_owns_its_judge_too(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = resolved_run(RunSpec(data=data.spec, model=MODEL), data)
    run = dataclasses.replace(run, training=TrainingSpec(epochs=1, batch=32, annealing=0.0))
    folder = RunFolder(tmp_path / "model")
    run_single(run, data, folder, SCORED, HERE)
    (file,) = folder.path.glob("judges/*.safetensors")
    another_machine(tmp_path, monkeypatch)
    run_single(run, data, folder, dataclasses.replace(SCORED, samples=40), HERE)
    lines = read_json_lines(folder.evaluation)
    assert {line["judge"]["digest"] for line in lines} == {checkpoint.digest_of(file)}


def test_a_table_never_mixes_two_judges(data: ImageData, tmp_path: Path) -> None:
    """Even where records were put together by hand: the rows that differ from most are left out, and named."""
    spec, folder = asked(data, steps=3), SweepFolder(tmp_path / "sweep")
    run_sweep(spec, data, folder, HERE)
    foreign = folder.run(spec.runs()[1])
    lines = read_json_lines(foreign.evaluation)
    for line in lines:
        line["judge"]["digest"] = "0" * 64
    foreign.evaluation.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = read_table(folder)
    assert len(table.rows) == 2 and foreign.path.name not in set(table.rows["run"])
    (reason,) = table.broken
    assert foreign.path.name in reason and "by another judge than most: run the same map command again" in reason
    run_sweep(spec, data, folder, HERE)
    assert len(read_table(folder).rows) == 3 and read_table(folder).broken == ()
