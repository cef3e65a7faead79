"""Config files and presets: ``--config FILE.yaml`` in front of options that override it."""

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ratescape.errors import SpecError
from ratescape.specs.codec import from_dict, read_mapping
from ratescape.specs.identity import FORMAT

T = TypeVar("T")

FLAT = "options"
"""Field of a command whose own fields stand at the top level of the command line and of config files."""

PRESETS = Path(__file__).parents[1] / "presets"


class UsageError(SpecError):
    """A wrong command line; the message is one line."""


def with_config(command: type[T], words: list[str], commands: Mapping[str, type[Any]]) -> tuple[T | None, list[str]]:
    """Take ``--config FILE`` out of the words.

    Returns:
        The command with the file's values (None without ``--config``), and the other words.

    Raises:
        UsageError: several files, none, or a command that takes none.
        SpecError: as of :func:`from_config`.
    """
    at = [i for i, word in enumerate(words) if word == "--config" or word.startswith("--config=")]
    if not at:
        return None, words
    _, joined, path = words[at[0]].partition("=")
    end = at[0] + (1 if joined else 2)
    path = path if joined else "".join(words[at[0] + 1 : end])
    if len(at) > 1 or not path:
        raise UsageError("--config takes one FILE.yaml")
    if not _takes_config(command):
        names = [name for name, one in commands.items() if _takes_config(one)]
        raise UsageError(f"--config goes with {' and '.join(names)}")
    return from_config(command, preset(path)), words[: at[0]] + words[end:]


def _takes_config(command: type[Any]) -> bool:
    return FLAT in command.__dataclass_fields__


def preset(name: str) -> Path:
    """The file that ``--config`` names: a path, or one of the grids that come with the package.

    Raises:
        SpecError: the name is neither; the message lists the presets.
    """
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    known = {file.stem: file for file in sorted(PRESETS.glob("*.yaml"))}
    if name not in known:
        raise SpecError(f"config {name} is neither a file nor one of the presets: {', '.join(known)}")
    return known[name]


def from_config(command: type[T], path: Path) -> T:
    """A command with the values of a YAML file, which has the fields of its spec at the top level.

    The ``spec.yaml`` of a results folder is such a file::

        from_config(Map, Path("landscape/spec.yaml"))

    Raises:
        SpecError: the file cannot be read, is of another format, describes what the command does not make, or has an
            unknown key or a value of the wrong type.
    """
    values = read_mapping(path)
    _refuse_other_formats(values, path)
    options: Any = typing.get_type_hints(command)[FLAT]
    typed = {FLAT, "allow_factory"}  # the latter counts only where a person types it
    own = {field.name for field in dataclasses.fields(typing.cast(Any, command))} - typed
    flat = {name: value for name, value in values.items() if name not in own}
    beside = {name: value for name, value in values.items() if name in own}
    try:
        made: Any = from_dict(command, beside)
        return dataclasses.replace(made, **{FLAT: options.read(flat, path)})
    except SpecError as error:
        raise SpecError(str(error) if str(path) in str(error) else f"{error} (in {path})") from error


def _refuse_other_formats(values: dict[str, Any], path: Path) -> None:
    """Take the format that stamps the spec.yaml of a results folder out of the values, and refuse any but ours."""
    found = values.pop("version", FORMAT)
    if found == FORMAT:
        return
    if type(found) is not int or found < 1:
        raise SpecError(f"{path} has version: {found}: it must be {FORMAT}, the format of configs, or left out")
    whose, remedy = "a newer", "upgrade ratescape"
    if found < FORMAT:
        whose, remedy = "an older", "write a config with the fields of this version"
    raise SpecError(f"{path} was made by {whose} ratescape (format {found}, this one reads {FORMAT}): {remedy}")
