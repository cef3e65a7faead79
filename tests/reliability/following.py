"""Processes that live longer than a case, such as Ray's: what happens in them is said by a file, case after case."""

import builtins
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from reliability.faults import Plan, Watch


class Followed(Watch):
    """A watch whose plan is in ``folder/plan``: JSON of the case's number and a plan. The first process to come has it.

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
        if self.trace is not None:
            self.trace.close()
        self.trace = self.open(self.folder / f"{self.case}.{os.getpid()}.trace", "a")
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
