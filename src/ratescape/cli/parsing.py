"""From the words of a command line to a command: help, typed options, and every error in one line."""

import contextlib
import dataclasses
import difflib
import io
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import tyro

from ratescape.cli.completion import OPTION, completion
from ratescape.cli.config import UsageError, with_config
from ratescape.cli.factories import refuse_factory_of_file
from ratescape.cli.output import say
from ratescape.cli.overview import overview
from ratescape.cli.words import listed_numbers, named, nearest, number, options, with_switches, without_commas
from ratescape.specs.given import typed
from ratescape.version import __version__

T = TypeVar("T")

Commands = Mapping[str, type[T]]
"""The class of every command, by name."""

GIVEN = "given"
"""Field of a command that is told which options were given."""


def parse(words: list[str], commands: Commands[T]) -> T:
    """The command that a command line asks for.

    Example::

        parse(["map", "--grid.steps", "7"], COMMANDS).run()

    Raises:
        SystemExit: after printing help or the version (status 0; 2 for help that was not asked for).
        UsageError: a wrong command line; the message is one line.
        SpecError: a value that is out of range, or a config file that cannot be used.
    """
    if not words or words[0] in ("-h", "--help"):
        say(overview())
        raise SystemExit(0 if words else 2)
    if words[0] == "--version":
        say(f"ratescape {__version__}")
        raise SystemExit(0)
    if words[0] == OPTION:
        say(completion(words[1:], commands))
        raise SystemExit(0)
    name, rest = words[0], words[1:]
    if name not in commands:
        near = difflib.get_close_matches(name, commands, 1)
        hint = f"did you mean {near[0]}? It" if near else "it"
        raise UsageError(f"unknown command {name!r}: {hint} must be one of {', '.join(commands)}")
    default, rest = with_config(commands[name], rest, commands)
    command = _with_options(commands[name], name, rest, default)
    if GIVEN in typed(commands[name]).__dataclass_fields__:
        command = dataclasses.replace(typed(command), given=named(rest))
    if default is not None:
        refuse_factory_of_file(command, default, rest)
    return command


def _with_options(command: type[T], name: str, words: list[str], default: T | None) -> T:
    """Parse options with tyro, and turn its boxed messages into one line."""
    given: dict[str, Any] = {} if default is None else {"default": default}
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            plain = with_switches(without_commas(words, command), command)
            return tyro.cli(command, prog=f"ratescape {name}", args=plain, **given)
    except SystemExit as end:
        if end.code:
            raise UsageError(
                f"{_message(box.getvalue(), command)} (ratescape {name} --help shows all options)"
            ) from end
        raise


def _message(box: str, command: type[Any]) -> str:
    """What tyro's box says, in one line."""
    # Its rules are hyphens where the output's encoding knows no box characters.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)  # colours at a terminal
    text = [re.sub(r"[│─╭╮╰╯]|-{3,}", " ", line).strip() for line in plain.splitlines()]
    parts = [line for line in text if line and "--help" not in line and "full helptext" not in line]
    title = parts.pop(0) if len(parts) > 1 else ""
    if title == "Required options":
        return _missing(" ".join(parts))
    # Our own messages name the field themselves.
    message = re.sub(r"^Error parsing [a-z.]+: (?=[a-z_.]+ is )", "", _sentence(parts) or title)
    listed = re.match(r"Error parsing --(\S+): .*\[('.*')\]", message)
    if listed and (numbers := listed_numbers(listed[1], command)):
        return f"--{listed[1]} takes {numbers}, and not {listed[2]}"
    single = re.match(r"Error parsing --(\S+): (?:no type|invalid literal|could not convert).* \[?('.*')\]?", message)
    if single and (takes := number(single[1], command)):
        return f"--{single[1]} takes {takes}, and not {single[2]}"
    bare = re.match(r"Unrecognized options: ([^- ,][^ ,]*)", message)
    if bare and "data.name" in dict(options(command)):
        return f"{message}; did you mean --data.name {bare[1]}?"
    unknown = re.match(r"Unrecognized options: (--[^ ,]+)", message)
    meant = nearest(unknown[1], command) if unknown else None
    return f"{message}; did you mean {meant}?" if meant else message


def _missing(text: str) -> str:
    """What a command needs that was not given, as ``compare needs PATH (Folder of another, B)``."""
    head, _, listed = text.removeprefix("Missing from ratescape ").partition(":")
    needs: list[str] = []
    for entry in filter(None, map(str.strip, listed.split("(required)"))):
        name = re.match(r"(?:--\S+ ?)?(?:[A-Z][A-Z=|_]+(?: |$))*(?:\.\.\. ?)?", entry)  # as --rates LAYER=RATE ...
        what = entry[name.end() :].strip().rstrip(".") if name else entry
        called = name[0].strip() if name else ""
        needs.append(f"{called} ({what})" if called and what else called or what)
    return f"{head} needs {' and '.join(needs)}"


def _sentence(lines: list[str]) -> str:
    """The message proper, without the help that follows it."""
    cut = next((i for i, line in enumerate(lines) if i and line.endswith(":")), len(lines))
    return " ".join(lines[:cut])
