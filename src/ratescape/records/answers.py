"""What became of the rates that were asked for."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ratescape.errors import RecordError, SpecError
from ratescape.records.files import read_json_lines, remake, to_json_lines, write_atomically
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.lines import betas_text
from ratescape.records.locks import locked
from ratescape.specs.codec import from_dict
from ratescape.specs.rate_targets import RANGE, SMALL, RateTarget, layers_text
from ratescape.specs.runs import TargetSpec

Status = Literal["reached", "rate_ceiling", "rate_floor", "not_converged", "joint_infeasible"]

MEANING: dict[Status, str] = {
    "reached": "within the tolerance",
    "rate_ceiling": "its beta is at the bottom of its range, so that no more is possible beside the other layers",
    "rate_floor": "its beta is at the top of its range, so that no less is possible, or the layer has collapsed",
    "not_converged": "missed within this training",
    "joint_infeasible": "not possible together with the others",
}
"""What the statuses mean."""

MANY = 1.5
"""From such a freedom of the betas on, many serve."""


@dataclasses.dataclass(frozen=True)
class Outcome:
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
    - ``rate_ceiling``: too low although beta is at the bottom of its range, so that no more is possible;
    - ``rate_floor``: too high although beta is at the top of its range; or both the target and the rate are below
      0.05 nats: such a layer has collapsed, and what little it carries no longer follows its beta;
    - ``joint_infeasible``: missed while another target is beyond its own range: they are not possible together;
    - ``not_converged``: missed otherwise; longer training may help.

    Args:
        rates: of each layer, top first, nats per image; None if training diverged.
        betas: of each layer, top first.
        tolerance: largest relative error that counts as reached.
    """
    found: list[Outcome] = []
    for target in targets:
        indices = [len(rates) - layer for layer in target.layers]
        known = [rate for rate in (rates[index] for index in indices) if rate is not None]
        achieved = sum(known) if len(known) == len(indices) else None
        error = None if achieved is None else achieved / target.rate - 1
        beta = betas[indices[0]]
        status = _status(target.rate, achieved, math.log(beta), tolerance)
        found.append(Outcome(target.layers, target.rate, achieved, beta, error, status))
    if any(one.status in ("rate_ceiling", "rate_floor") for one in found):
        found = [
            dataclasses.replace(one, status="joint_infeasible") if one.status == "not_converged" else one
            for one in found
        ]
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

    Example::

        answer = rs.Landscape("digits").at_rates({2: 20, 1: 40}).answer
        print(answer.betas, answer.reached)
    """

    request: str
    betas: tuple[float, ...]
    rates: tuple[float | None, ...]
    """Held out, nats per image; None if training diverged."""
    distortion: float | None
    """Nats per image."""
    psnr: float | None
    """dB; None of vectors."""
    outcomes: tuple[Outcome, ...]
    run: str | None = None
    """The run that was trained for it; None where no training was needed."""
    freedom: float | None = None
    """Factor by which the betas may change along some direction, to first order, within the tolerance of all rates;
    large where layers trade rate almost freely, near equal betas."""
    r2: float | None = None
    """Of vectors, in place of PSNR."""

    @property
    def reached(self) -> bool:
        """Whether every rate was."""
        return all(outcome.status == "reached" for outcome in self.outcomes)

    def __str__(self) -> str:
        lines = [
            f"{self.request}: betas {betas_text(self.betas)}, distortion {_shown(self.distortion)} nats, "
            + (f"PSNR {_shown(self.psnr)} dB" if self.r2 is None else f"R² {_shown(self.r2)}")
        ]
        for one in self.outcomes:
            layers = f"layer{'s' if len(one.layers) > 1 else ''} {layers_text(one.layers)}"
            off = "" if one.error is None else f" ({one.error:+.1%} off)"
            word = one.status.replace("_", " ")
            lines.append(
                f"  {layers}: {_shown(one.achieved)} of {one.wanted:.4g} nats{off}, {word}: {MEANING[one.status]}"
            )
        if self.reached and self.freedom is not None and self.freedom > MANY:
            lines.append(
                f"  many betas serve: along one direction they may change by a factor of {self.freedom:.2g} while all "
                "rates stay within the tolerance; these have the lowest distortion found"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`from_dict` reads it back.

        Example::

            json.dumps(answer.to_dict())
        """
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Answer":
        """Read what :meth:`to_dict` wrote; SpecError or TypeError where something is missing, or of another type.

        Example::

            answer = rs.Answer.from_dict(json.loads(text))
        """
        return from_dict(Answer, values)


def _shown(number: float | None) -> str:
    return "no" if number is None else f"{number:.4g}"


def answers(folder: SweepFolder) -> list[Answer]:
    """What was found for the rates asked for: by runs that were trained for them, then without training.

    Raises:
        RecordError: a record is missing or damaged.
    """
    spec = folder.spec()
    trained = [(run.target, folder.run(run)) for run in spec.runs() if run.target is not None]
    found = [_answer(target, run, spec.selection_split) for target, run in trained if run.done]
    if not folder.answers.exists():
        return found
    try:
        return found + [Answer.from_dict(line) for line in read_json_lines(folder.answers)]
    except (SpecError, TypeError) as error:
        raise RecordError(f"{folder.answers} is damaged: delete it, and ask for the rates again") from error


def add_answer(folder: SweepFolder, answer: Answer) -> None:
    """Remember what was found for a request, in place of an earlier answer to the same."""
    with locked(folder.path):
        before = [one for one in answers(folder) if one.run is None and one.request != answer.request]
        lines = [one.to_dict() for one in (*before, answer)]
        write_atomically(folder.answers, to_json_lines(lines))


def _answer(target: TargetSpec, run: RunFolder, split: str) -> Answer:
    lines = {line.get("split"): line for line in read_json_lines(run.evaluation)}
    try:
        line = lines[split]
        numbers = {name: line["metrics"][name] for name in ("rates", "distortion")}
        numbers |= {name: line["metrics"].get(name) for name in ("psnr", "r2")}
        values = {"betas": line["betas"], "outcomes": line["targets"]} | numbers
        return Answer.from_dict({"request": target.request, "run": run.path.name} | values)
    except (KeyError, TypeError, SpecError) as error:
        raise RecordError(f"{run.evaluation} is damaged: {remake(run.path)}") from error
