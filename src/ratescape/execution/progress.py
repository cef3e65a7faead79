"""The one channel of observation: what trainings tell, and what observers see of it.

A training tells JSON-able messages, wherever it runs. They reach a :class:`Tracker` directly in this process, through
a file from a worker process, and through an actor from a Ray task. The tracker turns them into what observers see.
"""

import contextlib
import dataclasses
import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

PAUSE = 0.3
"""Seconds between two messages about the steps of a training."""

LOOK = 0.5
"""Seconds between two looks at what other processes told."""

PICTURES = ("reconstructions", "samples")
"""Pictures of a finished model, by the names of their files."""

Message = dict[str, Any]
"""What a training tells: ``kind`` is ``steps``, ``epoch`` or ``written``; ``runs`` are keys of runs or networks."""

Tell = Callable[[Message], None]

Seen = TypeVar("Seen")


class Progress(NamedTuple):
    """How far a sweep is."""

    steps: int
    """Training steps done, over all members; steps found done from an earlier session count too."""
    total: int
    models: int
    """Models finished."""
    total_models: int


class Epoch(NamedTuple):
    """One epoch of the training of one model or network. Lists run over layers or groups, top first."""

    run: str
    """Key of the run, or of the conditioned network."""
    epoch: int
    """Counted from 1."""
    betas: tuple[float, ...]
    """The effective ones: annealed, controlled, or the means of those drawn."""
    rates: tuple[float, ...]
    """Of the layers, means over the epoch's training images, nats."""
    group_rates: tuple[float, ...]
    """Of groups of layers that share a beta, nats."""
    distortion: float
    """Mean over the epoch's training images, nats."""
    loss: float
    learning_rate: float
    """Of the last step."""
    status: str
    """``ok``, or ``diverged`` for a training that broke down."""
    attempt: int
    """Counted from 1: a conditioned network that loses a layer is trained again, its epochs are counted anew."""


class Picture(NamedTuple):
    """A picture of a finished model."""

    run: str
    name: str
    """``reconstructions`` (originals above) or ``samples``."""
    png: bytes


class Observer(Protocol):
    """Sees the work as it goes on; called from any thread, one call at a time.

    Example::

        class Printer(Silent):
            def epoch(self, epoch):
                print(epoch.run, epoch.epoch, epoch.loss)

        map_landscape("mnist-5k", observer=Printer())
    """

    def progress(self, progress: Progress) -> None:
        """See how far the work is; a few times a second.

        Steps go back where a conditioned network has lost a layer, and is trained again from the beginning.
        """
        ...

    def epoch(self, epoch: Epoch) -> None:
        """See an epoch that has ended."""
        ...

    def picture(self, picture: Picture) -> None:
        """See a picture of a model that is finished."""
        ...


class Silent:
    """An observer that does nothing; a base for those that care about one thing only.

    Example::

        class Counter(Silent):
            def progress(self, progress):
                print(f"{progress.models} of {progress.total_models} models")
    """

    def progress(self, progress: Progress) -> None:
        """Do nothing."""

    def epoch(self, epoch: Epoch) -> None:
        """Do nothing."""

    def picture(self, picture: Picture) -> None:
        """Do nothing."""


class Reporter:
    """What one training tells: it is the listener of the training loop.

    Args:
        tell: takes messages.
        runs: keys of the members, in their order.
        attempt: counted from 1, for a network that is trained again where a layer has died.
    """

    def __init__(self, tell: Tell, runs: Sequence[str], attempt: int = 1) -> None:
        self.attempt = attempt
        self.tell = tell
        self.runs = list(runs)
        self.last = 0.0

    def step(self, done: int, total: int) -> None:
        """Tell the steps done, a few times a second and at the end."""
        if done == total or time.monotonic() - self.last > PAUSE:
            self.last = time.monotonic()
            self.tell({"kind": "steps", "runs": self.runs, "step": done})

    def epoch(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Tell an epoch of every member."""
        for run, record in zip(self.runs, records, strict=True):
            self.tell({"kind": "epoch", "runs": [run], "record": {**record, "attempt": self.attempt}})

    def written(self) -> None:
        """Tell that all is written."""
        self.tell({"kind": "written", "runs": self.runs})


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much there is to do."""

    networks: Mapping[str, int]
    """Steps of each conditioned network by its key."""
    runs: Mapping[str, int]
    """Steps of each run by its key."""
    groups: tuple[int, ...]
    """Group of each layer, top first."""


class Tracker:
    """Turns messages into what observers see.

    An observer that fails is warned of once and sees no more: it never ends a training.

    Args:
        plan: how much there is to do.
        folder_of: the folder of a finished run, by its key.
        observer: sees them.
        done: keys of the runs and networks that are finished already.
    """

    def __init__(
        self, plan: Plan, folder_of: Callable[[str], Path], observer: Observer, done: Sequence[str] = ()
    ) -> None:
        self.plan = plan
        self.folder_of = folder_of
        self.observer: Observer = observer
        self.total = {**plan.networks, **plan.runs}
        self.steps = {key: self.total[key] for key in done}
        self.finished = set(done) & plan.runs.keys()
        self.lock = threading.Lock()

    def receive(self, message: Message) -> None:
        """Take in one message; observers see what it changes."""
        with self.lock:
            {"steps": self._stepped, "epoch": self._epoch, "written": self._written}[message["kind"]](message)

    def state(self) -> Progress:
        """How far the work is."""
        total = sum(self.total.values())
        return Progress(sum(self.steps.values()), total, len(self.finished), len(self.plan.runs))

    def _stepped(self, message: Message) -> None:
        for key in message["runs"]:
            if key not in self.finished:
                self.steps[key] = min(message["step"], self.total[key])
        self._show(self.observer.progress, self.state())

    def _epoch(self, message: Message) -> None:
        record = message["record"]
        rates = record["rates"]
        together = [0.0] * (max(self.plan.groups) + 1)
        for group, rate in zip(self.plan.groups, rates, strict=True):
            together[group] += rate
        numbers = {name: record[name] for name in ("epoch", "distortion", "loss", "learning_rate", "status", "attempt")}
        betas, layers, groups = tuple(record["betas"]), tuple(rates), tuple(together)
        epoch = Epoch(run=message["runs"][0], betas=betas, rates=layers, group_rates=groups, **numbers)
        self._show(self.observer.epoch, epoch)

    def _written(self, message: Message) -> None:
        for key in message["runs"]:
            self.steps[key] = self.total[key]
            if key in self.plan.runs and key not in self.finished:
                self.finished.add(key)
                self._show_pictures(key)
        self._show(self.observer.progress, self.state())

    def _show_pictures(self, key: str) -> None:
        for name in PICTURES:
            path = self.folder_of(key) / f"{name}.png"
            if path.exists():  # a training that diverged has none
                self._show(self.observer.picture, Picture(key, name, path.read_bytes()))

    def _show(self, see: Callable[[Seen], None], what: Seen) -> None:
        try:
            see(what)
        except Exception as error:  # whatever it is: the observer is not ours
            self.observer = Silent()
            warnings.warn(f"an observer failed and sees no more: {type(error).__name__}: {error}", stacklevel=2)


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
        """What was told since the last look; half a line is left for the next one."""
        for path in sorted(self.folder.glob("*.notes")):
            with contextlib.suppress(OSError):
                content = path.read_bytes()
                begin = self.read.get(path, 0)
                end = content.rfind(b"\n", begin) + 1 or begin
                self.read[path] = end
                yield from map(json.loads, content[begin:end].splitlines())


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

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
