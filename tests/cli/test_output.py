"""What is printed: progress bars and errors."""

import dataclasses
import time
from pathlib import Path

import pytest
from helpers.sweep_on_disk import sweep

from ratescape.cli import output
from ratescape.landscape import Landscape


def test_nobody_watches_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not output.is_watched(quiet=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert output.is_watched(quiet=False) and not output.is_watched(quiet=True)


def test_work_that_is_counted_gives_signs_of_life_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also while a piece of it takes long: somebody waited a minute for the first of restored images."""
    monkeypatch.setattr(output, "OFTEN", 0.02)
    for quiet in (True, False):
        with output.counted("restoring", 2000, quiet) as progress:
            time.sleep(0.1)
            progress(1500)
            time.sleep(0.1)
        lines = capsys.readouterr().err.splitlines()
        assert bool(lines) is not quiet
    assert lines[0] == "restoring: 0 of 2,000 (1 s so far)" and lines[-1] == "restoring: 1,500 of 2,000 (1 s so far)"


def test_an_error_is_one_line_whatever_it_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("broken\n  twice")
    assert capsys.readouterr().err == "ratescape: broken twice\n"


def test_a_summary_says_why_there_is_no_winner(tmp_path: Path) -> None:
    folder = sweep(tmp_path, labels=True, pictures=False)
    landscape = Landscape(folder.path)
    rows = landscape.table.assign(inception_score=1.02, score_of_data=9.0)
    landscape.records = dataclasses.replace(landscape.records, rows=rows)
    lines = output.summary(landscape)
    (told,) = [line for line in lines if line.startswith("For generation")]
    assert told.startswith("For generation: no model generates yet: the best inception score is 1.02")
    assert any(line.startswith("For reconstruction: betas (") for line in lines)
