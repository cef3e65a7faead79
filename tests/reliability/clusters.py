"""Ray's driver, its tasks and machines die or fail, at file operations or at any moment, and cables are cut."""

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ratescape.records.folders import SweepFolder
from reliability.commands import Case, Cases, Ended, run
from reliability.crashing import deaths, failures, finished, taken_up, written_again
from reliability.faults import DEATHS, KINDS, Plan, kinds_of
from reliability.machines import Machines, waited_for
from reliability.plain import plain_page

NAMES = ("dedicated", "conditioned", "targeted")
MACHINES = (1, 2)
SECONDS = 500
"""After which a driver counts as hung: Ray alone takes half a minute to give a machine up."""


GIVEN_UP = 60
"""Seconds after which Ray has given a machine up that shows no sign of life."""


class Cut(NamedTuple):
    """Cables that are cut while a task is at work."""

    machines: tuple[int, ...]
    seconds: float
    """Until they are mended; machines that Ray gave up by then are switched on again."""


CUTS = (Cut((1,), 2), Cut((1,), 90), Cut((0,), 2), Cut((0,), 90), Cut((1, 2), 20))
"""Of one machine, of the driver's own, and of all; for shorter and longer than Ray waits for a sign of life."""


KILLED = ("driver", "task", "machine")
"""Who is killed at a random moment: the driver, a task's process, or all of a machine, which is switched on again."""


class Whole(NamedTuple):
    """What a map comes to that nothing happens to."""

    results: dict[str, str]
    driver: list[str]
    """Kinds of the driver's operations."""
    task: list[str]
    """Of those of the task that has the most to do."""
    seconds: float


