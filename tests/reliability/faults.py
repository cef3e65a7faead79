"""Counts the file operations of a process below a folder, and at one of them ends it or has it fail.

What Python does with files goes through few functions of ``os``, ``io`` and ``fcntl``: these are wrapped, in a process
that was forked for it. An operation is the opening of a file, a write, an fsync, a rename, a removal, a new folder, a
lock. Threads count, too.
"""

import base64
import builtins
import contextlib
import errno
import fcntl
import io
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

DEATHS = ("before", "half", "after")
"""When a process ends: right before an operation, halfway through (of a write: half of its bytes), right after."""

FAILURES: dict[str, tuple[str, ...]] = {
    "ENOSPC": ("create", "write", "fsync", "mkdir", "rename"),
    "EIO": ("create", "read", "write", "fsync", "mkdir", "rename", "unlink", "rmdir", "lock"),
    "EACCES": ("create", "read", "mkdir", "rename", "unlink", "rmdir"),
    "EMFILE": ("create", "read"),
    "EINTR": ("create", "read", "write", "fsync", "lock"),
    "EROFS": ("create", "mkdir", "rename", "unlink", "rmdir"),
    "ENOLCK": ("lock",),
}
"""Errors of the system, and the operations that may end with them."""

UMASK = 0o666

KINDS = ".kinds"
"""How the name of a file ends that tells the kinds of operations, one a line."""


class Plan(NamedTuple):
    """What happens at which operation."""

    number: int = 0
    """Counted from 1; 0 for none: operations are only counted."""
    what: str = "before"
    """One of DEATHS, or of FAILURES."""
    lasting: bool = False
    """Whether all later operations of these kinds fail, too, as on a full disk."""
    kind: str = ""
    """Operations that are counted; all of them without."""


class Operation(NamedTuple):
    """One operation; ``path`` is relative to the folder that is watched."""

    kind: str
    path: str
    inode: int = 0
    """Of the file that is written to or synced; of what is created or renamed, afterwards."""
    target: str = ""
    """Of a rename."""
    data: bytes = b""
    """What was written."""
    end: bool = False
    """Whether it was written at the end of the file, or at ``place``."""
    place: int = 0

    def line(self) -> str:
        return json.dumps([*self[:4], base64.b64encode(self.data).decode(), *self[5:]])

    @staticmethod
    def of(line: str) -> "Operation":
        kind, path, inode, target, data, end, place = json.loads(line)
        return Operation(kind, path, inode, target, base64.b64decode(data), end, place)


