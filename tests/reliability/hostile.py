"""Hostile files before every door: each gives a result, or one line; in time, in memory, and without side effects."""

import json
import os
import random
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ratescape.errors import RatescapeError
from reliability.door import Door
from reliability.plain import plain_figures, plain_page

SECONDS = 10
"""Of the processor, which a machine that is busy takes longer for."""

WAIT = 120
"""Seconds of the clock, for what waits without computing."""

MEMORY = 1 << 30
"""Bytes beyond what the process had."""

RIGHTS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Watches a process by its audit events: what is executed, imported, removed, and what is written where."""

    FORBIDDEN = (
        *("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect"),
        *("pickle.find_class", "code.__new__", "shutil.unpack_archive", "os.fork", "webbrowser.open"),
    )
    CHANGES: Mapping[str, slice] = {
        **dict.fromkeys(("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod"), slice(0, 1)),
        **dict.fromkeys(("os.symlink", "os.link"), slice(1, 2)),  # where the link is, whatever it points to
        "os.rename": slice(0, 2),
    }
    """Events of what changes a disk, and which of their arguments are paths that it changes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen, self.watches = os.path.realpath(folder), list[str](), False
        sys.addaudithook(self.hear)

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.watches:
            return
        if event == "open":
            path, mode, flags = given
            is_written = (isinstance(mode, str) and bool(set(mode) & set("wax+"))) or (
                mode is None and isinstance(flags, int) and bool(flags & RIGHTS)
            )
            if is_written and not isinstance(path, int):
                self.written(event, path)
        elif event in self.CHANGES:
            for path in given[self.CHANGES[event]]:
                self.written(event, path)
        elif event in self.FORBIDDEN or (event == "import" and "evil" in str(given[0])):
            self.seen.append(f"{event} {given!r}"[:200])
        elif event == "exec" and getattr(given[0], "co_filename", "").startswith(self.folder):
            self.seen.append(f"executed {given[0].co_filename}")

    def written(self, event: str, path: Any) -> None:
        where = os.path.realpath(os.fsdecode(path))
        if where != os.devnull and not where.startswith(self.folder):
            self.seen.append(f"{event} {where}")


class Crowd:
    """Damaged files before one door, one after the other, in this process; for a forked one.

    Args:
        folder: for the files; nothing outside it may be written.
    """

    def __init__(self, door: Door, folder: Path) -> None:
        self.door, self.folder = door, folder / "inside"
        self.names = [name for name in door.files if not door.chosen or name.endswith(door.chosen)]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.put_all()
        (folder / "evil_module.py").write_text("run = open('evil', 'w')\n")
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        self.guard = Guard(self.folder)

    def put_all(self) -> None:
        """Every sound file in its place, and the folders of all."""
        for name, content in self.door.files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            self.put(name, content)

    def put(self, name: str, content: bytes) -> None:
        """Write a file, whose folder is there."""
        number = os.open(f"{self.folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(number, content)
        finally:
            os.close(number)

    def case(self, seed: int) -> tuple[str, list[str]]:
        """What became of one input, ``right`` or ``refused``, and what is wrong with that."""
        chance = random.Random(seed)
        name = chance.choice(self.names)
        if self.door.spoil is not None and chance.random() < 0.7:
            self.door.spoil(self.folder, chance)
        else:
            self.put(name, self.door.damage(name, self.door.files[name], chance))
        outcome, wrong = "right", list[str]()
        self.guard.seen, self.guard.watches = [], True
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, WAIT)
        try:
            self.door.read(self.folder)
        except RatescapeError as error:
            outcome = "refused"
            if len(str(error).splitlines()) != 1:
                wrong.append(f"not one line: {str(error)[:300]!r}")
        except BaseException as error:
            outcome = "wrong"
            wrong.append(f"{type(error).__name__}: {str(error)[:300]} at {place_of(error)}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.guard.watches = False
        wrong += self.guard.seen
        self.mend(name)
        return outcome, [f"{name}: {one}" for one in wrong]

    def mend(self, name: str) -> None:
        if self.door.writes:
            shutil.rmtree(self.folder)
            self.put_all()
        else:
            self.put(name, self.door.files[name])


def place_of(error: BaseException) -> str:
    """The last lines of ours that an error passed through."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "/ratescape/" in one.filename]
    return ", ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames[-2:])


class Hung(BaseException):
    """Nothing came of an input in time."""


def crowd(door: Door, folder: Path, seeds: range) -> Iterator[dict[str, Any]]:
    """Outcomes of many inputs, found in a fork of this process with a limit to its memory."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder.parent / f"{folder.name}.told"
    pid = os.fork()
    if pid == 0:
        try:
            _tell(door, folder, seeds, told)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    yield from lines
    if status != 0:
        seed = seeds.start + len(lines)
        yield {"seed": seed, "outcome": "wrong", "wrong": [f"the process died: {os.waitstatus_to_exitcode(status)}"]}


def _tell(door: Door, folder: Path, seeds: range, told: Path) -> None:
    warnings.simplefilter("ignore")
    plain_figures()
    if not door.page:
        plain_page()
    shutil._use_fd_functions = False  # type: ignore[attr-defined] # so that events name whole paths

    def hung(number: int, frame: object) -> None:
        raise Hung(f"nothing after {SECONDS} s of the processor, or {WAIT} s")

    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, hung)
    os.environ["XDG_CACHE_HOME"] = str(folder / "inside" / "cache")
    with told.open("w") as file:
        here = Crowd(door, folder)
        door.read(here.folder)  # what is sound passes, and imports what reading takes
        here.mend(here.names[0])
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
        for seed in seeds:
            outcome, wrong = here.case(seed)
            file.write(json.dumps({"seed": seed, "outcome": outcome, "wrong": wrong}) + "\n")
            file.flush()
