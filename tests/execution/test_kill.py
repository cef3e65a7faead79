"""A sweep that is killed over and over ends with the very table of one that never was.

A campaign: real processes take long to start. ``tests/reliability`` kills forks, of which the suite has a share.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from helpers.commands import TINY
from helpers.sweeps import wait_for

from ratescape.records.folders import SweepFolder

pytestmark = pytest.mark.campaign

SEED = 20230501

METHODS = {
    "dedicated": ["--method", "dedicated", "--grid.steps", "2"],
    "conditioned": [
        *("--method", "conditioned", "--grid.steps", "2", "--conditioning.fine", "3", "--conditioning.width", "8"),
        *("--conditioning.refine", "20"),
    ],
    "targeted": ["--method", "targeted", "--target-rates", "2=0.8,1=1.5", "total=3", "2=2", "1=1"],
    "of 441 points": [
        *("--method", "conditioned", "--grid.steps", "21", "--conditioning.fine", "0", "--conditioning.width", "8"),
        *("--conditioning.refine-recommended", "0"),
    ],
}
"""Options of four models each, but the last one."""

FEW = ("dedicated", "conditioned", "targeted")
CASES = [
    *((engine, method, kills) for engine, kills in (("in-process", 60), ("workers", 20)) for method in FEW),
    ("workers", "of 441 points", 10),
]
"""Engine, method, and how many kills: each restart with workers waits seconds for them to import torch."""

SERVER = """
import json, os, sys
import ratescape.cli.commands, ratescape.landscape.mapping, ratescape.models, ratescape.report.write
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        sys.stdout = open(os.devnull, "w")
        os._exit(ratescape.cli.commands.main(json.loads(line)))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""Starts `ratescape` again and again without importing torch again and again."""


class Server:
    def __init__(self) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, words: list[str]) -> psutil.Process:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return psutil.Process(int(self.process.stdout.readline()))

    def status(self) -> int:
        """Exit status of what was started; waits for its end."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.process.communicate()


def words(engine: str, method: str, images: Path, out: Path) -> list[str]:
    training = [*METHODS[method], "--training.epochs", "40"]
    execution = ["--execution.engine", engine, "--execution.workers", "2", "--execution.pack", "1"]
    often = ["--execution.checkpoint-seconds", "0.05"]
    return ["map", "--data.name", str(images), *TINY, *training, *execution, *often, "--out", str(out), "--quiet"]


def checkpoints(folder: SweepFolder) -> list[Path]:
    """The trainings in progress: of packs, or of the network that models are taken from."""
    return [*folder.packs.glob("*.safetensors"), *folder.path.glob("networks/*/checkpoint.safetensors")]


def wait_for_work(folder: SweepFolder, process: psutil.Process) -> float:
    """Wait until a checkpoint of a training is written, or a model is done; returns the seconds this took."""
    begun, clock = time.monotonic(), time.time_ns()
    notes: list[int] = []
    while alive(process):
        with contextlib.suppress(FileNotFoundError):  # the folder goes at the end
            signs = [*checkpoints(folder), *folder.path.glob("runs/*/done")]
            notes = [path.stat().st_mtime_ns for path in signs]
        if max(notes, default=0) > clock or folder.table.exists():
            break
        time.sleep(0.005)
    return time.monotonic() - begun


def moments(folder: SweepFolder, server: Server, command: list[str]) -> tuple[float, float]:
    """Run a sweep to its end; the seconds until it began to train, and from then until its table."""
    process = server.start(command)
    startup = wait_for_work(folder, process)
    begun = time.monotonic()
    while not folder.table.exists() and alive(process):
        time.sleep(0.005)
    work = time.monotonic() - begun
    assert server.status() == 0
    return startup, work


def kill(process: psutil.Process) -> list[psutil.Process]:
    """SIGKILL; returns the processes that it had started."""
    try:
        process.suspend()  # so that it starts none between our look and its end
        children = process.children(recursive=True)
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return []
    return children


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("engine", "method", "kills"), CASES)
def test_killed_again_and_again_it_ends_with_the_same_table(
    engine: str, method: str, kills: int, server: Server, images_file: Path, tmp_path: Path
) -> None:
    whole, killed = SweepFolder(tmp_path / "whole"), SweepFolder(tmp_path / "killed")
    startup, work = moments(whole, server, words(engine, method, images_file, whole.path))
    command = words(engine, method, images_file, killed.path)
    generator = random.Random(SEED)
    landed: list[tuple[int, int]] = []  # models that were done and trainings in progress at each kill
    children: list[psutil.Process] = []
    for count in range(kills):
        # Every fourth before it gets to work; the others so that together they do all of it.
        process = server.start(command)
        if count % 4 == 1:
            time.sleep(generator.uniform(0, startup))
        else:
            wait_for_work(killed, process)
            time.sleep(generator.uniform(0, 2 * work / kills))
        children += kill(process)
        assert server.status() in (-signal.SIGKILL, 0)
        landed.append((len(list(killed.path.glob("runs/*/done"))), len(checkpoints(killed))))
    if engine == "workers":
        assert len(children) >= 2 * (kills - 2)
    server.start(command)
    assert server.status() == 0
    assert killed.table.read_bytes() == whole.table.read_bytes()
    if method == "conditioned":
        assert killed.fine.read_bytes() == whole.fine.read_bytes()
    assert killed.report.exists()
    assert not list(killed.path.glob("runs/*/.*.tmp")) and not killed.packs.exists() and not checkpoints(killed)
    wait_for(lambda: not any(map(alive, children)), 10)
    # The test itself: kills landed in the middle of trainings, of measuring, and before all was done.
    models = len(whole.spec().runs())
    if models == 4:
        assert sum(trainings > 0 and done < models for done, trainings in landed) >= kills // 4, landed
    else:
        assert sum(0 < done < models for done, _ in landed) >= kills // 4, landed
    assert sum(done < models for done, _ in landed) >= kills // 2, landed


def refining(folder: SweepFolder) -> list[int]:
    """When the trainings of refined models were saved last."""
    return [path.stat().st_mtime_ns for path in folder.path.glob("refined/*/checkpoint.safetensors")]


def test_killed_while_it_refines_it_ends_alike(server: Server, images_file: Path, tmp_path: Path) -> None:
    whole, killed = SweepFolder(tmp_path / "whole"), SweepFolder(tmp_path / "killed")

    def command(folder: SweepFolder) -> list[str]:
        given = words("in-process", "conditioned", images_file, folder.path)
        few = ["--training.epochs", "5", "--conditioning.refine", "0"]
        return [*given, *few, "--conditioning.refine-recommended", "80"]

    for _ in range(2):
        process, clock = server.start(command(killed)), time.time_ns()
        wait_for(lambda clock=clock, process=process: max(refining(killed), default=0) > clock or not alive(process))
        kill(process)
        assert server.status() == -signal.SIGKILL
        assert not list(killed.path.glob("refined/*/done"))  # the test itself: it was in the middle of refining
    for folder in (killed, whole):
        server.start(command(folder))
        assert server.status() == 0
    (one,), (other,) = (list(folder.path.glob("refined/*")) for folder in (whole, killed))
    assert one.name == other.name
    for name in ("before.jsonl", "evaluation.jsonl", "weights.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert not refining(killed) and killed.report.exists()
