"""Command lines of small sweeps, and what comes of them."""

from collections.abc import Callable
from typing import NamedTuple

TINY = [
    *("--model.channels", "4", "--model.latents", "3", "2", "--training.batch", "32", "--data.test", "0.25"),
    *("--evaluation.samples", "0", "--evaluation.probes", "none", "--evaluation.no-information"),
]
"""Options that make training a matter of milliseconds an epoch, and leave out what needs a judge or classifiers."""

SHORT = [*TINY, "--training.epochs", "2"]
SMALL = [*SHORT, "--method", "dedicated", "--grid.steps", "2", "--execution.engine", "in-process"]
"""Options of a sweep of four such models."""


class Outcome(NamedTuple):
    """What one command came to."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]
"""Takes the words of a command line."""


def refused(outcome: Outcome, *parts: str) -> None:
    """One line on stderr with these parts, nothing on stdout, and a status that says so."""
    assert outcome.status in (1, 2), outcome
    assert outcome.out == ""
    assert outcome.err.startswith("ratescape: ") and outcome.err.count("\n") == 1 and outcome.err.endswith("\n")
    for part in parts:
        assert part in outcome.err
