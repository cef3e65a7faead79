"""A network conditioned on betas: one model for a whole box of them.

What is best for posteriors, learned priors and the decoder depends on the betas, so all of them are conditioned: see
:mod:`ratescape.model.modulation`. At given betas the model *is* an ordinary one, weight for weight
(:meth:`Conditioned.at`). The parts of a network need not know of it: what is set for one call are buffers of the
layers, empty in an ordinary model.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ratescape.errors import SpecError
from ratescape.model.hierarchy import HVAE, Pass
from ratescape.model.latents import LatentSource
from ratescape.model.modulation import BetaFeatures, Film, as_arguments, attach, detach, merge
from ratescape.specs.given import Betas, as_betas

SLACK = 1 + 1e-6
"""By so much betas may leave a box, for rounding."""


class Conditioned(nn.Module):
    """A hierarchical VAE that is conditioned on its betas and covers a box of them.

    Example::

        network = Conditioned(build(spec, (1, 28, 28)), 0.1, 10.0, width=64, rank=8, knots=5)
        result = network(PosteriorSample(network.noise(len(images))), images, betas)  # betas [B, L]
        model = network.at((1.0, 0.3))  # an ordinary model

    Args:
        model: the ordinary network it is made of; taken over, not copied.
        low: smallest beta of the box, the same for all layers.
        high: largest beta of the box.
        width: hidden units of the network from betas to gains, shifts and scales.
        groups: group of each layer, top first: layers of a group always have the same beta; default: each its own.
        knots: hats for each axis of betas, see :class:`~ratescape.model.modulation.BetaFeatures`; 0 for none.
        rank: low-rank adapters of each layer that the network names (:attr:`HVAE.adapted`); 0 for none.
    """

    def __init__(
        self,
        model: HVAE,
        low: float,
        high: float,
        width: int,
        groups: tuple[int, ...] | None = None,
        rank: int = 0,
        knots: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.low = low
        self.high = high
        self.groups = groups or tuple(range(len(model.latent_shapes)))
        attach(model)
        self.film = Film(model, BetaFeatures(low, high, self.groups, width, knots), rank)

    def forward(self, source: LatentSource, images: Tensor | None, betas: Tensor) -> Pass:
        """One pass, each image at its own betas.

        Args:
            source: where latents come from.
            images: ``[B, C, H, W]`` in [0, 1], or None to use priors alone.
            betas: ``[B, L]``, top layer first.
        """
        return functional_call(self.model, as_arguments(self.model, self.film(betas)), (source, images))

    @property
    def latent_shapes(self) -> list[tuple[int, ...]]:
        """Shape of one image's latents in each layer, top first."""
        return self.model.latent_shapes

    def noise(self, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """Standard normal noise for ``count`` images, as :meth:`HVAE.noise`."""
        return self.model.noise(count, generator)

    @torch.no_grad()
    def at(self, betas: Betas, *, extrapolate: bool = False) -> HVAE:
        """The ordinary model at fixed betas, which are merged into its weights: exact but for rounding.

        Args:
            betas: one for each layer, top first, or one number for all.
            extrapolate: allow betas outside the box that the model was trained on.

        Raises:
            SpecError: a wrong number of betas, or betas outside the box.
        """
        point = as_betas(betas, len(self.latent_shapes), self.groups)
        self._check(point, extrapolate)
        like = next(self.parameters())
        merged = copy.deepcopy(self.model).requires_grad_(False)
        merge(merged, self.film(torch.tensor([point], device=like.device, dtype=like.dtype)))
        detach(merged)
        return merged.eval()

    def covers(self, betas: tuple[float, ...]) -> bool:
        """Whether betas are of those the model was trained on, but for rounding: in the box, equal within a group."""
        inside = all(self.low / SLACK <= beta <= self.high * SLACK for beta in betas)
        of_group = dict(zip(self.groups, betas, strict=True))
        equal = all(math.isclose(of_group[g], beta, rel_tol=1e-6) for g, beta in zip(self.groups, betas, strict=True))
        return inside and equal

    def __repr__(self) -> str:
        return f"Conditioned({self.model!r}, betas {self.low:.4g} to {self.high:.4g}: .at(betas) is a model)"

    def _check(self, betas: tuple[float, ...], extrapolate: bool) -> None:
        if not extrapolate and not self.covers(betas):
            grouped = "" if len(set(self.groups)) == len(betas) else f", equal within the groups {self.groups}"
            raise SpecError(
                f"betas is {betas}, outside the box {self.low:.4g} to {self.high:.4g}{grouped} that this model was "
                "trained on: choose betas inside it, or ask for more (evaluate --extrapolate, extrapolate=True)"
            )
