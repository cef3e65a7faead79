"""Worker processes that die or fail, at a file operation or at a random moment: the sweep says so, and is taken up."""

import functools
import json
import math
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ratescape.records.folders import SweepFolder
from reliability.commands import Cases, Ended, run
from reliability.crashing import deaths, failures, finished, taken_up, written_again
from reliability.faults import DEATHS, Plan, kinds_of
from reliability.forking import fork_workers
from reliability.plain import plain_page

NAMES = ("workers", "workers conditioned", "workers targeted")

WORKERS = 2
"""Of a sweep; each may lose the step that it was at."""

HOOK = Path(__file__).parent / "hook"


GROUPS = Path("/sys/fs/cgroup/memory")
"""Control groups of memory (version 1)."""


def watched(
    cases: Cases,
    name: str,
    plan: Plan,
    group: Path | None = None,
    meddle: Callable[[int], None] | None = None,
) -> tuple[Ended, int]:
    """Run a command whose first worker process has a fault; how it ended, and the steps of its workers' trainings.

    Args:
        group: control group that the first worker belongs to; workers are then no forks, whose memory is in part that
            of another process.
        meddle: as of :func:`reliability.commands.run`.
    """
    folder = cases.folder / "workers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()

    def before() -> None:
        plain_page()
        told = {"folder": str(folder), "root": str(cases.place), "plan": list(plan), "group": group and str(group)}
        path = os.pathsep.join([str(HOOK), *filter(None, sys.path)])
        os.environ.update(RATESCAPE_WATCH=json.dumps(told), PYTHONPATH=path)
        if group is None:
            fork_workers()

    ended = run(cases.case(name), cases.folder / "told", before=before, meddle=meddle)
    steps = folder / "worker-steps"
    return ended, steps.stat().st_size if steps.exists() else 0


def kinds(cases: Cases, name: str) -> list[str]:
    """Those of the operations of the worker that has the most to do, of a sweep that nothing happens to."""
    cases.case(name).prepare()
    ended, _ = watched(cases, name, Plan(10**9))
    assert ended.status == 0, ended
    return max((kinds_of(path) for path in (cases.folder / "workers").glob("*.trace")), key=len)


def plans(cases: Cases, name: str) -> list[Plan]:
    """Every death and every failure of the first worker."""
    found = kinds(cases, name)
    return [*deaths(found), *failures(found)]


def after_worker(cases: Cases, name: str, plan: Plan) -> list[str]:
    """What is wrong where a worker dies or fails at an operation, and the command is given again."""
    case, enough = cases.case(name), whole_steps(cases, name)
    case.prepare()
    first, steps = watched(cases, name, plan)
    if first.status == 0:  # it had less to do than another time, or what failed is not needed
        return [f"it ended well, but {one}" for one in taken_up(cases, name, first, expected(cases, name))]
    wrong: list[str] = []
    if not first.is_one_line or (plan.what in DEATHS and "SIGKILL" not in first.err):
        wrong.append(f"not one line: {first.status} {first.err!r}")
    done = finished(results := SweepFolder(case.place / "results"))
    second, more = watched(cases, name, Plan())
    wrong += taken_up(cases, name, second, expected(cases, name))
    wrong += written_again(done, results)
    if steps + more > enough + WORKERS:
        wrong.append(f"{steps} and {more} steps where {enough} are enough")
    return wrong


def alone(name: str) -> str:
    """The same command in one process."""
    return name.replace("workers", "", 1).strip() or "dedicated"


def expected(cases: Cases, name: str) -> dict[str, str]:
    """The results of a sweep: those of one process; a network has more threads in a worker, which its digits show."""
    return cases.whole(name if alone(name) == "conditioned" else alone(name)).results


def whole_steps(cases: Cases, name: str) -> int:
    """Steps of all trainings of the same command in one process; what else it comes to is known then, too."""
    expected(cases, name)  # it takes the place of a case
    return cases.whole(alone(name)).steps


KILLED = ("driver", "worker", "all")
"""Who is killed at a random moment: the process that starts workers, one of them, or all processes."""

KILLS = 3
"""In a row, before the command is left alone."""


def after_kills(cases: Cases, name: str, seed: int) -> list[str]:
    """What is wrong where processes of a sweep are killed at random moments, several times, and it is given again."""
    case, chance, folder = cases.case(name), random.Random(f"{name} {seed}"), cases.folder / "workers"
    seconds, enough = whole_seconds(cases, name), whole_steps(cases, name)
    case.prepare()
    wrong: list[str] = []
    steps = 0
    for _ in range(KILLS):
        who, delay = chance.choice(KILLED), chance.uniform(0, seconds)
        killed: list[int] = []

        def meddle(pid: int, who: str = who, delay: float = delay, killed: list[int] = killed) -> None:
            time.sleep(delay)
            workers = sorted(int(path.name.split(".")[0]) for path in folder.glob("*.trace"))
            those = {"driver": [pid], "worker": workers and [chance.choice(workers)], "all": [pid, *workers]}[who]
            killed += [one for one in those if killed_if(one, pid)]

        done = finished(results := SweepFolder(case.place / "results"))
        ended, more = watched(cases, name, Plan(), meddle=meddle)
        steps += more
        wrong += written_again(done, results)
        if ended.status not in (0, -signal.SIGKILL) and not (ended.is_one_line and killed and who == "worker"):
            wrong.append(f"{who} after {delay:.2f} s, not one line: {ended.status} {ended.err!r}")
    last, more = watched(cases, name, Plan())
    wrong += taken_up(cases, name, last, expected(cases, name))
    if steps + more > enough + KILLS * WORKERS:
        wrong.append(f"{steps + more} steps where {enough} are enough")
    return wrong


def killed_if(pid: int, parent: int) -> bool:
    """Kill a process if it is the parent or a child of it; returns whether it did."""
    try:
        if pid != parent and int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) != parent:
            return False
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


@functools.cache
def whole_seconds(cases: Cases, name: str) -> float:
    """How long a sweep takes that nothing happens to."""
    whole_steps(cases, name)  # imports what it needs
    cases.case(name).prepare()
    begun = time.monotonic()
    watched(cases, name, Plan())
    return time.monotonic() - begun


def after_shortage(cases: Cases, name: str, seed: int) -> list[str]:
    """What is wrong where the system kills a worker whose control group is out of memory, and it is repeated."""
    expected(cases, name)  # it takes the place of a case
    case, chance = cases.case(name), random.Random(f"{name} {seed}")
    group = GROUPS / "ratescape"
    group.mkdir()
    try:
        limit = int(math.exp(chance.uniform(math.log(40 << 20), math.log(400 << 20))))
        (group / "memory.limit_in_bytes").write_text(str(limit))
        case.prepare()
        first, _ = watched(cases, name, Plan(), group)
        killed = "oom_kill 0" not in (group / "memory.oom_control").read_text()
    finally:
        group.rmdir()
    if first.status == 0:
        return [f"it ended well, but {one}" for one in taken_up(cases, name, first, expected(cases, name))]
    wrong = [] if first.is_one_line else [f"not one line: {first.status} {first.err!r}"]
    if not killed or "SIGKILL" not in first.err:
        wrong.append(f"with {limit} bytes, killed={killed}: {first.err!r}")
    return wrong + list(taken_up(cases, name, watched(cases, name, Plan())[0], expected(cases, name)))
