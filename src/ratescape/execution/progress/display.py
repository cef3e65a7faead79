"""What a person sees of the work: a bar at a terminal, plain lines elsewhere."""

import contextlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from ratescape.execution.progress.messages import PhaseName
from ratescape.execution.progress.observers import Observer, Phase, Progress, Restart, Silent
from ratescape.records.spans import span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

OFTEN, SELDOM = 2.0, 30.0
"""Seconds between two lines of one phase: at least, where another tenth of the work is done, and at most."""


def where(phase: Phase) -> str:
    """The phase and its piece, such as ``measuring 3 of 25``."""
    return f"{phase.name} {phase.number} of {phase.of}" if phase.number else phase.name


def again(restart: Restart) -> str:
    """That a network is trained again, and why, in a line."""
    return (
        f"network, attempt {restart.attempt} of {restart.attempts} at most, with learning rate "
        f"{restart.learning_rate:.3g}: {restart.why}"
    )


class Bar(Silent):
    """An observer that shows the phase, the share of the time that is over, and the time left, as a bar.

    Where nobody knows how long the work takes, the bar is as long as the share of the training steps.

    Args:
        bars: where the bar is drawn; columns may show ``task.fields[left]``.
    """

    def __init__(self, bars: "RichProgress") -> None:
        self._bars = bars
        self._task = bars.add_task("preparing", total=None, left="")
        self._is_timed = False

    def progress(self, progress: Progress) -> None:
        """Move the bar by steps, until times are known."""
        if not self._is_timed and progress.total:
            self._bars.update(self._task, total=1.0, completed=progress.steps / progress.total)

    def phase(self, phase: Phase) -> None:
        """Move the bar; it never goes back, though what was expected may change."""
        left = "" if phase.left is None else f"{span(phase.left)} left"
        self._bars.update(self._task, description=where(phase), left=left)
        if phase.share is not None:
            before = self._bars.tasks[0].completed if self._is_timed else 0.0
            self._is_timed = True
            self._bars.update(self._task, total=1.0, completed=max(before, phase.share))

    def restart(self, restart: Restart) -> None:
        """Say above the bar that a network is trained again."""
        self._bars.console.print(again(restart), highlight=False)


class Lines(Silent):
    """An observer that writes a line when a phase begins, and in long phases now and then.

    The share of the time that is over never goes back, though what is expected of the rest may change. Where nobody
    knows how long the work takes, a line has the share of the training steps.

    Args:
        write: takes a line.
        now: seconds that never go back.
    """

    def __init__(self, write: Callable[[str], object], now: Callable[[], float] = time.monotonic) -> None:
        self.write = write
        self.now = now
        self.begun: set[PhaseName] = set()
        self.last, self.share, self.steps = now(), 0.0, 0.0

    def progress(self, progress: Progress) -> None:
        """Note how many steps are done."""
        self.steps = progress.steps / progress.total if progress.total else 0.0

    def phase(self, phase: Phase) -> None:
        """Write a line, if it is time for one."""
        over = max(self.share, phase.share or 0.0)
        since = self.now() - self.last
        again = since >= SELDOM or (since >= OFTEN and int(10 * over) > int(10 * self.share))
        if phase.name in self.begun and not again:
            return
        self.begun.add(phase.name)
        self.last, self.share = self.now(), over
        share = f"{over:.0%} of the time, "
        if phase.share is None:
            share = f"{self.steps:.0%} of the steps, " if self.steps else ""
        left = "" if phase.left is None else f", about {span(phase.left)} left"
        self.write(f"{where(phase)} ({share}{span(phase.elapsed)} so far{left})")

    def restart(self, restart: Restart) -> None:
        """Write that a network is trained again."""
        self.write(again(restart))


@contextlib.contextmanager
def displayed(stream: TextIO | None = None) -> Iterator[Observer]:
    """An observer that shows the work while the block runs: as a bar at a terminal or in a notebook, else as lines.

    Args:
        stream: where; default: stderr.

    Example::

        with displayed() as observer:
            map_landscape("mnist-5k", observer=observer)
    """
    from rich.console import Console

    out = stream or sys.stderr
    console = Console(file=out)
    if not draws(console, out):

        def write(line: str) -> None:
            out.write(f"{line}\n")
            out.flush()

        yield Lines(write)
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
    with RichProgress(*columns, console=console) as bars:
        yield Bar(bars)


def draws(console: "Console", out: TextIO) -> bool:
    """Whether a bar can be drawn: at a terminal, or in a notebook that has what Rich needs there."""
    if console.is_jupyter:
        return importlib.util.find_spec("ipywidgets") is not None
    return out.isatty()
