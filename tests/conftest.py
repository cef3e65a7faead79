"""Settings and data shared by all tests."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine says nothing about the code; examples are drawn alike on every run, so that a failure repeats.
settings.register_profile("ratescape", deadline=None, derandomize=True)
settings.load_profile("ratescape")

SIDE = 16
TINY = ["--model.channels", "4", "--model.latents", "3", "2", "--training.batch", "32", "--data.test", "0.25"]
TINY += ["--evaluation.samples", "0", "--evaluation.probes", "none", "--evaluation.no-information"]
"""Options that make training a matter of milliseconds an epoch, and leave out what needs a judge or classifiers."""


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
    """Start ``python -m ratescape.cli`` as a process group of its own, with captured output."""

    def start(*words: str | Path, before: str = "", **options: object) -> subprocess.Popen[str]:
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
            **options,
        )

    return start
