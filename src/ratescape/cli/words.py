"""Words as people type them: commas between numbers, true and false, the option that was meant by one that is none."""

import dataclasses
import difflib
import itertools
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

from tyro.conf import Suppress

from ratescape.cli.config import FLAT
from ratescape.metrics import USES

USE_NAMES = ", ".join(USES)
"""The uses that a model is chosen for."""

BEST_FOR = f"Of a landscape, the model that is best for this use: {USE_NAMES} or a column."
"""Help of ``--for`` where a path may be a landscape."""

POPULAR = {
    "data.name",
    "grid.steps",
    "method",
    "model.family",
    "model.latents",
    "out",
    "seeds",
    "training.epochs",
    "training.learning-rate",
}
"""Options that are meant more often than others of like names."""

ALIASES = {
    "dataset": "data.name",
    "lr": "training.learning-rate",
    "batch-size": "training.batch",
    "output": "out",
    "annealing": "training.annealing",
    "use": "for",
    "metric": "for",
}
"""Names that other programs use."""

TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
"""Words for the value of an option that is on or off."""

MUCH_ALIKE = 0.65
"""Least likeness, from 0 to 1, of an option that is suggested."""


def one_or_each(betas: tuple[float, ...] | None) -> tuple[float, ...] | float | None:
    """Betas as they were typed for a conditioned network: one alone stands for all layers.

    Example::

        one_or_each((0.5,))  # 0.5
    """
    return betas[0] if betas is not None and len(betas) == 1 else betas


def options(command: type[Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Names of all options of a command as they are typed, without dashes in front, and their types.

    Example::

        dict(options(Map))["training.epochs"]  # int | None
    """
    for name, hint in typing.get_type_hints(command, include_extras=True).items():
        inner, *notes = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        if Suppress in notes:  # filled in by the parser
            continue
        typed = next((note.name for note in notes if getattr(note, "name", None)), name).replace("_", "-")
        if dataclasses.is_dataclass(inner):
            yield from options(typing.cast(type, inner), where if name == FLAT else f"{where}{typed}.")
        else:
            yield where + typed, inner


def nearest(word: str, command: type[Any]) -> str | None:
    """The option that was most likely meant by a word such as ``--epochs``; None if none is like it.

    The last part of a name counts as much as the whole; among equals, the one that is used more often.
    """
    typed = word.lstrip("-").partition("=")[0].replace("_", "-")
    known = [name for name, _ in options(command)]
    if ALIASES.get(typed) in known:
        return f"--{ALIASES[typed]}"
    likeness = {name: _likeness(typed, name) + (0.2 if name in POPULAR else 0.0) for name in known}
    best = max(likeness, key=lambda name: likeness[name])
    return f"--{best}" if _likeness(typed, best) >= MUCH_ALIKE else None


def _likeness(typed: str, name: str) -> float:
    """From 0 to 1; a name that is typed without its section, or a section without a name, is 1."""
    section, _, leaf = name.rpartition(".")
    if typed in (leaf, section):
        return 1.0
    return max(
        difflib.SequenceMatcher(None, typed, name).ratio(),
        difflib.SequenceMatcher(None, typed.rpartition(".")[2], leaf).ratio() - 0.05,
    )


def named(words: list[str]) -> frozenset[str]:
    """The fields that options of a command line are given for.

    Example::

        named(["--evaluation.no-information", "--quiet", "--evaluation.probe-kinds=rbf"])
        # {"evaluation.information", "quiet", "evaluation.probe_kinds"}
    """
    names = [word[2:].partition("=")[0].replace("-", "_") for word in words if word.startswith("--")]
    return frozenset(re.sub(r"(^|\.)no_", r"\1", name) for name in names)


def without_commas(words: list[str], command: type[Any]) -> list[str]:
    """The words with numbers of lists apart: ``--betas 0.5,2`` is ``--betas 0.5 2``.

    Example::

        without_commas(["--betas=0.5,2", "--out", "a,b"], Train)  # ["--betas", "0.5", "2", "--out", "a,b"]
    """
    lists = {name for name, hint in options(command) if _number(hint)}
    found: list[str] = []
    inside = False
    for word in words:
        if word.startswith("--"):
            name, joined, value = word.partition("=")
            inside = name[2:].replace("_", "-") in lists
            found += [name, *_parts(value)] if inside and joined and "," in value else [word]
        else:
            found += _parts(word) if inside and "," in word else [word]
    return found


def with_switches(words: list[str], command: type[Any]) -> list[str]:
    """The words with truths as options know them: ``--pdf false`` is ``--no-pdf``.

    Example::

        with_switches(["--evaluation.information", "no"], Map)  # ["--evaluation.no-information"]
        with_switches(["--data.binary=true"], Map)  # ["--data.binary", "True"]
    """
    known = dict(options(command))
    found: list[str] = []
    for word in itertools.chain.from_iterable(_halves(word) for word in words):
        option = found[-1][2:].replace("_", "-") if found and found[-1].startswith("--") else ""
        truth = TRUTHS.get(word.lower())
        if truth is None or bool not in _alternatives(known.get(option)):
            found.append(word)
        elif known[option] is not bool:  # None, too: such an option takes the word
            found.append(str(truth))
        elif not truth:
            section, dot, leaf = option.rpartition(".")
            found[-1] = f"--{section}{dot}no-{leaf}"
    return found


def _halves(word: str) -> list[str]:
    """``--option=false`` as two words; any other word alone."""
    name, joined, value = word.partition("=")
    return [name, value] if name.startswith("--") and joined and value.lower() in TRUTHS else [word]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def listed_numbers(name: str, command: type[Any]) -> str | None:
    """What an option that lists numbers takes, in words; None for any other option."""
    kind = _number(dict(options(command)).get(name))
    return {int: "whole numbers, such as 0 1 or 0,1", float: "numbers, such as 0.5 2 or 0.5,2", None: None}[kind]


def number(name: str, command: type[Any]) -> str | None:
    """What an option that takes one number takes, in words; None for any other option."""
    parts = _alternatives(dict(options(command)).get(name))
    kind = {int: "a whole number, such as 20", float: "a number, such as 0.5"}
    found = next((kind[part] for part in (int, float) if part in parts), None)
    return f"{found}, or None" if found and type(None) in parts else found


def _number(hint: Any) -> type[int] | type[float] | None:
    """The type of the numbers that an option lists; None if it lists none."""
    tuples = (part for part in _alternatives(hint) if typing.get_origin(part) is tuple)
    return next((inner for part in tuples if (inner := typing.get_args(part)[0]) in (int, float)), None)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that a union allows; any other type alone."""
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
