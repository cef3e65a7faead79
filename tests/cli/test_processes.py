"""Commands as processes of their own: a full disk, Ctrl-C, a reader that leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import SMALL, Outcome, Run, refused
from helpers.images import blobs

FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))"


@pytest.mark.parametrize("engine", ["in-process", pytest.param("workers", marks=pytest.mark.campaign)])
def test_a_full_disk_is_one_line_and_nothing_is_lost(
    run: Run, start: Callable[..., subprocess.Popen[str]], images_file: Path, tmp_path: Path, engine: str
) -> None:
    """Files may not grow beyond 9,000 bytes: the system refuses the first checkpoint."""
    np.savez(tmp_path / "few.npz", images=blobs(30))
    words = [
        "map",
        "--data.name",
        tmp_path / "few.npz",
        *SMALL,
        "--execution.engine",
        engine,
        "--quiet",
        "--out",
        tmp_path / "out",
    ]
    process = start(*words, before=FULL)
    out, err = process.communicate(timeout=120)
    refused(Outcome(process.returncode, out, err), "cannot write", "File too large", "run the same command again")
    assert run(*words, "--execution.engine", "in-process").status == 0


@pytest.mark.campaign  # test_interrupts sees to most of it
@pytest.mark.parametrize("engine", ["in-process", "workers"])
def test_ctrl_c_is_one_line_and_resumes(
    start: Callable[..., subprocess.Popen[str]], images_file: Path, tmp_path: Path, engine: str
) -> None:
    """As a terminal does it: the signal goes to every process of the group."""
    out = tmp_path / "out"
    words = ["map", "--data.name", images_file, *SMALL, "--training.epochs", "3000", "--execution.engine", engine]
    process = start(*words, "--execution.workers", "2", "--execution.checkpoint-seconds", "0", "--quiet", "--out", out)
    end = time.monotonic() + 120
    while not list(out.glob("packs/*.safetensors")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    printed = process.communicate(timeout=60)
    line = "ratescape: interrupted; the same command takes it up again\n"
    assert (process.returncode, *printed) == (130, "", line)
    assert list(out.glob("packs/*.safetensors"))


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m ratescape data list | true"
    outcome = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")
