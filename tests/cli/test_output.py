"""What is printed: errors, and records for a person or for a program."""

import json
from typing import Any

import pytest

from ratescape.cli import output

RECORDS: list[dict[str, Any]] = [
    {
        "split": "test",
        "images": 3,
        "metrics": {"psnr": 17.25, "accuracy_rbf": [0.5, None], "flag": None, "note": "above ceiling_rate"},
        "absent": {"information": "no labels"},
        "extrapolated": True,
    }
]


def test_nobody_watches_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not output.is_watched(quiet=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert output.is_watched(quiet=False) and not output.is_watched(quiet=True)


def test_records_are_json_lines_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_records(RECORDS * 2)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == RECORDS * 2


def test_records_are_shown_to_a_person(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    output.print_records(RECORDS)
    assert capsys.readouterr().out.splitlines() == [
        "test (3 images, extrapolated: betas outside the network's box)",
        "  psnr                   17.25",
        "  accuracy_rbf           0.5, –",
        "  flag                   –",
        "  note                   above ceiling_rate",
        "  information            not measured: no labels",
    ]


def test_an_error_is_one_line_whatever_it_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("broken\n  twice")
    assert capsys.readouterr().err == "ratescape: broken twice\n"
