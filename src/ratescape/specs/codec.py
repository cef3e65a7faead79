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
from ratescape.specs.factories import CONVERTED

T = TypeVar("T")


def to_dict(spec: Any) -> dict[str, Any]:
    """A spec as plain nested dictionaries and lists, ready for YAML or JSON.

    A field that holds one of several kinds of specs (such as the method of a sweep) is written flat: the kind under the
    field's own name, and the fields of that kind beside it.
    """
    return json.loads(json.dumps(_flat(spec), default=_plain))


def _flat(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_flat(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    found: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        found |= {field.name: inner.kind, **_flat(inner)} if hasattr(inner, "kind") else {field.name: _flat(inner)}
    return found


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
    chosen = {name: _chosen(hint, values, name, where) for name, hint in hints.items() if _kinds(hint)}
    beside = {name for kind in chosen.values() for name in _hints(kind)}
    for name in values:
        if name not in hints and name not in beside:
            raise SpecError(_unknown(str(name), where, {**hints, **dict.fromkeys(beside)}, hints))
    given = {
        name: _convert(hints[name], values[name], where + name) for name in values if name in hints.keys() - chosen
    }
    for name, kind in chosen.items():
        given[name] = from_dict(kind, {key: values[key] for key in _hints(kind) if key in values}, where)
    for field in dataclasses.fields(typing.cast(Any, cls)):
        is_open = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if is_open and field.init and field.name not in given:
            raise SpecError(f"{where}{field.name} is missing: give it")
    return cls(**given)


def convert_fields(spec: Any, where: str, open_names: tuple[str, ...] = ()) -> None:
    """Bring the fields of a spec that is being made to their types: a list to a tuple, a NumPy number to Python's.

    Args:
        where: what errors put before a field's name.
        open_names: fields that are left as they are, since others may register values of theirs.

    Raises:
        SpecError: a value of the wrong type; names the field.
    """
    for name, hint in _hints(type(spec)).items():
        value = getattr(spec, name)
        if not _kinds(hint) and name not in open_names:
            object.__setattr__(spec, name, _convert(hint, value, where + name))


def _unknown(name: str, where: str, known: Mapping[str, Any], hints: Mapping[str, Any]) -> str:
    """What to say of a key that is not known; one that goes with another kind is told apart."""
    for field, hint in hints.items():
        fitting = [kind for kind in _kinds(hint).values() if name in _hints(kind)]
        if fitting:
            tags = " or ".join(kind.kind for kind in fitting)
            return f"{where}{name} goes with {field} {tags}: leave it out, or set {field}"
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown key {where}{name}" + (
        f"; did you mean {where}{near[0]}?" if near else f"; known: {', '.join(known)}"
    )


def _kinds(hint: Any) -> dict[str, Any]:
    """The kinds of specs that a field may hold, by name; empty for a field of one type."""
    arguments = typing.get_args(hint)
    return {kind.kind: kind for kind in arguments} if arguments and all(hasattr(a, "kind") for a in arguments) else {}


def _chosen(hint: Any, values: Mapping[str, Any], name: str, where: str) -> Any:
    """The kind of spec that the values name; by default the first."""
    kinds = _kinds(hint)
    tag = values.get(name, next(iter(kinds)))
    require(tag in kinds, where + name, tag, f"one of {', '.join(kinds)}")
    return kinds[tag]


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """Types of a spec's fields by name."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _convert(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the annotated type ``hint``, or a SpecError that names the field."""
    value = _number(value)
    if dataclasses.is_dataclass(hint):
        spec = typing.cast(type, hint)
        return value if isinstance(value, spec) else from_dict(spec, value, where + ".")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        if value is None and types.NoneType in arguments:
            return None
        first, *others = (one for one in arguments if one is not types.NoneType)
        if isinstance(value, str) and str in others:  # a number or a text, as a group of layers
            return value
        return _convert(first, value, where)
    if hint in CONVERTED:
        return CONVERTED[hint](value)
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
        return _float(value, where)
    if hint is int:
        require(isinstance(value, int) and not isinstance(value, bool), where, value, "a whole number")
        return value
    if hint is str and isinstance(value, Path):
        return str(value)
    require(isinstance(value, hint), where, value, "true or false" if hint is bool else "text")
    return value


def _float(value: Any, where: str) -> float:
    require(isinstance(value, (int, float)) and not isinstance(value, bool), where, value, "a number")
    try:
        return float(value)
    except OverflowError as error:  # a whole number of more than 308 digits
        raise SpecError(f"{where} is too large: it must be below 1.8e308") from error


def _number(value: Any) -> Any:
    """A scalar of NumPy or PyTorch as a number of Python; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


MOST_BYTES = 1 << 18
"""Of a spec's file: the package's own have a few thousand, and YAML is slow to read, a minute for some megabytes."""


def to_yaml(spec: Any) -> str:
    """A spec as YAML text; :func:`from_yaml` reads it back equal."""
    return yaml.safe_dump(to_dict(spec), sort_keys=False)


def read_mapping(path: Path) -> dict[str, Any]:
    """The top-level table of a YAML file.

    Raises:
        SpecError: the file cannot be read, is not YAML, or holds something other than a table.
    """
    content = _content(path)
    try:
        values = yaml.safe_load(content.decode("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML lets a bad date's ValueError through
        reason = " ".join(str(error).split())
        raise SpecError(f"config {path} is not valid YAML ({reason}): correct the file") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SpecError(f"config {path} holds no table of fields: write lines like 'training: {{epochs: 20}}'")
    return values


def _content(path: Path) -> bytes:
    """The bytes of a spec's file; raises :class:`SpecError` where it cannot be read, or is too large to be one."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpecError(f"config {path} cannot be read ({error.strerror}): check the path") from error
    if len(content) > MOST_BYTES:
        raise SpecError(f"config {path} has more than {MOST_BYTES:,} bytes, and no spec has: check the path")
    return content


def from_yaml(cls: type[T], path: Path) -> T:
    """Read a spec from a YAML file; raises :class:`SpecError` as :func:`from_dict` does, naming the file."""
    try:
        return from_dict(cls, read_mapping(path))
    except SpecError as error:
        raise SpecError(f"{error} (in {path})" if str(path) not in str(error) else str(error)) from error
