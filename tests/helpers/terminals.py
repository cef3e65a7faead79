"""Commands at a real terminal, and a key pressed at the right moment."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

AT_TERMINAL = """
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
"""Makes a process the one that the terminal's keys go to; a shell may have started the tests without Ctrl-C."""

ENTRY = "import sys\nfrom ratescape.cli.entry import main\nsys.exit(main())"


class Ended(NamedTuple):
    """How a command at a terminal ended."""

    status: int
    lines: list[str]
    """What it printed, without colours, progress bars and the echo of Ctrl-C."""
    seconds: float
    """From the key to the end."""


def marking(module: str, function: str, mark: str) -> str:
    """Code that has a function write the file ``mark`` whenever it is called, and then do what it does."""
    name, _, owner = module.partition(":")
    return (
        f"import {name} as module\nowner = module{'.' + owner if owner else ''}\n"
        f"called = owner.{function}\n"
        "def marked(*given, **named):\n"
        f"    open({mark!r}, 'w').close()\n"
        "    return called(*given, **named)\n"
        f"owner.{function} = marked\n"
    )


def interrupted(words: list[str], ready: Callable[[], bool], before: str = "", keys: int = 1) -> Ended:
    """Run a command at a terminal of its own, and press Ctrl-C once something holds.

    Args:
        words: of the command line.
        before: code that runs first.
        keys: how often Ctrl-C is pressed, a tenth of a second apart.
    """
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"{AT_TERMINAL}\n{before}\n{ENTRY}", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    said, pressed, end = b"", 0.0, time.monotonic() + 240
    left = keys
    while True:
        if left and (ready() if left == keys else time.monotonic() - pressed > 0.1):
            pressed, left = time.monotonic(), left - 1
            os.write(master, b"\x03")
        assert time.monotonic() < end, said
        if not select.select([master], [], [], 0.02)[0]:
            continue
        try:
            said += os.read(master, 65536)
        except OSError:  # the last process at the terminal has ended
            break
    status = process.wait(10)
    os.close(master)
    return Ended(status, _lines(said.decode(errors="replace")), time.monotonic() - pressed)


def _lines(said: str) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\^C", "", said)
    return [line for line in map(str.strip, re.split(r"[\r\n]+", plain)) if line and "━" not in line]
