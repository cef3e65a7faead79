"""Worker processes as forks of the process that starts them, where all is imported already: most of a case's time.

They are as good as new ones: nothing is open but what was passed on, signals are as a new process has them.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

from ratescape.execution import workers

WAIT = 0.005
"""Seconds between two looks at whether one has ended."""


class Forked:
    """What the sweep needs of :class:`subprocess.Popen`.

    Args:
        words: Python's command line, which ends with the code to be run.
        stdin: must be ``subprocess.DEVNULL``.
        pass_fds: files that stay open.
        env: the environment.
    """

    def __init__(self, words: Sequence[str], *, stdin: int, pass_fds: Sequence[int], env: Mapping[str, str]) -> None:
        assert words[-2] == "-c" and stdin == subprocess.DEVNULL
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _as_new(words[-1], pass_fds, env)

    def poll(self) -> int | None:
        """The exit status; None of one that is at work."""
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if found else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; raises ``subprocess.TimeoutExpired`` after so many seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if timeout is not None and end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("worker", timeout)
            time.sleep(WAIT)
        assert self.returncode is not None
        return self.returncode

    def _send(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)


def _as_new(code: str, passed: Sequence[int], env: Mapping[str, str]) -> NoReturn:
    """In the fork: carry the code out as a process that has just begun, and end."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        first = 3
        for kept in (*sorted(passed), os.sysconf("SC_OPEN_MAX")):
            os.closerange(first, kept)
            first = kept + 1
        os.environ.clear()
        os.environ.update(env)
        threading.excepthook, sys.unraisablehook = threading.__excepthook__, sys.__unraisablehook__
        from reliability.following import watch_worker

        watch_worker()
        exec(code, {"__name__": "__main__"})
        status = 0
    except BaseException:  # as Python ends with what is caught nowhere
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def fork_workers() -> None:
    """From now on this process forks its workers."""
    known: dict[str, Any] = {name: getattr(subprocess, name) for name in ("DEVNULL", "TimeoutExpired")}
    workers.subprocess = SimpleNamespace(Popen=Forked, **known)
