"""How far the work is, for a person: a bar at a terminal or in a notebook, lines where neither is."""

import contextlib
import importlib.util
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratescape.execution.progress import Epoch, Observer, Picture, Progress, Silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

EVERY = 10.0
"""Seconds between two lines."""


class Bar:
    """An observer that shows the steps of a training as a bar with speed and time left.

    Args:
        bars: where the bar is drawn.
    """

    def __init__(self, bars: "RichProgress") -> None:
        self._bars = bars
        self._task = bars.add_task("training", total=None, note="")

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        note = f"{progress.models} of {progress.total_models} models" if progress.total_models > 1 else "steps"
        self._bars.update(self._task, completed=progress.steps, total=progress.total, note=note)

    def epoch(self, epoch: Epoch) -> None:
        """Epochs are not shown."""

    def picture(self, picture: Picture) -> None:
        """Pictures are not shown."""


class Lines(Silent):
    """An observer that writes a line on stderr now and then, and one when all is done."""

    def __init__(self) -> None:
        self._last = -EVERY

    def progress(self, progress: Progress) -> None:
        """Write a line, unless the last one is recent."""
        now = time.monotonic()
        if progress.steps < progress.total and now - self._last < EVERY:
            return
        self._last = now
        share = progress.steps / max(progress.total, 1)
        models = f", {progress.models} of {progress.total_models} models" if progress.total_models > 1 else ""
        sys.stderr.write(f"ratescape: {share:.0%} of {progress.total} steps{models}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def shown() -> "Iterator[Observer]":
    """An observer that shows how far the work is while the block runs: as a bar where one can be drawn, else as lines.

    Example::

        with shown() as observer:
            map_spec(spec, data, execution, out, observer)
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not draws(console):
        yield Lines()
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(show_speed=True)]
    columns += [TimeRemainingColumn(), TextColumn("{task.fields[note]}")]
    with Progress(*columns, console=console) as bars:
        yield Bar(bars)


def draws(console: "Console") -> bool:
    """Whether a bar can be drawn: at a terminal, or in a notebook that has what Rich needs there."""
    if console.is_jupyter:
        return importlib.util.find_spec("ipywidgets") is not None
    return sys.stderr.isatty()
