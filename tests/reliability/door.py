"""What a door is: sound files, what reads them, and how they are damaged."""

import contextlib
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ratescape.cli import commands
from ratescape.errors import RatescapeError
from reliability.mutations import damaged

TEXT_FILES = (".yaml", ".jsonl", ".json", ".csv", "done", "lock")


class Door(NamedTuple):
    """What is read, and by whom."""

    files: dict[str, bytes]
    """Sound ones, by relative path; one of them is damaged."""
    read: Callable[[Path], object]
    """Of the folder that they lie in."""
    damage: Callable[[str, bytes, random.Random], bytes] = damaged
    chosen: tuple[str, ...] = ()
    """Endings of the files that are damaged; all without."""
    writes: bool = False
    """Whether it may write into the folder."""
    page: bool = False
    """Whether it writes the whole page of a report."""
    spoil: Callable[[Path, random.Random], None] | None = None
    """Damages the folder itself, now and then in place of a file: links, strange names, what is no file."""


def saved(save: Callable[[Any], Any]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command(*words: str) -> Callable[[Path], object]:
    """A command in this process; an error of it is raised again, for it to be judged."""

    def run(folder: Path) -> None:
        given = [word.replace("{}", str(folder)) for word in words]
        with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(io.StringIO()):
            try:
                status = commands.main(given)
            except SystemExit as end:
                status = int(end.code or 0)
        if status:
            lines = [line for line in err.getvalue().splitlines() if not line.startswith("caution")]
            if len(lines) != 1 or not lines[0].startswith("ratescape: "):
                raise AssertionError(f"not one line: {err.getvalue()[:500]!r}")
            raise RatescapeError(lines[0])

    return run
