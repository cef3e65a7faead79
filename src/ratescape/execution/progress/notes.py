"""Messages of worker processes, through files."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from ratescape.compute.background import Background
from ratescape.execution.progress.messages import Message, Tell
from ratescape.execution.progress.tracker import Tracker

LOOK = 0.5
"""Seconds between two looks at what other processes told."""


class Notes:
    """Messages of worker processes: each appends lines to a file of its own, which the parent reads as they grow.

    Args:
        folder: where the files are; what earlier sessions left there is not read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read = {path: path.stat().st_size for path in folder.glob("*.notes")}

    @staticmethod
    def teller(folder: Path, name: str) -> Tell:
        """What a worker process tells its messages to."""
        path = folder / f"{name}.{os.getpid()}.notes"

        def tell(message: Message) -> None:
            with contextlib.suppress(OSError), path.open("a") as file:  # a progress bar that stands still loses nothing
                file.write(json.dumps(message) + "\n")

        return tell

    def messages(self) -> Iterator[Message]:
        """What was told since the last look; half a line is left for the next one.

        A line that is none is passed over: where a disk is full, half of a message stays, and the next is joined to it.
        """
        for path in sorted(self.folder.glob("*.notes")):
            with contextlib.suppress(OSError):
                content = path.read_bytes()
                begin = self.read.get(path, 0)
                end = content.rfind(b"\n", begin) + 1 or begin
                self.read[path] = end
                for line in content[begin:end].splitlines():
                    try:
                        message = json.loads(line)
                    except ValueError:
                        continue
                    yield message


@contextlib.contextmanager
def followed(notes: Notes, tracker: Tracker) -> Iterator[None]:
    """Pass messages of worker processes on to a tracker: twice a second, from a thread of its own, and at the end."""
    over = threading.Event()

    def look() -> None:
        for message in notes.messages():
            tracker.receive(message)

    def watch() -> None:
        while not over.wait(LOOK):
            look()

    thread = Background(watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
