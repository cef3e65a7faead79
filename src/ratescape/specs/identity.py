"""Which specs are the same: keys."""

import hashlib
import json
from typing import Any

from ratescape.specs.codec import from_dict, to_dict

VERSION = 1
"""Version of everything written to disk. A folder with a higher one was made by a newer ratescape."""


def key(spec: Any) -> str:
    """Identity of a spec: 12 hexadecimal digits of the SHA-256 of its canonical JSON.

    Numbers are first brought to the types of their fields: 1 and 1.0 for a float are the same spec.
    """
    canonical = to_dict(from_dict(type(spec), to_dict(spec)))
    text = json.dumps({"version": VERSION, type(spec).__name__: canonical}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(one: Any, other: Any) -> list[str]:
    """Dotted names of the fields in which two specs of one type differ."""
    return _differences(to_dict(one), to_dict(other), "")


def _differences(one: dict[str, Any], other: dict[str, Any], where: str) -> list[str]:
    found: list[str] = []
    for name in one:
        if isinstance(one[name], dict) and isinstance(other[name], dict):
            found += _differences(one[name], other[name], f"{where}{name}.")
        elif one[name] != other[name]:
            found.append(where + name)
    return found
