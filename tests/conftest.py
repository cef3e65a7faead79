"""Settings and data shared by all tests."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings

from ratescape.cli import commands
from ratescape.execution.progress import Progress, Silent
from ratescape.specs.methods import Conditioned, Dedicated, Targeted
from ratescape.specs.sweep import SweepSpec

# A busy machine says nothing about the code; examples are drawn alike on every run, so that a failure repeats.
settings.register_profile("ratescape", deadline=None, derandomize=True)
settings.load_profile("ratescape")

SIDE = 16
TINY = [
    *("--model.channels", "4", "--model.latents", "3", "2", "--training.batch", "32", "--data.test", "0.25"),
    *("--evaluation.samples", "0", "--evaluation.probes", "none", "--evaluation.no-information"),
]
"""Options that make training a matter of milliseconds an epoch, and leave out what needs a judge or classifiers."""

SHORT = [*TINY, "--training.epochs", "2"]
SMALL = [*SHORT, "--grid.steps", "2", "--execution.engine", "in-process"]
"""Options of a sweep of four such models."""


METHODS: dict[str, type[Any]] = {kind.kind: kind for kind in (Dedicated, Conditioned, Targeted)}


def sweep_spec(method: str = "dedicated", **fields: Any) -> SweepSpec:
    """A sweep from flat fields, as in a YAML file: those of the method beside the others."""
    return SweepSpec(method=METHODS[method](**own(method, fields)), **others(fields))


def altered(spec: SweepSpec, **fields: Any) -> SweepSpec:
    """The sweep with other fields, given flat; another method takes over the fields that mean something for it."""
    kind = METHODS[fields.pop("method", spec.method.kind)]
    kept = {f.name: getattr(spec.method, f.name) for f in dataclasses.fields(kind) if hasattr(spec.method, f.name)}
    return dataclasses.replace(spec, method=kind(**kept | own(kind.kind, fields)), **others(fields))


def own(method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that a method owns."""
    names = {field.name for field in dataclasses.fields(METHODS[method])}
    return {name: value for name, value in fields.items() if name in names}


def others(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that no method owns."""
    names = {field.name for kind in METHODS.values() for field in dataclasses.fields(kind)}
    return {name: value for name, value in fields.items() if name not in names}


class Watcher(Silent):
    """Calls a function at every progress."""

    def __init__(self, call: Callable[[Progress], object]) -> None:
        self.call = call

    def progress(self, progress: Progress) -> None:
        self.call(progress)


def blobs(count: int, seed: int = 0) -> np.ndarray:
    """Grey images uint8 ``[N, 16, 16]``: a bright disc of random place and size, so that there is something to code."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centres = generator.uniform(4, 12, (2, count, 1, 1))
    radii = generator.uniform(2, 5, (count, 1, 1))
    distance = np.hypot(rows - centres[0], columns - centres[1])
    return (255 / (1 + np.exp(2 * (distance - radii)))).astype(np.uint8)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """96 images, uint8 ``[96, 16, 16]``."""
    return blobs(96)


@pytest.fixture(scope="session")
def images_file(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> Path:
    """The same in two classes, as a .npz."""
    path = tmp_path_factory.mktemp("images") / "blobs.npz"
    np.savez(path, images=images, labels=(images.mean((1, 2)) > 50).astype(np.int64))
    return path


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start a command as a process group of its own, with captured output."""

    def start(*words: str | Path, before: str = "") -> subprocess.Popen[str]:
        # A shell that starts tests in the background has them ignore Ctrl-C; a terminal does not.
        signals = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"{signals}\n{before}\nimport sys\nfrom ratescape.cli.commands import main\nsys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )

    return start


class Outcome(NamedTuple):
    """What one command came to."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]
"""Takes the words of a command line."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process."""

    def run(*words: str | Path) -> Outcome:
        capsys.readouterr()
        try:
            status = commands.main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
        printed = capsys.readouterr()
        return Outcome(status, printed.out, printed.err)

    return run


def refused(outcome: Outcome, *parts: str) -> None:
    """One line on stderr with these parts, nothing on stdout, and a status that says so."""
    assert outcome.status in (1, 2), outcome
    assert outcome.out == ""
    assert outcome.err.startswith("ratescape: ") and outcome.err.count("\n") == 1 and outcome.err.endswith("\n")
    for part in parts:
        assert part in outcome.err
