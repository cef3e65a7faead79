"""Rates that are asked for (``2=20,1=40``, ``total=60``, ``3+2=20bits``), and what became of them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ratescape.errors import SpecError

Status = Literal["reached", "rate_ceiling", "rate_floor", "not_converged", "joint_infeasible"]

RANGE = (-7.0, 6.0)
"""Smallest and largest log beta."""

SMALL = 0.05
"""Nats added to rates before logarithms are taken: errors of a rate near nothing count in nats, not in per cent."""

MEANING: dict[Status, str] = {
    "reached": "within the tolerance",
    "rate_ceiling": "more is not to be had at the smallest beta",
    "rate_floor": "less is not to be had at the largest beta, or it has collapsed",
    "not_converged": "missed in the time there was",
    "joint_infeasible": "not to be had together with the others",
}
"""What the statuses mean."""

MANY = 1.5
"""From such a freedom of the betas on, many serve."""

UNITS = {"nats": 1.0, "nat": 1.0, "bits": math.log(2), "bit": math.log(2)}
"""Nats in each unit."""

HOW = (
    "write LAYERS=RATE, several joined by commas: 2=20,1=40 (nats per image), 2=30bits, 3+2=20 (layers 3 and 2 "
    "together), total=60, total=60,2=25% (a share of the total)"
)


@dataclasses.dataclass(frozen=True)
class RateTarget:
    """A rate that one layer shall have, or several together."""

    layers: tuple[int, ...]
    """Their numbers, top first: L is the top layer, 1 the lowest."""
    rate: float
    """Nats per image."""

    def __str__(self) -> str:
        return f"{'+'.join(map(str, self.layers))}={self.rate:.10g}"


def requested(text: str, layers: int) -> tuple[RateTarget, ...]:
    """The targets of a request, such as ``2=20,1=40``, for a model of so many layers.

    Layers joined by ``+`` are to have a rate together, by one common beta. ``total`` is all layers: with nothing else,
    they share one beta and split the rate freely; layers that are named beside it have their own, as a rate or as a
    share in per cent of the total, and those that are not share what is left.

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
            raise SpecError(f"target_rates is {text!r}: {HOW}")
        if name == "total":
            if total is not None:
                raise SpecError(f"target_rates is {text!r}: it names the total twice")
            total = _nats(rate, text)
            continue
        group = tuple(sorted((_layer(word, layers, text) for word in name.split("+")), reverse=True))
        if len({*group, *(layer for other in named for layer in other)}) < len(group) + sum(map(len, named)):
            raise SpecError(f"target_rates is {text!r}: it names a layer twice")
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
        raise SpecError(f"target_rates is {text!r}: the layers' rates sum to {total - left:.6g} nats, not to the total")
    if others and left <= 1e-6 * total:
        raise SpecError(
            f"target_rates is {text!r}: nothing is left of the total for layers {', '.join(map(str, others))}"
        )
    return [RateTarget(others, left)] if others else []


def _layer(word: str, layers: int, text: str) -> int:
    if not word.isdigit():
        raise SpecError(f"target_rates is {text!r}: {HOW}")
    if not 1 <= int(word) <= layers:
        raise SpecError(f"target_rates is {text!r}: there is no layer {word}, the layers are {layers} (top) to 1")
    return int(word)


def _part(rate: str, total: float | None, text: str) -> float:
    """A rate, or a share of the total, in nats."""
    if not rate.endswith("%"):
        return _nats(rate, text)
    if total is None:
        raise SpecError(f"target_rates is {text!r}: a share in % needs a total, such as total=60,2=25%")
    return _nats(rate[:-1], text) / 100 * total


def _nats(rate: str, text: str) -> float:
    unit = next((unit for unit in UNITS if rate.endswith(unit)), None)
    try:
        value = float(rate.removesuffix(unit or "")) * UNITS[unit or "nats"]
    except ValueError as error:
        raise SpecError(f"target_rates is {text!r}: {rate!r} is not a rate; {HOW}") from error
    if not (value > 0 and math.isfinite(value)):
        raise SpecError(f"target_rates is {text!r}: rates must be above 0 and finite")
    return value


class Outcome(NamedTuple):
    """What became of one target."""

    layers: tuple[int, ...]
    """Their numbers, top first."""
    wanted: float
    """Nats per image."""
    achieved: float | None
    """Nats per image, held out; None if training diverged."""
    beta: float
    """Of these layers."""
    error: float | None
    """Relative."""
    status: Status


