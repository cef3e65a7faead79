"""How long the rest takes: what is left of each phase, times what a unit of it has been seen or is expected to cost."""

import dataclasses
import math
from collections.abc import Iterable, Mapping

from ratescape.execution.progress.messages import PhaseName

ENOUGH = 1.0
"""Seconds of training after which its own speed is believed, and no longer what was expected."""

LATE = 0.1
"""Share of its cost that a piece is expected to take still, once it has taken longer than expected."""


@dataclasses.dataclass(frozen=True)
class Load:
    """What a phase has to do in this session, and what that is expected to cost."""

    units: Mapping[str, int]
    """Steps of each training by its key, or 1 for each piece of another phase."""
    cost: float | None = None
    """Seconds of a unit, of one worker; None where nobody knows yet."""
    width: int = 1
    """Pieces that are worked at side by side."""
    found: int = 0
    """Pieces that were found done."""
    behind: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    """Steps of trainings, by their keys, that an earlier session took."""

    @property
    def seconds(self) -> float | None:
        """Seconds that what is left of it is expected to take."""
        if self.cost is None:
            return None
        left = [units - self.behind.get(name, 0) for name, units in self.units.items()]
        return side_by_side([units * self.cost for units in left], self.width)


def side_by_side(seconds: list[float], width: int) -> float:
    """Time that pieces of these lengths take, so many at a time."""
    return max(sum(seconds) / max(1, width), max(seconds, default=0.0))


def together(seconds: Mapping[PhaseName, float], overlapping: bool) -> float:
    """Seconds of all phases, one after the other.

    Args:
        overlapping: the judge is trained beside a network. It takes one of the cores that the network could have had:
            half of its time is hidden, as long as there is a network to hide it.
    """
    judge, network = seconds.get("judge", 0.0), seconds.get("network", 0.0)
    return math.fsum(seconds.values()) - (min(judge / 2, network) if overlapping else 0.0)


def slowness(forecasts: Iterable["PhaseForecast"]) -> float:
    """By how much phases that were not begun will take longer than expected, as those that were say.

    What was wrong for one, such as a timing while others used the machine, is wrong for all in part: half of the error,
    on a scale of logarithms, is taken to be of that kind.
    """
    known = [(one.spent, one.seen / one.load.cost) for one in forecasts if one.seen and one.load.cost]
    total = sum(spent for spent, _ in known)
    return math.exp(0.5 * sum(spent * math.log(ratio) for spent, ratio in known) / total) if total else 1.0


class PhaseForecast:
    """How far one phase is, and how long the rest of it takes.

    Args:
        load: what it has to do.
        stepwise: whether its work is told step by step.
    """

    def __init__(self, load: Load, stepwise: bool = False) -> None:
        self.load = load
        self.stepwise = stepwise
        self.steps: dict[str, tuple[int, float]] = {}
        """The last step told of each training, and when."""
        self.begun: set[str] = set()
        self.over: set[str] = set()
        self.spent, self.done = 0.0, 0
        """Seconds that have been seen to make so many units."""

    def stepped(self, runs: list[str], step: int, of: int, now: float) -> None:
        """So many steps of a training are done. Those before the first word of it belong to an earlier session."""
        before, then = self.steps.get(runs[0], (step, now))
        if step > before:
            self.spent += now - then
            self.done += (step - before) * len(runs)
        for run in runs:
            self.steps[run] = step, now
            if run not in self.load.units:
                self.load = dataclasses.replace(self.load, units={**self.load.units, run: of})

    def ended(self, runs: tuple[str, ...], seconds: float) -> None:
        """Pieces are over, after so many seconds."""
        self.over.update(runs)
        if not self.stepwise:
            self.spent += seconds
            self.done += sum(self.load.units.get(run, 1) for run in runs)

    @property
    def seen(self) -> float | None:
        """Seconds that a unit has been seen to take; None where too little was seen."""
        return self.spent / self.done if self.done and self.spent >= ENOUGH else None

    def cost(self) -> float | None:
        """Seconds of a unit: as seen, as soon as enough was seen, else as expected."""
        seen = self.spent / self.done if self.done else None
        if seen is None or self.load.cost is None:
            return self.load.cost if seen is None else seen
        if self.stepwise:
            return seen if self.spent >= ENOUGH else self.load.cost
        return seen if self.done > 1 else (seen + self.load.cost) / 2

    def left(self, running: Mapping[str, float]) -> float | None:
        """Seconds that the rest takes; None where that cannot be said.

        Args:
            running: seconds that pieces have been under way.
        """
        waiting = {key: units for key, units in self.load.units.items() if key not in self.over}
        cost = self.cost()
        if not waiting:
            return 0.0
        if cost is None:
            return None
        if self.stepwise:
            steps = self.load.behind | {key: step for key, (step, _) in self.steps.items()}
            pieces = [(units - steps.get(key, 0)) * cost for key, units in waiting.items()]
            return side_by_side(pieces, self.load.width)
        # Before the first is over, one that takes longer than expected says that all do.
        so_far = [running[key] / units for key, units in waiting.items() if key in running]
        each = cost if self.done else max([cost, *so_far])
        lengths = {key: units * each for key, units in waiting.items()}
        pieces = [max(length - running.get(key, 0.0), LATE * length) for key, length in lengths.items()]
        return side_by_side(pieces, self.load.width)
