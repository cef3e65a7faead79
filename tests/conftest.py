"""Settings and data shared by all tests."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.chromium import EXECUTABLE, Chromium
from helpers.commands import Outcome, Run
from helpers.images import blobs
from hypothesis import settings
from matplotlib.figure import Figure

from ratescape.cli import commands
from ratescape.records.files import write_atomically
from ratescape.report import control, figures
from ratescape.report.paper import files

# A busy machine says nothing about the code; examples are drawn alike on every run, so that a failure repeats.
settings.register_profile("ratescape", deadline=None, derandomize=True)
settings.load_profile("ratescape")


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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests; each opens its page anew."""
    if EXECUTABLE is None:
        pytest.skip("no Chromium or Chrome on this machine")
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start a command as a process group of its own, with captured output."""

    def start(*words: str | Path, before: str = "") -> subprocess.Popen[str]:
        # A shell that starts tests in the background has them ignore Ctrl-C; a terminal does not.
        signals = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"{signals}\n{before}\nimport sys\nfrom ratescape.cli.entry import main\nsys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )

    return start


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


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are laid out, but their files stay empty: rendering them takes several times as long as a small sweep.

    That they are rendered, and what they show, is seen to in tests/report, and by commands that run as processes.
    """

    def save(figure: Figure, folder: Path, name: str, pdf: bool = False) -> list[Path]:
        paths = [folder / f"{name}.{kind}" for kind in (("png", "pdf") if pdf else ("png",))]
        for path in paths:
            write_atomically(path, b"")
        return paths

    for module in (control, figures, files):
        monkeypatch.setattr(module, "save", save)


LONG = (
    *("test_cluster.py", "test_looks.py", "test_page.py", "test_interrupts.py", "test_context.py", "test_loop.py"),
    *("test_commands.py", "test_own_sweeps.py", "test_conditioned_sweep.py", "test_sweep.py", "test_restarts.py"),
    *("test_refining.py", "test_fine.py", "test_observers.py", "test_paper.py", "test_outlook.py", "test_serving.py"),
)
"""Files that take the longest: begun first, none of them is left alone at the end with the other processes idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With pytest-xdist's ``--no-loadscope-reorder``, files begin in the order of collection."""
    items.sort(key=lambda item: item.path.name not in LONG)
