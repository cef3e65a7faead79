"""One line for a field that is out of range."""

from ratescape.errors import SpecError


def require(condition: bool, field: str, value: object, expected: str) -> None:
    """Raise a SpecError that names the field, its value and what it must be, unless the condition holds."""
    if not condition:
        raise SpecError(f"{field} is {value!r}: it must be {expected}")
