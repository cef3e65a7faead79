"""What the command line keeps to itself of threads."""

import _thread
import sys
import threading

import pytest

from ratescape.cli.entry import Guard


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
