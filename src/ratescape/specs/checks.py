"""One line for a field that is out of range, and for an extra that is missing; JSON of files."""

import importlib
import json
from typing import Any

from ratescape.errors import ResourceError, SpecError

MOST_SIZE = 2**24
"""Of channels and the like: far beyond any network, and sizes that are made of it are still numbers to PyTorch."""


def require(condition: bool, field: str, value: object, expected: str) -> None:
    """Raise a SpecError that names the field, its value and what it must be, unless the condition holds."""
    if not condition:
        raise SpecError(f"{field} is {value!r}: it must be {expected}")


def from_extra(module: str, needs: str, extra: str) -> Any:
    """A module that an extra brings.

    Args:
        needs: what needs it, with its verb.

    Raises:
        ResourceError: it is not installed.

    Example::

        from_extra("huggingface_hub", "the hub needs", "hub")
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ResourceError(f'{needs} the extra "{extra}": pip install "ratescape[{extra}]"') from error


def from_json(text: str | bytes) -> Any:
    """A value from JSON of a file.

    Raises:
        ValueError: it is none, or nested so deep that no file of ours is.

    Example::

        from_json('{"epochs": 20}')
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
