"""Do the times left hold? Runs a command, and compares what was foretold at every moment with how long it then took.

    python benchmarks/progress.py --record events.json -- map --data.name mnist-5k --grid.steps 3 --out digits

Prints, for each tenth of the time, the smallest and the largest ratio of the seconds foretold to those it then took.
With --record it keeps what the phases were told, by which a change of the forecast can be tried without a map.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratescape.cli.commands import main
from ratescape.execution.progress.forecast import Load
from ratescape.execution.progress.messages import Message, PhaseName
from ratescape.execution.progress.phases import Phases


class Recorder:
    """Keeps what the phases of a call are told, and what they say."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.said: list[tuple[float, float | None]] = []


def listen(recorder: Recorder) -> None:
    """Have all phases of this process recorded."""
    old_receive, old_expect, old_show = Phases.receive, Phases.expect, Phases.show

    def receive(self: Phases, message: Message) -> None:
        recorder.events.append([round(self.clock.elapsed(), 3), "message", message])
        old_receive(self, message)

    def expect(self: Phases, loads: Mapping[PhaseName, Load], overlapping: bool = False) -> None:
        plain = {phase: dataclasses.asdict(load) for phase, load in loads.items()}
        recorder.events.append([round(self.clock.elapsed(), 3), "expect", plain, overlapping])
        old_expect(self, loads, overlapping)

    def show(self: Phases) -> None:
        state = self.state()
        recorder.said.append((state.elapsed, state.left))
        old_show(self)

    Phases.receive, Phases.expect, Phases.show = receive, expect, show


def table(said: list[tuple[float, float | None]]) -> list[str]:
    """A line for each tenth of the time, in Markdown."""
    total = said[-1][0]
    lines = ["| tenth | said | smallest ratio | largest ratio | largest error, s |", "|---:|---:|---:|---:|---:|"]
    for tenth in range(10):
        part = [
            (left, total - at)
            for at, left in said
            if left is not None and tenth <= 10 * at / total < tenth + 1 and at < total
        ]
        if part:
            ratios = [left / really for left, really in part]
            error = max(abs(left - really) for left, really in part)
            lines.append(f"| {tenth + 1} | {len(part)} | {min(ratios):.2f} | {max(ratios):.2f} | {error:.0f} |")
    return lines


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, help="file for what the phases were told")
    parser.add_argument("words", nargs="+", help="the command")
    given = parser.parse_args()
    recorder = Recorder()
    listen(recorder)
    if status := main(given.words):
        raise SystemExit(status)
    if given.record is not None:
        recorded = {"events": recorder.events, "total": round(recorder.said[-1][0], 3)}
        given.record.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
    print("\n".join([f"{recorder.said[-1][0]:.0f} s in all", *table(recorder.said)]))


if __name__ == "__main__":
    run()
