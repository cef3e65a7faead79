"""How the models of a landscape come about: one class for each method, with the fields that mean something for it."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from ratescape.errors import SpecError
from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields
from ratescape.specs.conditioning import (
    DESCENT,
    RESTARTS,
    AnnealingName,
    BalancedSpec,
    ConditioningSpec,
    StaggeredSpec,
    usual_descent,
    usual_restarts,
)
from ratescape.specs.control import ControlSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.groups import Groups, resolved_groups
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget, Request, request_text, requested
from ratescape.specs.runs import MergedSpec, NetworkSpec, RunSpec, TargetSpec, check_targets
from ratescape.specs.training import TrainingSpec

MARGIN = 1.25
"""How far the box of a conditioned network reaches beyond the grid on each side, unless the spec says otherwise."""


@dataclasses.dataclass(frozen=True)
class Dedicated:
    """A model of its own for each beta point, as in the paper.

    Example::

        map_landscape("mnist", method=Dedicated(grid=BetaGrid(steps=7)))
    """

    kind: ClassVar[str] = "dedicated"
    effort: ClassVar[int] = 1
    """How many times the usual epochs a training takes where the spec leaves its length open, and images are many."""

    grid: BetaGrid = dataclasses.field(default_factory=BetaGrid)
    groups: Groups | None = None
    """Layers of a group share one beta: the group of each layer, top first, numbered from 0; or of a deep network the
    resolutions of each group, such as 1-4,7 14; default: each layer, or each resolution, its own."""

    def __post_init__(self) -> None:
        convert_fields(self, "")

    def check(self, model: ModelSpec) -> None:
        """Refuse a model that the method cannot serve; raises :class:`SpecError`."""
        groups = self.grouping(model)
        if not model.tunable and ((self.groups is None and self.grid.steps > 1) or len(set(groups)) > 1):
            one = (0,) * model.layers
            raise SpecError(
                f"groups is {self.groups}: a {model.title} sweep needs one beta for all layers, since its layer rates "
                f"cannot be tuned one by one (Sec. 3.1 of the paper): add --groups {' '.join(map(str, one))} "
                f"(in Python groups={one})"
            )

    def grouping(self, model: ModelSpec) -> tuple[int, ...]:
        """Group of each layer, top first: layers of a group share one beta."""
        return resolved_groups(self.groups, model)

    def resolved(self, model: ModelSpec, training: TrainingSpec, steps: int) -> "Dedicated":
        """Nothing is left open."""
        return self

    def runs(self, base: RunSpec, seeds: tuple[int, ...]) -> list[RunSpec]:
        """One run for every seed and beta point.

        Args:
            base: data, model and training of all runs.
            seeds: of the models.
        """
        points = self.grid.spread(self.grouping(base.model))
        return [dataclasses.replace(base, betas=betas, seed=seed) for seed in seeds for betas in points]

    def networks(self, base: RunSpec, seeds: tuple[int, ...]) -> list[NetworkSpec]:
        """There is no network that runs are taken from."""
        return []

    def fine_points(self, model: ModelSpec) -> list[tuple[float, ...]]:
        """Nothing is known between the models."""
        return []

    def fine_uses(self) -> int:
        """Nor for any use."""
        return 0

    def refined_epochs(self) -> int:
        """No model is refined."""
        return 0


@dataclasses.dataclass(frozen=True)
class Conditioned:
    """One network for each seed that is conditioned on its betas; the model of each beta point is taken from it.

    Example::

        map_landscape("mnist", method=Conditioned(conditioning=ConditioningSpec(refine=2)))
    """

    kind: ClassVar[str] = "conditioned"
    effort: ClassVar[int] = 2

    grid: BetaGrid = dataclasses.field(default_factory=BetaGrid)
    groups: Groups | None = None
    """As of :class:`Dedicated`."""
    conditioning: ConditioningSpec = dataclasses.field(default_factory=ConditioningSpec)
    """How the network is made."""

    def __post_init__(self) -> None:
        convert_fields(self, "")

    def check(self, model: ModelSpec) -> None:
        """Refuse a model that the method cannot serve, or a box that does not hold the grid."""
        Dedicated(self.grid, self.groups).check(model)
        how, grid = self.conditioning, self.grid
        require(how.low is None or how.low <= grid.low, "conditioning.low", how.low, f"at most grid.low ({grid.low:g})")
        fits = how.high is None or how.high >= grid.high
        require(fits, "conditioning.high", how.high, f"at least grid.high ({grid.high:g})")
        try:
            self.fine_points(model)
        except SpecError as error:
            raise SpecError(
                f"conditioning.fine is {how.fine!r}: it must be 0 for a grid as narrow as {grid.low:g} to {grid.high:g}"
            ) from error

    def grouping(self, model: ModelSpec) -> tuple[int, ...]:
        """Group of each layer, top first: layers of a group share one beta."""
        return resolved_groups(self.groups, model)

    def annealing(self, model: ModelSpec) -> AnnealingName:
        """How the betas of the network are annealed."""
        if max(self.grouping(model)) == 0:
            return "linear"
        return self.conditioning.annealing or usual_annealing(model)

    def resolved(self, model: ModelSpec, training: TrainingSpec, steps: int) -> "Conditioned":
        """The method with annealing and restarts filled in that this training of a model gets, of so many steps."""
        annealing, how = self.annealing(model), self.conditioning
        descent = usual_descent(annealing, steps, training.optimiser) if how.descent is None else how.descent
        restarts = usual_restarts(steps) if how.restarts is None else how.restarts
        how = dataclasses.replace(how, annealing=annealing, descent=descent, restarts=restarts)
        return dataclasses.replace(self, conditioning=how)

    def box(self) -> tuple[float, float]:
        """Smallest and largest beta that the network is trained on."""
        how, grid = self.conditioning, self.grid
        low = float(f"{grid.low / MARGIN:.10g}") if how.low is None else how.low
        return low, float(f"{grid.high * MARGIN:.10g}") if how.high is None else how.high

    def runs(self, base: RunSpec, seeds: tuple[int, ...]) -> list[RunSpec]:
        """One run for every seed and beta point, as of :meth:`Dedicated.runs`."""
        how, points = self.conditioning, self.grid.spread(self.grouping(base.model))
        return [
            dataclasses.replace(
                base,
                betas=betas,
                seed=network.seed,
                merged=MergedSpec(network, how.refine, how.refine_learning_rate),
            )
            for network in self.networks(base, seeds)
            for betas in points
        ]

    def networks(self, base: RunSpec, seeds: tuple[int, ...]) -> list[NetworkSpec]:
        """One network for each seed; arguments as of :meth:`runs`."""
        low, high = self.box()
        how, groups = self.conditioning, self.grouping(base.model)
        annealing, descent = self.annealing(base.model), DESCENT if how.descent is None else how.descent
        staggered = StaggeredSpec(how.rise, descent) if annealing == "staggered" else None
        balanced = BalancedSpec(how.rise, descent) if annealing == "balanced" else None
        one = NetworkSpec(base.data, base.model, base.training, low, high, groups, how.width, how.rank)
        restarts = RESTARTS if how.restarts is None else how.restarts
        one = dataclasses.replace(one, knots=how.knots, staggered=staggered, balanced=balanced, restarts=restarts)
        return [dataclasses.replace(one, seed=seed) for seed in seeds]

    def fine_points(self, model: ModelSpec) -> list[tuple[float, ...]]:
        """The beta points of the fine landscape; none for other than two axes of betas."""
        groups, fine = self.grouping(model), self.conditioning.fine
        if max(groups) != 1 or fine == 0 or self.grid.steps == 1:
            return []
        return BetaGrid(self.grid.low, self.grid.high, fine).spread(groups)

    def fine_uses(self) -> int:
        """Images by which these points are measured for anomalies and restoring, too; 0 for none."""
        return self.conditioning.fine_uses

    def refined_epochs(self) -> int:
        """Epochs that the recommended models are refined for in all; 0 where all models are for as many or more."""
        how = self.conditioning
        return how.refine_recommended if how.refine_recommended > how.refine else 0


@dataclasses.dataclass(frozen=True)
class Targeted:
    """A model for each request of rates; its betas are found while it trains.

    Example::

        map_landscape("mnist", method=Targeted(target_rates=("2=20,1=40", "total=60")))
        map_landscape("mnist", method=Targeted(target_rates=({2: 20, 1: 40},)))
    """

    kind: ClassVar[str] = "targeted"
    effort: ClassVar[int] = 1

    target_rates: tuple[Request, ...] = ()
    """Requests of rates, one model each, in nats per image: such as 2=20,1=40 (layer=rate, the top of two layers is 2),
    2=30bits, total=60, total=60,2=25%, 3+2=20 (together), 9-5=20 (layers 9 to 5), r14=30 (layers of a resolution)."""
    control: ControlSpec = dataclasses.field(default_factory=ControlSpec)
    """How betas are controlled."""

    def __post_init__(self) -> None:
        given = self.target_rates  # in Python, a request may be a mapping, and one alone needs no list
        texts = tuple(map(request_text, (given,) if isinstance(given, (str, Mapping)) else given))
        object.__setattr__(self, "target_rates", texts)

    def check(self, model: ModelSpec) -> None:
        """Refuse requests that cannot be read, or that the model cannot be asked for."""
        require(bool(self.target_rates), "target_rates", self.target_rates, "one or more with method targeted")
        for request in self.target_rates:
            check_targets(_targets(request, model), model)

    def grouping(self, model: ModelSpec) -> tuple[int, ...]:
        """Each layer, or each resolution, is reported by itself, whatever layers a request asks for together."""
        return model.usual_groups if model.family == "deep" else tuple(range(model.layers))

    def resolved(self, model: ModelSpec, training: TrainingSpec, steps: int) -> "Targeted":
        """Nothing is left open."""
        return self

    def runs(self, base: RunSpec, seeds: tuple[int, ...]) -> list[RunSpec]:
        """One run for every seed and request, as of :meth:`Dedicated.runs`."""
        asked = [_targets(one, base.model) for one in self.target_rates]
        targets = [TargetSpec(rates, self.control) for rates in asked]
        return [dataclasses.replace(base, seed=seed, target=target) for seed in seeds for target in targets]

    def networks(self, base: RunSpec, seeds: tuple[int, ...]) -> list[NetworkSpec]:
        """There is no network that runs are taken from."""
        return []

    def fine_points(self, model: ModelSpec) -> list[tuple[float, ...]]:
        """Nothing is known between the models."""
        return []

    def fine_uses(self) -> int:
        """Nor for any use."""
        return 0

    def refined_epochs(self) -> int:
        """No model is refined."""
        return 0


def _targets(request: Request, model: ModelSpec) -> tuple[RateTarget, ...]:
    """The targets of one request of a sweep; errors name the sweep's field."""
    try:
        return requested(request_text(request), model.layers, model.resolutions)
    except SpecError as error:
        raise SpecError(f"target_{error}") from error


Method: TypeAlias = Dedicated | Conditioned | Targeted


def usual_annealing(model: ModelSpec) -> AnnealingName:
    """How the betas of a network are annealed unless told otherwise: as keeps its layers (docs/results/one-run.md)."""
    return "staggered" if model.title == "ghvae" else "balanced"
