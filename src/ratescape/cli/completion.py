"""Scripts that complete the words of a command line in bash, zsh and fish.

A script holds every option and choice, so that completing starts no Python.
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tyro

from ratescape.cli.config import UsageError
from ratescape.cli.overview import summaries
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
    found: dict[str, Option] = {}
    for action in tyro.extras.get_parser(command)._actions:  # argparse has no public list of them
        for long in action.option_strings:
            if long.startswith("--") and "_" not in long:
                found[long] = Option(long, _choices(long, action))
    if name in CONFIGURED:
        found["--config"] = Option("--config", ())
    return list(found.values())


def _choices(name: str, action: argparse.Action) -> tuple[str, ...]:
    return OPEN.get(name) or tuple(sorted(map(str, action.choices or ())))


def _words(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _cases(options: Options, line: str) -> str:
    """Cases of a command and the option before the word, for each option with choices; ``{}`` of a line are these."""
    return "\n".join(
        f"    {shlex.quote(f'{command} {one.name}')}) {line.format(_words(one.choices))}; return ;;"
        for command, known in options.items()
        for one in known
        if one.choices
    )


def _bash(options: Options) -> str:
    reply = 'COMPREPLY=($(compgen -W "{}" -- "$word"))'
    known = "\n".join(
        f"    {command}) {reply.format(_words([one.name for one in found]))} ;;" for command, found in options.items()
    )
    return f"""# ratescape: completion for bash
_ratescape() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}"
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    {reply.format(_words([*options, *FIRST]))}
    return
  fi
  case "$command $before" in
    '{OPTION} {OPTION}') {reply.format(_words(list(SHELLS)))}; return ;;
{_cases(options, reply)}
  esac
  [[ $word == -* ]] || return
  case "$command" in
{known}
  esac
}}
complete -o default -F _ratescape ratescape"""


def _zsh(options: Options) -> str:
    known = "\n".join(
        f"    {command}) compadd -- {_words([one.name for one in found])} ;;" for command, found in options.items()
    )
    return f"""#compdef ratescape
# ratescape: completion for zsh
_ratescape() {{
  if (( CURRENT == 2 )); then
    compadd -- {_words([*options, *FIRST])}
    return
  fi
  case "$words[2] $words[CURRENT-1]" in
    '{OPTION} {OPTION}') compadd -- {_words(list(SHELLS))}; return ;;
{_cases(options, "compadd -- {}")}
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


def _fish(options: Options) -> str:
    about = summaries()
    lines = ["# ratescape: completion for fish"]
    first = "complete -c ratescape -n __fish_use_subcommand"
    lines += [f"{first} -f -a {command} -d {shlex.quote(about[command])}" for command in options]
    lines += [f"{first} -l {one.removeprefix('--')}" for one in FIRST[:2]]
    lines.append(f"{first} -l {OPTION.removeprefix('--')} -x -a {shlex.quote(' '.join(SHELLS))}")
    for command, found in options.items():
        for one in found:
            takes = f" -x -a {shlex.quote(' '.join(one.choices))}" if one.choices else ""
            name = one.name.removeprefix("--")
            lines.append(f"complete -c ratescape -n '__fish_seen_subcommand_from {command}' -l {name}{takes}")
    return "\n".join(lines)


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
