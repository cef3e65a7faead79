"""What the server answers, by the last part of the address."""

import importlib.util
from collections.abc import Callable
from typing import Any

from ratescape.explorer.asking import Asked
from ratescape.explorer.family import Family
from ratescape.explorer.sessions import Session
from ratescape.explorer.viewing import view

Answer = Callable[[Family, Session, Asked], dict[str, Any]]

ANSWERS: dict[str, Answer] = {"view": view}


def abilities(family: Family) -> dict[str, bool]:
    """What can be done with this landscape here, beyond looking."""
    top_down = all(getattr(layer, "closed_form", True) for layer in family.at(family.start).model.layers)
    coder = importlib.util.find_spec("constriction") is not None
    return {"restore": True, "bytes": coder and top_down and family.data is not None, "keep": True}
