"""The sign of life of a call that works in a results folder: where it is, for whoever looks from another terminal."""

import contextlib
import dataclasses
import fcntl
import json
import time
from pathlib import Path
from typing import Any

from ratescape.errors import RecordError
from ratescape.records.files import finite, write_atomically
from ratescape.specs.checks import from_json


@dataclasses.dataclass(frozen=True)
class Heartbeat:
    """Where a call is, or where it ended.

    Example::

        Heartbeat("measuring", 3, 25, elapsed=61.0, left=140.0, beaten=time.time()).write(folder)
    """

    phase: str
    number: int
    """Of the piece that was begun last, counted from 1; 0 where there is but one."""
    of: int
    """Pieces of the phase in all; 0 where there is but one."""
    elapsed: float
    """Seconds since the call began to work."""
    left: float | None
    """Seconds that it still takes, as expected; None where nobody knows."""
    beaten: float
    """When this was written, seconds since 1970."""
    state: str = "running"
    """``running``, or how the call ended: ``done`` or ``stopped``."""

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all. One that cannot be written harms nobody."""
        with contextlib.suppress(RecordError):
            write_atomically(path_of(folder), json.dumps(finite(dataclasses.asdict(self))) + "\n")

    @property
    def age(self) -> float:
        """Seconds since it was written."""
        return time.time() - self.beaten


def path_of(folder: Path) -> Path:
    """The file of a results folder's sign of life."""
    return folder / "progress.json"


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """The last sign of life in a results folder; None where there is none that can be read."""
    try:
        values: dict[str, Any] = from_json(path_of(folder).read_text(encoding="utf-8"))
        left = None if values["left"] is None else float(values["left"])
        elapsed, beaten = float(values["elapsed"]), float(values["beaten"])
        number, of = int(values["number"]), int(values["of"])
        return Heartbeat(str(values["phase"]), number, of, elapsed, left, beaten, str(values["state"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def is_held(folder: Path) -> bool:
    """Whether a process works in a results folder now: it holds the folder's lock. Changes nothing."""
    try:
        with (folder / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of as the file is closed
    except BlockingIOError:
        return True
    except OSError:  # no such file, or none that can be looked at or locked
        return False
    return False