def outcomes(
    targets: Sequence[RateTarget], rates: Sequence[float | None], betas: Sequence[float], tolerance: float
) -> list[Outcome]:
    """Whether the rates asked for were reached, and if not, why.

    - ``reached``: within the tolerance;
    - ``rate_ceiling``: too low although beta is at the bottom of its range, so that more is not to be had;
    - ``rate_floor``: too high although beta is at the top of its range; or both the target and the rate are below
      0.05 nats: such a layer has collapsed, and what little it carries follows its beta no longer;
    - ``joint_infeasible``: missed while another target is beyond its own range: not to be had together;
    - ``not_converged``: missed otherwise; longer training may help.

    Args:
        rates: of each layer, top first, nats per image; None if training diverged.
        betas: of each layer, top first.
        tolerance: largest relative error that counts as reached.
    """
    found: list[Outcome] = []
    for target in targets:
        places = [len(rates) - layer for layer in target.layers]
        known = [rate for rate in (rates[place] for place in places) if rate is not None]
        achieved = sum(known) if len(known) == len(places) else None
        error = None if achieved is None else achieved / target.rate - 1
        beta = betas[places[0]]
        status = _status(target.rate, achieved, math.log(beta), tolerance)
        found.append(Outcome(target.layers, target.rate, achieved, beta, error, status))
    if any(one.status in ("rate_ceiling", "rate_floor") for one in found):
        return [one._replace(status="joint_infeasible") if one.status == "not_converged" else one for one in found]
    return found


def _status(wanted: float, achieved: float | None, log: float, tolerance: float) -> Status:
    if achieved is None:
        return "not_converged"
    if abs(achieved - wanted) <= tolerance * wanted:
        return "reached"
    low, high = RANGE
    edge = 0.01 * (high - low)
    if achieved < wanted and log <= low + edge:
        return "rate_ceiling"
    if (achieved > wanted and log >= high - edge) or max(achieved, wanted) < SMALL:
        return "rate_floor"
    return "not_converged"


@dataclasses.dataclass(frozen=True)
class Answer:
    """The model found for a request of rates, by training or, on a conditioned network, without.

    Lists run over the layers, top first.
    """

    request: str
    betas: tuple[float, ...]
    rates: tuple[float | None, ...]
    """Held out, nats per image; None if training diverged."""
    distortion: float | None
    """Nats per image."""
    psnr: float | None
    """dB."""
    outcomes: tuple[Outcome, ...]
    run: str | None = None
    """The run that was trained for it; None where no training was needed."""
    freedom: float | None = None
    """Factor by which the betas may change along some direction, to first order, within the tolerance of all rates;
    large where layers trade rate almost freely, near equal betas."""

    @property
    def reached(self) -> bool:
        """Whether every rate was."""
        return all(outcome.status == "reached" for outcome in self.outcomes)

    def __str__(self) -> str:
        betas = ", ".join(f"{beta:.4g}" for beta in self.betas)
        lines = [
            f"{self.request}: betas ({betas}), distortion {_told(self.distortion)} nats/image, "
            f"PSNR {_told(self.psnr)} dB"
        ]
        for one in self.outcomes:
            layers = f"layer{'s' if len(one.layers) > 1 else ''} {'+'.join(map(str, one.layers))}"
            off = "" if one.error is None else f" ({one.error:+.1%} off)"
            word = one.status.replace("_", " ")
            lines.append(
                f"  {layers}: {_told(one.achieved)} of {one.wanted:.4g} nats/image{off}, {word}: {MEANING[one.status]}"
            )
        if self.freedom is not None and self.freedom > MANY:
            lines.append(
                f"  many betas serve: along one direction they may change by a factor of {self.freedom:.2g} while all "
                "rates stay within the tolerance; these have the lowest distortion found"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`from_dict` reads it back."""
        return dataclasses.asdict(self) | {"outcomes": [outcome._asdict() for outcome in self.outcomes]}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Answer":
        """Read what :meth:`to_dict` wrote; raises KeyError or TypeError where something is missing."""
        fields: dict[str, Any] = dict(values)
        for name in ("betas", "rates"):
            fields[name] = tuple(values[name])
        fields["outcomes"] = tuple(Outcome(**one | {"layers": tuple(one["layers"])}) for one in values["outcomes"])
        return Answer(**fields)


def _told(number: float | None) -> str:
    return "no" if number is None else f"{number:.4g}"
