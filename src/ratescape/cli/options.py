"""Options of map and train: the fields of a sweep or of a run side by side, as on a command line or in a YAML file."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from ratescape.errors import SpecError
from ratescape.specs.codec import from_dict
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.control import ControlSpec
from ratescape.specs.data import DataSpec
from ratescape.specs.default_method import Default, default_method
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.given import METHODS
from ratescape.specs.grid import BetaGrid
from ratescape.specs.groups import Groups
from ratescape.specs.identity import differences
from ratescape.specs.methods import Targeted
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

OF_LANDSCAPES = ("method", "grid", "groups", "conditioning")
"""Fields that only the description of a landscape has."""

OF_MODELS_OF_LANDSCAPES = {
    "merged": "a model taken from a conditioned network",
    "target": "a model trained for target rates",
}
"""Fields that are set only in the description of a model that belongs to a landscape, and what it describes then."""

TargetRates = Annotated[tuple[str, ...], arg(metavar="LAYER=RATE,... ...")]


def section(spec: type) -> Any:
    """How a spec heads its options in the help: by the first sentence of its docstring."""
    return arg(help=(spec.__doc__ or "").partition("\n\n")[0])


@dataclasses.dataclass(frozen=True)
class SweepOptions:
    """What to train: the fields of a sweep and of its method, side by side.

    Example::

        SweepOptions(method="conditioned", grid=BetaGrid(steps=7)).spec()
    """

    data: Annotated[DataSpec, section(DataSpec)] = dataclasses.field(default_factory=DataSpec)
    model: Annotated[ModelSpec, section(ModelSpec)] = dataclasses.field(default_factory=ModelSpec)
    training: Annotated[TrainingSpec, section(TrainingSpec)] = dataclasses.field(default_factory=TrainingSpec)
    method: Literal["dedicated", "conditioned", "targeted"] | None = None
    """conditioned: one network that is conditioned on its betas, from which the model of each beta point is taken;
    dedicated: a model of its own for each beta point, as in the paper; targeted: a model for each request of rates;
    default: targeted if target_rates are given, else conditioned wherever that is possible (not bottom-up, two beta
    points or more, three betas at most), dedicated otherwise."""
    grid: Annotated[BetaGrid, section(BetaGrid)] = dataclasses.field(default_factory=BetaGrid)
    groups: Groups | None = None
    """Layers of a group share one beta: the group of each layer, top first, numbered from 0; or of a deep network the
    resolutions of each group, such as 1-4,7 14; default: each layer, or each resolution, its own."""
    conditioning: Annotated[ConditioningSpec, section(ConditioningSpec)] = dataclasses.field(
        default_factory=ConditioningSpec
    )
    target_rates: TargetRates = ()
    """Requests of rates, one model each, in nats per image: such as 2=20,1=40 (layer=rate, the top of two layers is 2),
    2=30bits, total=60, total=60,2=25%, 3+2=20 (together)."""
    control: Annotated[ControlSpec, section(ControlSpec)] = dataclasses.field(default_factory=ControlSpec)
    seeds: tuple[int, ...] = (0,)
    """One model for every seed and beta point, or request of rates."""
    evaluation: Annotated[EvaluationSpec, section(EvaluationSpec)] = dataclasses.field(default_factory=EvaluationSpec)

    def spec(self) -> SweepSpec:
        """The sweep that these options ask for.

        Raises:
            SpecError: an option is out of range, or means nothing for the method; the message names the option.
        """
        default = self.default
        method = METHODS[self.method or (Targeted.kind if default is None else default.method.kind)]
        fields = {field.name for field in dataclasses.fields(method)}
        _refuse_other_methods(self, fields)
        return SweepSpec(
            data=self.data,
            model=self.model,
            training=self.training,
            method=method(**{name: getattr(self, name) for name in fields}),
            seeds=self.seeds,
            evaluation=self.evaluation,
        )

    @property
    def default(self) -> Default | None:
        """The method that is taken where none is asked for, and why; None where the options say it.

        Raises:
            SpecError: as of :func:`ratescape.specs.default_method.default_method`.
        """
        if self.method is not None or self.target_rates:
            return None
        return default_method(self.model, self.training, self.grid, self.groups, self.conditioning.annealing)

    @classmethod
    def read(cls, values: dict[str, Any], path: Path) -> "SweepOptions":
        """Options from the fields of a config file.

        Raises:
            SpecError: the file describes something other than a landscape, or has an unknown key or a wrong value.
        """
        _refuse_models_of_landscapes(values, path)
        if "betas" in values:
            raise SpecError(f"{path} describes one model (it has betas): give it to train")
        return from_dict(cls, values)


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What to train: the fields of one model, whose betas are given or found for target rates.

    Example::

        RunOptions(betas=(0.5, 2.0)).spec()
    """

    data: Annotated[DataSpec, section(DataSpec)] = dataclasses.field(default_factory=DataSpec)
    model: Annotated[ModelSpec, section(ModelSpec)] = dataclasses.field(default_factory=ModelSpec)
    training: Annotated[TrainingSpec, section(TrainingSpec)] = dataclasses.field(default_factory=TrainingSpec)
    betas: tuple[float, ...] = ()
    """One multiplier for each layer, top layer first; default: 1 for each, the ELBO's."""
    seed: int = 0
    """Seed of initial weights, order of images and noise."""
    target_rates: TargetRates = ()
    """In place of betas, rates in nats per image: 2=20,1=40 (the top of two layers is 2), 2=30bits, total=60,
    total=60,2=25%, 3+2=20 (together). Several requests make several models, in a folder that is a landscape of them."""
    control: Annotated[ControlSpec, section(ControlSpec)] = dataclasses.field(default_factory=ControlSpec)

    def spec(self) -> RunSpec:
        """The model of given betas that these options ask for.

        Raises:
            SpecError: an option is out of range, or means something for target rates only.
        """
        if option := _changed(self, "control"):
            raise SpecError(f"{option} goes with target_rates: leave it out, or add --target-rates")
        return RunSpec(self.data, self.model, self.training, self.betas, self.seed)

    def sweep(self, evaluation: EvaluationSpec) -> SweepSpec:
        """The landscape of models of the target rates that these options ask for.

        Raises:
            SpecError: betas are given, too, or rates that cannot be asked for.
        """
        if self.betas:
            raise SpecError(
                f"betas is {self.betas}: with target_rates, betas are found by training; leave it out (control.others "
                "is the beta of layers without a target)"
            )
        return SweepSpec(
            data=self.data,
            model=self.model,
            training=self.training,
            method=Targeted(self.target_rates, self.control),
            seeds=(self.seed,),
            evaluation=evaluation,
        )

    @classmethod
    def read(cls, values: dict[str, Any], path: Path) -> "RunOptions":
        """Options from the fields of a config file.

        Raises:
            SpecError: the file describes something other than one model of given betas or models of target rates, or
                has an unknown key or a wrong value.
        """
        _refuse_models_of_landscapes(values, path)
        if found := [name for name in OF_LANDSCAPES if name in values]:
            raise SpecError(f"{path} describes a landscape (it has {found[0]}): give it to map")
        return from_dict(cls, {name: value for name, value in values.items() if name not in OF_MODELS_OF_LANDSCAPES})


def _refuse_models_of_landscapes(values: dict[str, Any], path: Path) -> None:
    for field, what in OF_MODELS_OF_LANDSCAPES.items():
        if values.get(field) is not None:
            raise SpecError(f"{path} describes {what}: give map the spec.yaml of its landscape")


def _refuse_other_methods(options: SweepOptions, fields: set[str]) -> None:
    """Refuse options that differ from their defaults but mean nothing for the method that has these fields."""
    for name in sorted({field.name for method in METHODS.values() for field in dataclasses.fields(method)} - fields):
        if option := _changed(options, name):
            kinds = [kind for kind, method in METHODS.items() if name in method.__dataclass_fields__]
            raise SpecError(f"{option} goes with method {' or '.join(kinds)}: leave it out, or add --method {kinds[0]}")


def _changed(options: SweepOptions | RunOptions, name: str) -> str | None:
    """Dotted name of the first option of a field that differs from its default; None if none does."""
    value, default = getattr(options, name), getattr(type(options)(), name)
    if value == default:
        return None
    return f"{name}.{differences(default, value)[0]}" if dataclasses.is_dataclass(value) else name
