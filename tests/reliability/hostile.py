"""Hostile files before every door: each gives a result, or one line; in time, in memory, and without side effects."""

import contextlib
import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tarfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from helpers.images import blobs
from helpers.toy_files import idx_bytes
from PIL import Image

import ratescape as rs
from ratescape import checkpoint
from ratescape.cli import commands
from ratescape.coding.codec import Codec
from ratescape.data.formats.cifar10 import CIFAR10_ARCHIVE, CIFAR10_FILES
from ratescape.data.formats.idx import IDX_FILES
from ratescape.data.formats.svhn import SVHN_FILES
from ratescape.errors import RatescapeError
from ratescape.records.refined import read_refined
from ratescape.records.states import status_of
from ratescape.specs.codec import from_yaml
from ratescape.specs.runs import RunSpec
from reliability.commands import Cases, plain_figures, plain_page
from reliability.mutations import TEXTS, damaged

SECONDS = 10
MEMORY = 1 << 30
"""Bytes beyond what the process had."""

RIGHTS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Door(NamedTuple):
    """What is read, and by whom."""

    files: dict[str, bytes]
    """Sound ones, by relative path; one of them is damaged."""
    read: Callable[[Path], object]
    """Of the folder that they lie in."""
    damage: Callable[[str, bytes, random.Random], bytes] = damaged
    chosen: tuple[str, ...] = ()
    """Endings of the files that are damaged; all without."""
    writes: bool = False
    """Whether it may write into the folder."""
    page: bool = False
    """Whether it writes the whole page of a report."""


class Guard:
    """Watches a process by its audit events: what is executed, imported, removed, and what is written where."""

    FORBIDDEN = (
        *("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect"),
        *("pickle.find_class", "code.__new__", "shutil.unpack_archive", "os.fork", "webbrowser.open"),
    )
    CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate", "os.chmod")

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
            self.written(event, given[0])
        elif event in self.FORBIDDEN or (event == "import" and "evil" in str(given[0])):
            self.seen.append(f"{event} {given!r}"[:200])
        elif event == "exec" and getattr(given[0], "co_filename", "").startswith(self.folder):
            self.seen.append(f"executed {given[0].co_filename}")

    def written(self, event: str, path: Any) -> None:
        where = os.path.realpath(os.fsdecode(path))
        if where != os.devnull and not where.startswith(self.folder):
            self.seen.append(f"{event} {where}")


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return out.getvalue()


