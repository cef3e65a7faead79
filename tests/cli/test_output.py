"""What is printed: progress bars, and records for a person or for a program."""

import io
import json
from typing import Any, NamedTuple

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from ratescape.cli import output
from ratescape.execution.bar import Bar

RECORDS: list[dict[str, Any]] = [
    {
        "split": "test",
        "images": 3,
        "metrics": {"psnr": 17.25, "accuracy_rbf": [0.5, None], "flag": None, "note": "above ceiling_rate"},
        "absent": {"information": "no labels"},
        "extrapolated": True,
    }
]


class Steps(NamedTuple):
    """As the sweep tells it."""

    steps: int
    total: int
    models: int
    total_models: int


@pytest.mark.parametrize(
    ("progress", "shown"),
    [(Steps(30, 40, 1, 4), "30 of 40: 1 of 4 models"), (Steps(3, 20, 0, 1), "3 of 20: steps")],
)
def test_a_bar_shows_steps_and_models(progress: Steps, shown: str) -> None:
    text = io.StringIO()
    column = TextColumn("{task.completed} of {task.total}: {task.fields[note]}")
    with Progress(column, console=Console(file=text, width=80)) as bars:
        Bar(bars).progress(progress)  # pyright: ignore[reportArgumentType]
    assert shown in text.getvalue()


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
