"""Which specs are the same: keys that last.

A key is made of what a spec *says*: the fields that differ from their defaults, under an explicit kind. A new field
with a default changes no key. A default that changes would give an old key a new meaning: then :data:`FORMAT` must
rise, and ``tests/specs/test_identity.py`` fails until it does.
"""

import dataclasses
import functools
import hashlib
import json
from typing import Any

from ratescape.specs.codec import from_dict, to_dict

FORMAT = 3
"""Version of everything written to disk; results of another one are refused."""


def key(spec: Any) -> str:
    """Identity of a spec: 12 hexadecimal digits of the SHA-256 of its kind and content.

    Example::

        key(RunSpec(betas=(1, 1))) == key(RunSpec(betas=(1.0, 1.0)))
    """
    try:
        hash(spec)
    except TypeError:  # a list, where somebody gave one for a tuple
        return _key(spec)
    return _known_key(spec)


def _key(spec: Any) -> str:
    normalised = from_dict(type(spec), to_dict(spec))  # numbers as the types of their fields, lists as tuples
    said = {"format": FORMAT, "kind": spec.KIND, "content": content(normalised)}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


_known_key = functools.lru_cache(4096)(_key)
"""A sweep asks for the key of each of its models some ten times, at milliseconds each."""


def content(spec: Any) -> dict[str, Any]:
    """What a spec says beyond its defaults, as plain values; specs within it likewise."""
    found: dict[str, Any] = {"kind": spec.kind} if hasattr(spec, "kind") else {}
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if value != _default(field):
            found[field.name] = _canonical(value)
    return found


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _canonical(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return content(value)
    return [_canonical(item) for item in value] if isinstance(value, tuple) else value


def differences(one: Any, other: Any) -> list[str]:
    """Dotted names of the fields in which two specs of one type differ."""
    return _differences(to_dict(one), to_dict(other), "")


def _differences(one: dict[str, Any], other: dict[str, Any], where: str) -> list[str]:
    found: list[str] = []
    for name in one | other:
        mine, theirs = one.get(name), other.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found += _differences(mine, theirs, f"{where}{name}.")
        elif mine != theirs:
            found.append(where + name)
    return found
