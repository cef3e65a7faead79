"""A family of models, and how it comes about."""

import dataclasses
from typing import ClassVar

from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.methods import Dedicated, Method
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.specs.training import TrainingSpec


@dataclasses.dataclass(frozen=True)
class SweepSpec:
    """A family of models: over a grid of betas, or one for each request of rates.

    Example::

        SweepSpec(data=DataSpec("mnist"), method=Dedicated(grid=BetaGrid(steps=7)))
    """

    KIND: ClassVar[str] = "sweep"

    data: DataSpec = dataclasses.field(default_factory=DataSpec)
    model: ModelSpec = dataclasses.field(default_factory=ModelSpec)
    training: TrainingSpec = dataclasses.field(default_factory=TrainingSpec)
    method: Method = dataclasses.field(default_factory=Dedicated)
    """How the models come about; owns the fields that mean something for it alone."""
    seeds: tuple[int, ...] = (0,)
    """One model for every seed and beta point, or request of rates."""
    evaluation: EvaluationSpec = dataclasses.field(default_factory=EvaluationSpec)

    def __post_init__(self) -> None:
        convert_fields(self, "")
        fine = len(self.seeds) > 0 and len(set(self.seeds)) == len(self.seeds) and min(self.seeds) >= 0
        require(fine, "seeds", self.seeds, "distinct numbers, at least 0")
        chosen = "Dedicated(...), Conditioned(...) or Targeted(...)"
        require(isinstance(self.method, Method), "method", self.method, chosen)
        if not self.model.is_open:
            self.method.check(self.model)

    @property
    def selection_split(self) -> str:
        """The split that models are chosen on."""
        return "validation" if self.data.validation > 0 else "test"

    def models(self) -> int:
        """Models of each seed: those that may train together."""
        return len(self.runs()) // len(self.seeds)

    def runs(self) -> list[RunSpec]:
        """One run for every seed and beta point, or request of rates."""
        return self.method.runs(self._base(), self.seeds)

    def networks(self) -> list[NetworkSpec]:
        """The conditioned networks that runs are taken from, one for every seed; none for other methods."""
        return self.method.networks(self._base(), self.seeds)

    def grouping(self) -> tuple[int, ...]:
        """Group of each layer, top first: layers of a group share one beta; the groups are a landscape's axes."""
        return self.method.grouping(self.model)

    def fine_points(self) -> list[tuple[float, ...]]:
        """Beta points, top layer first, that a network is measured at besides those of the runs; maybe none."""
        return self.method.fine_points(self.model)

    def _base(self) -> RunSpec:
        return RunSpec(data=self.data, model=self.model, training=self.training)
