"""One model to train, or one network to take models from."""

import dataclasses
import math

from ratescape.errors import SpecError
from ratescape.specs.checks import require
from ratescape.specs.data import DataSpec
from ratescape.specs.families import facts_of
from ratescape.specs.methods import ControlSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget
from ratescape.specs.training import TrainingSpec


@dataclasses.dataclass(frozen=True)
class RunSpec:
    """One model to train: its data, network, one beta for each layer, recipe and seed."""

    data: DataSpec = dataclasses.field(default_factory=DataSpec)
    model: ModelSpec = dataclasses.field(default_factory=ModelSpec)
    training: TrainingSpec = dataclasses.field(default_factory=TrainingSpec)
    betas: tuple[float, ...] = ()
    """One multiplier for each layer, top layer first; default: 1 for each, the ELBO's."""
    seed: int = 0
    """Seed of initial weights, order of images and noise."""

    def __post_init__(self) -> None:
        if self.betas:
            check_betas(self.betas, self.model)
        require(self.seed >= 0, "seed", self.seed, "at least 0")


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """A network that is told its betas."""

    data: DataSpec = dataclasses.field(default_factory=DataSpec)
    model: ModelSpec = dataclasses.field(default_factory=ModelSpec)
    training: TrainingSpec = dataclasses.field(default_factory=TrainingSpec)
    low: float = 0.08
    """Smallest beta of the box."""
    high: float = 12.5
    """Largest beta of the box."""
    groups: tuple[int, ...] = (0, 1)
    """Group of each layer, top first: layers of a group are always told the same beta."""
    width: int = 64
    """Hidden units of the network that turns betas into gains and shifts."""
    rank: int = 8
    """Further linear maps of each layer next to the latents, whose strengths the betas decide."""
    seed: int = 0
    """Seed of initial weights, order of images, noise and betas."""


@dataclasses.dataclass(frozen=True)
class MergedSpec(RunSpec):
    """The model of one beta point, taken from a network that is told its betas, and perhaps refined."""

    network: NetworkSpec = dataclasses.field(default_factory=NetworkSpec)
    refine: int = 0
    """Epochs of training at its own betas."""
    refine_learning_rate: float = 3e-4
    """Adam's learning rate at their start."""


@dataclasses.dataclass(frozen=True)
class TargetedSpec(RunSpec):
    """A model whose betas are steered while it trains, until its layers have the rates asked for."""

    targets: tuple[RateTarget, ...] = ()
    """The rates asked for."""
    control: ControlSpec = dataclasses.field(default_factory=ControlSpec)
    """How betas are steered."""


def check_betas(betas: tuple[float, ...], model: ModelSpec) -> None:
    """Refuse policy that do not fit the model.

    Raises:
        SpecError: a wrong number of betas, a beta that is not positive and finite, or unequal betas for a
            bottom-up model, whose layer rates have no meaning of their own (Sec. 3.1).
    """
    require(len(betas) == model.layers, "betas", betas, f"one number for each of the {model.layers} layers, top first")
    require(all(beta > 0 and math.isfinite(beta) for beta in betas), "betas", betas, "all above 0 and finite")
    if not facts_of(model.family).tunable and len(set(betas)) > 1:
        raise SpecError(
            f"betas is {betas!r}: a bottom-up model takes equal betas only, since q(z2|z1) sees no data but through "
            "z1 and so its layer rates cannot be tuned one by one (Sec. 3.1 of the paper); use ghvae or lvae"
        )


def check_targets(targets: tuple[RateTarget, ...], model: ModelSpec) -> None:
    """Refuse rates that a model cannot be asked for; raises :class:`SpecError`."""
    if not facts_of(model.family).tunable and len(targets[0].layers) < model.layers:
        raise SpecError(
            "target_rates: a bottom-up model can be asked for its total rate only (total=60), since its layer rates "
            "cannot be tuned one by one (Sec. 3.1 of the paper); use ghvae or lvae"
        )
