"""Turns what trainings tell into what observers see."""

import base64
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ratescape.execution.progress.messages import Message
from ratescape.execution.progress.observers import Audience, Epoch, Observer, Picture, Progress, Restart
from ratescape.execution.progress.phases import Phases

PICTURES = ("reconstructions", "samples")
"""Pictures of a finished model, by the names of their files."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much there is to do."""

    networks: Mapping[str, int]
    """Steps of each conditioned network by its key."""
    runs: Mapping[str, int]
    """Steps of each run by its key."""
    groups: tuple[int, ...]
    """Group of each layer, top first."""


class Tracker:
    """Turns messages into what observers see.

    An observer that fails is warned of once and sees no more: it never ends a training.

    Args:
        plan: how much there is to do.
        folder_of: the folder of a finished run, by its key.
        observer: sees them.
        done: keys of the runs and networks that are finished already.
        phases: those of the call that this is a part of; default: of this tracker alone.
    """

    def __init__(
        self,
        plan: Plan,
        folder_of: Callable[[str], Path],
        observer: Observer | None = None,
        done: Sequence[str] = (),
        phases: Phases | None = None,
    ) -> None:
        self.plan = plan
        self.folder_of = folder_of
        self.phases = phases or Phases(Audience(observer))
        self.audience = self.phases.audience
        self.total = {**plan.networks, **plan.runs}
        self.steps = {key: self.total[key] for key in done}
        self.finished = set(done) & plan.runs.keys()

    def receive(self, message: Message) -> None:
        """Take in one message; observers see what it changes."""
        with self.audience.lock:
            take_in = {
                "steps": self._stepped,
                "epoch": self._epoch,
                "restart": self._restart,
                "picture": self._picture,
                "written": self._written,
            }
            take_in.get(message["kind"], self.phases.receive)(message)

    def state(self) -> Progress:
        """How far the work is."""
        total = sum(self.total.values())
        return Progress(sum(self.steps.values()), total, len(self.finished), len(self.plan.runs))

    def _stepped(self, message: Message) -> None:
        self.phases.receive(message)
        known = [key for key in message["runs"] if key in self.total]  # the judge is no model of the plan
        for key in known:
            if key not in self.finished:
                self.steps[key] = min(message["step"], self.total[key])
        if known:
            self.audience.show(self.state())

    def _epoch(self, message: Message) -> None:
        record = message["record"]
        rates = record["rates"]
        together = [0.0] * (max(self.plan.groups) + 1)
        for group, rate in zip(self.plan.groups, rates, strict=True):
            together[group] += rate
        numbers = {name: record[name] for name in ("epoch", "distortion", "loss", "learning_rate", "status", "attempt")}
        betas, layers, groups = tuple(record["betas"]), tuple(rates), tuple(together)
        epoch = Epoch(run=message["runs"][0], betas=betas, rates=layers, group_rates=groups, **numbers)
        self.audience.show(epoch)

    def _restart(self, message: Message) -> None:
        numbers = {name: message[name] for name in ("attempt", "attempts", "learning_rate", "why")}
        self.audience.show(Restart(message["runs"][0], **numbers))

    def _picture(self, message: Message) -> None:
        (run,), png = message["runs"], base64.b64decode(message["png"])
        self.audience.show(Picture(run, message["name"], png, message["epoch"], message["attempt"]))

    def _written(self, message: Message) -> None:
        for key in message["runs"]:
            self.steps[key] = self.total[key]
            if key in self.plan.runs and key not in self.finished:
                self.finished.add(key)
                self._show_pictures(key)
        self.audience.show(self.state())

    def _show_pictures(self, key: str) -> None:
        for name in PICTURES:
            path = self.folder_of(key) / f"{name}.png"
            if path.exists():  # a training that diverged has none
                self.audience.show(Picture(key, name, path.read_bytes()))
