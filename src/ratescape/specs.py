"""What to do, said in full before anything is done: frozen, typed, checked, hashable.

A spec is identity: two runs with the same :class:`RunSpec` are the same run, and the name of its folder is
:func:`key` of its spec. Fields left ``None`` mean "as fits the data"; they are filled in before a key is
taken, and the filled-in spec is what is written beside the results. How the work is carried out (where, by
how many processes) lives in :class:`ExecutionSpec` and is not part of any identity.

Layers run top-down everywhere: index 0 is z_L, the last is z_1.
"""

import dataclasses
import difflib
import functools
import hashlib
import itertools
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from ratescape.errors import SpecError
from ratescape.targets import RateTarget, requested

T = TypeVar("T")

SCORE_SPLITS = 5
"""Splits that an inception score is averaged over, as in the paper."""

VERSION = 1
"""Version of everything written to disk. A folder with a higher one was made by a newer ratescape."""

MARGIN = 1.25
"""How far the box of a conditioned network reaches beyond the grid on each side, unless the spec says otherwise."""

Family = Literal["ghvae", "lvae", "bottom-up", "ladder"]
WarmupPath = Literal["geometric", "linear"]
LikelihoodName = Literal["bernoulli", "gaussian", "learned-gaussian", "logistic-mixture"]


def _require(condition: bool, field: str, value: object, expected: str) -> None:
    if not condition:
        raise SpecError(f"{field} is {value!r}: it must be {expected}")


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """Which images, and how they are split."""

    name: str = "mnist-5k"
    """A known name (see `ratescape data list`), or the path of a folder of images, a .npz or a .npy file."""
    binary: bool | None = None
    """Threshold pixels at 0.5, as the paper does for MNIST; default: only for the MNIST digits."""
    validation: float = 0.1
    """Share of the training images held out to choose models on; 0 chooses on test, as the paper does."""
    test: float = 0.2
    """Share of all images held out for testing where the source has no test split of its own."""
    limit: int | None = None
    """Use at most so many training images, drawn with the split seed; default: all."""
    split_seed: int = 0
    """Seed of the splits."""

    def __post_init__(self) -> None:
        _require(bool(self.name), "data.name", self.name, "a name or a path")
        _require(0 <= self.validation < 1, "data.validation", self.validation, "at least 0 and below 1")
        _require(0 < self.test < 1, "data.test", self.test, "between 0 and 1")
        _require(self.limit is None or self.limit > 0, "data.limit", self.limit, "a positive number of images")
        _require(self.split_seed >= 0, "data.split_seed", self.split_seed, "at least 0")


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which hierarchical VAE."""

    family: Family = "ghvae"
    """ghvae, lvae and bottom-up are the two-layer structures of the paper's Fig. 2; ladder has any number of layers."""
    channels: int | None = None
    """Channels of every hidden convolution; default as in the paper: 16 for grey images, 32 for colour."""
    latents: tuple[int, ...] | None = None
    """Latent sizes, top layer first: dimensions of the top vector, then channels of each 4x4-like map below it."""
    likelihood: LikelihoodName | None = None
    """Distribution of the pixels; default: bernoulli for binary images, gaussian otherwise."""
    sigma: float = 0.71
    """Standard deviation of the gaussian likelihood, in pixel units (range 0 to 1), as in the paper."""
    mixtures: int = 5
    """Components of the logistic-mixture likelihood."""

    def __post_init__(self) -> None:
        _require(self.channels is None or self.channels > 0, "model.channels", self.channels, "positive")
        if self.latents is not None:
            _require(
                len(self.latents) > 0 and all(size > 0 for size in self.latents),
                "model.latents",
                self.latents,
                "one positive size for each layer",
            )
            if self.family != "ladder":
                _require(
                    len(self.latents) == 2,
                    "model.latents",
                    self.latents,
                    f"two sizes for {self.family} (the ladder family takes any number of layers)",
                )
        _require(self.sigma > 0 and math.isfinite(self.sigma), "model.sigma", self.sigma, "positive")
        _require(self.mixtures > 0, "model.mixtures", self.mixtures, "positive")

    @property
    def layers(self) -> int:
        """Number L of latent layers."""
        return len(self.latents) if self.latents is not None else 2


