"""What a page asks: JSON, read with suspicion."""

import base64
import binascii
import json
import math
from typing import Any, NoReturn

from ratescape.explorer.refusal import Refused

MOST = 16
"""Images of a request, and samples."""


class Asked:
    """The fields of a request.

    Example::

        asked = Asked.read(b'{"betas": [0.3, 2.5]}')
        asked.numbers("betas")  # (0.3, 2.5)
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    @classmethod
    def read(cls, content: bytes) -> "Asked":
        """Fields of JSON.

        Raises:
            Refused: no JSON, one with NaN or infinity, one that is too deep, or no object.
        """
        try:
            found = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            told = "it is nested too deeply" if isinstance(error, RecursionError) else "check it"
            raise Refused(f"the request is no JSON: {told}") from error
        if not isinstance(found, dict):
            raise Refused("the request is no JSON object: send one")
        return cls(found)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite positive numbers.

        Raises:
            Refused: something else.
        """
        found = self.fields.get(name)
        if not isinstance(found, list) or not 0 < len(found) <= 4096:
            self._refuse(name, "a list of numbers")
        return tuple(self._number(name, value, 1e-300, 1e300) for value in found)

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """A finite number within bounds."""
        return self._number(name, self.fields.get(name, default), low, high)

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number within bounds."""
        found = self.number(name, low, high, default)
        if found != int(found):
            self._refuse(name, f"a whole number from {low} to {high}")
        return int(found)

    def text(self, name: str, default: str | None = None) -> str:
        """A short text."""
        found = self.fields.get(name, default)
        if not isinstance(found, str) or len(found) > 200:
            self._refuse(name, "a short text")
        return found

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of some words."""
        found = self.fields.get(name)
        if found not in choices:
            self._refuse(name, f"one of {', '.join(choices)}")
        return str(found)

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of at most 16 short texts."""
        found = self.fields.get(name, list(default))
        if not isinstance(found, list) or len(found) > MOST or not all(isinstance(one, str) for one in found):
            self._refuse(name, f"a list of {MOST} texts at most")
        return tuple(found)

    def data(self, name: str) -> bytes:
        """What base64 stands for; also as a data URL."""
        found = self.fields.get(name)
        if not isinstance(found, str):
            self._refuse(name, "a picture in base64")
        try:
            return base64.b64decode(found.rpartition(",")[2], validate=True)
        except (ValueError, binascii.Error) as error:
            raise Refused(f"{name} is no base64: send a picture so") from error

    def demands(self) -> dict[str, float]:
        """For columns of metrics, the worst value accepted."""
        found = self.fields.get("demands") or {}
        if not isinstance(found, dict) or len(found) > MOST:
            self._refuse("demands", "an object of numbers by metric")
        return {str(column): self._number(f"demands.{column}", value, -1e300, 1e300) for column, value in found.items()}

    def _number(self, name: str, value: Any, low: float, high: float) -> float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not low <= value <= high or not math.isfinite(value):
            self._refuse(name, f"a number from {low:.4g} to {high:.4g}" if high < 1e300 else "a positive finite number")
        return float(value)

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        given = "missing" if name not in self.fields else "not that"
        raise Refused(f"{name[:60]} must be {wanted}, and is {given}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
