"""Campaigns against loss, for hours or for a share: what is broken off, and what is wrong with what comes of it.

    python tests/reliability/campaign.py crash --out crash.jsonl
    python tests/reliability/campaign.py failure --cases 500 --seed 7 --out failure.jsonl

One line of JSON for each case; the same command goes on where it was broken off, and ends with a summary. ``--list``
says which campaigns there are.
"""

import argparse
import functools
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from ratescape.cli import commands
from reliability import clusters, crashing, doors, hostile, lines
from reliability import workers as at_workers
from reliability.commands import Cases, forked

MEMORY = Path("/dev/shm")
"""A file system in memory, as Linux has: there a damaged file is written ten times as fast."""


class Trial(NamedTuple):
    """One case: its name, and what says what is wrong with it."""

    name: str
    wrong: Callable[[], list[str]]


def crash(cases: Cases, names: Sequence[str] = Cases.NAMES) -> Iterator[Trial]:
    """Every command dies right before, halfway through and right after every file operation."""
    for name in names:
        for plan in crashing.deaths(cases.whole(name).kinds):
            yield Trial(f"{name} {plan.number} {plan.what}", functools.partial(crashing.after_death, cases, name, plan))


def failure(cases: Cases, names: Sequence[str] = Cases.NAMES) -> Iterator[Trial]:
    """Every file operation of every command fails, once and from then on, by each error that it may end with."""
    for name in names:
        for plan in crashing.failures(cases.whole(name).kinds):
            what = f"{name} {plan.kind} {plan.number} {plan.what}{' on' if plan.lasting else ''}"
            yield Trial(what, functools.partial(crashing.after_failure, cases, name, plan))


def power(cases: Cases, names: Sequence[str] = Cases.NAMES) -> Iterator[Trial]:
    """The power is cut after every file operation of every command, and what was not synced is lost, in four ways."""
    for name in names:
        operations = len(cases.whole(name).operations)
        for number, keeps in crashing.power_cuts(operations):
            run = functools.partial(crashing.after_power_cut, cases, name, number, keeps, number)
            yield Trial(f"{name} {number} {keeps}", run)
        for keeps in ("nothing", "some"):
            yield Trial(f"{name} end {keeps}", functools.partial(crashing.after_the_end, cases, name, keeps, 0))


def signals(cases: Cases, names: Sequence[str] = Cases.NAMES, rounds: int = 20) -> Iterator[Trial]:
    """Every command is interrupted, asked to end, killed or held at a random moment, or its clock is set back."""
    for name in names:
        for number in range(rounds):
            for what in crashing.INTERRUPTIONS:
                run = functools.partial(crashing.after_signal, cases, name, what, number)
                yield Trial(f"{name} {what} {number}", run)


def limits(cases: Cases, names: Sequence[str] = Cases.NAMES, rounds: int = 20) -> Iterator[Trial]:
    """The system gives every command few open files, small files, or little memory."""
    for name in names:
        for what in crashing.LIMITS:
            for number in range(rounds):
                run = functools.partial(crashing.after_limit, cases, name, what, number)
                yield Trial(f"{name} {what} {number}", run)


def workers(cases: Cases, names: Sequence[str] = at_workers.NAMES) -> Iterator[Trial]:
    """A worker process dies or fails at every file operation of its own."""
    for name in names:
        for plan in at_workers.plans(cases, name):
            what = f"{name} {plan.kind or 'dies'} {plan.number} {plan.what}{' on' if plan.lasting else ''}"
            yield Trial(what, functools.partial(at_workers.after_worker, cases, name, plan))


def kills(cases: Cases, names: Sequence[str] = at_workers.NAMES, rounds: int = 112) -> Iterator[Trial]:
    """Sweeps with worker processes are killed at random moments, three times in a row: 1,008 kills."""
    for name in names:
        for number in range(rounds):
            yield Trial(f"{name} {number}", functools.partial(at_workers.after_kills, cases, name, number))


