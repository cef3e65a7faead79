"""What a person or a program reads: lines, errors, progress bars, summaries."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ratescape.errors import NoWinner, SpecError, printable

if TYPE_CHECKING:
    from ratescape.execution.progress.observers import Observer
    from ratescape.landscape import Landscape


def say(line: str) -> None:
    """One line on stdout."""
    print(line, flush=True)  # noqa: T201 (this is the output, which a program may wait for)


def note(line: object) -> None:
    """One line on stderr, or several: what is no result."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (this is the output)


def complain(message: str) -> None:
    """One line on stderr, whatever the message is made of."""
    print(f"ratescape: {printable(message)}", file=sys.stderr)  # noqa: T201 (this is the output)


def refuse_to_overwrite(path: Path | None, force: bool) -> None:
    """Refuse a file to write to that is there already; asked before the work begins.

    Raises:
        SpecError: it is there and shall not be overwritten, or is a folder.
    """
    if path is None:
        return
    if path.is_dir():
        raise SpecError(f"out is {path}, a folder: name a file in it, such as {path / 'model.safetensors'}")
    if path.exists() and not force:
        raise SpecError(f"{path} exists: choose another file with --out, or add --force to overwrite it")


def is_watched(quiet: bool) -> bool:
    """Whether progress bars are shown: to a person at a terminal, not into a file or a pipe."""
    return not quiet and sys.stderr.isatty()


def announce(line: str) -> None:
    """Tell a person at a terminal what takes time now; elsewhere an error is to stay one line."""
    if is_watched(quiet=False):
        note(line)


@contextlib.contextmanager
def bar(quiet: bool) -> "Iterator[Observer]":
    """An observer that shows the work while the block runs: as a bar, or as lines where stderr is no terminal.

    Example::

        with bar(quiet=False) as observer:
            map_spec(spec, data, execution, out, observer)
    """
    from ratescape.execution.progress.display import displayed
    from ratescape.execution.progress.observers import Silent

    if quiet:
        yield Silent()
        return
    with displayed() as observer:
        yield observer


OFTEN = 15.0
"""Seconds between two lines about work that is counted, where stderr is no terminal."""


@contextlib.contextmanager
def counted(what: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function that is told how many of ``total`` are done, and shows it: as a bar at a terminal, else as lines.

    Example::

        with counted("compressing", 1000, quiet=False) as progress:
            progress(500)
    """
    if quiet:
        yield lambda done: None
        return
    if not is_watched(quiet):
        with _lines(what, total) as progress:
            yield progress
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)


@contextlib.contextmanager
def _lines(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Such a function that writes a line now and then, also while nothing is told: one piece may take minutes."""
    from ratescape.compute.background import Background
    from ratescape.records.spans import span

    begun, over, state = time.monotonic(), threading.Event(), [0]

    def watch() -> None:
        while not over.wait(OFTEN):
            note(f"{what}: {state[0]:,} of {total:,} ({span(time.monotonic() - begun)} so far)")

    def progress(done: int) -> None:
        state[0] = done

    lines = Background(watch)
    with contextlib.suppress(RuntimeError):  # no further thread: the work goes on without lines
        lines.start()
    try:
        yield progress
    finally:
        over.set()
        lines.join()


def summary(landscape: "Landscape") -> list[str]:
    """A few lines about a finished landscape: how many models, what is wrong with some, what to pick."""
    from ratescape import metrics

    rows, records = landscape.table, landscape.records
    lines = [f"{len(rows)} models; table: {landscape.folder.table}"]
    diverged = int((rows["status"] == "diverged").sum())
    if diverged:
        lines.append(
            f"warning: {diverged} trainings diverged and have no measurements: a smaller training.learning_rate or a "
            "training.clip may help"
        )
    lines += [f"warning: {line}" for line in landscape.warnings]
    lines += records.absent
    for use in metrics.USES:
        try:
            lines += ["", str(landscape.best(use))]
        except NoWinner as nobody:
            lines += ["", f"For {use}: {nobody}"]
        except SpecError:  # not every use can be measured on all data
            continue
    return lines
