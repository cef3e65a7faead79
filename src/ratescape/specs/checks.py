"""One line for a field that is out of range; JSON of files."""

import json
from typing import Any

from ratescape.errors import SpecError


def require(condition: bool, field: str, value: object, expected: str) -> None:
    """Raise a SpecError that names the field, its value and what it must be, unless the condition holds."""
    if not condition:
        raise SpecError(f"{field} is {value!r}: it must be {expected}")


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
