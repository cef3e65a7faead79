"""Whole files and folders or none: atomic writes, JSON lines."""

import contextlib
import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeGuard

from ratescape.errors import RecordError
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
        discard(temporary)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place only when the block has ended well; else an older one stays.

    Example::

        with whole_folder(Path("digits")) as begun:
            write_atomically(begun / "README.md", text)

    Raises:
        RecordError: it cannot be made, or cannot take its place; what the block raises is passed on as it is.
    """
    target = Path(os.path.realpath(folder))  # beside what a link points to, which may be another disk
    try:
        make_folder(target.parent)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        begun, before = beside / "new", beside / "old"
        begun.mkdir()  # with the rights of any new folder, which the one around it does not have
        yield begun
        try:
            _sync_all(begun)
            if target.exists():
                target.rename(before)
            begun.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            if before.exists() and not target.exists():
                before.rename(target)
            raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _sync_all(folder: Path) -> None:
    """Have all of a folder last, names and contents."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
            continue
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def discard(path: Path) -> None:
    """Remove a file that nobody needs any more, if it is there: that it cannot be removed harms nobody."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


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
    remedy = _REMEDIES.get(error.errno or 0, "see to its disk")
    return RecordError(
        f"cannot write {path} ({error.strerror or error}): {remedy} or choose another folder, then run the same "
        "command again; what is finished is kept"
    )


_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EACCES: "see to its permissions",
    errno.EPERM: "see to its permissions",
    errno.EROFS: "have its file system mounted for writing",
    errno.ENOTDIR: "move away the file that is where a folder should be",
    errno.EEXIST: "move away the file that is where a folder should be",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}
"""What to do where the system refuses to write, by the number of the error."""


class Unreadable(RecordError):
    """The system refuses a file now (too many open files, a disk that fails): nothing says that it is damaged."""


def failed(error: OSError) -> Unreadable:
    """The error for whatever else the system refuses, in reading or in writing."""
    what = f"{error.filename} cannot be used" if error.filename is not None else "a file cannot be read or written"
    return Unreadable(
        f"{what} ({error.strerror or error}): see to its disk and its permissions, then run the same command again; "
        "what is finished is kept"
    )


def is_refusal(error: BaseException) -> TypeGuard[OSError]:
    """Whether the system refused a file, which then may be sound; Pillow's errors of damaged ones have no number."""
    return isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError)


def unusable(path: Path, error: Exception, remedy: str) -> RecordError:
    """The error for a file that cannot be read: the system refuses it, else it is damaged.

    Example::

        raise unusable(path, error, remake(path.parent)) from error

    Args:
        remedy: for a damaged one.
    """
    if is_refusal(error):
        return failed(error)
    return RecordError(f"{path} is damaged: {remedy}")


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
        Unreadable: it is there, but the system refuses it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        records = [from_json(line) for line in lines]
    except (FileNotFoundError, ValueError) as error:
        raise RecordError(f"{path} is missing or damaged ({error}): {remake(path.parent)}") from error
    except OSError as error:
        raise failed(error) from error
    if not all(isinstance(record, dict) for record in records):
        raise RecordError(f"{path} is damaged: {remake(path.parent)}")
    return records


def remake(folder: Path) -> str:
    """The remedy for a damaged run."""
    return f"delete {folder} to make it again"
