"""What became of the trainings of a conditioned network: which groups of layers lived, and what was tried again."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratescape.errors import RecordError
from ratescape.metrics import ACTIVE_RATE, SUBSCRIPTS
from ratescape.records.files import Unreadable, finite, read_json_lines, remake, to_json_lines, write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.lines import betas_text
from ratescape.specs.runs import NetworkSpec

DEAD_LAYER = "this landscape has a dead layer"
"""How the verdict on a network ends of which a group of layers is dead in the end."""


@dataclasses.dataclass(frozen=True)
class GroupRate:
    """What a group of layers carried at the corner of the box that favours it most."""

    layers: tuple[int, ...]
    """Their numbers, the highest first: 2 is the top of two."""
    betas: tuple[float, ...]
    """The corner, top layer first: the smallest beta for the group, the largest for all others."""
    rate: float
    """Of the group together, nats per image."""
    active: int | None = None
    """Units of the group whose mean varies over the images; None in records of earlier versions."""

    @property
    def is_silent(self) -> bool:
        """Whether it carries next to nothing."""
        return self.rate < ACTIVE_RATE

    @property
    def is_dead(self) -> bool:
        """Whether it tells nothing of an image: it is silent, or no unit varies and its nats are the same for all."""
        return self.is_silent or self.active == 0

    def __str__(self) -> str:
        name = "+".join(f"z{str(layer).translate(SUBSCRIPTS)}" for layer in self.layers)
        carried = f"{name} carried {self.rate:.2f} nats"
        if self.active == 0 and not self.is_silent:
            carried += ", but none that differ from image to image (no active unit),"
        return f"{carried} at betas {betas_text(self.betas, 3)}"


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One training of a network, whose groups were checked at the end of annealing, and at its end if it got there."""

    learning_rate: float
    checked: tuple[GroupRate, ...]
    """Every group, the top one first."""
    end: tuple[GroupRate, ...] = ()
    """The same at the end of training; none for a training that was not brought to its end."""

    @property
    def dead(self) -> tuple[GroupRate, ...]:
        """The groups that carried next to nothing when they were checked.

        One whose nats do not differ between images yet is not among them: early in a short training that is usual.
        """
        return tuple(group for group in self.checked if group.is_silent)

    @property
    def dead_in_the_end(self) -> tuple[GroupRate, ...]:
        """The groups that tell nothing of an image in the finished network."""
        return tuple(group for group in self.end if group.is_dead)

    @property
    def lost(self) -> tuple[GroupRate, ...]:
        """The groups that it lost, as far as it is known: in the end, or else at the check."""
        return self.dead_in_the_end if self.end else self.dead


def records_of(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Attempts as JSON-able values, counted from 1."""
    return [
        finite({"attempt": number} | dataclasses.asdict(attempt) | {"dead": bool(attempt.dead)})
        for number, attempt in enumerate(attempts, 1)
    ]


def write_attempts(path: Path, attempts: Sequence[Attempt]) -> None:
    """Write all attempts of a network, one a line; raises :class:`RecordError` where that is not possible."""
    write_atomically(path, to_json_lines(records_of(attempts)))


def read_attempts(path: Path) -> list[Attempt]:
    """The attempts whose check is over, in their order; none where there is no such file.

    Raises:
        RecordError: the file is damaged.
    """
    if not path.exists():
        return []
    try:
        return [_attempt(record) for record in read_json_lines(path)]
    except (KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged: {remake(path.parent)}") from error


def _attempt(record: dict[str, Any]) -> Attempt:
    return Attempt(record["learning_rate"], _groups(record["checked"]), _groups(record["end"]))


def _groups(records: list[dict[str, Any]]) -> tuple[GroupRate, ...]:
    return tuple(
        GroupRate(
            tuple(one["layers"]),
            tuple(one["betas"]),
            math.nan if one["rate"] is None else one["rate"],
            one.get("active"),
        )
        for one in records
    )


def verdict(attempts: Sequence[Attempt]) -> str | None:
    """What there is to tell of a finished network, in one sentence; None if all groups lived all the time.

    Example::

        verdict(read_attempts(folder.attempts))  # "z₂ carried 0.00 nats at betas (0.1, 10): trained again with ..."
    """
    if not attempts:
        return None
    kept = min((one for one in attempts if one.end), key=lambda one: len(one.lost), default=attempts[-1])
    again = _again(attempts)
    if not kept.dead_in_the_end:
        return f"{named(attempts[0].lost)}: trained again with {again}" if again else None
    found = named(kept.dead_in_the_end)
    if not kept.dead:
        found += " in the end"
        found += ", though alive when annealing ended" if all(one.is_silent for one in kept.dead_in_the_end) else ""
    elif not again:
        found += ": not trained again"
    if again:
        found += f": gave up after {len(attempts) - 1} more attempt{'s' if len(attempts) > 2 else ''} ({again})"
        found += f", kept learning rate {kept.learning_rate:.3g}"
    return f"{found}: {DEAD_LAYER}"


def named(groups: Sequence[GroupRate]) -> str:
    """What groups of layers carried, and where, in words."""
    return " and ".join(map(str, groups))


def _again(attempts: Sequence[Attempt]) -> str:
    """The learning rates of all attempts but the first; empty where there was one only."""
    rates = [f"{attempt.learning_rate:.3g}" for attempt in attempts[1:]]
    return f"learning rate{'s' if len(rates) > 1 else ''} {', '.join(rates)}" if rates else ""


def verdicts(folder: SweepFolder, networks: Sequence[NetworkSpec]) -> list[str]:
    """One sentence for each of these networks of a sweep that is finished and whose groups did not all live at once."""
    lines: list[str] = []
    for network in networks:
        one = folder.network(network)
        try:
            sentence = verdict(read_attempts(one.attempts)) if one.weights.exists() else None
        except Unreadable:
            raise
        except RecordError as error:
            sentence = str(error)
        if sentence is not None:
            lines.append(sentence if len(networks) == 1 else f"network of seed {network.seed}: {sentence}")
    return lines


def losses_so_far(folder: SweepFolder, networks: Sequence[NetworkSpec]) -> list[str]:
    """What networks whose training goes on have lost, one line for each attempt that lost something.

    Raises:
        RecordError: the record of a network's attempts is damaged.
    """
    lines: list[str] = []
    for network in networks:
        one = folder.network(network)
        name = "network" if len(networks) == 1 else f"network of seed {network.seed}"
        attempts = [] if one.weights.exists() else read_attempts(one.attempts)
        for number, attempt in enumerate(attempts, 1):
            which = f"{name}, attempt {number} of {network.restarts + 1} at most"
            if attempt.lost:
                lines.append(f"{which}, learning rate {attempt.learning_rate:.3g}: {named(attempt.lost)}")
    return lines
