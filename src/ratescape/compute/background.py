"""A function in a thread of its own, beside the work: it begins also where memory is short, or not at all."""

import _thread
import threading
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds that the end of such a function is waited for: all of them end at once when they are told to."""


class Background:
    """A function that runs in a thread of its own, which ends with the process.

    ``threading.Thread.start`` waits until the new thread says that it runs, for ever where it lacks the memory to say
    so: a process under a limit of memory (``ulimit -v``) hung. Here nothing waits for the beginning.

    Args:
        run: it ends when it is told to, which is the caller's affair.

    Example::

        over = threading.Event()
        beats = Background(lambda: over.wait())
        beats.start()
        over.set()
        beats.join()

    Attributes:
        is_started: whether a thread was made for it.
    """

    def __init__(self, run: Callable[[], object]) -> None:
        self.is_started = False
        self._run = run
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin; raises RuntimeError where the system gives no further thread."""
        _thread.start_new_thread(self._carry_out, ())
        self.is_started = True

    def join(self, seconds: float = PATIENCE) -> None:
        """Wait until the function has ended; no longer than that for one that could not even begin."""
        if self.is_started:
            self._ended.wait(seconds)

    def _carry_out(self) -> None:
        try:
            self._run()
        finally:
            self._ended.set()
