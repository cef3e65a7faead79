"""What is left after a power cut: a file system that keeps what was synced, and of the rest whatever it likes.

A file's bytes are kept once the file was synced; its name, once its folder was. What was not may be kept, lost, or
kept in part, independently of what came before: POSIX promises no more.
"""

import dataclasses
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from reliability.faults import Operation

KEEPS = ("nothing", "names", "everything", "some")
"""What of the unsynced is kept: nothing; names, but not what the files hold; all; a random part."""


@dataclasses.dataclass
class Change:
    """A change of names that no sync has made last yet."""

    folder: str
    removed: str | None
    added: str | None
    inode: int


def folder_of(path: str) -> str:
    return str(Path(path).parent)


class Disk:
    """The files that a trace of operations leaves, as they look to a process and as they lie on the disk.

    Example::

        disk = Disk(start)
        for operation in operations[:40]:
            disk.follow(operation)
        disk.cut("some", random.Random(3), Path("after"))
    """

    def __init__(self, start: Path) -> None:
        self.names: dict[str, int] = {}
        """Inodes of files by path; 0 of folders."""
        self.data: dict[int, bytearray] = {}
        self.synced: dict[int, bytes] = {}
        self.changes: list[Change] = []
        for path in sorted(start.rglob("*")):
            name = str(path.relative_to(start))
            inode = 0 if path.is_dir() else -len(self.names) - 1  # negative: of no file of the trace
            self.names[name] = inode
            if inode:
                self.synced[inode] = path.read_bytes()
                self.data[inode] = bytearray(self.synced[inode])
        self.durable = dict(self.names)

    def follow(self, operation: Operation) -> None:
        """Take one operation into account."""
        kind, path, inode = operation.kind, operation.path, operation.inode
        match kind:
            case "create" | "mkdir":
                self.names[path] = inode
                if kind == "create":
                    self.data[inode] = bytearray()
                self.changes.append(Change(folder_of(path), None, path, inode))
            case "truncate":
                self.data[self._known(path, inode)] = bytearray()
            case "write":
                content = self.data[self._known(path, inode)]
                place = len(content) if operation.end else operation.place
                content[place : place + len(operation.data)] = operation.data
            case "fsync" if self.names.get(path, 0) == 0:
                self._make_last(path)
            case "fsync":
                known = self._known(path, inode)
                self.synced[known] = bytes(self.data[known])
            case "rename":
                self._rename(path, operation.target, inode)
            case "lock":
                pass
            case _:  # unlink, rmdir
                self.names.pop(path, None)
                self.changes.append(Change(folder_of(path), path, None, 0))

    def _rename(self, path: str, target: str, inode: int) -> None:
        if self.names[path] != 0:
            known = self._known(path, inode)
            del self.names[path]
            self.names[target] = known
            self._move(path, target, known)
            return
        # What a folder holds goes with it; its own name alone is what may be lost.
        for names in (self.names, self.durable):
            for name in [name for name in names if name.startswith(f"{path}/")]:
                names[target + name[len(path) :]] = names.pop(name)
        for change in self.changes:
            change.folder = target if change.folder == path else change.folder
            for field in ("removed", "added"):
                name = getattr(change, field)
                if name is not None and name.startswith(f"{path}/"):
                    setattr(change, field, target + name[len(path) :])
        self.names[target] = self.names.pop(path)
        self._move(path, target, 0)

    def _move(self, path: str, target: str, inode: int) -> None:
        """Within a folder it is one change; from one to another, what each of the two has to sync."""
        if folder_of(path) == folder_of(target):
            self.changes.append(Change(folder_of(path), path, target, inode))
        else:
            self.changes.append(Change(folder_of(path), path, None, inode))
            self.changes.append(Change(folder_of(target), None, target, inode))

    def _known(self, path: str, inode: int) -> int:
        """A file of before the trace is known by its path alone."""
        if inode not in self.data:
            self.names[path] = self.names[path]
            return self.names[path]
        return inode

    def _make_last(self, folder: str) -> None:
        """A folder was synced."""
        for change in self.changes:
            if change.folder == folder:
                apply(self.durable, change)
        self.changes = [change for change in self.changes if change.folder != folder]

    def cut(self, keeps: str, chance: random.Random, out: Path) -> None:
        """Write what a power cut leaves into the folder ``out``, which is made anew.

        Args:
            keeps: one of KEEPS.
        """
        names = dict(self.durable)
        for change in self.changes:
            if keeps in ("names", "everything") or (keeps == "some" and chance.random() < 0.5):
                apply(names, change)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        for name in sorted(names):
            if any(str(parent) not in names for parent in Path(name).parents if str(parent) != "."):
                continue  # its folder is lost
            if names[name] == 0:
                (out / name).mkdir()
            else:
                (out / name).write_bytes(self._content(names[name], keeps, chance))

    def _content(self, inode: int, keeps: str, chance: random.Random) -> bytes:
        synced, now = self.synced.get(inode, b""), bytes(self.data.get(inode, b""))
        if synced == now or keeps in ("nothing", "names"):
            return synced
        return now if keeps == "everything" else chance.choice([synced, now, now[: chance.randint(0, len(now))]])


def apply(names: dict[str, int], change: Change) -> None:
    if change.removed is not None:
        names.pop(change.removed, None)
    if change.added is not None:
        names[change.added] = change.inode


def operations_of(trace: Path) -> Sequence[Operation]:
    return [Operation.of(line) for line in trace.read_text().splitlines()]
