"""Rates that are asked for: ``2=20,1=40``, ``total=60``, ``3+2=20bits``, ``r1-7=10,r14=30``."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

from ratescape.errors import SpecError
from ratescape.specs.checks import require

RANGE = (-7.0, 6.0)
"""Smallest and largest log beta."""

SMALL = 0.05
"""Nats added to rates before logarithms are taken: errors of a rate near nothing count in nats, not in per cent."""

UNITS = {"nats": 1.0, "nat": 1.0, "bits": math.log(2), "bit": math.log(2)}
"""Nats in each unit."""

HOW = (
    "write LAYERS=RATE, several joined by commas: 2=20,1=40 (nats per image), 2=30bits, 3+2=20 (layers 3 and 2 "
    "together), 9-5=20 (layers 9 to 5), r14=30 or r1-7=10 (the layers of these resolutions), total=60, total=60,2=25% "
    "(a share of the total)"
)

RUN = 4
"""Layers in a row that are written as a range, such as ``9-5``, if there are so many."""


@dataclasses.dataclass(frozen=True)
class RateTarget:
    """A rate that one layer shall have, or several together."""

    layers: tuple[int, ...]
    """Their numbers, top first: L is the top layer, 1 the lowest."""
    rate: float
    """Nats per image."""

    def __post_init__(self) -> None:
        named = len(self.layers) > 0 and min(self.layers, default=0) > 0 and len(set(self.layers)) == len(self.layers)
        require(named, "target.layers", self.layers, "numbers of layers, from 1, each once")
        require(self.rate > 0 and math.isfinite(self.rate), "target.rate", self.rate, "above 0 and finite")

    def __str__(self) -> str:
        return f"{layers_text(self.layers)}={self.rate:.10g}"


def layers_text(layers: Sequence[int]) -> str:
    """Layers as requests name them, such as ``3+2``, or ``9-5`` for a row of four or more.

    Example::

        layers_text((9, 8, 7, 6, 3))  # "9-6+3"
    """
    rows: list[list[int]] = []
    for layer in layers:
        if rows and rows[-1][-1] == layer + 1:
            rows[-1].append(layer)
        else:
            rows.append([layer])
    texts = [f"{row[0]}-{row[-1]}" if len(row) >= RUN else "+".join(map(str, row)) for row in rows]
    return "+".join(texts)


Request = str | Mapping[int, float]
"""Rates asked for: a text such as ``2=20,1=40``, or nats per image by layer number."""


def request_text(request: Request) -> str:
    """A request of rates as text."""
    return request if isinstance(request, str) else ",".join(f"{layer}={rate!r}" for layer, rate in request.items())


def requested(text: str, layers: int, resolutions: Sequence[int] = ()) -> tuple[RateTarget, ...]:
    """The targets of a request, such as ``2=20,1=40``, for a model of so many layers.

    Layers joined by ``+``, or in a range such as ``9-5``, are to have a rate together, by one common beta. ``r14`` is
    all layers at a resolution of 14, ``r1-7`` those from 1 to 7: with an r, since layers have numbers, too. ``total``
    is all layers: with nothing else, they share one beta and split the rate freely; layers that are named beside it
    have their own, as a rate or as a share in per cent of the total, and those that are not share what is left.

    Args:
        resolutions: of each layer of a deep network, top first; none of other networks.

    Returns:
        Disjoint targets, those with the top layers first.

    Raises:
        SpecError: a request that cannot be read, names a layer twice or one that is not there, or has a rate that is
            not positive and finite.
    """
    total: float | None = None
    named: dict[tuple[int, ...], str] = {}
    for part in text.split(","):
        name, equals, rate = (word.strip() for word in part.partition("="))
        if not equals or not name or not rate:
            raise SpecError(f"rates {text!r}: {HOW}")
        if name == "total":
            if total is not None:
                raise SpecError(f"rates {text!r}: it names the total twice")
            total = _nats(rate, text)
            continue
        words = (word for one in name.split("+") for word in _layers(one.strip(), layers, resolutions, text))
        group = tuple(sorted(words, reverse=True))
        if len({*group, *(layer for other in named for layer in other)}) < len(group) + sum(map(len, named)):
            raise SpecError(f"rates {text!r}: it names a layer twice")
        named[group] = rate
    targets = [RateTarget(group, _part(rate, total, text)) for group, rate in named.items()]
    return tuple(sorted(targets + _rest(targets, total, layers, text), key=lambda target: target.layers, reverse=True))


def _rest(targets: list[RateTarget], total: float | None, layers: int, text: str) -> list[RateTarget]:
    """What the layers that are not named are to have together."""
    if total is None:
        return []
    named = {layer for target in targets for layer in target.layers}
    others = tuple(layer for layer in range(layers, 0, -1) if layer not in named)
    left = total - sum(target.rate for target in targets)
    if not others and abs(left) > 1e-6 * total:
        raise SpecError(f"rates {text!r}: the layers' rates sum to {total - left:.6g} nats, not to the total")
    if others and left <= 1e-6 * total:
        raise SpecError(f"rates {text!r}: nothing is left of the total for layers {', '.join(map(str, others))}")
    return [RateTarget(others, left)] if others else []


def _layers(word: str, layers: int, resolutions: Sequence[int], text: str) -> list[int]:
    """The layers of one word: ``3``, ``9-5`` or ``5-9``, ``r14``, ``r1-7``."""
    read = re.fullmatch(r"(r?)(\d+)(?:-(\d+))?", word)
    if read is None:
        raise SpecError(f"rates {text!r}: {HOW}")
    low, high = sorted((int(read[2]), int(read[3] or read[2])))
    known = resolutions if read[1] else range(1, layers + 1)
    missing = [end for end in (low, high) if end not in known]
    if missing and read[1]:
        theirs = ", ".join(map(str, dict.fromkeys(resolutions)))
        has = f"it has {theirs}" if resolutions else "give model.blocks of a deep network, or name layers by number"
        raise SpecError(f"rates {text!r}: the network has no resolution {missing[0]}; {has}")
    if missing:
        raise SpecError(f"rates {text!r}: there is no layer {missing[0]}, the layers are {layers} (top) to 1")
    if read[1]:
        return [layers - index for index, resolution in enumerate(resolutions) if low <= resolution <= high]
    return list(range(low, high + 1))


def _part(rate: str, total: float | None, text: str) -> float:
    """A rate, or a share of the total, in nats."""
    if not rate.endswith("%"):
        return _nats(rate, text)
    if total is None:
        raise SpecError(f"rates {text!r}: a share in % needs a total, such as total=60,2=25%")
    return _nats(rate[:-1], text) / 100 * total


def _nats(rate: str, text: str) -> float:
    unit = next((unit for unit in UNITS if rate.endswith(unit)), None)
    try:
        value = float(rate.removesuffix(unit or "")) * UNITS[unit or "nats"]
    except ValueError as error:
        raise SpecError(f"rates {text!r}: {rate!r} is not a rate; {HOW}") from error
    if not (value > 0 and math.isfinite(value)):
        raise SpecError(f"rates {text!r}: rates must be above 0 and finite")
    return value
