"""Processes of a command's own, such as workers and Ray's tasks: what happens in them is said from outside."""

import builtins
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from reliability.faults import KINDS, Plan, Watch, counted_steps


def watch_worker() -> None:
    """Watch this worker process as the environment says, in RATESCAPE_WATCH; the first that comes has the fault.

    Each leaves ``PID.first.trace`` or ``PID.other.trace``, and a byte in ``worker-steps`` for every step.
    """
    told = json.loads(os.environ["RATESCAPE_WATCH"])
    try:
        Path(told["folder"], "claimed").mkdir()
        plan = Plan(*told["plan"])
        if told["group"]:
            Path(told["group"], "cgroup.procs").write_text(str(os.getpid()))
    except FileExistsError:
        plan = Plan()
    counted_steps(Path(told["folder"], "worker-steps"))  # which imports much that takes memory, so it comes late
    kind = "first" if plan.number else "other"
    Watch(Path(told["root"]), plan, Path(told["folder"], f"{os.getpid()}.{kind}.trace")).install()


class Followed(Watch):
    """A watch of a process that lives longer than a case.

    Its plan is in ``folder/plan``: JSON of the case's number and a plan. The first process to come has it.
    It leaves ``CASE.PID.trace``, and ``CASE.happened`` where something did.

    Args:
        root: operations below it count.
        folder: outside the root.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        super().__init__(root, Plan(), None)
        self.folder, self.text, self.case = folder, "", 0
        self.open = builtins.open

    def step(self, kind: str, path: Any, run: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        """As of a watch, once it is known what is planned now."""
        if self.relative(path) is not None:
            with self.lock:
                self.follow()
        return super().step(kind, path, run, half)

    def follow(self) -> None:
        """Look whether another case has begun."""
        with self.open(self.folder / "plan") as file:
            text = file.read()
        if text == self.text:
            return
        self.text = text
        self.case, *plan = json.loads(text)
        self.count, self.plan = 0, Plan()
        for file in (self.trace, self.kinds):
            if file is not None:
                file.close()
        self.trace, self.kinds = (
            self.open(self.folder / f"{self.case}.{os.getpid()}{end}", "a") for end in (".trace", KINDS)
        )
        if Plan(*plan).number == 0:
            return
        try:
            (self.folder / f"{self.case}.claimed").mkdir()
        except FileExistsError:
            return
        self.plan = Plan(*plan)

    def _happen(self, path: str, run: Callable[[], Any], half: Callable[[], Any] | None) -> NoReturn:
        (self.folder / f"{self.case}.happened").touch()
        super()._happen(path, run, half)
