"""What would make a landscape cheaper: options of the command line, and the time that each saves."""

import dataclasses
from collections.abc import Mapping

from ratescape.execution.progress.forecast import Load
from ratescape.execution.progress.messages import PhaseName
from ratescape.execution.timing import Speeds
from ratescape.specs.methods import Targeted
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import SHORT_STEPS

NAMED = 3
"""Options that are named at most."""

WORTHWHILE = 0.05
"""Least share of the whole time that an option must save to be named."""


@dataclasses.dataclass(frozen=True)
class Saving:
    """An option, and the seconds that it is expected to save."""

    option: str
    seconds: float


def savings(spec: SweepSpec, loads: Mapping[PhaseName, Load], speeds: Speeds) -> tuple[Saving, ...]:
    """The options that save most, the largest saving first."""
    seconds: dict[PhaseName, float] = {phase: load.seconds or 0.0 for phase, load in loads.items()}
    found = [*_shorter(spec, loads, seconds), *_coarser(spec, seconds), *_fewer_measurements(spec, seconds, speeds)]
    if spec.method.fine_uses():  # which is nearly all that this phase then takes
        found.append(Saving("--conditioning.fine-uses 0", seconds.get("fine landscape", 0.0)))
    if seconds.get("refining"):
        found.append(Saving("--conditioning.refine-recommended 0", seconds["refining"]))
    worth = [one for one in found if one.seconds > WORTHWHILE * sum(seconds.values())]
    return tuple(sorted(worth, key=lambda one: -one.seconds)[:NAMED])


def longest(loads: Mapping[PhaseName, Load]) -> int:
    """Steps of the longest training that is left; 0 where none is."""
    kinds: tuple[PhaseName, ...] = ("network", "training")
    return max((steps for kind in kinds if kind in loads for steps in loads[kind].units.values()), default=0)


def _shorter(spec: SweepSpec, loads: Mapping[PhaseName, Load], seconds: Mapping[PhaseName, float]) -> list[Saving]:
    """Half the epochs, unless models would be far from trained."""
    epochs = (spec.training.epochs or 0) // 2
    if not epochs or longest(loads) < 2 * SHORT_STEPS:
        return []
    return [Saving(f"--training.epochs {epochs}", (seconds.get("network", 0.0) + seconds.get("training", 0.0)) / 2)]


def _coarser(spec: SweepSpec, seconds: Mapping[PhaseName, float]) -> list[Saving]:
    """Two beta points fewer on each axis, or half of those that are scattered."""
    if isinstance(spec.method, Targeted):
        return []
    grid, axes = spec.method.grid, len(set(spec.grouping()))
    models = seconds.get("training", 0.0) + seconds.get("measuring", 0.0)
    if grid.is_scattered(axes):
        return [Saving(f"--grid.points {grid.points // 2}", models / 2)] if grid.points > 1 else []
    if grid.steps < 4:
        return []
    steps = grid.steps
    share = 1 - ((steps - 2) / steps) ** axes
    return [Saving(f"--grid.steps {steps - 2}", share * models)]


def _fewer_measurements(spec: SweepSpec, seconds: Mapping[PhaseName, float], speeds: Speeds) -> list[Saving]:
    """Leave out what costs most of each model's measurements."""
    measuring = seconds.get("measuring", 0.0) / max(speeds.model, 1e-9)
    parts = {name: value * measuring for name, value in speeds.parts.items()}
    found = [
        Saving("--evaluation.no-information", parts.get("ceiling_rate", 0.0) if spec.evaluation.information else 0)
    ]
    if spec.evaluation.probes != "none":
        probes = sum(parts.get(name, 0.0) for name in ("features", "accuracy_logistic", "accuracy_sample"))
        found.append(Saving("--evaluation.probes none", probes))
    if judging := seconds.get("judge", 0.0):  # no other measurement needs the judge
        found.append(Saving("--evaluation.samples 0", judging + parts.get("inception_score", 0.0)))
    if spec.evaluation.samples > 1000:
        share = 1 - 1000 / spec.evaluation.samples
        found.append(Saving("--evaluation.samples 1000", share * parts.get("inception_score", 0.0)))
    return found
