"""Specs as plain values and as YAML, in and out."""

import dataclasses
import difflib
import functools
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from ratescape.errors import SpecError
from ratescape.specs.checks import require

T = TypeVar("T")


def to_dict(spec: Any) -> dict[str, Any]:
    """A spec as plain nested dictionaries and lists, ready for YAML or JSON."""
    return json.loads(json.dumps(dataclasses.asdict(spec), default=_plain))


def _plain(value: Any) -> Any:
    """A path as text, a NumPy number as Python's."""
    return value.item() if hasattr(value, "item") else str(value)


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build a spec from nested mappings; fields left out keep their defaults.

    Raises:
        SpecError: an unknown key or a value of the wrong type; names the key, and the nearest known one.
    """
    if not isinstance(values, Mapping):
        raise SpecError(f"{where.rstrip('.') or 'the config'} is {values!r}: it must be a table of fields")
    hints = _hints(cls)
    for name in values:
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, n=1)
            hint = f"; did you mean {where}{near[0]}?" if near else f"; known: {', '.join(hints)}"
            raise SpecError(f"unknown key {where}{name}{hint}")
    return cls(**{name: _convert(hints[name], value, where + name) for name, value in values.items()})


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """Types of a spec's fields by name."""
    return typing.get_type_hints(cls)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the annotated type ``hint``, or a SpecError that names the field."""
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where + ".")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        if value is None and types.NoneType in arguments:
            return None
        return _convert(next(a for a in arguments if a is not types.NoneType), value, where)
    if origin is Literal:
        require(value in arguments, where, value, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        require(isinstance(value, (list, tuple)), where, value, "a list")
        return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if hint is Path:
        require(isinstance(value, (str, Path)), where, value, "a path")
        return Path(value)
    if hint is float:
        require(isinstance(value, (int, float)) and not isinstance(value, bool), where, value, "a number")
        return float(value)
    if hint is int:
        require(isinstance(value, int) and not isinstance(value, bool), where, value, "a whole number")
        return value
    require(isinstance(value, hint), where, value, "true or false" if hint is bool else "text")
    return value


def to_yaml(spec: Any) -> str:
    """A spec as YAML text; :func:`from_yaml` reads it back equal."""
    return yaml.safe_dump(to_dict(spec), sort_keys=False)


def read_mapping(path: Path) -> dict[str, Any]:
    """The top-level table of a YAML file.

    Raises:
        SpecError: the file cannot be read, is not YAML, or holds something other than a table.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"config {path} cannot be read ({error.strerror}): check the path") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML lets a bad date's ValueError through
        reason = " ".join(str(error).split())
        raise SpecError(f"config {path} is not valid YAML ({reason}): mend the file") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SpecError(f"config {path} holds no table of fields: write lines like 'training: {{epochs: 20}}'")
    return values


def from_yaml(cls: type[T], path: Path) -> T:
    """Read a spec from a YAML file; raises :class:`SpecError` as :func:`from_dict` does, naming the file."""
    try:
        return from_dict(cls, read_mapping(path))
    except SpecError as error:
        raise SpecError(f"{error} (in {path})" if str(path) not in str(error) else str(error)) from error