class OnCluster:
    """Cases of a driver on the head of a cluster, which lasts from one to the next.

    Args:
        cases: the commands; their place lies outside of the machines' folders.
    """

    def __init__(self, cases: Cases) -> None:
        self.cases, self.told = cases, cases.folder / "tasks"
        shutil.rmtree(self.told, ignore_errors=True)
        self.told.mkdir()
        self.machines = Machines(Path("/dev/shm/rs"), len(MACHINES), {"RATESCAPE_TASKS": str(self.told)})
        self.wholes: dict[str, Whole] = {}
        self.count = 0

    def case(self, name: str) -> Case:
        """A map of two models whose packs are tasks of the cluster."""
        case = self.cases.case(name)
        words = tuple("ray" if word == "in-process" else word for word in case.words)
        return dataclasses.replace(case, words=(*words, "--execution.address", self.machines.address))

    def run(
        self,
        name: str,
        plan: Plan | None = None,
        trace: Path | None = None,
        task: Plan | None = None,
        meddle: Callable[[int], None] | None = None,
    ) -> Ended:
        """Run the driver, to its end or to what is planned for it or for the first task that touches a file."""
        self.count += 1
        (self.told / "plan").write_text(json.dumps([self.count, *(task or Plan())]))

        def before() -> None:
            plain_page()
            self.machines.inside(0)

        return run(self.case(name), self.cases.folder / "told", plan, trace, before, meddle, SECONDS)

    def whole(self, name: str) -> Whole:
        """What a map comes to that nothing happens to, and the operations of driver and tasks."""
        if name not in self.wholes:
            case, trace = self.case(name), self.cases.folder / "driver.trace"
            case.prepare()
            for path in (trace, trace.with_suffix(KINDS)):
                path.unlink(missing_ok=True)
            begun = time.monotonic()
            ended = self.run(name, Plan(), trace)
            seconds = time.monotonic() - begun
            assert ended.status == 0, ended
            tasks = [kinds_of(path) for path in self.told.glob(f"{self.count}.*.trace")]
            self.wholes[name] = Whole(case.results(), kinds_of(trace), max(tasks, key=len), seconds)
        return self.wholes[name]

    def given_again(self, name: str, first: Ended) -> Iterator[str]:
        """What is wrong with a command that did not end well, and was given again."""
        done = finished(results := SweepFolder(self.case(name).place / "results"))
        if first.status not in (0, -9) and not first.is_one_line:
            yield f"not one line: {first.status} {first.err[-500:]!r}"
        second = first if first.status == 0 else self.run(name)
        yield from taken_up(self.cases, name, second, self.whole(name).results)
        yield from written_again(done, results)

    def after_driver(self, name: str, plan: Plan) -> list[str]:
        """What is wrong where the driver dies or fails at an operation."""
        self.whole(name)
        self.case(name).prepare()
        first = self.run(name, plan)
        wrong = [] if first.status == -9 or plan.what not in DEATHS else [f"it did not die: {first}"]
        return wrong + list(self.given_again(name, first))

    def after_task(self, name: str, plan: Plan) -> list[str]:
        """What is wrong where a task dies at an operation, which costs that task alone, or fails."""
        self.whole(name)
        self.case(name).prepare()
        first = self.run(name, task=plan)
        happened = (self.told / f"{self.count}.happened").exists()
        wrong = [] if happened else ["nothing happened"]
        if plan.what in DEATHS and first.status != 0:
            wrong.append(f"the driver did not go on without a task: {first.status} {first.err[-500:]!r}")
        return wrong + list(self.given_again(name, first))

    def after_kill(self, name: str, who: str, seed: int) -> list[str]:
        """What is wrong where something is killed at a random moment; without a task or a machine the map goes on."""
        chance, seconds = random.Random(f"{name} {who} {seed}"), self.whole(name).seconds
        delay, number = chance.uniform(0, seconds), chance.choice(MACHINES)

        def meddle(pid: int) -> None:
            time.sleep(delay)
            if who == "driver":
                os.kill(pid, signal.SIGKILL)
            elif who == "machine":
                self.machines.kill(number)
                self.machines.start(number)
            elif tasks := self.machines.tasks():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(tasks), signal.SIGKILL)

        self.case(name).prepare()
        first = self.run(name, meddle=meddle)
        wrong: list[str] = []
        if first.status != 0 and who != "driver":
            wrong.append(f"after {delay:.1f} s it did not go on: {first.status} {first.err[-500:]!r}")
        return wrong + list(self.given_again(name, first))

    def after_cut(self, name: str, cut: Cut, seed: int) -> list[str]:
        """What is wrong where cables are cut while a task is at work: the same command must go on, and end well."""
        self.whole(name)
        self.case(name).prepare()
        wrong: list[str] = []
        meddling = threading.Thread(target=self._cut, args=(cut, random.Random(seed), wrong))
        meddling.start()
        first = self.run(name)
        meddling.join()
        if first.status != 0:
            wrong.append(f"it did not go on: {first.status} {first.err[-500:]!r}")
        return wrong + list(self.given_again(name, first))

    def _cut(self, cut: Cut, chance: random.Random, wrong: list[str]) -> None:
        if not waited_for(self._is_at_work):
            wrong.append("no task came to work")
            return
        time.sleep(chance.uniform(0, 3))
        for number in cut.machines:
            self.machines.plug(number, is_in=False)
        time.sleep(cut.seconds)
        for number in cut.machines:
            self.machines.plug(number, is_in=True)
        # One that was given up hears of it within a minute or so, and ends; others go on.
        end = time.monotonic() + (GIVEN_UP if cut.seconds > GIVEN_UP else 0)
        while time.monotonic() < end:
            for number in MACHINES:
                if self.machines.processes[number].poll() is not None:
                    self.machines.kill(number)
                    self.machines.start(number)
            time.sleep(1)

    def _is_at_work(self) -> bool:
        return any(any(self.machines.place(number).glob("ratescape-*/*/*")) for number in MACHINES)


def trials(cases: Cases, names: Sequence[str]) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Every death and failure of driver and tasks, and cuts; the cluster is there until this process ends."""
    cluster = OnCluster(cases)
    atexit.register(cluster.machines.end)
    for name in names:
        whole = cluster.whole(name)
        for who, kinds, after in (
            ("driver", whole.driver, cluster.after_driver),
            ("task", whole.task, cluster.after_task),
        ):
            for plan in (*deaths(kinds), *failures(kinds)):
                what = f"{name} {who} {plan.kind or 'dies'} {plan.number} {plan.what}{' on' if plan.lasting else ''}"
                yield what, lambda name=name, plan=plan, after=after: after(name, plan)
        for seed in range(20):
            for who in KILLED:
                yield f"{name} kill {who} {seed}", functools.partial(cluster.after_kill, name, who, seed)
            for cut in CUTS:
                what = f"{name} cut {'+'.join(map(str, cut.machines))} {cut.seconds} {seed}"
                yield what, lambda name=name, cut=cut, seed=seed: cluster.after_cut(name, cut, seed)
