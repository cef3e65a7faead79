"""A session: one call that works in a results folder, from its loaded images to its last file.

It holds the folder's lock, knows which phase takes how long, notes both in the folder's provenance, and shows a sign
of life about once a second.
"""

import contextlib
import datetime
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ratescape.compute.background import Background
from ratescape.data.catalog import ImageData
from ratescape.data.sources import SOURCES
from ratescape.errors import RecordError
from ratescape.execution.progress.observers import Audience, Observer
from ratescape.execution.progress.phases import Phases
from ratescape.execution.progress.tracker import Plan, Tracker
from ratescape.execution.provenance import versions
from ratescape.records.files import failed
from ratescape.records.folders import ResultsFolder, SweepFolder
from ratescape.records.heartbeat import Heartbeat, read_heartbeat
from ratescape.records.locks import locked

BEAT = 1.0
"""Seconds between two signs of life."""

NOTE = 5.0
"""Seconds between two notes of the times of phases, so that a session that is killed has them too."""


class Session:
    """What all parts of one call share: folder, images, phases, and the notes about them.

    Args:
        folder: where the results go; locked by the caller.
        data: the images.
        observer: sees the work as it goes on.
    """

    def __init__(self, folder: ResultsFolder, data: ImageData, observer: Observer | None = None) -> None:
        self.folder = folder
        self.data = data
        self.phases = Phases(Audience(observer))
        self.begun = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        self.where: dict[str, Any] | None = None
        """What computes; None until there is something to do."""
        self._notes = threading.Lock()
        self._over = threading.Event()
        self._life = Background(self._live)

    def begin(self, device: str, processes: int) -> None:
        """There is something to do, by this device and so many processes: the folder says so from now on.

        Raises:
            RecordError: the folder cannot be written.
        """
        if self.where is None:
            self.where = {"device": device, "processes": processes}
            self.note()
            self._beat("running")
            self._life.start()

    def tracker(self, plan: Plan, folder_of: Callable[[str], Path], done: Sequence[str] = ()) -> Tracker:
        """A tracker of a part of the work; arguments as of :class:`Tracker`."""
        return Tracker(plan, folder_of, done=done, phases=self.phases)

    def note(self, **facts: Any) -> None:
        """Note in a landscape's provenance how long each phase has taken so far, and other facts about it."""
        if not isinstance(self.folder, SweepFolder) or self.where is None:
            return
        with self._notes:
            new: dict[str, Any] = {"fingerprint": self.data.fingerprint, "sessions": []}
            known = self.folder.provenance() if (self.folder.path / "provenance.json").exists() else new
            earlier = [one for one in known["sessions"] if one["begun"] != self.begun]
            phases = {phase: round(seconds, 2) for phase, seconds in self.phases.seconds().items()}
            times = {"begun": self.begun, "seconds": round(self.phases.clock.elapsed(), 2), "phases": phases}
            session = times | self.where | {"versions": versions()}
            self.folder.write_provenance(known | facts | {"sessions": [*earlier, session]})

    def end(self, state: str) -> None:
        """Stop giving signs of life, and say how the session ended, and in which phase."""
        if self.where is None:
            last = read_heartbeat(self.folder.path) if state == "done" else None
            if last is not None and last.state != "done":  # what an earlier session left undone is done now
                self._beat(state)
            return
        self._over.set()
        self._life.join()
        self._beat(state)
        with contextlib.suppress(RecordError):  # what there is to complain of was complained of
            self.note()

    def _live(self) -> None:
        """Show where the work is, until it is over."""
        noted = time.monotonic()
        while not self._over.wait(BEAT):
            self._beat("running")
            self.phases.show()
            if time.monotonic() - noted > NOTE:
                noted = time.monotonic()
                with contextlib.suppress(RecordError):
                    self.note()

    def _beat(self, state: str) -> None:
        where = self.phases.state(is_over=state != "running")
        Heartbeat(where.name, where.number, where.of, where.elapsed, where.left, time.time(), state).write(
            self.folder.path
        )


@contextlib.contextmanager
def session(folder: ResultsFolder, data: ImageData, observer: Observer | None = None) -> Iterator[Session]:
    """Hold a results folder for one call, and say how that ended.

    Raises:
        RecordError: the folder is busy, holds somebody's own files, or cannot be written.
    """
    name = data.spec.name
    with locked(folder.path, None if name in SOURCES else Path(name).expanduser()):
        own, state = Session(folder, data, observer), "stopped"
        try:
            yield own
            state = "done"
        except OSError as error:  # where nobody knew better what to say of it
            raise failed(error) from error
        finally:
            own.end(state)
