"""Which hierarchical VAE."""

import dataclasses
import math
from typing import Literal

from ratescape.errors import SpecError
from ratescape.specs.blocks import USUAL_BLOCKS, levels
from ratescape.specs.checks import MOST_SIZE, require
from ratescape.specs.codec import convert_fields
from ratescape.specs.factories import FactoryName, Options
from ratescape.specs.families import DEFAULT_LAYERS, FamilyFacts, facts_of

MOST_AXES = 3
"""Betas of a deep network's landscape unless asked for more: 5 values of each are 125 models, of a fourth 625."""

LikelihoodName = Literal["bernoulli", "gaussian", "learned-gaussian", "logistic-mixture", "by-column"]


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which hierarchical VAE.

    Example::

        ModelSpec(family="residual", latents=(20, 8, 8), likelihood="logistic-mixture")
    """

    family: str = "ghvae"
    """ghvae, lvae and bottom-up: the two-layer structures of the paper's Fig. 2; residual: any number of layers; deep:
    many layers at several resolutions (see blocks); vector: any number of layers for vectors, which take it unless told
    otherwise; or the name of a family that was registered."""
    channels: int | None = None
    """Channels of every hidden convolution; default as in the paper: 16 for grey images, 32 for colour; of a deep
    network's maps: 64; of the vector family the width of all hidden vectors: 64."""
    latents: tuple[int, ...] | None = None
    """Latent sizes, top layer first: dimensions of the top vector, then channels of each 4x4-like map below it. Of a
    deep network: channels of each layer's maps, or one number for all of them. Of vectors: dimensions of each layer."""
    blocks: str | None = None
    """Top-down blocks of a deep network, each a layer of latents: resolution x blocks, the coarsest first, such as
    1x1,4x2,7x3,14x2; default: 1x1, a quarter of the image's side x2, half of it x2."""
    bottleneck: float = 0.25
    """Channels inside the residual blocks of a deep network, as a share of those of its maps."""
    likelihood: LikelihoodName | None = None
    """Distribution of the pixels; default: bernoulli for binary images, gaussian otherwise. Of vectors
    always by-column: numbers are gaussian with a learned sigma for each column, booleans bernoulli."""
    sigma: float = 0.71
    """Standard deviation of the gaussian likelihood, in pixel units (range 0 to 1), as in the paper."""
    mixtures: int = 5
    """Components of the logistic-mixture likelihood."""
    factory: FactoryName | None = None
    """Builds a network of your own, in place of a family: package.module:function, called with the shape of an image,
    the likelihood, and model.options by name; or a name that was registered."""
    options: Options | None = None
    """What the factory is called with besides: a JSON object, such as '{"width": 64}'."""
    source: str | None = None
    """Digest of the source of the factory's module: filled in when its network is built, as are the latents."""
    tied: bool = False
    """Whether the rates of the factory's layers cannot be tuned one by one: filled in when its network is built."""

    def __post_init__(self) -> None:
        convert_fields(self, "model.")
        _check_factory(self)
        said = f"positive, and at most {MOST_SIZE}"
        require(self.channels is None or 0 < self.channels <= MOST_SIZE, "model.channels", self.channels, said)
        facts = FamilyFacts(self.factory) if self.factory else facts_of(self.family)
        if self.latents is not None:
            require(
                len(self.latents) > 0 and all(0 < size <= MOST_SIZE for size in self.latents),
                "model.latents",
                self.latents,
                f"one size for each layer, each {said}",
            )
            _check_depth(self.latents, facts)
            many = self.family != "deep" or len(self.latents) in (1, self.layers)
            require(many, "model.latents", self.latents, f"one size, or one for each of the {self.layers} blocks")
        if self.blocks is not None:
            require(self.family == "deep", "model.blocks", self.blocks, f"left out for {self.family}: it is for deep")
            levels(self.blocks)
        require(0 < self.bottleneck <= 1, "model.bottleneck", self.bottleneck, "above 0 and at most 1")
        require(self.sigma > 0 and math.isfinite(self.sigma), "model.sigma", self.sigma, "positive")
        require(0 < self.mixtures <= MOST_SIZE, "model.mixtures", self.mixtures, said)

    @property
    def layers(self) -> int:
        """Number L of latent layers; raises :class:`SpecError` for a factory whose network is not built yet."""
        if self.is_open:
            raise SpecError(f"the layers of {self.title} are counted when its network is built: resolve the spec first")
        if self.family == "deep":
            return sum(self.blocks_of_levels)
        return len(self.latents) if self.latents is not None else facts_of(self.family).layers or DEFAULT_LAYERS

    @property
    def is_open(self) -> bool:
        """Whether its layers are not known yet, since its factory has not built it."""
        return self.factory is not None and self.latents is None

    @property
    def title(self) -> str:
        """What its networks are called: by their family, or by the name of their factory."""
        return self.factory or self.family

    @property
    def blocks_of_levels(self) -> tuple[int, ...]:
        """How many blocks a deep network has at each resolution, the coarsest first."""
        return USUAL_BLOCKS if self.blocks is None else tuple(level.blocks for level in levels(self.blocks))

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolution of each layer of a deep network, top first; none of others, or where blocks are left open."""
        chosen = () if self.blocks is None else levels(self.blocks)
        return tuple(level.resolution for level in chosen for _ in range(level.blocks))

    @property
    def usual_groups(self) -> tuple[int, ...]:
        """Group of each layer, top first, unless told otherwise: layers of a group share one beta.

        Each layer is its own; of a deep network each resolution, of which the coarsest are taken together where there
        are more than three; of a factory's with more than three layers each third; one for all where layers cannot be
        tuned one by one.
        """
        if not self.tunable:
            return (0,) * self.layers
        if self.factory is not None and self.layers > MOST_AXES:
            return tuple(index * MOST_AXES // self.layers for index in range(self.layers))
        if self.family != "deep":
            return tuple(range(self.layers))
        blocks = self.blocks_of_levels
        joined = max(len(blocks) - MOST_AXES, 0)
        return tuple(max(level - joined, 0) for level, count in enumerate(blocks) for _ in range(count))

    def top(self, count: int) -> int:
        """How many layers the top so many of :attr:`usual_groups` have.

        Example::

            ModelSpec(family="deep", blocks="1x1,7x2,14x2").top(2)  # 3

        Raises:
            SpecError: there are not so many groups.
        """
        groups = self.usual_groups
        most = max(groups) + 1
        require(1 <= count <= most, "groups", count, f"from 1 to {most}, the groups of layers that the model has")
        return sum(group < count for group in groups)

    @property
    def tunable(self) -> bool:
        """Whether the rates of its layers can be tuned one by one (Sec. 3.1 of the paper)."""
        return not self.tied if self.factory else facts_of(self.family).tunable


def _check_depth(latents: tuple[int, ...], facts: FamilyFacts) -> None:
    """Refuse another number of latent sizes than a family has layers."""
    if facts.layers is not None:
        sizes = {1: "one size", 2: "two sizes"}.get(facts.layers, f"{facts.layers} sizes")
        expected = f"{sizes} for {facts.name} (the residual family takes any number of layers, as does vector for rows)"
        require(len(latents) == facts.layers, "model.latents", latents, expected)


def _check_factory(spec: ModelSpec) -> None:
    """Refuse what means nothing with a factory, or without one."""
    if spec.factory is not None:
        for field in ("family", "channels", "blocks", "bottleneck"):
            given, usual = getattr(spec, field), ModelSpec.__dataclass_fields__[field].default
            require(given == usual, f"model.{field}", given, "left out beside model.factory: give model.options")
        alone = spec.latents is None or spec.source is not None
        require(alone, "model.latents", spec.latents, "left out beside model.factory: give model.options")
    else:
        for field in ("options", "source", "tied"):
            given = getattr(spec, field)
            require(not given, f"model.{field}", given, "left out without model.factory")
