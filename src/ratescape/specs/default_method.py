"""The method of a landscape for which none was asked."""

from typing import NamedTuple

from ratescape.errors import SpecError
from ratescape.specs.grid import BetaGrid
from ratescape.specs.groups import Groups, resolved_groups
from ratescape.specs.methods import Conditioned, Dedicated
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec

MOST_GROUPS = 3
"""Betas that one network is given unless asked for more: with so many it was seen to keep its layers."""


class Default(NamedTuple):
    """The method of a landscape for which none was asked."""

    method: type[Dedicated | Conditioned]
    reason: str
    """Which, and why, in one line."""


def default_method(
    model: ModelSpec,
    training: TrainingSpec,
    grid: BetaGrid,
    groups: Groups | None,
    annealing: str | None = None,
) -> Default:
    """One conditioned network wherever that is possible, else a model of its own for each beta point.

    Example::

        default_method(ModelSpec(), TrainingSpec(), BetaGrid(), None).method  # Conditioned

    Args:
        groups: as of :class:`Dedicated`.
        annealing: as of :class:`ConditioningSpec`.

    Raises:
        SpecError: ``training`` says how betas are annealed, which a conditioned network would not heed.
    """
    count = 0 if model.is_open else len(set(resolved_groups(groups, model)))  # 0: not counted yet
    if not model.tunable:
        why = f"the layer rates of a {model.title} model cannot be tuned one by one"
    elif grid.steps == 1:
        why = "there is one beta point"
    elif count > MOST_GROUPS:
        why = f"one network was tried with up to {MOST_GROUPS} betas (--method conditioned takes more)"
    else:
        _refuse_annealing(training, annealing)
        points = f"all {len(grid.combinations(count))} beta points" if count else "all beta points"
        return Default(
            Conditioned,
            f"method conditioned: one network gives the models of {points} (--method dedicated trains each alone)",
        )
    return Default(Dedicated, f"method dedicated: each model is trained alone, since {why}")


def _refuse_annealing(training: TrainingSpec, annealing: str | None) -> None:
    usual = TrainingSpec()
    if training.annealing != usual.annealing and annealing != "linear":
        raise SpecError(
            f"training.annealing is {training.annealing}: the conditioned network, which is the default, anneals its "
            "betas otherwise; leave it out, or add --conditioning.annealing linear (all betas rise over so many "
            "epochs) or --method dedicated (each model is trained alone)"
        )
    if training.annealing_path != usual.annealing_path:
        raise SpecError(
            f"training.annealing_path is {training.annealing_path}: the conditioned network, which is the default, "
            "does not heed it; leave it out, or add --method dedicated (each model is trained alone)"
        )
