"""Memory kept between steps, and free memory."""

import ctypes
from typing import Any

import psutil
import pytest
import torch

from ratescape.compute import memory


@pytest.fixture
def _asked_anew() -> Any:
    """The settings are made once a process: here they are to be made again."""
    memory.keep_freed_memory.cache_clear()
    yield
    memory.keep_freed_memory.cache_clear()


@pytest.mark.usefixtures("_asked_anew")
def test_glibc_is_told_once_to_keep_what_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, name: int, value: int) -> int:
            calls.append((name, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    memory.keep_freed_memory()
    memory.keep_freed_memory()
    assert calls == [(-3, 2**30), (-1, 2**31 - 1)]


@pytest.mark.usefixtures("_asked_anew")
def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())  # without mallopt
    memory.keep_freed_memory()


def test_free_bytes_are_those_of_the_machine_or_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < memory.free_bytes(torch.device("cpu")) < psutil.virtual_memory().total
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5 + device.index, 10))
    assert memory.free_bytes(torch.device("cuda", 1)) == 6
