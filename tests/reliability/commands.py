"""Small complete commands, each run in a process forked from this one, where all is imported already."""

import contextlib
import dataclasses
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from helpers.commands import TINY
from helpers.images import blobs
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ratescape.cli import commands, entry
from reliability.disk import operations_of
from reliability.faults import KINDS, UMASK, Operation, Plan, Watch, counted_steps, kinds_of
from reliability.plain import plain, plain_figures

COUNT = 24
"""Images: 16 to train on, which are the fewest allowed, and some held out."""

SECONDS = 120
"""After which a command counts as hung: what it does takes one or two, on a machine that is not busy."""

SETTINGS = [
    *TINY,
    *("--training.epochs", "2", "--execution.engine", "in-process", "--execution.checkpoint-seconds", "0", "--quiet"),
]

TWO = ["--grid.steps", "2", "--grid.layout", "scattered", "--grid.points", "2"]
"""Two models."""

CONDITIONED = [
    *("--method", "conditioned", *TWO, "--conditioning.fine", "3", "--conditioning.width", "8"),
    *("--conditioning.refine-recommended", "0"),
]

TARGETED = ["--method", "targeted", "--target-rates", "total=3", "2=1"]

VARIABLE = ("provenance.json", "progress.json", "lock", "report.html")
"""Files of a folder whose content says when and how long."""


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    """Negative: the signal that ended it; None of one that hung is -SIGALRM."""
    out: str
    err: str
    steps: int
    """Of trainings."""

    @property
    def is_one_line(self) -> bool:
        """Whether it was refused as it should be."""
        # Of a thread that has no memory to begin with, Python itself tells; a command's own process does not show it.
        quiet = ("caution", "Exception ignored in thread started by", "MemoryError")
        said = [line for line in self.err.splitlines() if not line.startswith(quiet)]
        return self.status in (1, 2) and len(said) == 1 and said[0].startswith("ratescape: ")


@dataclasses.dataclass(frozen=True)
class Case:
    """A command to be broken off: it works in ``place``, which always has the same path."""

    name: str
    words: tuple[str, ...]
    place: Path
    before: Path | None = None
    """A folder that the place is a copy of at first."""

    def prepare(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        if self.before is None:
            self.place.mkdir(parents=True)
        else:
            shutil.copytree(self.before, self.place)

    def results(self) -> dict[str, str]:
        """Digests of all files of the place, by their names; of those that vary, an empty text."""
        files = [path for path in sorted(self.place.rglob("*")) if path.is_file()]
        named = {str(path.relative_to(self.place)): path for path in files}
        return {name: "" if path.name in VARIABLE else digest(path) for name, path in named.items()}

    def state(self) -> str:
        """A digest of all that the place holds: of folders, too, and of times no more than that they are there."""
        found: list[tuple[str, str]] = []
        for path in sorted(self.place.rglob("*")):
            if path.is_dir():
                told = "folder"
            elif path.name in VARIABLE and (kept := parsed(path)) is not None:
                told = f"{type(kept)} {sorted(kept) if isinstance(kept, dict) else kept}"
            else:
                told = digest(path) if path.suffix != ".safetensors" else timeless(path)
            found.append((str(path.relative_to(self.place)), told))
        return hashlib.sha256(repr(found).encode()).hexdigest()


def digest(path: Path) -> str:
    """Of a file's content, but for how long each epoch took."""
    content = path.read_bytes()
    if path.name == "training.jsonl":
        content = re.sub(rb'"seconds": [^,}]*', b"", content)
    return hashlib.sha256(content).hexdigest()


def timeless(path: Path) -> str:
    """Digest of weights or a checkpoint, but for how long its training took; of a damaged one, of its bytes."""
    try:
        tensors = load_file(path)
    except SafetensorError:
        return digest(path)
    found = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        kept = np.delete(values, -2, -1) if name.startswith("epochs") else values  # the column of seconds
        found.update(name.encode() + kept.tobytes())
    return found.hexdigest()


def parsed(path: Path) -> Any:
    """The content of a whole file of JSON; None of another."""
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def forked(
    run: Callable[[], int], told: Path, seconds: float = SECONDS, meddle: Callable[[int], None] | None = None
) -> Ended:
    """Run a function in a fork of this process; what it prints goes through the folder ``told``.

    Args:
        run: its result is the exit status.
        seconds: it is killed after so many.
        meddle: as of :func:`run`.
    """
    told.mkdir(parents=True, exist_ok=True)
    steps = told / "steps"
    steps.unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of this process are not needed there
        pid = os.fork()
    if pid == 0:
        status = 70
        try:
            for number in (1, 2):
                os.dup2(os.open(told / str(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, UMASK), number)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2))
            signal.signal(signal.SIGINT, signal.default_int_handler)
            torch.set_num_threads(1)
            counted_steps(steps)
            status = run()
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:  # whatever fails, nothing of this process may go on as if it were the other one
                os._exit(status)
    if meddle is not None:
        meddle(pid)
    status = waited(pid, seconds)
    out, err = ((told / str(number)).read_text(errors="replace") for number in (1, 2))
    return Ended(status, out, err, steps.stat().st_size if steps.exists() else 0)


