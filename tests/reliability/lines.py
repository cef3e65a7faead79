"""Command lines: of right and strange words, to be carried out, or put to the parser alone."""

import contextlib
import dataclasses
import functools
import io
import os
import random
from pathlib import Path
from typing import Any

from tyro._parsers import ParserSpecification

from ratescape.cli import commands
from ratescape.cli.config import UsageError
from ratescape.cli.words import options
from reliability.door import Door
from reliability.mutations import NUMBERS, TEXTS

COMMANDS = tuple(commands.COMMANDS)

WORDS = (
    *(
        "map",
        "train",
        "recommend",
        "solve",
        "report",
        "ls",
        "status",
        "evaluate",
        "compress",
        "info",
        "restore",
        "score",
    ),
    *("--help", "--out", "--config", "--data.name", "--grid.steps", "--betas", "--rates", "--for", "--effort", "-1"),
    *("--model.latents", "--training.epochs", "0", "1e999", "nan", "2=20", "total=60", "--method", "conditioned", "="),
    *(
        "--data.limit",
        "--execution.workers",
        "--target-rates",
        "2=5,1=20",
        "--seeds",
        "nowhere",
        "--model.factory",
        "--",
    ),
)


def command_line(seed: int) -> list[str]:
    """A command line of words that belong to such, and of others; none that would train."""
    chance = random.Random(seed)
    words = [chance.choice([*COMMANDS, *WORDS])]
    words += [chance.choice([*WORDS, *TEXTS]) for _ in range(chance.randint(0, 5))]
    return [word for word in words if "\0" not in word]


VALUES = (
    *map(str, NUMBERS),
    *(
        "2=20",
        "2=5,1=20",
        "total=60",
        "total=60,2=25%",
        "3+2=20",
        "9-5=20",
        "r14=30,r1-7=10",
        "2=30bits",
        "2=",
        "=",
        "2=2=2",
    ),
    *(
        "true",
        "False",
        "[]",
        "{}",
        '{"width": 64}',
        "1,2",
        "1 2",
        "0x10",
        "1_000",
        "\u0661",
        "+1",
        ".",
        "-",
        "--",
        "-1e3",
    ),
    *(
        "mnist-5k",
        "bernoulli",
        "dedicated",
        "conditioned",
        "reconstruction",
        "1x1,4x2",
        "half",
        "random:0.5",
        "0.5..0.7",
    ),
    *("/dev/null", "nowhere", ".", "mnist-ghvae", "\udcff", "a" * 9999),
)


@functools.cache
def options_of(name: str) -> tuple[str, ...]:
    return tuple(one for one, _ in options(commands.COMMANDS[name]))


def odd_line(file: str, data: bytes, chance: random.Random) -> bytes:
    """A command with options of its own and values that hardly fit, as the words of one file, between zeros."""
    if chance.random() < 0.1:
        return _encoded(command_line(chance.getrandbits(40)))
    name = chance.choice(COMMANDS)
    words = [name, *(chance.choice(VALUES) for _ in range(chance.choice([0, 0, 1, 1, 2])))]
    for _ in range(chance.choice([1, 1, 2, 4])):
        option = "--" + chance.choice(options_of(name))
        values = [chance.choice(chance.choice([VALUES, TEXTS])) for _ in range(chance.choice([0, 1, 1, 1, 2, 3]))]
        match chance.randrange(12):
            case 0:
                words.append(f"{option}={values[0] if values else ''}")
                continue
            case 1:
                option = option.replace("--", "--no-").replace("-", chance.choice(["_", "-"]))
            case 2:
                place = chance.randrange(len(option))
                option = option[:place] + option[place + 1 :]
            case _:
                pass
        words += [option, *values]
    return _encoded(words)


def _encoded(words: list[str]) -> bytes:
    return b"\0".join(os.fsencode(one.replace("\ud800", "\udcff")) for one in words if "\0" not in one)


@functools.cache
def remember_parsers() -> None:
    """From now on tyro makes the parser of a command once: it takes five times as long as to parse by it."""
    before = ParserSpecification.from_callable_or_type
    known: dict[Any, ParserSpecification] = {}

    def from_callable_or_type(f: Any, *given: Any, **named: Any) -> ParserSpecification:
        # The parser of a part of a command, or of one with a config file's values, is not the only one of its type.
        if named["intern_prefix"] or dataclasses.is_dataclass(named["default_instance"]):
            return before(f, *given, **named)
        key = (f, named["extern_prefix"], named["prog_suffix"])
        if key not in known:
            known[key] = before(f, *given, **named)
        return known[key]

    ParserSpecification.from_callable_or_type = staticmethod(from_callable_or_type)


def parsed(folder: Path) -> None:
    """The command of the words of a file; help that was asked for is a result, too. For a process of its own."""
    remember_parsers()
    words = [os.fsdecode(one) for one in (folder / "words").read_bytes().split(b"\0")]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            commands.parse(words)
        except SystemExit as end:
            if end.code:
                raise UsageError(out.getvalue()) from end


def line_door() -> Door:
    """The parser of command lines."""
    return Door({"words": b"ls"}, parsed, odd_line)
