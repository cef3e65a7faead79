"""What a person or a program reads: lines, errors, progress bars, records, summaries."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ratescape.errors import SpecError

if TYPE_CHECKING:
    from ratescape.execution.progress.observers import Observer
    from ratescape.landscape import Landscape


def say(line: str) -> None:
    """One line on stdout."""
    print(line)  # noqa: T201 (this is the output)


def note(line: object) -> None:
    """One line on stderr, or several: what is no result."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (this is the output)


def complain(message: str) -> None:
    """One line on stderr, whatever the message is made of."""
    print(f"ratescape: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 (this is the output)


def is_watched(quiet: bool) -> bool:
    """Whether progress bars are shown: to a person at a terminal, not into a file or a pipe."""
    return not quiet and sys.stderr.isatty()


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


def summary(landscape: "Landscape") -> list[str]:
    """A few lines about a finished landscape: how many models, what is wrong with some, what to pick."""
    from ratescape import metrics, selection

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
