"""What the server answers, by the last part of the address."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

from ratescape.coding.identity import refuse_uncodable
from ratescape.errors import SpecError
from ratescape.explorer.asking import Asked
from ratescape.explorer.family import Family
from ratescape.explorer.finding import ask, keep, solve
from ratescape.explorer.layers import interpolate, layers
from ratescape.explorer.sessions import Session
from ratescape.explorer.using import Codecs, as_bytes, restore
from ratescape.explorer.viewing import view

Answer = Callable[[Family, Session, Asked], dict[str, Any]]


def answers() -> dict[str, Answer]:
    """The answers of one server, by name."""
    return {
        "view": view,
        "solve": solve,
        "layers": layers,
        "interpolate": interpolate,
        "ask": ask,
        "keep": keep,
        "restore": restore,
        "bytes": functools.partial(as_bytes, Codecs()),
    }


def abilities(family: Family) -> dict[str, bool]:
    """What can be done with this landscape here, beyond looking."""
    return {"restore": True, "bytes": _is_codable(family), "keep": True}


def _is_codable(family: Family) -> bool:
    """Whether images become bytes: by a model that can, the coder's package and images to calibrate on."""
    if family.data is None or importlib.util.find_spec("constriction") is None:
        return False
    try:
        refuse_uncodable(family.at(family.start).model)
    except SpecError:
        return False
    return True
