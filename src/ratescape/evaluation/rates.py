"""How much does each layer carry? Rates, distortion and active units."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from ratescape.data.batches import Images, parts, stream
from ratescape.model.hierarchy import CHUNK, HVAE, Pass, PosteriorSample

ACTIVE_VARIANCE = 0.01
"""A unit is active where its posterior mean varies by more than this over the images (Burda et al., 2016)."""


@dataclasses.dataclass(frozen=True)
class Rates:
    """Per-image rates ``[N, L]`` (Eq. 7) and distortion ``[N]``, nats, averaged over the draws of the latents."""

    rates: Tensor
    distortion: Tensor


@torch.no_grad()
def rates(model: HVAE, images: Images, seed: int, draws: int = 1) -> Rates:
    """Rates and distortion of every image at ``draws`` samples of its posterior.

    The KL of each layer is exact given the layers above; those are sampled.

    Example::

        measured = rates(model, images, seed=0)
        measured.rates.mean(0)  # nats per image of each layer, top first [L]
    """
    generator = torch.Generator(images.device).manual_seed(stream(seed, "evaluation"))
    batches: list[Rates] = []
    for chunk in images.in_order(CHUNK):
        noise = [model.noise(len(chunk), generator) for _ in range(draws)]
        for part in parts(chunk):
            sources = [PosteriorSample([layer[part] for layer in one]) for one in noise]
            batches.append(averaged([model(source, chunk[part]) for source in sources]))
    return Rates(torch.cat([one.rates for one in batches]), torch.cat([one.distortion for one in batches]))


def averaged(passes: Sequence[Pass]) -> Rates:
    """Rates and distortion of each image, averaged over several passes over the same images.

    Example::

        averaged([model(PosteriorSample(model.noise(len(images))), images) for _ in range(8)])
    """
    rates_of_layers = torch.stack([one.rates for one in passes]).double().mean(0)
    return Rates(rates_of_layers, torch.stack([one.distortion for one in passes]).double().mean(0))


def active_units(means: list[Tensor]) -> list[int]:
    """Units of each layer whose posterior mean varies over the images.

    Args:
        means: posterior means of each layer, ``[N, *shape]``.
    """
    return [int((layer.flatten(1).var(0, correction=0) > ACTIVE_VARIANCE).sum()) for layer in means]
