"""Phases of the work: which one goes on, where the time went, and how long the rest takes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.stripes import stripes
from helpers.sweeps import HERE, LEAN, small_sweep, swept

from ratescape.data.catalog import ImageData, load_data
from ratescape.execution.progress.clock import Clock
from ratescape.execution.progress.display import Lines, where
from ratescape.execution.progress.forecast import Load, PhaseForecast, side_by_side, slowness
from ratescape.execution.progress.messages import PHASES, Message, Reporter, told, within
from ratescape.execution.progress.observers import Audience, Phase, Progress, Silent
from ratescape.execution.progress.phases import Phases
from ratescape.execution.progress.tracker import Plan, Tracker
from ratescape.landscape import map_spec
from ratescape.records.folders import SweepFolder
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.training import TrainingSpec


class Hands:
    """A clock whose hands are set by the test."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


class Watching(Silent):
    """Keeps the phases that it sees."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    @property
    def names(self) -> list[str]:
        """Phases in the order in which they were first seen."""
        return list(dict.fromkeys(phase.name for phase in self.phases))


def message(phase: str, *runs: str, begun: bool = True) -> Message:
    return {"kind": "phase", "phase": phase, "runs": list(runs), "begun": begun}


def steps(run: str, step: int, of: int) -> Message:
    return {"kind": "steps", "runs": [run], "step": step, "of": of}


def test_a_clock_gives_all_time_to_what_was_under_way() -> None:
    hands = Hands()
    clock = Clock(hands)
    hands.time = 2
    clock.begin(("training", ("a",)))
    hands.time = 5
    clock.begin(("measuring", ("b",)))  # side by side: each has half of the time
    hands.time = 9
    assert clock.end(("training", ("a",))) == 7
    hands.time = 10
    assert clock.end(("measuring", ("b",))) == 5
    hands.time = 12
    assert clock.seconds() == {"preparing": 4, "training": 5, "measuring": 3}
    assert sum(clock.seconds().values()) == clock.elapsed() == 12


def test_several_who_wait_for_one_judge_are_one_piece() -> None:
    hands = Hands()
    clock = Clock(hands)
    for _ in range(2):
        clock.begin(("judge", ("judge",)))
    hands.time = 4
    clock.end(("judge", ("judge",)))
    hands.time = 5
    clock.end(("judge", ("judge",)))
    clock.end(("judge", ("judge",)))  # never begun here, such as by a worker of an earlier session: no harm
    assert clock.seconds() == {"judge": 5} and not clock.active


def test_pieces_side_by_side_take_no_less_than_the_longest() -> None:
    assert side_by_side([3.0, 3.0, 3.0, 3.0], 2) == 6
    assert side_by_side([10.0, 1.0], 2) == 10
    assert side_by_side([], 2) == 0


def test_steps_are_believed_once_enough_of_them_were_seen() -> None:
    forecast = PhaseForecast(Load({"n": 100}, cost=1.0), stepwise=True)
    forecast.stepped(["n"], 10, 100, now=0.0)  # found done by an earlier session
    assert forecast.left({}) == pytest.approx(90)
    forecast.stepped(["n"], 11, 100, now=0.1)  # one fast step says little yet
    assert forecast.left({}) == pytest.approx(89)
    forecast.stepped(["n"], 30, 100, now=2.0)
    assert forecast.left({}) == pytest.approx(70 * 0.1)
    forecast.stepped(["n"], 1, 100, now=2.1)  # a layer died: it begins again
    assert forecast.left({}) == pytest.approx(99 * 0.1)
    forecast.ended(("n",), 12.0)
    assert forecast.left({}) == 0


def test_what_takes_longer_than_expected_says_so_of_all_before_it_is_over() -> None:
    forecast = PhaseForecast(Load(dict.fromkeys("abcd", 1), cost=2.0))
    assert forecast.left({}) == 8
    assert forecast.left({"a": 10.0}) == pytest.approx(30 + 1)
    forecast.ended(("a",), 10.0)
    assert forecast.left({}) == pytest.approx(3 * 6)  # the mean of what was expected and of the only one seen
    forecast.ended(("b",), 10.0)
    assert forecast.left({"c": 4.0}) == pytest.approx(6 + 10)


def test_nothing_is_foretold_of_what_nobody_has_timed() -> None:
    assert PhaseForecast(Load({"a": 1})).left({}) is None
    phases = Phases(Audience(), Hands())
    assert phases.state().left is None and phases.state().share is None
    phases.expect({"measuring": Load({"a": 1})})
    assert phases.state().left is None


def test_phases_say_the_piece_and_the_time_left() -> None:
    hands, seen = Hands(), Watching()
    phases = Phases(Audience(seen), hands)
    phases.expect({"network": Load({"n": 10}, 2.0), "measuring": Load({"b": 1, "c": 1}, 5.0, found=1)})
    assert phases.state() == Phase("preparing", 0, 0, 0.0, 30.0)
    phases.receive(message("network", "n"))
    hands.time = 4
    phases.receive(steps("n", 2, 10))
    assert phases.state() == Phase("network", 0, 0, 4.0, 26.0)
    phases.receive(message("network", "n", begun=False))
    phases.receive(message("measuring", "b"))
    assert phases.state() == Phase("measuring", 2, 3, 4.0, 10.0)
    assert phases.state().share == pytest.approx(4 / 14)
    assert where(phases.state()) == "measuring 2 of 3"
    assert seen.names == ["network", "measuring"]


def test_half_of_a_judge_hides_behind_a_network() -> None:
    phases = Phases(Audience(), Hands())
    phases.expect({"judge": Load({"judge": 10}, 1.0), "network": Load({"n": 10}, 3.0)}, overlapping=True)
    assert phases.state().left == 35


def test_pieces_that_are_known_late_are_counted_anew() -> None:
    phases = Phases(Audience(), Hands())
    phases.expect({"refining": Load(dict.fromkeys("012", 1), 4.0)})
    phases.recount("refining", ["x"])
    assert phases.state().left == 4


def test_work_inside_a_larger_phase_is_not_told_of() -> None:
    heard: list[Message] = []
    tell = within(heard.append)
    with told(heard.append, "refining", ["a"]), told(tell, "training", ["a"]), told(tell, "judge", ["judge"]):
        Reporter(tell, ["a"]).step(1, 1)
    assert [one.get("phase", one["kind"]) for one in heard] == ["refining", "judge", "steps", "judge", "refining"]


def test_the_end_of_a_phase_is_told_of_a_failure_too() -> None:
    heard: list[Message] = []
    with pytest.raises(ValueError), told(heard.append, "training", ["a"]):
        raise ValueError
    assert [one["begun"] for one in heard] == [True, False]


def test_an_observer_of_old_that_knows_no_phases_is_kept() -> None:
    class Old:
        def __init__(self) -> None:
            self.steps: list[int] = []

        def progress(self, progress: Progress) -> None:
            self.steps.append(progress.steps)

        def epoch(self, epoch: object) -> None: ...

        def picture(self, picture: object) -> None: ...

    old: Any = Old()
    tracker = Tracker(Plan({}, {"a": 4}, (0,)), Path, old)
    tracker.receive(message("training", "a"))
    tracker.receive(steps("a", 3, 4))
    assert old.steps == [3] and tracker.audience.observer is old


Event = tuple[float, str, Any]
"""When, ``expect`` or ``message``, and what."""


def simulated(wrong: float) -> tuple[list[Event], float]:
    """What a map of 12 models by two workers tells, and how long it takes; its costs were foretold wrongly."""
    told: list[Event] = []

    def tell(now: float, what: Message) -> None:
        told.append((now, "message", what))

    def piece(phase: str, run: str, begun: float, seconds: float) -> float:
        tell(begun, message(phase, run))
        tell(begun + seconds, message(phase, run, begun=False))
        return begun + seconds

    models, refined = [f"m{k}" for k in range(12)], [f"r{k}" for k in range(3)]
    piece("judge", "judge", 3.0, 20.0)
    now = piece("network", "n", 3.0, 81.0)
    for run, count in (("judge", 40), ("n", 160)):
        for step in range(1, count + 1):
            tell(3.0 + 0.5 * step, steps(run, step, count))
    free = [now, now]
    for index, run in enumerate(models):
        free[index % 2] = piece("measuring", run, free[index % 2], 6.0 + index * 5 % 4)
    now = piece("fine landscape", "", max(free), 8.0)
    told.append((now, "expect", {"refining": Load(dict.fromkeys(refined, 1), 12 * wrong)}))
    for run in refined:
        now = piece("refining", run, now, 12.0)
    now = piece("figures", "", now, 6.0)
    loads = {
        "judge": Load({"judge": 40}, 0.5 * wrong),
        "network": Load({"n": 160}, 0.5 * wrong),
        "measuring": Load(dict.fromkeys(models, 1), 7.5 * wrong, width=2),
        "fine landscape": Load({"": 49}, 8 / 49 * wrong),
        "refining": Load(dict.fromkeys("012", 1), 12 * wrong),
        "figures": Load({"": 1}, 6 * wrong),
    }
    told.append((2.9, "expect", loads))
    return sorted(told, key=lambda event: event[0]), now


def foretold(events: list[Event]) -> list[tuple[float, float]]:
    """Seconds since the begin, and the seconds left as foretold then, at every second and event."""
    hands, found = Hands(), list[tuple[float, float]]()
    phases = Phases(Audience(), hands)

    def look(moment: float) -> None:
        hands.time = moment
        if (left := phases.state().left) is not None:
            found.append((moment, left))

    for moment, kind, what in events:
        while hands.time + 1 < moment:  # as the session looks, once a second
            look(hands.time + 1)
        hands.time = moment
        if kind == "expect":
            phases.expect(what, overlapping="judge" in what)
        else:
            phases.receive(what)
        look(moment)
    return found


@pytest.mark.parametrize("wrong_by", [0.7, 1.0, 1.4])
def test_times_left_hold_within_half_as_much_again_after_the_first_tenth(wrong_by: float) -> None:
    """Where the end is less than a twentieth away, a twentieth of the whole is what they may be wrong by."""
    events, total = simulated(wrong_by)
    checked = [(at, left, total - at) for at, left in foretold(events) if at > total / 10]
    assert len(checked) > 50
    wrong = [
        (at, left, really)
        for at, left, really in checked
        if not really / 1.5 <= left <= really * 1.5 and abs(left - really) > total / 20
    ]
    assert wrong == []


def test_a_wrong_timing_is_wrong_for_all_in_part() -> None:
    seen, other = PhaseForecast(Load({"n": 100}, cost=1.0), stepwise=True), PhaseForecast(Load({"a": 1}, cost=5.0))
    assert slowness([seen, other]) == 1
    seen.stepped(["n"], 1, 100, now=0.0)
    seen.stepped(["n"], 11, 100, now=40.0)  # four times as slow as foretold
    assert slowness([seen, other]) == pytest.approx(2)


# Real maps

SCORED = EvaluationSpec(samples=20, judge_epochs=2, information=False, probe_kinds=("rbf",))
CONDITIONING = ConditioningSpec(width=8, fine=3, refine_recommended=1)


@pytest.mark.parametrize("engine", ["in-process", pytest.param("workers", marks=pytest.mark.campaign)])
def test_every_phase_is_seen_and_the_times_cover_the_whole_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = load_data(*stripes(96))
    spec = small_sweep(data, "conditioned", evaluation=SCORED, conditioning=CONDITIONING)
    seen, begun = Watching(), time.monotonic()
    landscape = map_spec(spec, data, ExecutionSpec(engine=engine, workers=2), tmp_path / "out", seen)
    wall = time.monotonic() - begun
    wanted = {"judge", "network", "measuring", "fine landscape", "refining", "figures"}
    # Workers train the judge beside the network, and of phases that go on at once the last one is shown.
    beside = {"judge"} if engine == "workers" else set[str]()
    assert wanted - beside <= set(seen.names) <= set(PHASES)
    assert max(phase.number for phase in seen.phases if phase.name == "measuring") == 4
    (session,) = landscape.folder.provenance()["sessions"]
    assert wanted <= session["phases"].keys()
    assert 0.95 * wall < sum(session["phases"].values()) <= 1.01 * wall
    assert session["seconds"] == pytest.approx(sum(session["phases"].values()), abs=0.1)


def test_each_session_has_its_own_times_and_one_with_nothing_to_do_has_none(data: ImageData, tmp_path: Path) -> None:
    spec = small_sweep(data)
    folder = swept(spec, data, tmp_path)
    again = folder.run(spec.runs()[0])
    again.weights.unlink()
    (again.path / "done").unlink()
    swept(spec, data, tmp_path)
    swept(spec, data, tmp_path)
    first, second = folder.provenance()["sessions"]
    assert first["begun"] < second["begun"] and {"training", "measuring"} <= second["phases"].keys()
    assert second["phases"]["training"] < first["seconds"]


def test_a_session_that_fails_leaves_its_times(data: ImageData, tmp_path: Path) -> None:
    class Stopping(Silent):
        def phase(self, phase: Phase) -> None:
            if phase.name == "measuring":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(small_sweep(data), data, tmp_path, HERE, Stopping())
    (session,) = SweepFolder(tmp_path).provenance()["sessions"]
    assert session["phases"]["training"] > 0
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "stopped"


# Lines


def test_lines_are_written_at_each_phase_and_now_and_then() -> None:
    hands, lines = Hands(), list[str]()
    shown = Lines(lines.append, hands)
    shown.phase(Phase("network", 0, 0, 0.0, 100.0))
    for second in range(1, 101):
        hands.time = second
        shown.phase(Phase("network" if second < 95 else "figures", 0, 0, float(second), 100.0 - second))
    assert lines[0] == "network (0% of the time, 1 s so far, about 2 min left)"
    assert len(lines) == 1 + 9 + 1 + 1  # the begin, nine tenths, the begin of figures, the last tenth
    assert [line.split(" (")[0] for line in lines[-3:]] == ["network", "figures", "figures"]


def test_a_phase_whose_end_nobody_knows_has_a_line_every_half_minute() -> None:
    hands, lines = Hands(), list[str]()
    shown = Lines(lines.append, hands)
    for second in range(91):
        hands.time = second
        shown.phase(Phase("measuring", 1, 2, float(second), None))
    assert len(lines) == 4 and lines[-1] == "measuring 1 of 2 (2 min so far)"


def test_a_line_has_the_share_of_the_steps_where_nobody_knows_how_long_it_takes() -> None:
    lines = list[str]()
    shown = Lines(lines.append, Hands())
    shown.progress(Progress(steps=30, total=120, models=0, total_models=4))
    shown.phase(Phase("network", 0, 0, 9.0, None))
    assert lines == ["network (25% of the steps, 9 s so far)"]


def test_the_share_of_the_time_never_goes_back() -> None:
    hands, lines = Hands(), list[str]()
    shown = Lines(lines.append, hands)
    for second, left in ((30, 10.0), (60, 140.0), (90, 10.0)):
        hands.time = second
        shown.phase(Phase("measuring", 1, 2, float(second), left))
    assert [line.split("(")[1].split("%")[0] for line in lines] == ["75", "75", "90"]
    assert "about 2 min left" in lines[1]


def test_training_of_one_epoch_is_enough_to_be_seen(data: ImageData, tmp_path: Path) -> None:
    seen = Watching()
    swept(small_sweep(data, training=TrainingSpec(epochs=1, batch=96), evaluation=LEAN), data, tmp_path, HERE, seen)
    assert [phase.number for phase in seen.phases if phase.name == "training"][-1] == 4
