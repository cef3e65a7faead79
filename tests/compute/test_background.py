"""A thread beside the work never keeps it waiting, whatever becomes of it."""

import _thread
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ratescape.compute.background import Background


def test_it_runs_beside_and_its_end_is_waited_for() -> None:
    over, seen = threading.Event(), list[threading.Thread]()

    def run() -> None:
        seen.append(threading.current_thread())
        over.wait()
        time.sleep(0.05)
        seen.append(threading.current_thread())

    beside = Background(run)
    beside.join()  # it has not begun
    beside.start()
    over.set()
    beside.join()
    assert len(seen) == 2 and seen[0] is seen[1] is not threading.main_thread()


def test_one_that_fails_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    beside = Background(lambda: 1 / 0)
    begun = time.monotonic()
    beside.start()
    beside.join(60)
    assert time.monotonic() - begun < 30
    assert [one.exc_type for one in told] in ([], [ZeroDivisionError])  # it may be told a moment later


def test_a_thread_that_cannot_begin_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where memory is short: threading.Thread.start would wait for ever."""

    def without(run: Callable[..., object], given: tuple[object, ...]) -> int:
        return 0

    monkeypatch.setattr(_thread, "start_new_thread", without)
    beside = Background(lambda: None)
    beside.start()
    begun = time.monotonic()
    beside.join(0.1)
    assert time.monotonic() - begun < 30
