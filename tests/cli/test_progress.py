"""What a person sees of the work: the plan, a bar or lines, and the status from another terminal."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.commands import SMALL, TINY, Run, refused
from rich.console import Console
from rich.progress import Progress, TextColumn

from ratescape.execution.progress.display import Bar, displayed
from ratescape.execution.progress.observers import Phase
from ratescape.execution.progress.observers import Progress as Steps
from ratescape.records.locks import locked


def test_a_bar_shows_phase_share_and_time_left() -> None:
    text = io.StringIO()
    column = TextColumn("{task.description}, {task.percentage:.0f} %, {task.fields[left]}")
    with Progress(column, console=Console(file=text, width=80)) as bars:
        bar = Bar(bars)
        (task,) = bars.tasks
        bar.phase(Phase("network", 0, 0, 5.0, None))
        bar.progress(Steps(90, 100, 0, 1))
        assert task.completed == pytest.approx(0.9)
        bar.phase(Phase("measuring", 3, 25, 30.0, 90.0))
        bar.phase(Phase("measuring", 4, 25, 31.0, 200.0))  # what was expected may change: the bar does not go back
        bar.progress(Steps(95, 100, 0, 1))  # times are known: steps no longer count
        assert task.completed == pytest.approx(0.25)
    assert "measuring 4 of 25, 25 %, 3 min left" in text.getvalue()


def test_a_terminal_has_a_bar_and_a_file_has_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with displayed(Terminal()) as observer:
        assert isinstance(observer, Bar)
    lines = io.StringIO()
    with displayed(lines) as observer:
        observer.phase(Phase("judge", 0, 0, 2.0, 60.0))
    assert lines.getvalue() == "judge (3% of the time, 2 s so far, about 60 s left)\n"


@pytest.mark.parametrize("command", ["map", "train"])
def test_a_plan_comes_first_and_lines_follow(run: Run, images_file: Path, tmp_path: Path, command: str) -> None:
    options = SMALL if command == "map" else [*TINY, "--training.epochs", "2"]
    words = [command, "--data.name", images_file, *options, "--out", tmp_path / "out"]
    outcome = run(*words)
    assert outcome.status == 0
    lines = outcome.err.splitlines()
    (first,) = (index for index, line in enumerate(lines) if line.startswith("data      "))
    assert "training" in lines[first] and lines[first + 1].startswith("network   ")
    assert any(" in all " in line and "about" in line for line in lines)
    begun = [line.split(" (")[0].split(" 1 of")[0] for line in lines[first:]]
    assert {"training", "measuring"} <= set(begun) and ("figures" in begun) == (command == "map")
    assert "network   " not in run(*words).err  # all is done: nothing is planned
    quiet = run(*words[:-1], tmp_path / "other", "--quiet")
    assert quiet.err == "" and len(quiet.out.splitlines()) == 1


def test_status_and_ls_from_another_terminal(
    run: Run, start: Callable[..., subprocess.Popen[str]], images_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start("map", "--data.name", images_file, *SMALL, "--training.epochs", "3000", "--quiet", "--out", out)
    end = time.monotonic() + 120
    while "working: training 1 of 4" not in (shown := run("status", out)).out:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, shown
        time.sleep(0.1)
    assert "last sign of life" in shown.out and "0 of 4 models are done" in shown.out and shown.status == 0
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    shown = run("status", out)
    assert "killed or stopped" in shown.out and "(training 1 of 4): give the same command again to go on" in shown.out
    listed = run("ls", tmp_path).out.splitlines()
    assert listed[0].split() == ["folder", "data", "method", "models", "state", "size", "changed"]
    assert listed[1].split()[:6] == [str(out), str(images_file), "dedicated", "0", "of", "4"] and "stopped" in listed[1]


def test_after_its_end_a_map_is_done(run: Run, images_file: Path, tmp_path: Path) -> None:
    assert run("map", "--data.name", images_file, *SMALL, "--quiet", "--out", tmp_path).status == 0
    first, second = run("status", tmp_path).out.splitlines()
    assert first.endswith("4 of 4 models are done") and second.startswith("done: the last call took ")
    with locked(tmp_path):
        assert "\nworking" in run("status", tmp_path).out


@pytest.mark.parametrize("command", ["status", "ls"])
def test_a_bad_folder_is_one_line(run: Run, tmp_path: Path, command: str) -> None:
    refused(run(command, tmp_path / "nowhere"), "nowhere is no folder", "check the path")


def test_nothing_below_a_folder_is_said(run: Run, tmp_path: Path) -> None:
    outcome = run("ls", tmp_path)
    assert (outcome.status, outcome.out) == (0, f"no landscape and no model below {tmp_path}\n")


@pytest.mark.parametrize("command", ["status", "ls"])
def test_they_do_not_wait_for_torch_or_pandas(images_file: Path, tmp_path: Path, command: str) -> None:
    code = (
        "import sys; from ratescape.cli.commands import main; main(sys.argv[1:]); "
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    words = [sys.executable, "-c", code, command, str(tmp_path)]
    outcome = subprocess.run(words, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
