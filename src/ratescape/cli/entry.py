"""Where the command begins: Ctrl-C is one line at any moment, while modules are imported and while a library computes.

What this module imports takes no time, so that there is no moment before it is on guard.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

from ratescape.execution.interrupts import Requests

AGAIN = 0.05
"""Seconds after which an interrupt is sent again that a library has swallowed."""


def main() -> int:
    """Run the command of this process; returns its exit status: that of a signal is 128 and its number."""
    guard = Guard()
    guard.stand()
    try:
        if sys.argv[1:] in (["-h"], ["--help"]):  # waits for no option of any command
            from ratescape.cli.overview import overview

            sys.stdout.write(overview() + "\n")
            return 0
        from ratescape.compute.waiting import wait_briefly

        wait_briefly(os.environ)
        from ratescape.cli.commands import main as run

        return run(is_interrupted=lambda: guard.signal is not None)
    except BaseException:  # whatever an import or a library makes of an interrupt
        if guard.signal is None:
            raise
        guard.end()
    finally:
        for one in guard.signals:
            signal.signal(one, signal.SIG_IGN)  # nothing is left to be interrupted but the end itself


TAKEN_UP = ("map", "train", "recommend")
"""Commands that keep what they have done."""


class Guard:
    """Turns signals that ask the process to end into one line and an exit status."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The last that came."""
        self.requests = Requests()
        # A shell that starts a command in the background has it ignore Ctrl-C.
        wanted = (signal.SIGINT, signal.SIGTERM)
        self.signals = [one for one in wanted if signal.getsignal(one) is not signal.SIG_IGN]

    def stand(self) -> None:
        """Handle the signals from now on."""
        for one in self.signals:
            signal.signal(one, self.handle)
        sys.unraisablehook = self.unraisable

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt; end at once if that was tried before, or where an import would swallow it."""
        again, self.signal = self.signal is not None, number
        if not self.requests.once_more() and again:
            return
        if again or (_is_importing(frame) and threading.active_count() == 1):
            self.end()
        raise KeyboardInterrupt

    def end(self) -> NoReturn:
        """Say so in one line, and end without a way back: what had to be closed is, and torch takes long to leave."""
        how = "interrupted" if self.signal == signal.SIGINT else "asked to end"
        what = "takes it up again" if sys.argv[1:2] and sys.argv[1] in TAKEN_UP else "begins anew"
        # A progress bar that is not closed hides the cursor, and leaves it at the end of its own line.
        fresh = "\r\x1b[2K\x1b[?25h" if os.isatty(2) else ""
        # Not sys.stderr, which may be held back while words are parsed.
        os.write(2, f"{fresh}ratescape: {how}; the same command {what}\n".encode())
        os._exit(128 + (self.signal or 0))

    def unraisable(self, unraisable: Any) -> None:
        """An interrupt that came where nothing can be raised is sent again; all else is shown as ever."""
        if unraisable.exc_type is MemoryError and "thread" in (unraisable.err_msg or ""):
            return  # signs of life, say, for which there was no memory: the work itself says what it lacks
        if unraisable.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(unraisable)
            return
        number, self.signal = self.signal or signal.SIGINT, None
        threading.Timer(AGAIN, signal.pthread_kill, (threading.main_thread().ident, number)).start()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
