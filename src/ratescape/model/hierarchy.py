"""The hierarchical VAE: one top-down pass over L layers, wherever the latents come from.

Layers run top-down: index 0 is z_L, the last is z_1. Rates and distortion are nats per image, never reduced here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex, cast

import torch
from torch import Tensor, nn

from ratescape.compute.precision import at_least_float32
from ratescape.errors import SpecError
from ratescape.model.distributions import Gaussian, Likelihood
from ratescape.model.latents import (
    Given,
    LatentSource,
    Layer,
    PosteriorMode,
    PosteriorSample,
    PriorMode,
    PriorSample,
    Watched,
)
from ratescape.model.recomputing import recomputed
from ratescape.model.taking import NOT_CALLED, as_generator, as_items, as_latents, line_of, whole
from ratescape.model.uses import Uses
from ratescape.specs.model import ModelSpec

CHUNK = 1000
"""Images that pass through the network at once where a method takes any number of them."""


class Pass(NamedTuple):
    """Result of one top-down pass over a batch of B images (or B draws from the prior)."""

    latents: list[Tensor]
    """Top first, each ``[B, *shape]``."""
    output: Tensor
    """Likelihood parameters ``[B, K, H, W]``."""
    rates: Tensor
    """R(z_L), ..., R(z_1 | z_>1) (Eq. 7 of the paper) ``[B, L]``, nats; ``[0, L]`` without images."""
    distortion: Tensor
    """-log p(x | z) (Eq. 2) ``[B]``, nats; ``[0]`` without images."""
    priors: list[Gaussian]
    """p(z_l | z_>l), top first; the topmost has batch size 1."""
    posteriors: list[Gaussian]
    """q(z_l | z_>l, x), top first; empty without images."""


class HVAE(Uses, nn.Module):
    """A hierarchical VAE with any number of layers, built of parts.

    Example::

        model = rs.load("digits/runs/0123456789ab")
        z2, z1 = model.encode(images)

    Args:
        encoder: (images, source) to evidence for each layer's posterior, a list, top first.
        layers: the layers of latents, top first, each a module that is a :class:`Layer`.
        decoder: state below the last layer ``[B, ...]`` to likelihood parameters ``[B, K, H, W]``.
        likelihood: distribution of the pixels.
        image_shape: (C, H, W); (D,) of vectors.
        spec: what the parts were built from; of a factory's network it is filled in where the factory is called.
        adapted: names of the modules (or their parents) whose linear maps carry low-rank adapters once the network is
            conditioned on betas; default: the layers of latents.

    Raises:
        ValueError: ``adapted`` names no module.
    """

    likelihood: Likelihood
    image_shape: tuple[int, ...]
    spec: ModelSpec

    def __init__(
        self,
        encoder: nn.Module,
        layers: Sequence[nn.Module],
        decoder: nn.Module,
        likelihood: Likelihood,
        image_shape: tuple[int, ...],
        spec: ModelSpec | None = None,
        adapted: tuple[str, ...] = ("layers",),
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.layers = nn.ModuleList(layers)
        self.decoder = decoder
        self.likelihood = likelihood
        self.image_shape = image_shape
        self.spec = ModelSpec() if spec is None else spec
        self.adapted = adapted
        missing = [name for name in adapted if name not in dict(self.named_modules())]
        if missing:
            raise ValueError(f"adapted is {adapted}: the network has no module {', '.join(missing)}")

    def forward(self, source: LatentSource, images: Tensor | None = None) -> Pass:
        """The one top-down pass.

        Example::

            model(PosteriorSample(model.noise(8)), model.inputs(images[:8])).rates  # [8, L], nats

        Args:
            source: where latents come from.
            images: ``[B, C, H, W]`` in [0, 1], or None to use priors alone.

        Raises:
            SpecError: images in place of a source.
        """
        if not callable(source):
            raise SpecError(NOT_CALLED)
        return self._descend(source, None if images is None else self.encoder(images, source), images)

    def passes(self, sources: Sequence[LatentSource], images: Tensor, *, decode: bool = True) -> list[Pass]:
        """A pass over the same images from each of several sources; they share the encoder if it asks for no latents.

        Example::

            at_sample, at_mode = model.passes([PosteriorSample(model.noise(len(images))), PosteriorMode()], images)

        Args:
            sources: where the latents of each pass come from.
            images: ``[B, C, H, W]`` in [0, 1].
            decode: False leaves the decoder out: output and distortion are empty, ``[0]``.
        """
        results: list[Pass] = []
        evidence: Any = None
        for source in sources:
            watched, found = Watched(source), evidence
            if evidence is None:
                found = self.encoder(images, watched)
                evidence = None if watched.asked else found
            results.append(self._descend(source, found, images, decode=decode))
        return results

    def _descend(self, source: LatentSource, evidence: Any, images: Tensor | None, *, decode: bool = True) -> Pass:
        """From the top layer to the pixels."""
        latents: list[Tensor] = []
        rates: list[Tensor] = []
        priors: list[Gaussian] = []
        posteriors: list[Gaussian] = []
        state: Tensor | None = None
        for index, layer in enumerate(self._layers()):
            prior = layer.prior(state)
            posterior = None if evidence is None else layer.posterior(evidence[index], state, prior)
            z = source(index, prior, posterior)
            if posterior is not None:
                exact = layer.closed_form
                rates.append(posterior.kl(prior) if exact else posterior.log_density(z) - prior.log_density(z))
                posteriors.append(posterior)
            latents.append(z)
            priors.append(prior)
            state = layer.advance(state, z)
        output = at_least_float32(recomputed(self.decoder)(state)) if decode else latents[0].new_empty(0)
        if images is None:
            return Pass(latents, output, output.new_empty(0, len(latents)), output.new_empty(0), priors, posteriors)
        distortion = self.likelihood.distortion(output, images) if decode else output
        return Pass(latents, output, torch.stack(rates, 1), distortion, priors, posteriors)

    @property
    def latent_shapes(self) -> list[tuple[int, ...]]:
        """Shape of one image's latents in each layer, top first.

        Example::

            model.latent_shapes  # [(10,), (16, 7, 7)]
        """
        return [layer.shape for layer in self._layers()]

    def _layers(self) -> list[Layer]:
        return cast(list[Layer], [recomputed(layer) for layer in self.layers])

    def noise(self, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """Standard normal noise for ``count`` images: one ``[count, *shape]`` a layer, on the model's device.

        Example::

            model.noise(8, torch.Generator().manual_seed(0))  # for PosteriorSample or PriorSample
        """
        like = next(self.parameters())
        return [
            torch.randn(count, *shape, generator=generator, device=like.device, dtype=like.dtype)
            for shape in self.latent_shapes
        ]

    @torch.no_grad()
    def encode(self, images: Any) -> list[Tensor]:
        """Posterior means ``[N, *shape]``, top layer first, each given the means above it.

        Example::

            z2, z1 = model.encode(images)  # a network of two layers; images uint8 [N, H, W]

        Args:
            images: as :meth:`inputs` takes them.
        """
        passes = [self.passes([PosteriorMode()], one, decode=False) for one in self.inputs(images).split(CHUNK)]
        return [torch.cat(layer) for layer in zip(*(found.latents for (found,) in passes), strict=True)]

    @torch.no_grad()
    def decode(
        self,
        latents: Any,
        generator: torch.Generator | None = None,
        *,
        seed: SupportsIndex | None = None,
        groups: int | None = None,
    ) -> Tensor:
        """Expected images ``[N, C, H, W]``, or rows ``[N, D]`` in the units of the data, from latents of some layers.

        Example::

            restored = model.decode([z2, z1])  # [N, C, H, W]
            alike = model.decode(z2, seed=0)  # z1 drawn from p(z1 | z2)
            others = model.decode([None, z1], seed=0)  # z2 drawn from p(z2), not from p(z2 | z1)
            coarse = model.decode(model.encode(images), groups=1)  # from the top group alone

        Args:
            latents: the top layer's ``[N, *shape]``; or a list, top first, of one or more layers', with None for a
                layer to be filled in, as those are that it leaves out at its end.
            generator: draws the layers that are not given from their prior; without it, and without a seed, their
                prior mode is used.
            seed: of such a generator.
            groups: how many groups are kept of what is given, from the top: of a deep network resolutions, else layers.

        Raises:
            SpecError: no latents, too many, or of other shapes than :attr:`latent_shapes`; no such number of groups.
        """
        like = next(self.parameters())
        given = as_latents(latents, self.latent_shapes, like, None if groups is None else self.spec.top(groups))
        drawn = as_generator(generator, seed, like)
        count = next(len(z) for z in given if z is not None)
        rest = PriorMode() if drawn is None else PriorSample(self.noise(count, drawn))
        return self._expected(self(Given(given, rest)))

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator | None = None, *, seed: SupportsIndex | None = None
    ) -> Tensor:
        """``count`` images ``[count, C, H, W]`` (or rows): all latents from their priors, expected values given them.

        Example::

            images = model.sample(8, seed=0)

        Args:
            generator: on the model's device; default: PyTorch's global one.
            seed: of a generator, for the same images again on the same device.
        """
        drawn = as_generator(generator, seed, next(self.parameters()))
        return self._expected(self(PriorSample(self.noise(whole(count, "count", 1), drawn))))

    @torch.no_grad()
    def reconstruct(
        self, images: Any, generator: torch.Generator | None = None, *, seed: SupportsIndex | None = None
    ) -> Tensor:
        """Expected images ``[N, C, H, W]`` from posterior modes, or from samples if given a generator or a seed.

        Example::

            error = (model.reconstruct(images) - model.inputs(images)).square().mean()

        Args:
            images: as :meth:`inputs` takes them.
        """
        drawn = as_generator(generator, seed, next(self.parameters()))
        outputs: list[Tensor] = []
        for chunk in self.inputs(images).split(CHUNK):
            source = PosteriorMode() if drawn is None else PosteriorSample(self.noise(len(chunk), drawn))
            outputs.append(self._expected(self(source, chunk)))
        return torch.cat(outputs)

    def _expected(self, result: Pass) -> Tensor:
        """What the data are expected to be, in their own units."""
        return self.likelihood.in_units(self.likelihood.mean(result.output))

    def inputs(self, images: Any) -> Tensor:
        """Images ``[N, C, H, W]`` in [0, 1], or standardised rows ``[N, D]``, on the network's device in its precision.

        Example::

            model.inputs(["a.png", "b.png"])  # [2, C, H, W]

        Args:
            images: an array or tensor ``[N, C, H, W]``, ``[N, H, W, C]`` or, if grey, ``[N, H, W]``; 8-bit levels,
                booleans, or floats in [0, 1]; Pillow images, paths, a Dataset of PyTorch, or one image alone. Binary
                pixels are thresholded at 0.5. Of vectors, an array ``[N, D]`` or a DataFrame.

        Raises:
            SpecError or DataError: another shape or type, values out of range, none, or a file that cannot be read.
        """
        return as_items(images, self.image_shape, self.likelihood, next(self.parameters()))

    def __repr__(self) -> str:
        """In one line; each part shows its modules, as in ``print(model.decoder)``."""
        likelihood = self.spec.likelihood or type(self.likelihood).__name__
        return f"HVAE({line_of(self.spec.title, self.latent_shapes, likelihood, self.image_shape, self.parameters())})"
