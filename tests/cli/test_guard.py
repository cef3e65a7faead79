"""What the command line makes of signals, and what it keeps to itself of threads."""

import _thread
import signal
import sys
import threading

import pytest

from ratescape.cli.entry import Guard
from ratescape.execution import interrupts


@pytest.mark.parametrize(("error", "is_shown"), [(MemoryError, False), (ValueError, True)])
def test_a_thread_that_has_no_memory_is_not_shown(
    error: type[Exception], is_shown: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its work says what it lacks; any other error of a thread is shown as ever."""
    guard, told = Guard(), threading.Event()

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        guard.unraisable(unraisable)
        told.set()

    def fails() -> None:
        raise error

    monkeypatch.setattr(sys, "unraisablehook", hook)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    _thread.start_new_thread(fails, ())
    assert told.wait(10)
    shown = capfd.readouterr().err
    assert ("Exception ignored in thread started by" in shown) == is_shown and (error.__name__ in shown) == is_shown


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_signals_that_come_together_are_one_request_and_a_later_one_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guard, clock, ended = Guard(), Clock(), list[bool]()
    monkeypatch.setattr(interrupts, "time", clock)
    monkeypatch.setattr(guard, "end", lambda: ended.append(True))
    with pytest.raises(KeyboardInterrupt):
        guard.handle(signal.SIGINT, None)
    guard.handle(signal.SIGINT, None)
    clock.now += 0.5
    guard.handle(signal.SIGTERM, None)
    assert not ended
    clock.now += 1
    with pytest.raises(KeyboardInterrupt):
        guard.handle(signal.SIGINT, None)
    assert ended == [True]


def test_a_second_signal_at_once_leaves_a_training_its_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes later breaks it off."""
    clock = Clock()
    monkeypatch.setattr(interrupts, "time", clock)
    reached: list[str] = []

    def trains() -> None:
        with interrupts.deferred() as asked:
            signal.raise_signal(signal.SIGINT)
            clock.now += 0.5
            signal.raise_signal(signal.SIGINT)
            assert asked()
            reached.append("the checkpoint")
            clock.now += 1
            signal.raise_signal(signal.SIGINT)
            reached.append("no further")

    with pytest.raises(KeyboardInterrupt):
        trains()
    assert reached == ["the checkpoint"]
