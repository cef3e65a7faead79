"""Whole files or none: atomic writes, JSON lines, locks."""

import contextlib
import fcntl
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ratescape.errors import RecordError
from ratescape.records.ownership import MARK, refuse_foreign


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a whole file so that it is never seen half-written, even after a crash.

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
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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
        records = [json.loads(line) for line in lines]
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
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a")
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        if not _taken(file):
            raise RecordError(
                f"another ratescape is working in {folder}: wait for it to end, or choose another folder with --out"
            )
        if os.fstat(file.fileno()).st_size == 0:
            file.write(MARK)
            file.flush()
        try:
            yield
        finally:
            _remove_empty(made)


def _remove_empty(made: list[Path]) -> None:
    """Remove folders, the innermost first, as far as there is nothing in them but a lock file."""
    if made and [path.name for path in made[0].iterdir()] == ["lock"]:
        (made[0] / "lock").unlink()
        with contextlib.suppress(OSError):  # somebody put something there
            for folder in made:
                folder.rmdir()


def _taken(file: IO[str]) -> bool:
    """Take a lock unless another process holds it; tried for a second: `ratescape status` looks at it, too."""
    for pause in (0.05, 0.1, 0.2, 0.4, 0.0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        else:
            return True
    return False


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, once no other process does; the system lets go of it however a process ends.

    Raises:
        RecordError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remake(folder: Path) -> str:
    """The remedy for a damaged run."""
    return f"delete {folder} to make it again"
