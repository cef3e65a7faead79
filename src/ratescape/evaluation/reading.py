"""All that measurements need of a model's passes over the images of a split, from one reading of them."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from ratescape.data.batches import Images, parts, stream
from ratescape.evaluation.rates import Rates, averaged
from ratescape.evaluation.reconstruction import Reconstruction
from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import CHUNK, HVAE, Pass, PosteriorMode, PosteriorSample


class Reading(NamedTuple):
    """What one reading of N images gives. Lists run over the layers, top first."""

    rates: Rates
    """At ``draws`` samples of the posterior."""
    samples: list[Tensor]
    """Latents at the first draw, ``[N, D_l]``."""
    posteriors: list[Gaussian]
    """What they were drawn from: each given the samples above it, ``[N, D_l]``."""
    restored: Reconstruction
    """At the modes of the posterior."""


class _Batch(NamedTuple):
    """The passes over one batch of B images."""

    rates: Rates
    drawn: Pass
    """At the first draw."""
    modes: list[Tensor]
    squared_errors: Tensor
    """Of the reconstructions, the mean over the pixels of each image, float64 ``[B]``."""
    rows: list[Tensor]
    """The batch itself, ``[B, D]``, of vectors; none of images."""


@torch.no_grad()
def read(model: HVAE, images: Images, seed: int, draws: int = 1) -> Reading:
    """Read every image once: the passes at samples and at modes share the encoder.

    Rates and distortion are those of :func:`ratescape.evaluation.rates.rates`. On GPUs all of it stays there.

    Example::

        reading = read(model, images, seed=0)
        reading.rates.rates.mean(0), reading.restored.psnr  # nats of each layer [L], dB

    Args:
        seed: of the latents drawn.
        draws: samples of each image that rates and distortion are averaged over.
    """
    generator = torch.Generator(images.device).manual_seed(stream(seed, "evaluation"))
    batches: list[_Batch] = []
    for chunk in images.in_order(CHUNK):
        noise = [model.noise(len(chunk), generator) for _ in range(draws)]
        for part in parts(chunk):
            sources = [PosteriorSample([layer[part] for layer in one]) for one in noise]
            batches.append(_batch(model, chunk[part], sources))
    return Reading(
        rates=Rates(*_joined([batch.rates.rates, batch.rates.distortion] for batch in batches)),
        samples=_joined([z.flatten(1) for z in batch.drawn.latents] for batch in batches),
        posteriors=_posteriors([batch.drawn for batch in batches]),
        restored=Reconstruction(
            torch.cat([batch.squared_errors for batch in batches]),
            _joined(batch.modes for batch in batches),
            _varied([row for batch in batches for row in batch.rows]),
        ),
    )


def _batch(model: HVAE, chunk: Tensor, sources: list[PosteriorSample]) -> _Batch:
    *drawn, mode = model.passes([*sources, PosteriorMode()], chunk)
    errors = (model.likelihood.mean(mode.output) - chunk).double().square().flatten(1).mean(1)
    first = drawn[0]._replace(output=mode.output.new_empty(0), priors=[])  # the largest parts are not needed
    return _Batch(averaged(drawn), first, mode.latents, errors, [chunk] * (chunk.ndim == 2))


def _varied(rows: list[Tensor]) -> Tensor | None:
    """Of each vector, the mean over columns of its squared distance from the mean of all; None without vectors."""
    if not rows:
        return None
    whole = torch.cat(rows).double()
    return (whole - whole.mean(0)).square().mean(1)


def _posteriors(passes: list[Pass]) -> list[Gaussian]:
    """The posteriors of each layer over all batches, ``[N, D_l]``."""
    means = _joined([posterior.mean.flatten(1) for posterior in one.posteriors] for one in passes)
    sigmas = _joined([posterior.sigma.flatten(1) for posterior in one.posteriors] for one in passes)
    return [Gaussian(mean, sigma) for mean, sigma in zip(means, sigmas, strict=True)]


def _joined(batches: Iterable[list[Tensor]]) -> list[Tensor]:
    """One tensor of each layer ``[N, ...]`` from those of the batches ``[B, ...]``."""
    return [torch.cat(layer) for layer in zip(*batches, strict=True)]
