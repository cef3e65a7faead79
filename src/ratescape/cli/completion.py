"""Scripts that complete the words of a command line in bash, zsh and fish.

A script holds every option and choice, so that completing starts no Python.
"""

import shlex
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tyro.conf import Positional

from ratescape.cli.config import UsageError
from ratescape.cli.overview import summaries
from ratescape.cli.words import options
from ratescape.loggers.known import KNOWN
from ratescape.metrics import USES

OPTION = "--print-completion"
CONFIGURED = ("map", "train")
"""Commands that take --config."""

OPEN = {"--for": tuple(USES), "--execution.log": tuple(KNOWN)}
"""Words for options that take others, too, or whose names are not in their type."""

FIRST = ("--help", "--version", OPTION)
"""Options in place of a command."""


class Option(NamedTuple):
    """An option of a command."""

    name: str
    choices: tuple[str, ...]
    """What it takes, if that is a choice; else empty, and files are offered."""


def completion(words: Sequence[str], commands: Mapping[str, type[Any]]) -> str:
    """The script of a shell.

    Args:
        words: the shell: bash, zsh or fish.
        commands: the class of every command, by name.

    Raises:
        UsageError: no shell is named, or another.

    Example::

        completion(["bash"], COMMANDS)
    """
    if len(words) != 1 or words[0] not in SHELLS:
        given = " ".join(words) or "no shell"
        raise UsageError(f"{OPTION} takes one of {', '.join(SHELLS)}, and not {given}")
    return SHELLS[words[0]]({name: _options(name, command) for name, command in commands.items()})


Options = Mapping[str, Sequence[Option]]
"""By command."""


def _options(name: str, command: type[Any]) -> list[Option]:
    hints = typing.get_type_hints(command, include_extras=True)
    positional = {name for name, hint in hints.items() if _POSITIONAL & set(map(id, getattr(hint, "__metadata__", ())))}
    found = [
        Option(f"--{option}", OPEN.get(f"--{option}") or tuple(dict.fromkeys(_choices(hint))))
        for option, hint in options(command)
        if option.replace("-", "_") not in positional
    ]
    return [*found, Option("--help", ()), *([Option("--config", ())] if name in CONFIGURED else [])]


_POSITIONAL = set(map(id, typing.get_args(Positional[int])[1:]))
"""What marks an argument without a name, by identity: markers need not compare with other kinds of notes."""


def _choices(hint: Any) -> Iterator[str]:
    """The words that a type allows, wherever in it they are; True and False go without a word."""
    if typing.get_origin(hint) is typing.Literal:
        yield from map(str, typing.get_args(hint))
    else:
        for inner in typing.get_args(hint):
            yield from _choices(inner)


def _words(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _cases(known: Options, line: str) -> str:
    """Cases of a command and the option before the word, for each option with choices; ``{}`` of a line are these."""
    return "\n".join(
        f"    {shlex.quote(f'{command} {one.name}')}) {line.format(_words(one.choices))}; return ;;"
        for command, found in known.items()
        for one in found
        if one.choices
    )


def _bash(every: Options) -> str:
    reply = 'COMPREPLY=($(compgen -W "{}" -- "$word"))'
    known = "\n".join(
        f"    {command}) {reply.format(_words([one.name for one in found]))} ;;" for command, found in every.items()
    )
    return f"""# ratescape: completion for bash
_ratescape() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}"
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    {reply.format(_words([*every, *FIRST]))}
    return
  fi
  case "$command $before" in
    '{OPTION} {OPTION}') {reply.format(_words(list(SHELLS)))}; return ;;
{_cases(every, reply)}
  esac
  [[ $word == -* ]] || return 0
  case "$command" in
{known}
  esac
}}
complete -o default -F _ratescape ratescape"""


def _zsh(every: Options) -> str:
    known = "\n".join(
        f"    {command}) compadd -- {_words([one.name for one in found])} ;;" for command, found in every.items()
    )
    return f"""#compdef ratescape
# ratescape: completion for zsh
_ratescape() {{
  if (( CURRENT == 2 )); then
    compadd -- {_words([*every, *FIRST])}
    return
  fi
  case "$words[2] $words[CURRENT-1]" in
    '{OPTION} {OPTION}') compadd -- {_words(list(SHELLS))}; return ;;
{_cases(every, "compadd -- {}")}
  esac
  if [[ $words[CURRENT] != -* ]]; then
    _files
    return
  fi
  case "$words[2]" in
{known}
  esac
}}
compdef _ratescape ratescape"""


def _fish(every: Options) -> str:
    about = summaries()
    lines = ["# ratescape: completion for fish"]
    first = "complete -c ratescape -n __fish_use_subcommand"
    lines += [f"{first} -f -a {command} -d {shlex.quote(about[command])}" for command in every]
    lines += [f"{first} -l {one.removeprefix('--')}" for one in FIRST[:2]]
    lines.append(f"{first} -l {OPTION.removeprefix('--')} -x -a {shlex.quote(' '.join(SHELLS))}")
    for command, found in every.items():
        for one in found:
            takes = f" -x -a {shlex.quote(' '.join(one.choices))}" if one.choices else ""
            name = one.name.removeprefix("--")
            lines.append(f"complete -c ratescape -n '__fish_seen_subcommand_from {command}' -l {name}{takes}")
    return "\n".join(lines)


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
