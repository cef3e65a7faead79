"""One case of a campaign: a command that is broken off or fails, and is given again; and what is wrong then."""

import importlib
import itertools
import math
import os
import random
import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ratescape.records.folders import SweepFolder
from reliability.commands import Cases, Ended, run
from reliability.disk import KEEPS, Disk
from reliability.faults import DEATHS, FAILURES, Plan
from reliability.plain import plain


def deaths(kinds: Sequence[str]) -> list[Plan]:
    """Every death there is of a process that does operations of these kinds: a write has a middle, too."""
    counted = [kind for kind in kinds if kind != "read"]
    return [
        Plan(number, what)
        for number, kind in enumerate(counted, 1)
        for what in DEATHS
        if what != "half" or kind == "write"
    ]


def failures(kinds: Sequence[str]) -> list[Plan]:
    """Every failure: each error at each operation of a kind that may end so, once, and from then on."""
    counts = Counter(kinds)
    return [
        Plan(number, what, lasting, kind)
        for what, those in FAILURES.items()
        for kind in those
        for number in range(1, counts[kind] + 1)
        for lasting in ((False,) if what == "EINTR" else (False, True))  # Python tries again for ever
    ]


def finished(folder: SweepFolder) -> dict[Path, tuple[int, int]]:
    """The weights of models that are done: the file, and when it was written."""
    paths = [run.parent / "weights.safetensors" for run in folder.path.glob("*/*/done")]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths if path.exists()}


def written_again(done: dict[Path, tuple[int, int]], folder: SweepFolder) -> list[str]:
    """What is wrong where weights of models that were done are others now."""
    now = finished(folder)
    return (
        ["a model that was done was written again"]
        if any(done[path] != now[path] for path in now if path in done)
        else []
    )


def after_death(cases: Cases, name: str, plan: Plan) -> list[str]:
    """What is wrong where a command dies at an operation and is given again."""
    whole, case, told = cases.whole(name), cases.case(name), cases.folder / "told"
    case.prepare()
    first = run(case, told, plan, before=plain(name))
    if first.status == 0:
        return [] if case.results() == whole.results else ["it did not die, and its results are others"]
    if first.status != -9:
        return [f"it did not die: {first.status} {first.err!r}"]
    second, wrong = given_again(cases, name)
    lost = whole.steps if name in SAVED_AT_THE_END else 1  # the step in which it died
    if first.steps + second.steps > whole.steps + lost:
        wrong.append(f"{first.steps} and {second.steps} steps where {whole.steps} are enough")
    return wrong


SAVED_AT_THE_END = ("refine",)
"""Commands whose trainings are saved once a minute, and at the end: they have no option to save every step."""


def given_again(cases: Cases, name: str) -> tuple[Ended, list[str]]:
    """The same command once more, and what is wrong with it: models that were done must stay as they are.

    What it makes of a place that looks as another did is known from there.
    """
    case, results = cases.case(name), SweepFolder(cases.case(name).place / "results")
    if (known := cases.taken_up.get(state := f"{name} {case.state()}")) is not None:
        return known
    done = finished(results)
    ended = run(case, cases.folder / "told", before=plain(name))
    wrong = list(taken_up(cases, name, ended))
    wrong += written_again(done, results)
    cases.taken_up[state] = ended, wrong
    return ended, wrong


def taken_up(cases: Cases, name: str, ended: Ended, results: dict[str, str] | None = None) -> Iterator[str]:
    """What is wrong with a command that was given again, and with its results.

    Args:
        results: what they should be; default: those of the same command that nothing happens to.
    """
    expected, case = results or cases.whole(name).results, cases.case(name)
    there = name == "decompress" and ended.is_one_line and "there already" in ended.err
    if ended.status != 0 and not there:
        yield f"taken up, it ended with {ended.status}: {ended.err!r}"
        return
    found = case.results()
    left = {path for path in found.keys() - expected.keys() if not is_leftover(path)}
    if left or expected.keys() - found.keys():
        yield f"other files: {sorted(left)}, {sorted(expected.keys() - found.keys())}"
    changed = sorted(path for path in found.keys() & expected.keys() if found[path] != expected[path])
    if changed:
        yield f"other contents: {changed}"


def is_leftover(path: str) -> bool:
    """Whether a file is what a killed command may leave: hidden ones in a folder of the user's, or half a codec.

    In a results folder nothing else may be left, and the next report or map clears the codec away.
    """
    is_ours = path.startswith("results/") and not path.startswith("results/codecs/")
    return not is_ours and any(part.startswith(".") for part in Path(path).parts)


INTERRUPTIONS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP", "clock")
"""What happens at a random moment: a signal (one that holds a process is followed by one that has it go on), or the
clock is set back by a day."""


