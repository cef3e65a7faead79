"""Locks: one process at a time works in a results folder, and what killed ones left half-written is cleared away."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil

from ratescape.errors import RecordError
from ratescape.records.files import discard, make_folder, sync_folder, unwritable
from ratescape.records.ownership import MARK, refuse_foreign


@contextlib.contextmanager
def locked(folder: Path, images: Path | None = None) -> Iterator[None]:
    """Hold a results folder for this process alone; the system lets go of it however the process ends.

    A folder that is new, and that nothing was written to, is gone again afterwards.

    Args:
        images: what the results are of, where that is a path.

    Raises:
        RecordError: another process holds it, it holds somebody's files, or it cannot be made.
    """
    refuse_foreign(folder, images)
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        make_folder(folder)
        file = (folder / "lock").open("ab", buffering=0)
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        if not _taken(file, folder):
            raise RecordError(
                f"another ratescape is working in {folder}: wait for it to end, or choose another folder with --out"
            )
        try:
            _mark(file, folder)
            yield
        finally:
            clear_leftovers(folder)
            _remove_empty(made)


def clear_leftovers(folder: Path) -> None:
    """Remove what processes that were killed left half-written in a folder of results; none that is being written."""
    for pattern in (".*.tmp", "*/.*.tmp", "*/*/.*.tmp"):
        for path in folder.glob(pattern):
            pid = path.name.split(".")[-2]
            if pid.isdecimal() and not _is_alive(int(pid)):
                discard(path)


def _is_alive(pid: int) -> bool:
    """Whether a process can still write; one that was killed cannot, though nobody may have waited for it yet."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.AccessDenied:  # somebody else's
        return True
    except psutil.NoSuchProcess:
        return False


def _mark(file: IO[bytes], folder: Path) -> None:
    """Write the mark of a folder of ours; a part of it, which a full disk left, is written anew."""
    try:
        if os.fstat(file.fileno()).st_size != len(MARK.encode()):
            file.truncate(0)
            file.write(MARK.encode())
            os.fsync(file.fileno())
            sync_folder(folder)  # before anything else is there: without a mark it would be somebody's files
    except OSError as error:
        raise unwritable(folder / "lock", error) from error


def _remove_empty(made: list[Path]) -> None:
    """Remove folders, the innermost first, as far as there is nothing in them but a lock file."""
    with contextlib.suppress(OSError):  # somebody put something there, or the disk fails: it may as well stay
        if made and [path.name for path in made[0].iterdir()] == ["lock"]:
            (made[0] / "lock").unlink()
            for folder in made:
                folder.rmdir()


def _taken(file: IO[bytes], folder: Path) -> bool:
    """Take a lock unless another process holds it; tried for a second: `ratescape status` looks at it, too.

    Raises:
        RecordError: the file system has no locks.
    """
    for pause in (0.05, 0.1, 0.2, 0.4, 0.0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        except OSError as error:
            raise unlockable(folder, error) from error
        else:
            return True
    return False


def unlockable(folder: Path, error: OSError) -> RecordError:
    """The error for a file system without locks, such as some that come over a network."""
    return RecordError(
        f"cannot lock {folder} ({error.strerror or error}): two commands at once would spoil its results; choose a "
        "folder on a local disk, or have its file system mounted with locks"
    )


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, once no other process does; the system lets go of it however a process ends.

    Raises:
        RecordError: the file cannot be made.
    """
    try:
        make_folder(path.parent)
        file = path.open("w")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise unlockable(path.parent, error) from error
        yield