def memory(cases: Cases, names: Sequence[str] = at_workers.NAMES, rounds: int = 20) -> Iterator[Trial]:
    """A worker process has little memory by its control group, and the system kills it; where there are such groups."""
    for name in names if os.access(at_workers.GROUPS, os.W_OK) else ():
        for number in range(rounds):
            yield Trial(f"{name} {number}", functools.partial(at_workers.after_shortage, cases, name, number))


def ray(cases: Cases, names: Sequence[str] = clusters.NAMES) -> Iterator[Trial]:
    """On a cluster, the driver or a task dies or fails at every file operation of its own, or cables are cut.

    Where there can be none (it takes root, and iproute2), there are no cases.
    """
    can_be = os.geteuid() == 0 and shutil.which("ip") is not None
    for what, wrong in clusters.trials(cases, names) if can_be else ():
        yield Trial(what, wrong)


def files(cases: Cases, names: Sequence[str] | None = None, batches: int = 300) -> Iterator[Trial]:
    """Damaged files before every door: a thousand share a process, before slow doors fifty."""
    for name in names or doors.names():
        size = 50 if name in doors.SLOW else 1000

        def wrong(name: str = name, size: int = size, begin: int = 0) -> list[str]:
            seeds, folder = range(begin, begin + size), cases.folder / "hostile" / name
            found = hostile.crowd(doors.door(cases, name), folder, seeds)
            return [f"{one['seed']} {text}" for one in found for text in one["wrong"]]

        for batch in range(batches):
            yield Trial(f"{name} {batch * size}", functools.partial(wrong, begin=batch * size))


def words(cases: Cases, names: Sequence[str] | None = None, batches: int = 10_000) -> Iterator[Trial]:
    """Command lines of words that belong to such, and of strange ones."""

    def wrong(seed: int) -> list[str]:
        given = lines.command_line(seed)
        ended = forked(lambda: commands.main(given), cases.folder / "told")
        return [] if ended.status in (0, 2) or ended.is_one_line else [f"{given}: {ended}"]

    for seed in range(batches):
        yield Trial(f"words {seed}", functools.partial(wrong, seed))


CAMPAIGNS: dict[str, Callable[..., Iterator[Trial]]] = {
    "crash": crash,
    "failure": failure,
    "power": power,
    "signals": signals,
    "limits": limits,
    "workers": workers,
    "kills": kills,
    "memory": memory,
    "ray": ray,
    "files": files,
    "words": words,
}


def share(trials: Sequence[Trial], count: int | None, seed: int) -> list[Trial]:
    """So many of the trials, in an order that the seed says; all of them without a count."""
    shuffled = list(trials)
    random.Random(seed).shuffle(shuffled)
    return shuffled[:count]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaign", choices=CAMPAIGNS)
    parser.add_argument("--cases", type=int, help="how many; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of their order")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after so many")
    parser.add_argument("--match", default="", help="regular expression: only cases whose name begins so")
    in_memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    parser.add_argument("--place", type=Path, default=in_memory, help="where it works; default: in memory, if possible")
    parser.add_argument("--out", type=Path, required=True, help="file of results")
    options = parser.parse_args()
    known: list[dict[str, Any]] = []
    if options.out.exists():
        known = [json.loads(line) for line in options.out.read_text().splitlines()]
    done, begun = {one["case"] for one in known}, time.monotonic()
    with tempfile.TemporaryDirectory(dir=options.place) as folder, options.out.open("a") as file:
        everything = CAMPAIGNS[options.campaign](Cases(Path(folder)))
        trials = [one for one in everything if re.match(options.match, one.name)]
        for trial in share(trials, options.cases, options.seed):
            if trial.name in done or time.monotonic() - begun > options.seconds:
                continue
            begin = time.perf_counter()
            wrong = trial.wrong()
            known.append({"case": trial.name, "wrong": wrong, "seconds": round(time.perf_counter() - begin, 3)})
            file.write(json.dumps(known[-1]) + "\n")
            file.flush()
    failed = [one for one in known if one["wrong"]]
    print(f"{len(known):,} of {len(trials):,} cases, {len(failed)} with something wrong")
    print(dict(Counter(one["case"].split()[0] for one in failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