class Watch:
    """Wraps what touches files; for a forked process, which never takes it back.

    Args:
        root: operations below it count.
        plan: what happens at one of them.
        trace: file to write what is done to, one operation a line; None for none. The kinds of all operations go to a
            file beside it, :func:`kinds_of`, also of those that fail by themselves or change nothing. Outside the root.
    """

    def __init__(self, root: Path, plan: Plan, trace: Path | None) -> None:
        self.root, self.plan, self.count = os.path.realpath(root), plan, 0
        self.lock = threading.RLock()
        self.trace = self.kinds = None
        if trace is not None:
            self.trace, self.kinds = trace.open("a"), trace.with_suffix(KINDS).open("a")

    def relative(self, path: Any) -> str | None:
        """A path below the root, relative to it; None for others."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")  # noqa: PTH115
        found = os.path.abspath(os.fsdecode(os.fspath(path)))  # noqa: PTH100 (Path would touch what is wrapped here)
        parent, name = os.path.split(found)
        found = os.path.join(os.path.realpath(parent), name)  # noqa: PTH118
        if found != self.root and not found.startswith(self.root + "/"):
            return None
        return os.path.relpath(found, self.root)

    def step(self, kind: str, path: Any, run: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        """Carry an operation out, unless it is the one at which something happens."""
        relative = self.relative(path)
        if relative is not None and self.kinds is not None:
            with self.lock:
                self.kinds.write(kind + "\n")
                self.kinds.flush()
        if relative is None or self.plan.kind not in ("", kind):
            return run()
        with self.lock:
            self.count += kind != "read" or self.plan.what in FAILURES
            if not self._is_hit(kind):
                return run()
            return self._happen(relative, run, half)

    def _happen(self, path: str, run: Callable[[], Any], half: Callable[[], Any] | None) -> NoReturn:
        """What is planned for this operation."""
        what = self.plan.what
        if half is not None and what in ("half", "ENOSPC"):
            half()
        if what in FAILURES:
            number = getattr(errno, what)
            raise OSError(number, os.strerror(number), os.path.join(self.root, path))  # noqa: PTH118
        if what == "after":
            with contextlib.suppress(OSError):  # one that fails by itself, such as a folder that is there
                run()
        die()

    def _is_hit(self, kind: str) -> bool:
        if self.plan.what in FAILURES and kind not in FAILURES[self.plan.what]:
            return False
        number = self.plan.number
        return number > 0 and (self.count == number or (self.plan.lasting and number < self.count))

    def note(self, operation: Operation) -> None:
        if self.trace is not None:
            with self.lock:
                self.trace.write(operation.line() + "\n")
                self.trace.flush()

    def install(self) -> None:
        """Wrap the functions of this process."""
        builtins.open = io.open = self._opener(io.open)
        for kind, name in (("mkdir", "mkdir"), ("rmdir", "rmdir"), ("unlink", "unlink"), ("unlink", "remove")):
            setattr(os, name, self._on_path(kind, getattr(os, name)))
        for name in ("rename", "replace"):
            setattr(os, name, self._renaming(getattr(os, name)))
        os.fsync = self._syncing(os.fsync)
        fcntl.flock = self._locking(fcntl.flock)
        # These write through C where they are given a real file.
        np.lib.format.isfileobj = lambda file: False
        # It works by descriptors of folders, which say no path; the plain way does the same.
        shutil._use_fd_functions = False  # type: ignore[attr-defined]
        shutil.rmtree.avoids_symlink_attacks = False

    def _on_path(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(path: Any, *given: Any, **named: Any) -> Any:
            def run() -> None:
                inode = 0 if kind == "mkdir" else os.stat(path, follow_symlinks=False).st_ino  # noqa: PTH116
                real(path, *given, **named)
                if (relative := self.relative(path)) is not None:
                    self.note(Operation(kind, relative, inode))

            return self.step(kind, path, run)

        return wrapped

    def _renaming(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(source: Any, target: Any, **named: Any) -> Any:
            def run() -> None:
                inode = os.stat(source).st_ino  # noqa: PTH116
                real(source, target, **named)
                begin, end = self.relative(source), self.relative(target)
                if begin is not None and end is not None:
                    self.note(Operation("rename", begin, inode, end))

            return self.step("rename", source, run)

        return wrapped

    def _syncing(self, real: Callable[[Any], None]) -> Callable[[Any], None]:
        def wrapped(file: Any) -> None:
            number = file if isinstance(file, int) else file.fileno()

            def run() -> None:
                real(number)
                if (relative := self.relative(number)) is not None:
                    self.note(Operation("fsync", relative, os.fstat(number).st_ino))

            self.step("fsync", number, run)

        return wrapped

    def _locking(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(file: Any, how: int) -> Any:
            number = file if isinstance(file, int) else file.fileno()

            def run() -> None:
                real(number, how)
                self.note(Operation("lock", self.relative(number) or "."))

            self.step("lock", number, run)

        return wrapped

    def _opener(self, real: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        class Written(io.FileIO):
            """A file whose writes are operations."""

            def write(self, data: Any, /) -> int:
                content, inode = bytes(data), os.fstat(self.fileno()).st_ino
                relative = watch.relative(self.name) or "."

                def wrote(part: bytes) -> int:
                    place = 0 if "a" in self.mode else self.tell()
                    count = super(Written, self).write(part)
                    watch.note(Operation("write", relative, inode, "", part[:count], "a" in self.mode, place))
                    return count

                return watch.step(
                    "write", self.name, lambda: wrote(content), lambda: wrote(content[: len(content) // 2])
                )

        def opened(
            path: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            given = (buffering, encoding, errors, newline, closefd, opener)
            relative = None if isinstance(path, int) else watch.relative(path)
            if relative is None:
                return real(path, mode, *given)
            if not set(mode) & set("wax+"):
                return watch.step("read", path, lambda: real(path, mode, *given))
            plain = "".join(letter for letter in mode if letter not in "bt")

            def create() -> io.FileIO:
                is_there = os.path.exists(path)  # noqa: PTH110
                file = Written(path, plain, closefd, opener)
                if not is_there or "w" in mode:
                    kind = "truncate" if is_there else "create"
                    watch.note(Operation(kind, relative, os.fstat(file.fileno()).st_ino))
                return file

            raw = watch.step("create", path, create)
            if "b" in mode and buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return buffered
            return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline, line_buffering=buffering == 1)

        return opened


def kinds_of(trace: Path) -> list[str]:
    """The kinds of all operations of a process that was watched, as a :class:`Plan` counts them, and of reads."""
    return trace.with_suffix(KINDS).read_text().splitlines()


def die() -> NoReturn:
    """End this process as an interrupted machine would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives on")


def counted_steps(path: Path) -> None:
    """From now on a file gets a byte for every step of a training; the file must lie outside what is watched."""
    from ratescape.training import compiling

    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, UMASK)
    before = getattr(compiling.pack_pass, "before", compiling.pack_pass)  # a fork's steps are its own

    def counted(*given: Any, **named: Any) -> Any:
        found = before(*given, **named)
        os.write(number, b".")
        return found

    counted.before = before  # type: ignore[attr-defined]
    compiling.pack_pass = counted