def after_signal(cases: Cases, name: str, what: str, seed: int) -> list[str]:
    """What is wrong where a command is interrupted at a random moment, and given again if that ended it."""
    whole, case, told = cases.whole(name), cases.case(name), cases.folder / "told"
    chance = random.Random(f"{name} {what} {seed}")
    case.prepare()
    at_first = case.results()
    if what == "clock":
        first = run(case, told, before=lambda: ((plain(name) or int)(), set_back(chance.randint(0, 60))))
    else:
        meddle = signalled(what, chance.uniform(0, 1.2 * whole.seconds))
        first = run(case, told, before=plain(name), meddle=meddle)
    if what in ("clock", "SIGSTOP") or first.status == 0:
        return list(taken_up(cases, name, first))
    number = getattr(signal, what)
    wrong: list[str] = []
    if what == "SIGKILL":
        if first.status != -number:
            wrong.append(f"not killed: {first.status} {first.err!r}")
    elif first.status == -number and not first.err and case.results() == at_first:
        pass  # it came before the command was on guard, and before it had begun
    elif first.status != 128 + number or first.err.count("\n") != 1:
        wrong.append(f"not one line: {first.status} {first.err!r}")
    second = run(case, told, before=plain(name))
    wrong += taken_up(cases, name, second)
    if what != "SIGKILL" and first.steps + second.steps > whole.steps + 1:
        wrong.append(f"{first.steps} and {second.steps} steps where {whole.steps} are enough")
    return wrong


def signalled(name: str, delay: float) -> Callable[[int], None]:
    """What sends a process a signal after some seconds."""

    def meddle(pid: int) -> None:
        time.sleep(delay)
        os.kill(pid, getattr(signal, name))
        if name == "SIGSTOP":
            time.sleep(0.1)
            os.kill(pid, signal.SIGCONT)

    return meddle


def set_back(reads: int) -> None:
    """After so many looks at it, the clock of this process goes back by a day."""
    looks, real = itertools.count(), time.time

    def later() -> float:
        return real() - (86_400 if next(looks) >= reads else 0)

    time.time = later


LIMITS = {
    "files": (resource.RLIMIT_NOFILE, 6, 40, False),
    "bytes of a file": (resource.RLIMIT_FSIZE, 1000, 60_000, False),
    "memory": (resource.RLIMIT_AS, 0, 64 << 20, True),
}
"""Limits of the system: which, from how much to how much, and whether beyond what the process has already."""


def after_limit(cases: Cases, name: str, what: str, seed: int) -> list[str]:
    """What is wrong where the system gives a command little of something, and it is given again without that limit."""
    cases.whole(name)  # it takes the same place
    case, chance = cases.case(name), random.Random(f"{name} {what} {seed}")
    number, low, high, is_beyond = LIMITS[what]
    amount = int(math.exp(chance.uniform(math.log(low + 1), math.log(high))))

    def before() -> None:
        (plain(name) or int)()
        importlib.import_module("joblib")  # which warns where memory is short as it is imported
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if is_beyond else 0
        resource.setrlimit(number, (size + amount, size + amount))

    case.prepare()
    first = run(case, cases.folder / "told", before=before)
    if first.status == 0:
        return [f"it ended well, but {one}" for one in taken_up(cases, name, first)]
    wrong = [] if first.is_one_line else [f"not one line: {first.status} {first.err!r}"]
    return wrong + given_again(cases, name)[1]


def after_failure(cases: Cases, name: str, plan: Plan) -> list[str]:
    """What is wrong where an operation of a command fails, and the command is given again."""
    case, told = cases.case(name), cases.folder / "told"
    case.prepare()
    first = run(case, told, plan, before=plain(name))
    wrong: list[str] = []
    if first.status == 0:
        wrong = [f"it ended well, but {one}" for one in taken_up(cases, name, first)]
        # What could not be removed when all was done is no error, and the same command removes it.
        return given_again(cases, name)[1] if wrong and plan.kind in ("unlink", "rmdir") else wrong
    if not first.is_one_line:
        wrong.append(f"not one line: {first.status} {first.err!r}")
    return wrong + given_again(cases, name)[1]


def after_power_cut(cases: Cases, name: str, number: int, keeps: str, seed: int) -> list[str]:
    """What is wrong where the power is cut after an operation: the machine forgets what was not synced."""
    whole, case = cases.whole(name), cases.case(name)
    case.prepare()
    disk = Disk(case.place)
    for operation in whole.operations[:number]:
        disk.follow(operation)
    shutil.rmtree(case.place)
    disk.cut(keeps, random.Random(seed), case.place)
    _, wrong = given_again(cases, name)
    return wrong


def after_the_end(cases: Cases, name: str, keeps: str, seed: int) -> list[str]:
    """What is wrong where the power is cut when a command has said that it is done: all its results must be there."""
    whole, case = cases.whole(name), cases.case(name)
    case.prepare()
    disk = Disk(case.place)
    for operation in whole.operations:
        disk.follow(operation)
    disk.cut(keeps, random.Random(seed), case.place)
    found = case.results()
    lost = [path for path, digest in whole.results.items() if found.get(path) != digest]
    return [f"lost after the end: {lost}"] if lost else []


def power_cuts(operations: int) -> list[tuple[int, str]]:
    return [(number, keeps) for number in range(1, operations + 1) for keeps in KEEPS]
