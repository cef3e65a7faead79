"""Ctrl-C at a real terminal, at any moment of a command: one line, nothing left behind but what can be taken up."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from helpers.commands import TINY
from helpers.sweeps import wait_for
from helpers.terminals import Ended, interrupted, marking

LINE = "ratescape: interrupted; the same command takes it up again"
ANEW = "ratescape: interrupted; the same command begins anew"
"""Of a command that keeps nothing."""

LONG = ["--training.epochs", "4000", "--execution.workers", "2"]


class Moment(NamedTuple):
    """When Ctrl-C is pressed, and what is left then."""

    engine: str
    method: str
    where: str = ""
    """Module and class, and function, whose call is the moment; a worker's first message by default."""
    kept: str = ""
    """The checkpoint that must be there afterwards."""
    more: tuple[str, ...] = tuple(LONG)
    keys: int = 1


MOMENTS = {
    "data": Moment("in-process", "dedicated", "ratescape.data.catalog load_data"),
    "judge": Moment(
        "in-process",
        "dedicated",
        "ratescape.judges.cache train_judge",
        more=("--training.epochs", "1", "--evaluation.samples", "100"),
    ),
    "training": Moment("in-process", "dedicated", "ratescape.execution.progress:Reporter step", "packs/*.safetensors"),
    # Two signals at once are one request: timeout sends one to its child and one to the whole group.
    "network": Moment(
        "in-process",
        "conditioned",
        "ratescape.execution.progress:Reporter step",
        kept="networks/*/checkpoint*",
        keys=2,
    ),
    "workers": Moment("workers", "dedicated", kept="packs/*.safetensors"),
    "network of a worker": Moment(
        "workers",
        "conditioned",
        kept="networks/*/checkpoint*",
        more=("--training.epochs", "4000", "--execution.workers", "1"),
    ),
    "figures": Moment(
        "in-process", "dedicated", "ratescape.report.write write_report", more=("--training.epochs", "1")
    ),
}


@pytest.fixture(scope="module")
def ended(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Ended, Path]]:
    """How commands ended that were interrupted at each of the moments; all of them side by side."""
    folder = tmp_path_factory.mktemp("interrupted")

    def interrupt(name: str) -> tuple[Ended, Path]:
        moment, out = MOMENTS[name], folder / name
        mark = folder / f"{name}.mark"
        words = ["map", "--data.name", str(images_file), *TINY, "--grid.steps", "2", "--method", moment.method]
        words += ["--execution.engine", moment.engine, "--out", str(out), *moment.more]
        before = f"import os\nos.environ['XDG_CACHE_HOME'] = {str(folder / 'cache')!r}\n"
        if moment.where:
            module, function = moment.where.split()
            before += marking(module, function, str(mark))
        notes: Callable[[], bool] = lambda: any('"steps"' in one.read_text() for one in out.glob("packs/*.notes"))  # noqa: E731
        return interrupted(words, mark.exists if moment.where else notes, before, moment.keys), out

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(MOMENTS, pool.map(interrupt, MOMENTS), strict=True))


@pytest.mark.parametrize("name", MOMENTS)
def test_it_is_one_line_at_any_moment(ended: dict[str, tuple[Ended, Path]], name: str) -> None:
    how, out = ended[name]
    assert (how.status, how.lines[-1:]) == (130, [LINE]), how
    assert [line for line in how.lines if "Traceback" in line or "Error" in line or "leaked" in line] == []
    assert how.seconds < 10
    if MOMENTS[name].kept:
        assert list(out.glob(MOMENTS[name].kept)), list(out.rglob("*"))
    if name == "data":
        assert not out.exists()


def test_no_worker_is_left(ended: dict[str, tuple[Ended, Path]]) -> None:
    """Of this test's own commands: their folders are among the words of their processes, and so are the workers'."""
    folder = next(iter(ended.values()))[1].parent

    def left() -> list[list[str]]:
        running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        return [words for words in running if any(str(folder) in word for word in words)]

    wait_for(lambda: not left(), 10)


@pytest.mark.parametrize(("words", "delay", "line"), [("data list", 0.15, ANEW), ("map --help", 0.6, LINE)])
def test_it_is_one_line_while_modules_are_imported(words: str, delay: float, line: str) -> None:
    begun = time.monotonic()
    how = interrupted(words.split(), lambda: time.monotonic() - begun > delay)
    assert how.status in (130, 0), how  # a fast machine is done by then
    if how.status:
        assert how.lines[-1:] == [line] and not any("Traceback" in line for line in how.lines), how


def test_a_request_to_end_keeps_the_checkpoint(
    start: Callable[..., subprocess.Popen[str]], images_file: Path, tmp_path: Path
) -> None:
    """SIGTERM, as systems send it before they kill."""
    out, mark = tmp_path / "out", tmp_path / "mark"
    words = ["map", "--data.name", images_file, *TINY, *LONG, "--method", "dedicated", "--grid.steps", "2"]
    before = marking("ratescape.execution.progress:Reporter", "step", str(mark))
    process = start(*words, "--execution.engine", "in-process", "--out", out, before=before)
    wait_for(lambda: mark.exists() or process.poll() is not None, 60)
    process.send_signal(signal.SIGTERM)
    out_text, said = process.communicate(timeout=30)
    assert (process.returncode, out_text) == (143, "")
    assert said.endswith(LINE.replace("interrupted", "asked to end") + "\n") and "Traceback" not in said
    assert list(out.glob("packs/*.safetensors"))


def test_messages_are_the_same_at_a_terminal() -> None:
    how = interrupted(["map", "--epochs", "3"], lambda: False, keys=0)
    assert how.status == 2
    assert "".join(how.lines).startswith(
        "ratescape: Unrecognized options: --epochs, 3; did you mean --training.epochs?"
    )


SWALLOWED = """
import os, signal, sys
import safetensors
from ratescape.checkpoint import files

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it starts in the background ignore it

def interrupted(*_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise safetensors.SafetensorError("could not determine a shape") from None

files.safetensors.safe_open = interrupted
sys.argv = ["ratescape", "evaluate", sys.argv[1]]
from ratescape.cli.entry import main
sys.exit(main())
"""


def test_what_a_library_makes_of_an_interrupt_is_no_damage(tmp_path: Path) -> None:
    """The reader of weights says that they are damaged: whoever believes it would delete them."""
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(bytes(100))
    ended = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(weights)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (130, f"{ANEW}\n")
