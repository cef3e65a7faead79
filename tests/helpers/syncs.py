"""What is synced to the disk, in order."""

import os
from pathlib import Path

import pytest


def names_synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files and folders, each added from now on as it is synced."""
    synced: list[str] = []
    before = os.fsync

    def seen(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
        before(number)

    monkeypatch.setattr(os, "fsync", seen)
    return synced
