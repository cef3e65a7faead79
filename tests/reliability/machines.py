"""A Ray cluster of machines that share nothing but a network, whose cables can be cut.

Each machine is a network namespace with its own temporary folders; it takes Linux, ``ip`` of iproute2, and root.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HOOK = Path(__file__).parent / "hook"
PORT = 6379
BRIDGE = "rsbridge"
PATIENCE = 300
"""Seconds that a cluster may take to come up, on a machine that is busy."""


class Machines:
    """A head that works at nothing itself, and others of one core each, until :meth:`end`.

    Args:
        folder: for their files; its path has to be short, since sockets lie in it.
        count: machines besides the head.
        environment: what their processes begin with, besides the usual.
    """

    def __init__(self, folder: Path, count: int, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.address = f"{self.ip(0)}:{PORT}"
        self.clear()
        call("ip", "link", "add", BRIDGE, "type", "bridge")
        call("ip", "link", "set", BRIDGE, "up")
        for number in range(count + 1):
            self._wire(number)
        for number in range(count + 1):
            self.start(number)

    @staticmethod
    def ip(number: int) -> str:
        """Address of a machine; the head is number 0."""
        return f"10.77.0.{number + 1}"

    def place(self, number: int) -> Path:
        """A machine's temporary folder, in which its tasks work."""
        return self.folder / str(number)

    def _wire(self, number: int) -> None:
        name, outer, inner = f"rs{number}", f"rsv{number}", f"rsw{number}"
        call("ip", "netns", "add", name)
        call("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
        call("ip", "link", "set", inner, "netns", name)
        call("ip", "link", "set", outer, "master", BRIDGE, "up")
        for words in (("addr", "add", f"{self.ip(number)}/24", "dev", inner), ("link", "set", inner, "up")):
            call("ip", "-n", name, *words)
        call("ip", "-n", name, "link", "set", "lo", "up")

    def start(self, number: int) -> None:
        """Have a machine join the cluster, as one that was switched on again."""
        place = self.place(number)
        (place / "ray").mkdir(parents=True, exist_ok=True)
        role = [f"--address={self.address}", "--num-cpus=1"]
        if number == 0:
            role = ["--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false"]
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", *role, f"--node-ip-address={self.ip(number)}"]
        # Every machine has a /tmp/ray of its own; what else lies in /tmp may be the code that is tried.
        mounted = 'mkdir -p /tmp/ray && mount --bind "$0" /tmp/ray && exec "$@"'
        unshared = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            mounted,
            str(place / "ray"),
            *ray,
            "--block",
            "--disable-usage-stats",
        ]
        more = {"TMPDIR": str(place), "XDG_CACHE_HOME": str(place / "cache"), "RAY_TMPDIR": "/tmp"}
        more |= {"PYTHONPATH": os.pathsep.join([str(HOOK), *filter(None, sys.path)]), "RAY_worker_niceness": "0"}
        with (self.folder / f"{number}.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                ["ip", "netns", "exec", f"rs{number}", *unshared],
                stdout=log,
                stderr=log,
                env=os.environ | more | self.environment,
                start_new_session=True,
            )
        self._wait_for(number)

    def _wait_for(self, number: int) -> None:
        end = time.monotonic() + PATIENCE
        log = self.folder / f"{number}.log"
        while b"--block" not in log.read_bytes():  # Ray's word for being up
            if time.monotonic() > end or self.processes[number].poll() is not None:
                raise RuntimeError(f"machine {number} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)

    def inside(self, number: int) -> None:
        """From now on this process, which must have no threads, is on a machine."""
        libc = ctypes.CDLL(None, use_errno=True)
        for kind in ("net", "mnt"):
            handle = os.open(f"/proc/{self.processes[number].pid}/ns/{kind}", os.O_RDONLY)
            if libc.setns(handle, 0) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter machine {number}")
            os.close(handle)
        os.environ.update(TMPDIR=str(self.place(number)), RAY_TMPDIR="/tmp")

    def plug(self, number: int, is_in: bool) -> None:
        """Cut the cable of a machine, or mend it."""
        call("ip", "link", "set", f"rsv{number}", "up" if is_in else "down")

    def kill(self, number: int) -> None:
        """All processes of a machine die at once."""
        for pid in pids_of(f"rs{number}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.processes.pop(number).wait()
        (self.folder / f"{number}.log").unlink()

    def tasks(self) -> list[int]:
        """Processes of tasks that are at work, on all machines but the head; not Ray's own, or the machine dies."""
        found = [pid for number in self.processes if number for pid in pids_of(f"rs{number}")]
        return [pid for pid in found if re.match("ray::(?!IDLE|\\w*Agent)", title(pid))]

    def end(self) -> None:
        """Switch all machines off."""
        for number in list(self.processes):
            self.kill(number)
        self.clear()

    def clear(self) -> None:
        """Take away what this or an earlier process left."""
        names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split("\n")
        for name in (line.split()[0] for line in names if line.startswith("rs")):
            for pid in pids_of(name):
                os.kill(pid, signal.SIGKILL)
            call("ip", "netns", "del", name)
        if Path(f"/sys/class/net/{BRIDGE}").exists():
            call("ip", "link", "del", BRIDGE)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)


def call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def pids_of(name: str) -> list[int]:
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True)
    return [int(pid) for pid in found.stdout.split()]


def title(pid: int) -> str:
    """What a process calls itself; nothing of one that has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def waited_for(what: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether something came about in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