@dataclasses.dataclass(frozen=True)
class TrainingSpec:
    """How a model is trained."""

    epochs: int | None = None
    """Passes over the training images; default: 20, or as many as make 1,000 steps where images are few; twice that for
    a network that is told its betas."""
    batch: int = 256
    """Images in a batch; the last batch of an epoch may be smaller."""
    learning_rate: float = 1e-3
    """Adam's learning rate (its peak, with the cosine schedule)."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate over training: constant as in the paper, or a cosine down to zero."""
    ramp: float = 0.0
    """Share of the steps, at the beginning, over which the learning rate rises from zero."""
    warmup: float | None = None
    """Epochs of beta warm-up; 0 for none; default: 0.3 of the epochs."""
    warmup_path: WarmupPath = "geometric"
    """geometric: from the smallest of a model's betas, linear in log beta; linear: all betas from 0, as for the
    paper's LVAE. Those of a conditioned network always rise linearly."""
    ema: float | None = None
    """Decay of an exponential moving average of the weights, which is then what is kept; default: none."""
    clip: float | None = None
    """Largest norm of a member's gradient; longer ones are scaled down; default: no clipping."""
    patience: int = 50
    """Steps in a row that a member may skip for a non-finite loss or gradient before it counts as diverged."""
    precision: Literal["float32", "tf32", "bf16", "float64"] = "float32"
    """Number format of weights and arithmetic; tf32 and bf16: float32 weights, losses and measurements, but shorter
    numbers inside matrix products and convolutions of training (tf32 on a GPU only)."""

    def __post_init__(self) -> None:
        _require(self.epochs is None or self.epochs > 0, "training.epochs", self.epochs, "positive")
        _require(self.batch > 0, "training.batch", self.batch, "positive")
        rate = self.learning_rate
        _require(rate > 0 and math.isfinite(rate), "training.learning_rate", rate, "positive")
        _require(0 <= self.ramp <= 1, "training.ramp", self.ramp, "between 0 and 1")
        if self.warmup is not None:
            _require(
                0 <= self.warmup <= (self.epochs or math.inf),
                "training.warmup",
                self.warmup,
                f"at least 0 and at most training.epochs ({self.epochs}): a warm-up that outlasts training "
                "would end at smaller betas than asked for",
            )
        _require(self.ema is None or 0 < self.ema < 1, "training.ema", self.ema, "between 0 and 1")
        _require(self.clip is None or self.clip > 0, "training.clip", self.clip, "positive")
        _require(self.patience > 0, "training.patience", self.patience, "positive")


@dataclasses.dataclass(frozen=True)
class BetaGrid:
    """Log-spaced multipliers for each layer (or group of layers); the paper's grid is 0.1 to 10 in 21 steps."""

    low: float = 0.1
    """Smallest beta."""
    high: float = 10.0
    """Largest beta."""
    steps: int = 5
    """Values for each layer."""

    def __post_init__(self) -> None:
        _require(self.low > 0 and math.isfinite(self.low), "grid.low", self.low, "above 0")
        _require(self.high >= self.low and math.isfinite(self.high), "grid.high", self.high, "at least grid.low")
        _require(self.steps > 0, "grid.steps", self.steps, "positive")
        expected = "1 where grid.low equals grid.high, 2 or more otherwise, and few enough to differ in 10 digits"
        distinct = len(set(self.values())) == self.steps
        _require((self.steps == 1) == (self.high == self.low) and distinct, "grid.steps", self.steps, expected)

    def values(self) -> tuple[float, ...]:
        """The grid's betas, ascending; rounded to 10 significant digits so that equal betas compare equal."""
        if self.steps == 1:
            return (self.low,)
        low, high = math.log(self.low), math.log(self.high)
        logs = (low + (high - low) * k / (self.steps - 1) for k in range(self.steps))
        return tuple(float(f"{math.exp(log):.10g}") for log in logs)

    def points(self, axes: int) -> list[tuple[float, ...]]:
        """All combinations for ``axes`` layers (or groups), top first: ``steps ** axes`` tuples."""
        return list(itertools.product(self.values(), repeat=axes))


Method = Literal["dedicated", "conditioned", "targeted"]


