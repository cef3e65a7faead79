"""Phases of the work: which one goes on, how long each has taken, and how long the rest takes."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from ratescape.execution.progress.clock import Clock
from ratescape.execution.progress.forecast import Load, PhaseForecast, slowness, together
from ratescape.execution.progress.messages import PHASES, Message, PhaseName
from ratescape.execution.progress.observers import Audience, Phase

STEPWISE: tuple[PhaseName, ...] = ("judge", "network", "training")
"""Phases whose work is told step by step."""


class Phases:
    """Turns messages about phases into where the work is; one for all that a call does, from its first image on.

    Args:
        audience: sees where the work is.
        now: seconds that never go back.
    """

    def __init__(self, audience: Audience, now: Callable[[], float] = time.monotonic) -> None:
        self.audience = audience
        self.clock = Clock(now)
        self.forecasts: dict[PhaseName, PhaseForecast] = {}
        self.overlapping = False
        self._latest: PhaseName = "preparing"

    def expect(self, loads: Mapping[PhaseName, Load], overlapping: bool = False) -> None:
        """Say what there is to do; phases that are not named stay as they were.

        Args:
            overlapping: whether the judge and the networks come about at the same time.
        """
        with self.audience.lock:
            self.forecasts |= {phase: PhaseForecast(load, phase in STEPWISE) for phase, load in loads.items()}
            self.overlapping = self.overlapping or overlapping

    def recount(self, phase: PhaseName, keys: Sequence[str]) -> None:
        """Say which pieces a phase has after all; what one costs stays as expected."""
        with self.audience.lock:
            load = dataclasses.replace(self._forecast(phase).load, units=dict.fromkeys(keys, 1))
            self.expect({phase: load})

    def receive(self, message: Message) -> None:
        """Take in a message about a phase, or about the steps of a training."""
        with self.audience.lock:
            if message["kind"] == "steps":
                self._stepped(message)
            elif message["begun"]:
                self._begin(message["phase"], tuple(message["runs"]))
            else:
                self._end(message["phase"], tuple(message["runs"]))

    def show(self) -> None:
        """Show the audience where the work is."""
        with self.audience.lock:
            self.audience.show(self.state())

    def state(self, is_over: bool = False) -> Phase:
        """Where the work is. Of several phases that go on at once it is the one that comes last.

        Args:
            is_over: tells where it was last: what breaks off has ended its phases by the time that anybody asks.
        """
        with self.audience.lock:
            name = self._under_way() or (self._latest if is_over else "preparing")
            one = self.forecasts.get(name)
            of = 0 if one is None else one.load.found + len(one.load.units)
            number = 0 if one is None or of < 2 else min(of, one.load.found + len(one.begun))
            return Phase(name, number, of if of > 1 else 0, self.clock.elapsed(), self._left())

    def seconds(self) -> dict[PhaseName, float]:
        """Seconds of each phase so far, in the order of the phases."""
        with self.audience.lock:
            spent = self.clock.seconds()
            return {phase: spent[phase] for phase in PHASES if phase in spent}

    def _begin(self, phase: PhaseName, runs: tuple[str, ...]) -> None:
        self.clock.begin((phase, runs))
        self._forecast(phase).begun.update(runs)
        self.show()

    def _end(self, phase: PhaseName, runs: tuple[str, ...]) -> None:
        self._latest = self._under_way() or phase
        seconds = self.clock.end((phase, runs))
        self._forecast(phase).ended(runs or ("",), seconds)

    def _under_way(self) -> PhaseName | None:
        active: list[PhaseName] = [phase for phase, _ in self.clock.active]
        return max(active, key=PHASES.index) if active else None

    def _stepped(self, message: Message) -> None:
        runs: list[str] = message["runs"]
        for phase in STEPWISE:
            if any(piece[0] == phase and runs[0] in piece[1] for piece in self.clock.active):
                self._forecast(phase).stepped(runs, message["step"], message["of"], self.clock.now())

    def _forecast(self, phase: PhaseName) -> PhaseForecast:
        return self.forecasts.setdefault(phase, PhaseForecast(Load({}), phase in STEPWISE))

    def _left(self) -> float | None:
        """Seconds that all phases still take; None before anybody has said what there is to do."""
        left: dict[PhaseName, float] = {}
        slower = slowness(self.forecasts.values())
        for phase, forecast in self.forecasts.items():
            running = {
                key: seconds for (_, keys), seconds in self.clock.running(phase).items() for key in keys or ("",)
            }
            seconds = forecast.left(running)
            if seconds is None:
                return None
            left[phase] = seconds if forecast.done else slower * seconds
        return together(left, self.overlapping) if left else None
