"""Worker processes that die or fail at a file operation: the sweep says so in one line, and is taken up."""

import json
import math
import os
import random
import shutil
import sys
from pathlib import Path

from ratescape.records.folders import SweepFolder
from reliability.commands import Cases, Ended, run
from reliability.crashing import deaths, failures, finished, taken_up
from reliability.disk import operations_of
from reliability.faults import DEATHS, Operation, Plan
from reliability.plain import plain_page

NAMES = ("workers", "workers conditioned")

HOOK = Path(__file__).parent / "hook"


GROUPS = Path("/sys/fs/cgroup/memory")
"""Control groups of memory (version 1)."""


def watched(cases: Cases, name: str, plan: Plan, group: Path | None = None) -> tuple[Ended, int]:
    """Run a command whose first worker process has a fault; how it ended, and the steps of its workers' trainings.

    Args:
        group: control group that the first worker belongs to.
    """
    folder = cases.folder / "workers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()

    def before() -> None:
        plain_page()
        told = {"folder": str(folder), "root": str(cases.place), "plan": list(plan), "group": group and str(group)}
        path = os.pathsep.join([str(HOOK), *filter(None, sys.path)])
        os.environ.update(RATESCAPE_WATCH=json.dumps(told), PYTHONPATH=path)

    ended = run(cases.case(name), cases.folder / "told", before=before)
    steps = folder / "worker-steps"
    return ended, steps.stat().st_size if steps.exists() else 0


def operations(cases: Cases, name: str) -> list[Operation]:
    """Those of the worker that has the most to do, of a sweep that nothing happens to."""
    cases.case(name).prepare()
    ended, _ = watched(cases, name, Plan(10**9))
    assert ended.status == 0, ended
    traces = [list(operations_of(path)) for path in (cases.folder / "workers").glob("*.trace")]
    return max(traces, key=len)


def plans(cases: Cases, name: str) -> list[Plan]:
    """Every death and every failure of the first worker."""
    whole = cases.whole(name)._replace(operations=operations(cases, name))
    return [*deaths(whole), *failures(whole)]


def after_worker(cases: Cases, name: str, plan: Plan) -> list[str]:
    """What is wrong where a worker dies or fails at an operation, and the command is given again."""
    case = cases.case(name)
    case.prepare()
    first, steps = watched(cases, name, plan)
    if first.status == 0:  # it had less to do than another time, or what failed is not needed
        return [f"it ended well, but {one}" for one in taken_up(cases, name, first)]
    wrong: list[str] = []
    if not first.is_one_line or (plan.what in DEATHS and "SIGKILL" not in first.err):
        wrong.append(f"not one line: {first.status} {first.err!r}")
    done = finished(SweepFolder(case.place / "results"))
    second, more = watched(cases, name, Plan())
    wrong += taken_up(cases, name, second)
    if any(done[path] != now for path, now in finished(SweepFolder(case.place / "results")).items() if path in done):
        wrong.append("a model that was done was written again")
    if steps + more > (enough := whole_steps(cases, name)) + 2:  # each worker may lose the step that it was at
        wrong.append(f"{steps} and {more} steps where {enough} are enough")
    return wrong


def whole_steps(cases: Cases, name: str) -> int:
    """Steps of all trainings of the same command in one process."""
    return cases.whole(name.replace("workers", "", 1).strip() or "dedicated").steps


def after_shortage(cases: Cases, name: str, seed: int) -> list[str]:
    """What is wrong where the system kills a worker whose control group is out of memory, and it is repeated."""
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
        return [f"it ended well, but {one}" for one in taken_up(cases, name, first)]
    wrong = [] if first.is_one_line else [f"not one line: {first.status} {first.err!r}"]
    if not killed or "SIGKILL" not in first.err:
        wrong.append(f"with {limit} bytes, killed={killed}: {first.err!r}")
    return wrong + list(taken_up(cases, name, watched(cases, name, Plan())[0]))