@dataclasses.dataclass(frozen=True)
class ConditioningSpec:
    """One network that is told its betas and covers a box of them, in place of one network for each beta point."""

    low: float | None = None
    """Smallest beta of the box; default: a quarter below the grid's, since errors are largest on the border."""
    high: float | None = None
    """Largest beta of the box; default: a quarter above the grid's."""
    width: int = 64
    """Hidden units of the network that turns betas into gains and shifts."""
    rank: int = 8
    """Further linear maps of each layer next to the latents, whose strengths the betas decide; 0 for none."""
    fine: int = 21
    """Betas for each of two axes in the fine landscape that the network gives without training; 0 for none."""
    refine: int = 0
    """Epochs that each beta point's own model is trained on, from where the network stands; 0 for none."""
    refine_learning_rate: float = 3e-4
    """Adam's learning rate at the start of refining; a cosine takes it to zero."""

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        _require(low is None or (low > 0 and math.isfinite(low)), "conditioning.low", low, "above 0")
        fine = high is None or (high > (low or 0.0) and math.isfinite(high))
        _require(fine, "conditioning.high", high, "above conditioning.low")
        _require(self.width > 0, "conditioning.width", self.width, "positive")
        _require(self.rank >= 0, "conditioning.rank", self.rank, "at least 0")
        _require(self.fine == 0 or self.fine > 1, "conditioning.fine", self.fine, "0, or at least 2")
        _require(self.refine >= 0, "conditioning.refine", self.refine, "at least 0")
        rate = self.refine_learning_rate
        _require(rate > 0 and math.isfinite(rate), "conditioning.refine_learning_rate", rate, "positive")


@dataclasses.dataclass(frozen=True)
class ControlSpec:
    """How betas are steered towards rates that are asked for."""

    start: float = 1.0
    """Beta that they begin from."""
    others: float = 1.0
    """Beta of the layers that no rate is asked of."""
    hold: float = 0.1
    """Share of the training, at its beginning, over which betas stay there."""
    frozen: float = 0.2
    """Share of the training, at its end, over which betas stand still."""
    tail: float = 0.1
    """Share of the training, before that, whose mean log betas they stand still at."""
    tolerance: float = 0.02
    """Largest relative error of a held-out rate that counts as reached."""

    def __post_init__(self) -> None:
        for name in ("start", "others"):
            beta = getattr(self, name)
            _require(1e-3 <= beta <= 400, f"control.{name}", beta, "between 0.001 and 400")
        _require(0 <= self.frozen < 1, "control.frozen", self.frozen, "at least 0 and below 1")
        _require(
            0 <= self.hold < 1 - self.frozen, "control.hold", self.hold, "at least 0, and below 1 - control.frozen"
        )
        most = 1 - self.frozen - self.hold
        _require(
            0 < self.tail <= most, "control.tail", self.tail, "above 0, and at most 1 - control.frozen - control.hold"
        )
        _require(self.tolerance > 0, "control.tolerance", self.tolerance, "positive")


