"""Sweeps on a cluster of Ray whose driver dies: a campaign, as tests/reliability is, which chooses the moments."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from helpers.clusters import SMALL, asked, serial
from helpers.sweeps import wait_for

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (by default Ray's tasks wait for all else on the machine)
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # clusters listen on 127.0.0.1 alone; read when Ray is imported
pytest.importorskip("ray", reason='Ray is not installed: pip install "ratescape[ray]"')

from ratescape.execution.sweep import run_sweep
from ratescape.records.folders import SweepFolder
from ratescape.specs.execution import ExecutionSpec

# Ray leaves files and sockets open when it starts clusters and when they end.
pytestmark = [
    pytest.mark.campaign,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_and_killed_drivers_leave_no_one_behind_and_resume(
    end: signal.Signals,
    images_file: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the command line, on a cluster that it starts for itself."""
    place = Path(tempfile.mkdtemp(prefix="ray-"))
    words = ["map", "--data.name", images_file, *SMALL, "--out", tmp_path / "sweep", "--quiet"]
    words += ["--execution.engine", "ray", "--execution.workers", "1"]
    before = f"import os\nos.environ.update(RAY_TMPDIR={str(place)!r}, TMPDIR={str(place)!r})\n"
    folder = SweepFolder(tmp_path / "sweep")
    try:
        process = start(*words, before=before)
        wait_for(lambda: any(folder.path.glob("runs/*/done")))
        if end is signal.SIGINT:
            os.killpg(process.pid, end)  # as a terminal does
            told, complaint = process.communicate()
            line = "ratescape: interrupted; the same command takes it up again\n"
            assert (process.returncode, told, complaint) == (130, "", line)
            assert of(place) == []
        else:
            process.send_signal(end)
            process.communicate()
            wait_for(lambda: all(map(helper, of(place))), 50)
        kept = {path: path.stat().st_mtime_ns for path in folder.path.glob("runs/*/done")}
        assert not folder.table.exists()
        monkeypatch.setenv("RAY_TMPDIR", str(place))
        monkeypatch.setenv("TMPDIR", str(place))
        run_sweep(*asked(images_file), folder, ExecutionSpec(engine="ray", workers=1))
        assert folder.table.read_bytes() == serial(*asked(images_file), tmp_path / "serial")
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
    finally:
        for process in of(place):
            process.kill()
        shutil.rmtree(place, ignore_errors=True)


def of(place: Path) -> list[psutil.Process]:
    """Processes that belong to the cluster of a folder."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("RAY_TMPDIR") == str(place):
                found.append(process)
    return found


def helper(process: psutil.Process) -> bool:
    """Two of Ray's processes notice late that theirs was killed: they idle for a minute, and go."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()  # none of a process that ended since it was listed
        return not words or words[0] in ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
    return True
