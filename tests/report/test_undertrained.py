"""Models that are not trained enough: said on top of page, summary, recommendation and in Python, once each."""

from pathlib import Path

import pytest
from helpers.commands import Run
from helpers.sweep_on_disk import sweep, write_logs

from ratescape.cli.output import summary
from ratescape.landscape import Landscape
from ratescape.records.folders import SweepFolder
from ratescape.report.page.data import page_data

LINE = "far from trained: 30 steps (5 epochs), fewer than 1,000: try --training.epochs 170 (1,020 steps) or more"


@pytest.fixture(scope="module", params=[False, True], ids=["dedicated", "conditioned"])
def short(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    path = tmp_path_factory.mktemp("short") / "sweep"
    folder = sweep(path, diverged=None, missing=None, conditioned=request.param)
    write_logs(folder, [200.0, 180.0, 170.0, 165.0, 163.0], per_epoch=6)
    return folder


def test_it_is_said_once_on_top(short: SweepFolder) -> None:
    landscape = Landscape(short.path)
    assert landscape.warnings[0] == LINE and sum("far from" in line for line in landscape.warnings) == 1
    lines = summary(landscape)
    assert lines[1] == f"warning: {LINE}" and sum("far from" in line for line in lines) == 1
    data = page_data(short, landscape.records)
    assert data["alarms"] == [f"{LINE[0].upper()}{LINE[1:]}."]
    assert (landscape.table["trained"] == "far").all()


def test_the_best_is_handed_over_with_a_caution(short: SweepFolder, run: Run) -> None:
    best = Landscape(short.path).best("reconstruction")
    assert best.cautions[0] == LINE
    outcome = run("recommend", short.path)
    assert outcome.out.splitlines()[0] == f"caution: {LINE}" and outcome.out.count("far from") == 1


def test_nothing_is_said_of_models_that_are_trained(tmp_path: Path) -> None:
    folder = sweep(tmp_path, diverged=None, missing=None, pictures=False)
    write_logs(folder, [100.0] * 20, per_epoch=100)
    landscape = Landscape(folder.path)
    assert (landscape.table["trained"] == "ok").all()
    assert not any("trained" in line for line in landscape.best("reconstruction").cautions)
    assert not any("trained" in line for line in [*landscape.warnings, *page_data(folder, landscape.records)["alarms"]])