@dataclasses.dataclass(frozen=True)
class EvaluationSpec:
    """What is measured on a trained model."""

    seed: int = 0
    """Seed of the latents drawn to measure rates and distortion."""
    draws: int = 1
    """Latent draws for each image; rates and distortion are averaged over them."""
    pictures: int = 8
    """Images kept beside each model: so many originals, reconstructions and samples."""
    samples: int = 10_000
    """Samples from the prior, in 5 splits, that a judge gives an inception score; 0 for no score. Needs labels."""
    judge_epochs: int | None = None
    """Epochs that the judge is trained for, once for a data set; default: by the recipe that fits the data."""
    information: bool = True
    """Estimate the mutual information between labels and each layer. Needs labels."""
    probes: Literal["heldout", "paper", "none"] = "heldout"
    """Classifiers on each layer: fitted to training images and scored on the held-out ones, or, as in the paper,
    fitted to 80 % of the measured split and scored on the rest. Needs labels; ridge regression needs targets."""

    def __post_init__(self) -> None:
        _require(self.seed >= 0, "evaluation.seed", self.seed, "at least 0")
        _require(self.draws > 0, "evaluation.draws", self.draws, "positive")
        _require(
            self.samples >= 0 and self.samples % SCORE_SPLITS == 0,
            "evaluation.samples",
            self.samples,
            f"0 or a multiple of {SCORE_SPLITS}, the splits of the inception score",
        )
        epochs = self.judge_epochs
        _require(epochs is None or epochs > 0, "evaluation.judge_epochs", epochs, "positive")
        _require(self.pictures > 0, "evaluation.pictures", self.pictures, "positive")


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
        _require(self.seed >= 0, "seed", self.seed, "at least 0")


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
class FoldedSpec(RunSpec):
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
        _require(fine, "seeds", self.seeds, "distinct numbers, at least 0")
        if self.groups is not None:
            layers = self.model.layers
            expected = f"one group for each of the {layers} layers, numbered 0, 1, ... without gaps"
            count = max(self.groups, default=-1) + 1
            _require(
                len(self.groups) == layers and set(self.groups) == set(range(count)), "groups", self.groups, expected
            )
        if self.method == "conditioned":
            self._check_box()
        wanted = "one or more with method targeted, and none with the others"
        _require((self.method == "targeted") == bool(self.target_rates), "target_rates", self.target_rates, wanted)
        for request in self.target_rates:
            check_targets(requested(request, self.model.layers), self.model)
        if (
            self.method != "targeted"
            and self.model.family == "bottom-up"
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
            FoldedSpec(
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
        _require(low is None or low <= grid.low, "conditioning.low", low, f"at most grid.low ({grid.low:g})")
        _require(high is None or high >= grid.high, "conditioning.high", high, f"at least grid.high ({grid.high:g})")
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
        return self.groups or ((0,) * layers if self.model.family == "bottom-up" else tuple(range(layers)))


@dataclasses.dataclass(frozen=True)
class ExecutionSpec:
    """How the work is carried out; changes no result beyond rounding."""

    engine: Literal["auto", "in-process", "workers", "ray"] = "auto"
    """Train in this process, in worker processes of one thread each, or on the machines of a Ray cluster; auto: workers
    on a CPU."""
    workers: int | None = None
    """Worker processes, or tasks at a time in a Ray cluster; default: one for each core, or each GPU of a cluster."""
    pack: int | None = None
    """Models trained together as one batch of weights; default: what measured fastest and fits in memory."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, ...; auto: a GPU if there is one."""
    compile: bool = False
    """Have PyTorch compile the training step: fewer passes over memory, but a minute or two before the first step of
    every pack. Needs a C++ compiler."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints of a training in progress."""
    address: str | None = None
    """Ray cluster: HOST:6379 from one of its machines, ray://HOST:10001 from elsewhere, auto for the one this machine
    belongs to; default: that one, or else one of this machine alone, started for the sweep."""
    results: str | None = None
    """URL of a store (file://, s3://, gs://, ... as fsspec knows them) that machines of a Ray cluster put finished
    models into; default: they travel through Ray."""

    def __post_init__(self) -> None:
        for name in ("address", "results"):
            value, expected = getattr(self, name), "left out, or given with execution.engine ray"
            _require(value is None or (bool(value) and self.engine == "ray"), f"execution.{name}", value, expected)
        _require(self.workers is None or self.workers > 0, "execution.workers", self.workers, "positive")
        _require(self.pack is None or self.pack > 0, "execution.pack", self.pack, "positive")
        _require(self.checkpoint_seconds >= 0, "execution.checkpoint_seconds", self.checkpoint_seconds, "at least 0")


def check_betas(betas: tuple[float, ...], model: ModelSpec) -> None:
    """Refuse multipliers that do not fit the model.

    Raises:
        SpecError: a wrong number of betas, a beta that is not positive and finite, or unequal betas for a
            bottom-up model, whose layer rates have no meaning of their own (Sec. 3.1).
    """
    _require(len(betas) == model.layers, "betas", betas, f"one number for each of the {model.layers} layers, top first")
    _require(all(beta > 0 and math.isfinite(beta) for beta in betas), "betas", betas, "all above 0 and finite")
    if model.family == "bottom-up" and len(set(betas)) > 1:
        raise SpecError(
            f"betas is {betas!r}: a bottom-up model takes equal betas only, since q(z2|z1) sees no data but through "
            "z1 and so its layer rates cannot be tuned one by one (Sec. 3.1 of the paper); use ghvae or lvae"
        )


def check_targets(targets: tuple[RateTarget, ...], model: ModelSpec) -> None:
    """Refuse rates that a model cannot be asked for; raises :class:`SpecError`."""
    if model.family == "bottom-up" and len(targets[0].layers) < model.layers:
        raise SpecError(
            "target_rates: a bottom-up model can be asked for its total rate only (total=60), since its layer rates "
            "cannot be tuned one by one (Sec. 3.1 of the paper); use ghvae or lvae"
        )


def key(spec: Any) -> str:
    """Identity of a spec: 12 hexadecimal digits of the SHA-256 of its canonical JSON.

    Numbers are first brought to the types of their fields: 1 and 1.0 for a float are the same spec.
    """
    canonical = to_dict(from_dict(type(spec), to_dict(spec)))
    text = json.dumps({"version": VERSION, type(spec).__name__: canonical}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def to_dict(spec: Any) -> dict[str, Any]:
    """A spec as plain nested dictionaries and lists, ready for YAML or JSON."""
    return json.loads(json.dumps(dataclasses.asdict(spec), default=_plain))


def _plain(value: Any) -> Any:
    """A path as text, a NumPy number as Python's."""
    return value.item() if hasattr(value, "item") else str(value)


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build a spec from nested mappings; fields left out keep their defaults.

    Raises:
        SpecError: an unknown key or a value of the wrong type; names the key, and the nearest known one.
    """
    if not isinstance(values, Mapping):
        raise SpecError(f"{where.rstrip('.') or 'the config'} is {values!r}: it must be a table of fields")
    hints = _hints(cls)
    for name in values:
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, n=1)
            hint = f"; did you mean {where}{near[0]}?" if near else f"; known: {', '.join(hints)}"
            raise SpecError(f"unknown key {where}{name}{hint}")
    return cls(**{name: _convert(hints[name], value, where + name) for name, value in values.items()})


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """Types of a spec's fields by name."""
    return typing.get_type_hints(cls)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the annotated type ``hint``, or a SpecError that names the field."""
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where + ".")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        if value is None and types.NoneType in arguments:
            return None
        return _convert(next(a for a in arguments if a is not types.NoneType), value, where)
    if origin is Literal:
        _require(value in arguments, where, value, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        _require(isinstance(value, (list, tuple)), where, value, "a list")
        return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if hint is Path:
        _require(isinstance(value, (str, Path)), where, value, "a path")
        return Path(value)
    if hint is float:
        _require(isinstance(value, (int, float)) and not isinstance(value, bool), where, value, "a number")
        return float(value)
    if hint is int:
        _require(isinstance(value, int) and not isinstance(value, bool), where, value, "a whole number")
        return value
    _require(isinstance(value, hint), where, value, "true or false" if hint is bool else "text")
    return value


def to_yaml(spec: Any) -> str:
    """A spec as YAML text; :func:`from_yaml` reads it back equal."""
    return yaml.safe_dump(to_dict(spec), sort_keys=False)


def read_mapping(path: Path) -> dict[str, Any]:
    """The top-level table of a YAML file.

    Raises:
        SpecError: the file cannot be read, is not YAML, or holds something other than a table.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"config {path} cannot be read ({error.strerror}): check the path") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML lets a bad date's ValueError through
        reason = " ".join(str(error).split())
        raise SpecError(f"config {path} is not valid YAML ({reason}): mend the file") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SpecError(f"config {path} holds no table of fields: write lines like 'training: {{epochs: 20}}'")
    return values


def from_yaml(cls: type[T], path: Path) -> T:
    """Read a spec from a YAML file; raises :class:`SpecError` as :func:`from_dict` does, naming the file."""
    try:
        return from_dict(cls, read_mapping(path))
    except SpecError as error:
        raise SpecError(f"{error} (in {path})" if str(path) not in str(error) else str(error)) from error


def differences(one: Any, other: Any) -> list[str]:
    """Dotted names of the fields in which two specs of one type differ."""
    return _differences(to_dict(one), to_dict(other), "")


def _differences(one: dict[str, Any], other: dict[str, Any], where: str) -> list[str]:
    found: list[str] = []
    for name in one:
        if isinstance(one[name], dict) and isinstance(other[name], dict):
            found += _differences(one[name], other[name], f"{where}{name}.")
        elif one[name] != other[name]:
            found.append(where + name)
    return found
