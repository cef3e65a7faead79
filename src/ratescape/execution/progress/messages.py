"""What trainings and measurements tell, as JSON-able messages, wherever they run."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

PAUSE = 0.3
"""Seconds between two messages about the steps of a training."""

Message = dict[str, Any]
"""What is told: ``kind`` is ``phase``, ``steps``, ``epoch``, ``restart``, ``picture`` or ``written``; ``runs`` are keys
of runs or networks."""

Tell = Callable[[Message], None]

PhaseName = Literal["preparing", "judge", "network", "training", "measuring", "fine landscape", "refining", "figures"]
"""Phases of the work: ``preparing`` is all that no other phase names, such as starting worker processes."""

PHASES: tuple[PhaseName, ...] = get_args(PhaseName)
"""All phases, in the order in which a landscape comes about."""


@contextlib.contextmanager
def told(tell: Tell, phase: PhaseName, runs: Sequence[str] = ()) -> Iterator[None]:
    """Tell that a phase begins, and, however the block ends, that it is over.

    Args:
        runs: keys of what is worked at, by which the pieces of a phase are counted.

    Example::

        with told(tell, "measuring", [key(run)]):
            suite.measure(subject)
    """
    tell({"kind": "phase", "phase": phase, "runs": list(runs), "begun": True})
    try:
        yield
    finally:
        tell({"kind": "phase", "phase": phase, "runs": list(runs), "begun": False})


def within(tell: Tell) -> Tell:
    """A teller for work inside a larger phase, such as refining, whose trainings and measurements are not told of."""

    def outer(message: Message) -> None:
        if message["kind"] != "phase" or message["phase"] not in ("training", "measuring"):
            tell(message)

    return outer


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
            self.tell({"kind": "steps", "runs": self.runs, "step": done, "of": total})

    def epoch(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Tell an epoch of every member."""
        for run, record in zip(self.runs, records, strict=True):
            self.tell({"kind": "epoch", "runs": [run], "record": {**record, "attempt": self.attempt}})

    def restart(self, attempts: int, learning_rate: float, why: str) -> None:
        """Tell that the training begins again.

        Args:
            attempts: how many there may be in all.
            learning_rate: of this one.
            why: what became of the one before.
        """
        about = {"attempt": self.attempt, "attempts": attempts, "learning_rate": learning_rate, "why": why}
        self.tell({"kind": "restart", "runs": self.runs, **about})

    def written(self) -> None:
        """Tell that all is written."""
        self.tell({"kind": "written", "runs": self.runs})
