"""Asked to end in the middle of a training: its checkpoint is written first."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask a process to end: Ctrl-C, and what systems send before they kill."""

ONE_REQUEST = 1.0
"""Seconds within which several signals are one request: ``timeout`` sends one to its child, and one to its group."""


class Requests:
    """Tells signals that come together with the first from those that ask once more.

    Example::

        requests = Requests()
        requests.once_more(), requests.once_more()  # (False, False): within a second
    """

    def __init__(self) -> None:
        self.first: float | None = None
        """When the first came, by the clock of the process."""

    def once_more(self) -> bool:
        """To be called at each signal: whether it asks again, and is not one with the first."""
        now = time.monotonic()
        self.first = now if self.first is None else self.first
        return now - self.first > ONE_REQUEST


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Have signals that ask this process to end wait until the block is over; a later one ends it at once.

    Then the signal is sent again, to whatever handled it before. In other threads than the main one, signals are left
    as they are.

    Yields:
        Whether one has come: a training looks after each step, and ends after its checkpoint.

    Example::

        with deferred() as asked:
            train(..., context=TrainingContext(saving, stop=asked))
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came, requests = list[int](), Requests()

    def note(number: int, frame: Any) -> None:
        came.append(number)
        if requests.once_more():
            raise KeyboardInterrupt

    before = {one: signal.getsignal(one) for one in ENDING}
    known = {one: handler for one, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for one in known:
        signal.signal(one, note)
    try:
        yield lambda: bool(came)
    finally:
        for one, handler in known.items():
            signal.signal(one, handler)
        if came:
            signal.raise_signal(came[0])
