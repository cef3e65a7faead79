"""Which hierarchical VAE."""

import dataclasses
import math
from typing import Literal

from ratescape.specs.checks import require
from ratescape.specs.families import DEFAULT_LAYERS, FamilyFacts, facts_of

LikelihoodName = Literal["bernoulli", "gaussian", "learned-gaussian", "logistic-mixture"]


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which hierarchical VAE.

    Example::

        ModelSpec(family="residual", latents=(20, 8, 8), likelihood="logistic-mixture")
    """

    family: str = "ghvae"
    """ghvae, lvae and bottom-up: the two-layer structures of the paper's Fig. 2; residual: any number of layers; or the
    name of a family that was registered."""
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
        require(self.channels is None or self.channels > 0, "model.channels", self.channels, "positive")
        facts = facts_of(self.family)
        if self.latents is not None:
            require(
                len(self.latents) > 0 and all(size > 0 for size in self.latents),
                "model.latents",
                self.latents,
                "one positive size for each layer",
            )
            _check_depth(self.latents, facts)
        require(self.sigma > 0 and math.isfinite(self.sigma), "model.sigma", self.sigma, "positive")
        require(self.mixtures > 0, "model.mixtures", self.mixtures, "positive")

    @property
    def layers(self) -> int:
        """Number L of latent layers."""
        return len(self.latents) if self.latents is not None else facts_of(self.family).layers or DEFAULT_LAYERS

    @property
    def tunable(self) -> bool:
        """Whether the rates of its layers can be tuned one by one (Sec. 3.1 of the paper)."""
        return facts_of(self.family).tunable


def _check_depth(latents: tuple[int, ...], facts: FamilyFacts) -> None:
    """Refuse another number of latent sizes than a family has layers."""
    if facts.layers is not None:
        sizes = {1: "one size", 2: "two sizes"}.get(facts.layers, f"{facts.layers} sizes")
        expected = f"{sizes} for {facts.name} (the residual family takes any number of layers)"
        require(len(latents) == facts.layers, "model.latents", latents, expected)
