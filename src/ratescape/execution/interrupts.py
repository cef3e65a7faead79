"""Asked to end in the middle of a training: its checkpoint is written first."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask a process to end: Ctrl-C, and what systems send before they kill."""


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Have signals that ask this process to end wait until the block is over; a second one ends it at once.

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
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        came.append(number)
        if len(came) > 1:
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
