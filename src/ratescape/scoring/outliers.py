"""Outliers to compare with: those of another data set, made to fit; or self-made ones of the data themselves.

Self-made outliers say whether a model notices what is wrong with its own kind of data, not whether it notices other
kinds: numbers that were measured with them are labelled so.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratescape.data.catalog import ImageData
from ratescape.data.items import pixels_at
from ratescape.errors import DataError

SELF_MADE = "self-made"
"""The name of outliers that are made of the data."""

Pixels = npt.NDArray[Any]


def outliers_for(data: ImageData, name: str, count: int, seed: int = 0) -> Pixels:
    """Outliers for a data set, as its own items are held: uint8 ``[M, C, H, W]``, or rows ``[M, D]``.

    Args:
        name: a known set, whose test split is taken, or a path; or ``self-made``.
        count: how many at most.

    Raises:
        DataError: they are missing or damaged, fewer than two, of other columns, or rows for images and the other way
            round.

    Example::

        outliers_for(rs.load_data("fashion-mnist"), "mnist", 1000).shape  # [1000, 1, 28, 28]
    """
    generator = np.random.default_rng(seed)
    if name == SELF_MADE:
        return self_made(data, count, generator)
    names = () if data.columns is None else data.columns.names
    try:
        fitted = fitted_to(pixels_at(name, data.spec.target, names), data.shape, name)
    except DataError as error:
        raise DataError(f"evaluation.outliers: {error}") from error
    if len(fitted) < 2:
        raise DataError(f"{name} has {len(fitted)} items: give two outliers at least, to choose a score by one half")
    return fitted[generator.permutation(len(fitted))[:count]]


def fitted_to(pixels: Pixels, shape: tuple[int, ...], name: str) -> Pixels:
    """Images ``[M, c, h, w]`` as images of another shape (C, H, W): resized; grey ones repeated, colour ones made grey.

    Rows ``[M, D]`` stay as they are.

    Raises:
        DataError: rows of another number of columns, or rows for images and the other way round.
    """
    if pixels.ndim != len(shape) + 1 or (pixels.ndim == 2 and pixels.shape[1:] != shape):
        raise DataError(f"{name} has items of shape {pixels.shape[1:]}, where {shape} is wanted: give outliers alike")
    if pixels.shape[1:] == shape:
        return pixels
    channels, height, width = shape
    mode = "L" if channels == 1 else "RGB"
    made = np.empty((len(pixels), *shape), np.uint8)
    for index, image in enumerate(pixels):
        picture = Image.fromarray(np.ascontiguousarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)))
        array = np.asarray(picture.convert(mode).resize((width, height), Image.Resampling.BILINEAR))
        made[index] = array[None] if channels == 1 else array.transpose(2, 0, 1)
    return made


def self_made(data: ImageData, count: int, generator: np.random.Generator) -> Pixels:
    """Outliers made of held-out items of the data: one half by blending pairs, one half by permuting patches.

    A pair of images is blended by its mean, or where pixels are black and white by its maximum; patches are the 4 x 4
    of an image. Of rows, each column of a pair comes from either, and of the other half from any row.
    """
    held = data.unseen.pixels
    chosen = held[generator.permutation(len(held))[: max(count, 2)]]
    half = len(chosen) // 2
    one, other = chosen[:half], held[generator.integers(0, len(held), half)]
    if held.ndim == 2:
        either = np.where(generator.random(one.shape) < 0.5, one, other)
        mixed = generator.permuted(chosen[half:], axis=0)
        return np.concatenate([either, mixed])[generator.permutation(len(chosen))]
    pair = np.maximum(one, other) if data.spec.binary else ((one.astype(np.uint16) + other) // 2).astype(np.uint8)
    patched = np.stack([_permuted(image, generator) for image in chosen[half:]])
    return np.concatenate([pair, patched])[generator.permutation(len(chosen))]


def _permuted(image: Pixels, generator: np.random.Generator) -> Pixels:
    """An image ``[C, H, W]`` whose 4 x 4 patches have changed places."""
    channels, height, width = image.shape
    patches = image.reshape(channels, 4, height // 4, 4, width // 4).transpose(1, 3, 0, 2, 4).reshape(16, -1)
    moved = patches[generator.permutation(16)].reshape(4, 4, channels, height // 4, width // 4)
    return moved.transpose(2, 0, 3, 1, 4).reshape(image.shape)
