"""What a person or a program reads: lines, errors, progress bars, records, summaries."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratescape import metrics
from ratescape.errors import SpecError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from ratescape.execution.progress import Epoch, Observer, Picture, Progress
    from ratescape.landscape import Landscape


def say(line: str) -> None:
    """One line on stdout."""
    print(line)  # noqa: T201 (this is the output)


def complain(message: str) -> None:
    """One line on stderr, whatever the message is made of."""
    print(f"ratescape: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 (this is the output)


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


class Bar:
    """An observer that shows the steps of a training as a bar with speed and time left.

    Args:
        bars: where the bar is drawn.
    """

    def __init__(self, bars: "RichProgress") -> None:
        self._bars = bars
        self._task = bars.add_task("training", total=None, note="")

    def progress(self, progress: "Progress") -> None:
        """Move the bar."""
        note = f"{progress.models} of {progress.total_models} models" if progress.total_models > 1 else "steps"
        self._bars.update(self._task, completed=progress.steps, total=progress.total, note=note)

    def epoch(self, epoch: "Epoch") -> None:
        """Epochs are not shown."""

    def picture(self, picture: "Picture") -> None:
        """Pictures are not shown."""


@contextlib.contextmanager
def bar(quiet: bool) -> "Iterator[Observer]":
    """An observer that shows a bar while the block runs, or nothing where nobody watches.

    Example::

        with bar(quiet=False) as observer:
            map_spec(spec, data, execution, out, observer)
    """
    if not is_watched(quiet):
        from ratescape.execution.progress import Silent

        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(show_speed=True)]
    columns += [TimeRemainingColumn(), TextColumn("{task.fields[note]}")]
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield Bar(bars)


def summary(landscape: "Landscape") -> list[str]:
    """A few lines about a finished landscape: how many models, what is wrong with some, what to pick."""
    from ratescape import selection

    rows, records = landscape.table, landscape.records
    lines = [f"{len(rows)} models; table: {landscape.folder.table}"]
    diverged = int((rows["status"] == "diverged").sum())
    if diverged:
        lines.append(
            f"warning: {diverged} trainings diverged and have no measurements: a smaller training.learning_rate or a "
            "training.clip may help"
        )
    worries = [*records.broken, *records.retrained, *selection.collapse_warnings(records)]
    lines += [f"warning: {line}" for line in worries]
    lines += records.absent
    for use in metrics.USES:
        with contextlib.suppress(SpecError):  # not every use can be measured on all data
            lines.append(str(landscape.best(use)))
    return lines


def print_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Records for a person at a terminal, or as JSON lines for a program."""
    readable = sys.stdout.isatty()
    for record in records:
        say("\n".join(_shown(record)) if readable else json.dumps(record))


def _shown(record: Mapping[str, Any]) -> list[str]:
    """A record as lines for a person."""
    outside = ", extrapolated: betas outside the network's box" if record.get("extrapolated") else ""
    lines = [f"{record['split']} ({record['images']} images{outside})"]
    for name, value in record["metrics"].items():
        lines.append(f"  {name:22} {', '.join(map(_number, value)) if isinstance(value, list) else _number(value)}")
    return lines + [f"  {name:22} not measured: {reason}" for name, reason in record["absent"].items()]


def _number(value: float | str | None) -> str:
    """A measurement for a person; a dash where there is none."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}"