def waited(pid: int, seconds: float) -> int:
    """The exit status of a process; after so many seconds it is killed, and that of SIGALRM."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -signal.SIGALRM
        time.sleep(0.005)


def run(
    case: Case,
    told: Path,
    plan: Plan | None = None,
    trace: Path | None = None,
    before: Callable[[], Any] | None = None,
    meddle: Callable[[int], None] | None = None,
    seconds: float = SECONDS,
) -> Ended:
    """Run a command, to its end or to what is planned.

    Args:
        trace: file for its operations.
        before: is called in the process, first.
        meddle: is called meanwhile with the process's number, which stays its own until this returns; it begins as
            a user's does, on guard against signals.
        seconds: it is killed after so many.
    """

    def child() -> int:
        plain_figures()
        if before is not None:
            before()
        if plan is not None:
            Watch(case.place, plan, trace).install()
        if meddle is None:
            status = commands.main(list(case.words))
            if trace is not None:
                (told / "modules").write_text("\n".join(sys.modules))
            return status
        sys.argv = ["ratescape", *case.words]
        return entry.main()

    return forked(child, told, seconds, meddle)


def import_all(names: Sequence[str]) -> None:
    """Import here what a command imported in a fork, so that its cases need not do it again: most of their time."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


class Cases:
    """The commands, by name; what they work on, and what they come to, is made once.

    Args:
        folder: for all of it.
    """

    NAMES = ("dedicated", "conditioned", "targeted", "train", "refine", "solve", "report", "compress", "decompress")

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, folder / "place"
        self.images = folder / "images.npz"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(self.images, images=blobs(COUNT), labels=np.arange(COUNT) % 2)
        self.few = folder / "few.npy"
        np.save(self.few, blobs(3))
        self.taken_up: dict[str, tuple[Ended, list[str]]] = {}
        """What came of a command that was given again, by its name and the state it began with."""
        self._wholes: dict[str, Whole] = {}

    def case(self, name: str) -> Case:
        """A command by name."""
        results, file = self.place / "results", str(self.place / "file.out")
        train = ("--data.name", str(self.images), *SETTINGS, "--out", str(results))
        by_workers = [{"in-process": "workers"}.get(word, word) for word in (*train, "--execution.workers", "2")]
        words, before = {
            "workers": (("map", "--method", "dedicated", *TWO, "--execution.pack", "1", *by_workers), None),
            "workers conditioned": (("map", *CONDITIONED, *by_workers), None),
            "workers targeted": (("map", *TARGETED, *by_workers), None),
            "dedicated": (("map", "--method", "dedicated", *TWO, "--execution.pack", "1", *train), None),
            "conditioned": (("map", *CONDITIONED, *train), None),
            "targeted": (("map", *TARGETED, *train), None),
            "train": (("train", *train), None),
            "refine": (
                ("recommend", str(results), "--refine", "2", "--out", file, "--force", "--quiet"),
                "conditioned",
            ),
            "solve": (("solve", str(results), "--rates", "total=0.5", "--out", file, "--force"), "conditioned"),
            "report": (("report", str(results)), "conditioned"),
            "compress": (
                ("compress", str(results), str(self.few), "--out", file, "--force", "--quiet"),
                "train",
            ),
            "decompress": (
                ("decompress", file, "--out", str(self.place / "images"), "--model", str(results), "--quiet"),
                "compress",
            ),
        }[name]
        return Case(name, words, self.place, None if before is None else self.whole(before).kept)

    def whole(self, name: str) -> "Whole":
        """What a command comes to that nothing happens to."""
        if name not in self._wholes:
            case, trace = self.case(name), self.folder / f"{name}.trace"
            self._undisturbed(case, trace)
            import_all((self.folder / "told" / "modules").read_text().splitlines())
            ended, seconds = self._undisturbed(case, trace)  # it takes as long as a case does
            kept = self.folder / "kept" / name
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(case.place, kept)
            operations, kinds = operations_of(trace), kinds_of(trace)
            self._wholes[name] = Whole(case.results(), ended.steps, operations, kinds, kept, seconds)
        return self._wholes[name]

    def _undisturbed(self, case: Case, trace: Path) -> tuple[Ended, float]:
        """How a command ends that nothing happens to, and after how many seconds; its operations go to ``trace``."""
        case.prepare()
        for path in (trace, trace.with_suffix(KINDS)):
            path.unlink(missing_ok=True)
        begun = time.monotonic()
        ended = run(case, self.folder / "told", Plan(), trace, plain(case.name))
        assert ended.status == 0, ended
        return ended, time.monotonic() - begun


class Whole(NamedTuple):
    """What a command comes to that nothing happens to."""

    results: dict[str, str]
    steps: int
    """Of trainings."""
    operations: Sequence[Operation]
    kinds: Sequence[str]
    """Of all operations, also of those that fail by themselves; and of reads."""
    kept: Path
    """A copy of all that it wrote."""
    seconds: float
    """That it took."""
