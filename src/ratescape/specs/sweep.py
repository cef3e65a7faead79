"""A family of models."""

import dataclasses

from ratescape.errors import SpecError
from ratescape.specs.checks import require
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.families import facts_of
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import MARGIN, ConditioningSpec, ControlSpec, Method
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import requested
from ratescape.specs.runs import MergedSpec, NetworkSpec, RunSpec, TargetedSpec, check_targets
from ratescape.specs.training import TrainingSpec


@dataclasses.dataclass(frozen=True)
class SweepSpec:
    """A family of models: over a grid of betas, or one for each request of rates."""

    data: DataSpec = dataclasses.field(default_factory=DataSpec)
    model: ModelSpec = dataclasses.field(default_factory=ModelSpec)
    training: TrainingSpec = dataclasses.field(default_factory=TrainingSpec)
    grid: BetaGrid = dataclasses.field(default_factory=BetaGrid)
    groups: tuple[int, ...] | None = None
    """Group of each layer, top first, numbered from 0; layers of a group share one beta; default: each its own."""
    seeds: tuple[int, ...] = (0,)
    """One model for every beta point and seed."""
    method: Method = "dedicated"
    """dedicated: train a model for each beta point, as the paper does; conditioned: train one network that is told its
    betas (for each seed), and take the model of each beta point from it; targeted: train a model for each request of
    rates, its betas found on the way."""
    target_rates: tuple[str, ...] = ()
    """Requests of rates, one model each, in nats per image: such as 2=20,1=40 (layer=rate, the top of two layers is 2),
    2=30bits, total=60, total=60,2=25%, 3+2=20 (together); for method targeted."""
    control: ControlSpec = dataclasses.field(default_factory=ControlSpec)
    """How betas are steered towards rates; without meaning for the other methods."""
    conditioning: ConditioningSpec = dataclasses.field(default_factory=ConditioningSpec)
    """How a conditioned network is made; without meaning for the other methods."""
    evaluation: EvaluationSpec = dataclasses.field(default_factory=EvaluationSpec)

    def __post_init__(self) -> None:
        fine = len(self.seeds) > 0 and len(set(self.seeds)) == len(self.seeds) and min(self.seeds) >= 0
        require(fine, "seeds", self.seeds, "distinct numbers, at least 0")
        if self.groups is not None:
            layers = self.model.layers
            expected = f"one group for each of the {layers} layers, numbered 0, 1, ... without gaps"
            count = max(self.groups, default=-1) + 1
            require(
                len(self.groups) == layers and set(self.groups) == set(range(count)), "groups", self.groups, expected
            )
        if self.method == "conditioned":
            self._check_box()
        wanted = "one or more with method targeted, and none with the others"
        require((self.method == "targeted") == bool(self.target_rates), "target_rates", self.target_rates, wanted)
        for request in self.target_rates:
            check_targets(requested(request, self.model.layers), self.model)
        if (
            self.method != "targeted"
            and not facts_of(self.model.family).tunable
            and self.grid.steps > 1
            and len(set(self.groups or (0, 1))) > 1
        ):
            raise SpecError(
                f"groups is {self.groups}: a bottom-up sweep needs one beta for all layers, so groups "
                f"{(0,) * self.model.layers}, since its layer rates cannot be tuned one by one (Sec. 3.1 of the paper)"
            )

    def points(self) -> list[tuple[float, ...]]:
        """The beta points, one beta for each layer, top first; none where betas are to be found."""
        if self.method == "targeted":
            return []
        groups = self._grouped()
        return [tuple(point[group] for group in groups) for point in self.grid.points(max(groups) + 1)]

    def models(self) -> int:
        """Models of each seed: those that may train together."""
        return len(self.runs()) // len(self.seeds)

    def runs(self) -> list[RunSpec]:
        """One run for every seed and beta point, or request of rates."""
        if self.method == "targeted":
            return [
                TargetedSpec(
                    data=self.data,
                    model=self.model,
                    training=self.training,
                    seed=seed,
                    targets=requested(request, self.model.layers),
                    control=self.control,
                )
                for seed in self.seeds
                for request in self.target_rates
            ]
        if self.method == "dedicated":
            return [
                RunSpec(data=self.data, model=self.model, training=self.training, betas=betas, seed=seed)
                for seed in self.seeds
                for betas in self.points()
            ]
        how = self.conditioning
        return [
            MergedSpec(
                data=self.data,
                model=self.model,
                training=self.training,
                betas=betas,
                seed=network.seed,
                network=network,
                refine=how.refine,
                refine_learning_rate=how.refine_learning_rate,
            )
            for network in self.networks()
            for betas in self.points()
        ]

    def networks(self) -> list[NetworkSpec]:
        """The networks that are told their betas, one for every seed; none where each point has a model of its own."""
        if self.method != "conditioned":
            return []
        low, high = self.box()
        how = self.conditioning
        return [
            NetworkSpec(self.data, self.model, self.training, low, high, self._grouped(), how.width, how.rank, seed)
            for seed in self.seeds
        ]

    def fine_points(self) -> list[tuple[float, ...]]:
        """The beta points of the fine landscape: none for dedicated models, or for other than two axes of betas."""
        groups = self._grouped()
        if self.method != "conditioned" or max(groups) != 1 or self.conditioning.fine == 0 or self.grid.steps == 1:
            return []
        grid = BetaGrid(self.grid.low, self.grid.high, self.conditioning.fine)
        return [tuple(point[group] for group in groups) for point in grid.points(2)]

    def _check_box(self) -> None:
        low, high, grid = self.conditioning.low, self.conditioning.high, self.grid
        require(low is None or low <= grid.low, "conditioning.low", low, f"at most grid.low ({grid.low:g})")
        require(high is None or high >= grid.high, "conditioning.high", high, f"at least grid.high ({grid.high:g})")
        try:
            self.fine_points()
        except SpecError as error:
            fine = self.conditioning.fine
            raise SpecError(
                f"conditioning.fine is {fine!r}: it must be 0 for a grid as narrow as {grid.low:g} to {grid.high:g}"
            ) from error

    def box(self) -> tuple[float, float]:
        """Smallest and largest beta that a conditioned network is trained on."""
        how = self.conditioning
        low = float(f"{self.grid.low / MARGIN:.10g}") if how.low is None else how.low
        high = float(f"{self.grid.high * MARGIN:.10g}") if how.high is None else how.high
        return low, high

    def _grouped(self) -> tuple[int, ...]:
        layers = self.model.layers
        # A bottom-up model takes equal betas only: without groups it has a grid of one step.
        return self.groups or ((0,) * layers if not facts_of(self.model.family).tunable else tuple(range(layers)))
