"""Whole files or none: atomic writes, JSON lines, locks."""

import contextlib
import errno
import fcntl
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from ratescape.errors import RecordError
from ratescape.records.ownership import MARK, refuse_foreign
from ratescape.specs.checks import from_json


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a whole file so that it is never seen half-written, even after a crash, and is there after a power cut.

    Raises:
        RecordError: the file cannot be written (full disk, no permission); an older file stays as it was.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes its place only when the block has ended well; else an older one stays as it was.

    Example::

        with whole_file(Path("archive.rsc")) as file:
            for block in blocks:
                file.write(block)

    Raises:
        RecordError: as :func:`write_atomically`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(path.parent)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those that it lies in, as far as they are missing, so that they last.

    Raises:
        OSError: it cannot be made.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync_folder(one.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder last: a file's own fsync promises its content, but not that it is found again.

    Raises:
        OSError: the disk failed. That a file system cannot do this, or does not let us, is none.
    """
    try:
        number = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder to be written to, but not to be looked into
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(number)


def write_changed(path: Path, content: str) -> None:
    """Write a whole file unless it holds this already, so that its time says when its content changed.

    Raises:
        RecordError: as :func:`write_atomically`.
    """
    try:
        if path.read_bytes() == content.encode():
            return
    except OSError:  # it is not there, or cannot be read
        pass
    write_atomically(path, content)


def unwritable(path: Path, error: OSError) -> RecordError:
    """The error for a failed write; nothing written before is lost."""
    return RecordError(
        f"cannot write {path} ({error.strerror or error}): free some space or choose another folder, then run the "
        "same command again; what is finished is kept"
    )


def failed(error: OSError) -> RecordError:
    """The error for whatever else the system refuses, in reading or in writing."""
    what = f"{error.filename} cannot be used" if error.filename is not None else "a file cannot be read or written"
    return RecordError(
        f"{what} ({error.strerror or error}): see to its disk and its permissions, then run the same command again; "
        "what is finished is kept"
    )


def to_json_lines(records: Iterable[Mapping[str, object]]) -> str:
    """Records as JSON lines; a number that is not finite is written as null."""
    return "".join(json.dumps(finite(record)) + "\n" for record in records)


def finite(value: Any) -> Any:
    """A value for JSON: numbers that are not finite, at any depth, become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All records of a JSON-lines file.

    Raises:
        RecordError: the file is missing or a line is not a JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        records = [from_json(line) for line in lines]
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is missing or damaged ({error}): {remake(path.parent)}") from error
    if not all(isinstance(record, dict) for record in records):
        raise RecordError(f"{path} is damaged: {remake(path.parent)}")
    return records


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
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                with contextlib.suppress(OSError):
                    path.unlink()


def _mark(file: IO[bytes], folder: Path) -> None:
    """Write the mark of a folder of ours; a part of it, which a full disk left, is written anew."""
    try:
        if os.fstat(file.fileno()).st_size != len(MARK.encode()):
            file.truncate(0)
            file.write(MARK.encode())
            os.fsync(file.fileno())
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


def remake(folder: Path) -> str:
    """The remedy for a damaged run."""
    return f"delete {folder} to make it again"
