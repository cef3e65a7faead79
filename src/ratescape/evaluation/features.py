"""What probes see: posterior means or samples of the layers, and of which images."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ratescape.data.batches import Images, parts, stream
from ratescape.errors import DataError
from ratescape.model.hierarchy import CHUNK, HVAE, Pass, PosteriorMode, PosteriorSample

LayerArrays: TypeAlias = list[npt.NDArray[np.float32]]
"""One array of each layer, top first, ``[N, D_l]``."""

Indices: TypeAlias = npt.NDArray[np.intp]

MOST_DIMENSIONS = 256
"""Dimensions of a layer up to which probes see all of a deep network's map."""

POOLED = 4
"""Cells a side of what they see of a larger one."""

FITTING_IMAGES = 5000
"""Training images that probes are fitted to, at most (``benchmarks/evaluation.py`` measures what they cost)."""


def features(model: HVAE, images: Images, seed: int, sampled: bool = False) -> LayerArrays:
    """Posterior means mu_l of every layer, top first, each ``[N, D_l]``: of large maps as :func:`seen` has them.

    Example::

        top, *lower = features(model, images, seed=0)

    Args:
        sampled: condition each mean on a sample of the layers above (for a bottom-up model, on that of the layer it
            is inferred from), the one at which rates are measured with this seed, as the paper does; otherwise on
            their means.
    """
    generator = torch.Generator(images.device).manual_seed(stream(seed, "evaluation"))

    noise = functools.partial(model.noise, generator=generator) if sampled else None
    return _read(model, images, noise, lambda result: [q.mean for q in result.posteriors])


def posterior_samples(model: HVAE, images: Images, seed: int) -> LayerArrays:
    """One joint sample of q(z_L, ..., z_1 | x) for each image, by layer, top first, each ``[N, D_l]``.

    For the images that a probe is fitted to: the noise is other than that of the measured rates, whose samples it is
    scored on.
    """
    generator = torch.Generator(images.device).manual_seed(stream(seed, "probes"))
    return _read(model, images, functools.partial(model.noise, generator=generator), lambda result: result.latents)


@torch.no_grad()
def _read(
    model: HVAE, images: Images, noise: Callable[[int], list[Tensor]] | None, read: Callable[[Pass], list[Tensor]]
) -> LayerArrays:
    """What is read off one pass over all images, by layer: at samples with this noise, or at modes without."""
    batches: list[list[Tensor]] = []
    for chunk in images.in_order(CHUNK):
        drawn = None if noise is None else noise(len(chunk))
        for part in parts(chunk):
            source = PosteriorMode() if drawn is None else PosteriorSample([layer[part] for layer in drawn])
            (result,) = model.passes([source], chunk[part], decode=False)
            batches.append([seen(model, index, values) for index, values in enumerate(read(result))])
    return [as_array(torch.cat(layer)) for layer in zip(*batches, strict=True)]


def seen(model: HVAE, layer: int, values: Tensor) -> Tensor:
    """What probes see of one layer's values, ``[N, D_l]``: all of them but for the large maps of deep networks.

    Of a map of more than 256 dimensions these are its averages over at most 4 x 4 cells: with 1,568 dimensions, of a
    layer of 14 x 14 cells, classifiers would take far longer than the training, and see noise for the most part. Other
    families keep all their dimensions, as in the paper.

    Args:
        model: whose layer it is.
        layer: its index, 0 being the top one.
        values: means or samples ``[N, *shape]``, flat or not.

    Example::

        seen(model, 0, torch.zeros(5, 8, 14, 14)).shape  # [5, 128]
    """
    shape = model.latent_shapes[layer]
    if model.spec.blocks is None or values[0].numel() <= MOST_DIMENSIONS:
        return values.flatten(1)
    cells = (min(shape[1], POOLED), min(shape[2], POOLED))
    return functional.adaptive_avg_pool2d(values.reshape(-1, *shape), cells).flatten(1)


def as_array(values: Tensor) -> npt.NDArray[np.float32]:
    """Values of one layer as probes take them: float32, on the CPU."""
    return values.float().cpu().numpy()


def fitting_images(count: int, seed: int, limit: int = FITTING_IMAGES) -> Indices:
    """Indices of the training images that probes are fitted to: ``limit`` out of ``count``, or all; ascending."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:limit])


def paper_split(count: int, seed: int) -> tuple[Indices, Indices]:
    """Indices of the 80 % of ``count`` images that the paper's protocol fits to, and of the 20 % that it scores.

    Raises:
        DataError: fewer than two images.
    """
    if count < 2:
        raise DataError(f"probes under the paper's protocol on {count} images: two are needed at least")
    order = np.random.default_rng(seed).permutation(count)
    return order[: count * 4 // 5], order[count * 4 // 5 :]