def image_bytes(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(blobs(1)[0]).save(out, kind)
    return out.getvalue()


def saved(save: Callable[[Any], Any]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def odd_folder(name: str, data: bytes, chance: random.Random) -> bytes:
    return b"" if chance.random() < 0.05 else damaged(name, data, chance)


def known(name: str) -> Callable[[Path], object]:
    return lambda folder: rs.load_data(name, folder=folder, fetch=False)


def path_of(name: str) -> Callable[[Path], object]:
    return lambda folder: rs.load_data(folder / name)


def landscape(folder: Path) -> None:
    """All that is read of a landscape without its networks."""
    one = rs.Landscape(folder / "results")
    status_of(folder / "results")
    for use in ("reconstruction", "nelbo"):
        with contextlib.suppress(RatescapeError):
            str(one.best(use))
    repr(one)
    for read in (lambda: one.table, one.answers, lambda: read_refined(one.folder, one.records)):
        with contextlib.suppress(RatescapeError):
            read()
    str(one.warnings)


def command(*words: str) -> Callable[[Path], object]:
    """A command in this process; an error of it is raised again, for it to be judged."""

    def run(folder: Path) -> None:
        given = [word.replace("{}", str(folder)) for word in words]
        with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(io.StringIO()):
            try:
                status = commands.main(given)
            except SystemExit as end:
                status = int(end.code or 0)
        if status:
            lines = [line for line in err.getvalue().splitlines() if not line.startswith("caution")]
            if len(lines) != 1 or not lines[0].startswith("ratescape: "):
                raise AssertionError(f"not one line: {err.getvalue()[:500]!r}")
            raise RatescapeError(lines[0])

    return run


def idx_files(packed: bool) -> dict[str, bytes]:
    labels = np.arange(24, dtype=np.uint8) % 10
    found = {
        name: idx_bytes(array) for name, array in zip(IDX_FILES, (blobs(24), labels, blobs(24), labels), strict=True)
    }
    return {name: gzip.compress(content, 1) for name, content in found.items()} if packed else found


def image_doors() -> dict[str, Callable[[], Door]]:
    """Doors of images, by name."""
    images, labels = blobs(24), np.arange(24) % 2
    some = np.random.default_rng(0).integers(0, 256, 32 * 32 * 3 * 20, np.uint8)
    mat = {"X": some.reshape(32, 32, 3, 20), "y": np.full((20, 1), 3, np.uint8)}
    cifar = {name: (bytes([3]) + some[:3072].tobytes()) * 4 for name in CIFAR10_FILES}
    packed = {CIFAR10_ARCHIVE: archive({f"batches/{name}": content for name, content in cifar.items()})}
    rows = "\n".join(["a,b,c", *(f"{i},{i % 3}.5,{-i}" for i in range(24))]) + "\n"
    kinds = ("png", "bmp", "tiff", "jpeg")
    pictures = {f"i/{kind}/{n}.{kind}": image_bytes(kind) for kind in kinds for n in (1, 2, 3)}
    return {
        "idx": lambda: Door(idx_files(packed=False), known("mnist")),
        "idx.gz": lambda: Door(idx_files(packed=True), known("mnist")),
        "mat": lambda: Door(
            {name: saved(lambda out: scipy.io.savemat(out, mat)) for name in SVHN_FILES}, known("svhn")
        ),
        "cifar": lambda: Door(cifar, known("cifar10")),
        "cifar.tar.gz": lambda: Door(packed, known("cifar10")),
        "npz": lambda: Door(
            {"i.npz": saved(lambda out: np.savez(out, images=images, labels=labels))}, path_of("i.npz")
        ),
        "npy": lambda: Door({"i.npy": saved(lambda out: np.save(out, images))}, path_of("i.npy")),
        "csv": lambda: Door({"t.csv": rows.encode()}, path_of("t.csv")),
        "images": lambda: Door(pictures, path_of("i"), odd_folder),
    }


TEXT_FILES = (".yaml", ".jsonl", ".json", ".csv", "done", "lock")


def result_doors(given: Cases | None) -> dict[str, Callable[[], Door]]:
    """Doors of results and models, by name; the sound ones are those of the small commands.

    Args:
        given: None for the names alone.
    """
    cases: Any = given

    def kept(name: str) -> dict[str, bytes]:
        return files_of(cases.whole(name).kept)

    def one(files: dict[str, bytes], begin: str, end: str) -> bytes:
        return next(content for name, content in files.items() if name.startswith(begin) and name.endswith(end))

    def again() -> list[str]:
        return [word.replace(str(cases.place), "{}") for word in cases.case("conditioned").words]

    plain = ("--out", "{}/images", "--model", "{}/results", "--quiet")
    return {
        "config": lambda: Door(
            {"spec.yaml": kept("train")["results/spec.yaml"].split(b"\n", 1)[1]},
            lambda folder: from_yaml(RunSpec, folder / "spec.yaml"),
        ),
        "landscape": lambda: Door(kept("solve"), landscape, chosen=TEXT_FILES),
        "targeted": lambda: Door(kept("targeted"), landscape, chosen=TEXT_FILES),
        "model": lambda: Door(
            {"m.safetensors": one(kept("train"), "results", "weights.safetensors")},
            lambda folder: rs.load(folder / "m.safetensors"),
        ),
        "run": lambda: Door(
            kept("train"), lambda folder: rs.load(folder / "results"), chosen=(".yaml", "weights.safetensors")
        ),
        "network": lambda: Door(
            {"n.safetensors": one(kept("conditioned"), "results/networks", "weights.safetensors")},
            lambda folder: checkpoint.load_network(folder / "n.safetensors", "cpu"),
        ),
        "archive": lambda: Door(
            kept("compress"), command("decompress", "{}/file.out", *plain), chosen=("file.out",), writes=True
        ),
        "info": lambda: Door({"a": kept("compress")["file.out"]}, command("info", "{}/a")),
        "codec": lambda: Door(
            {"c": one(kept("compress"), "results/codecs", ".codec")}, lambda folder: Codec.load(folder / "c")
        ),
        "report": lambda: Door(
            kept("solve"), command("report", "{}/results"), chosen=TEXT_FILES, writes=True, page=True
        ),
        "resume": lambda: Door(kept("conditioned"), command(*again()), writes=True),
    }


def door(cases: Cases, name: str) -> Door:
    """The door of a name."""
    return (image_doors() | result_doors(cases))[name]()


def names() -> list[str]:
    """The names of all doors."""
    return [*image_doors(), *result_doors(None)]


class Crowd:
    """Damaged files before one door, one after the other, in this process; for a forked one.

    Args:
        folder: for the files; nothing outside it may be written.
    """

    def __init__(self, door: Door, folder: Path) -> None:
        self.door, self.folder = door, folder / "inside"
        self.names = [name for name in door.files if not door.chosen or name.endswith(door.chosen)]
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, content in door.files.items():
            self.put(name, content)
        (folder / "evil_module.py").write_text("run = open('evil', 'w')\n")
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        self.guard = Guard(self.folder)

    def put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def case(self, seed: int) -> tuple[str, list[str]]:
        """What became of one input, ``right`` or ``refused``, and what is wrong with that."""
        chance = random.Random(seed)
        name = chance.choice(self.names)
        self.put(name, self.door.damage(name, self.door.files[name], chance))
        outcome, wrong = "right", list[str]()
        self.guard.seen, self.guard.watches = [], True
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
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
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.guard.watches = False
        wrong += self.guard.seen
        self.mend(name)
        return outcome, [f"{name}: {one}" for one in wrong]

    def mend(self, name: str) -> None:
        if self.door.writes:
            shutil.rmtree(self.folder)
            for one, content in self.door.files.items():
                self.put(one, content)
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
        raise Hung(f"nothing after {SECONDS} s")

    signal.signal(signal.SIGALRM, hung)
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


WORDS = (
    *(
        "map",
        "train",
        "recommend",
        "solve",
        "report",
        "ls",
        "status",
        "evaluate",
        "compress",
        "info",
        "restore",
        "score",
    ),
    *("--help", "--out", "--config", "--data.name", "--grid.steps", "--betas", "--rates", "--for", "--effort", "-1"),
    *("--model.latents", "--training.epochs", "0", "1e999", "nan", "2=20", "total=60", "--method", "conditioned", "="),
    *(
        "--data.limit",
        "--execution.workers",
        "--target-rates",
        "2=5,1=20",
        "--seeds",
        "nowhere",
        "--model.factory",
        "--",
    ),
)


def command_line(seed: int) -> list[str]:
    """A command line of words that belong to such, and of others; none that would train."""
    chance = random.Random(seed)
    words = [chance.choice([*COMMANDS, *WORDS])]
    words += [chance.choice([*WORDS, *TEXTS]) for _ in range(chance.randint(0, 5))]
    return [word for word in words if "\0" not in word]


COMMANDS = tuple(commands.COMMANDS)
