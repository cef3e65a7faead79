"""One model to train, or one network to take models from."""

import dataclasses
import math
from typing import ClassVar

from ratescape.errors import SpecError
from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields
from ratescape.specs.conditioning import BalancedSpec, StaggeredSpec
from ratescape.specs.control import ControlSpec
from ratescape.specs.data import DataSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget
from ratescape.specs.training import TrainingSpec


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """A network that is conditioned on its betas."""

    KIND: ClassVar[str] = "network"

    data: DataSpec = dataclasses.field(default_factory=DataSpec)
    model: ModelSpec = dataclasses.field(default_factory=ModelSpec)
    training: TrainingSpec = dataclasses.field(default_factory=TrainingSpec)
    low: float = 0.08
    """Smallest beta of the box."""
    high: float = 12.5
    """Largest beta of the box."""
    groups: tuple[int, ...] = (0, 1)
    """Group of each layer, top first: layers of a group always have the same beta."""
    width: int = 64
    """Hidden units of the small network that turns betas into gains, shifts and scales."""
    rank: int = 8
    """Rank of the low-rank adapter of each layer next to the latents."""
    knots: int = 5
    """Knots of each axis of betas, between which gains, shifts and scales are interpolated; 0 for none."""
    seed: int = 0
    """Seed of initial weights, order of images, noise and betas."""
    staggered: StaggeredSpec | None = None
    """Betas are annealed lower layers first; None: otherwise."""
    balanced: BalancedSpec | None = None
    """Betas are annealed from where all groups carry alike; without it and ``staggered`` they rise linearly, all
    together, over ``training.annealing``."""
    restarts: int = 0
    """How often the training starts again at most where a group of layers dies."""

    def __post_init__(self) -> None:
        require(self.low > 0 and math.isfinite(self.low), "network.low", self.low, "above 0")
        require(self.high > self.low and math.isfinite(self.high), "network.high", self.high, "above network.low")
        layers, numbers = self.model.layers, set(self.groups)
        fits = len(self.groups) == layers and numbers == set(range(max(self.groups, default=-1) + 1))
        require(fits, "network.groups", self.groups, f"one group for each of the {layers} layers, numbered 0, 1, ...")
        require(self.width > 0, "network.width", self.width, "positive")
        require(self.rank >= 0, "network.rank", self.rank, "at least 0")
        require(self.knots == 0 or self.knots > 1, "network.knots", self.knots, "0, or at least 2")
        require(self.seed >= 0, "network.seed", self.seed, "at least 0")
        require(self.restarts >= 0, "network.restarts", self.restarts, "at least 0")
        one = self.staggered is None or self.balanced is None
        require(one, "network.balanced", self.balanced, "left out beside network.staggered")


@dataclasses.dataclass(frozen=True)
class MergedSpec:
    """Where a model comes from that is taken from a conditioned network at its betas, and perhaps refined."""

    network: NetworkSpec
    refine: int = 0
    """Epochs of training at the model's own betas."""
    refine_learning_rate: float | None = None
    """Learning rate at their peak; default: 1e-3 of Muon, 3e-4 of Adam."""

    def __post_init__(self) -> None:
        require(self.refine >= 0, "merged.refine", self.refine, "at least 0")
        lr = self.refine_learning_rate
        require(lr is None or (lr > 0 and math.isfinite(lr)), "merged.refine_learning_rate", lr, "positive")


@dataclasses.dataclass(frozen=True)
class TargetSpec:
    """Rates that a model is to get by training; its betas are controlled until it has them."""

    rates: tuple[RateTarget, ...]
    control: ControlSpec = dataclasses.field(default_factory=ControlSpec)
    """How betas are controlled."""

    def __post_init__(self) -> None:
        require(len(self.rates) > 0, "target.rates", self.rates, "one rate at least")

    @property
    def request(self) -> str:
        """The rates as text, such as ``2=20,1=40``."""
        return ",".join(map(str, self.rates))


@dataclasses.dataclass(frozen=True)
class RunSpec:
    """One model to train: its data, network, one beta for each layer, recipe and seed.

    Example::

        RunSpec(model=ModelSpec(family="lvae"), betas=(0.5, 2.0))
    """

    KIND: ClassVar[str] = "run"

    data: DataSpec = dataclasses.field(default_factory=DataSpec)
    model: ModelSpec = dataclasses.field(default_factory=ModelSpec)
    training: TrainingSpec = dataclasses.field(default_factory=TrainingSpec)
    betas: tuple[float, ...] = ()
    """One multiplier for each layer, top layer first; default: 1 for each, the ELBO's."""
    seed: int = 0
    """Seed of initial weights, order of images and noise."""
    merged: MergedSpec | None = None
    """The conditioned network that the model is taken from; None if it is trained by itself."""
    target: TargetSpec | None = None
    """The rates that it is to get, in place of betas; None if betas are given."""

    def __post_init__(self) -> None:
        convert_fields(self, "")
        if self.betas:
            check_betas(self.betas, self.model)
        require(self.seed >= 0, "seed", self.seed, "at least 0")


def check_betas(betas: tuple[float, ...], model: ModelSpec) -> None:
    """Refuse betas that do not fit the model.

    Raises:
        SpecError: a wrong number of betas, a beta that is not positive and finite, or unequal betas for a
            bottom-up model, whose layer rates have no meaning of their own (Sec. 3.1).
    """
    if not model.is_open:
        require(
            len(betas) == model.layers, "betas", betas, f"one number for each of the {model.layers} layers, top first"
        )
    require(all(beta > 0 and math.isfinite(beta) for beta in betas), "betas", betas, "all above 0 and finite")
    if not model.tunable and len(set(betas)) > 1:
        raise SpecError(
            f"betas is {betas!r}: a {model.title} model takes equal betas only, since q(z2|z1) sees no data but "
            "through z1 and so its layer rates cannot be tuned one by one (Sec. 3.1 of the paper); use ghvae or lvae"
        )


def check_targets(targets: tuple[RateTarget, ...], model: ModelSpec) -> None:
    """Refuse rates that a model cannot be asked for; raises :class:`SpecError`."""
    if not model.tunable and len(targets[0].layers) < model.layers:
        raise SpecError(
            f"target_rates: a {model.title} model can be asked for its total rate only (total=60), since its layer "
            "rates cannot be tuned one by one (Sec. 3.1 of the paper); use ghvae or lvae"
        )
