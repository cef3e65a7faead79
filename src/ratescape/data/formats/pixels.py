"""Arrays of pixels in any accepted form -> uint8 ``[N, C, H, W]``."""

import numpy as np
import numpy.typing as npt

from ratescape.data.formats.image_set import Array
from ratescape.errors import DataError


def to_pixels(images: Array, name: str) -> npt.NDArray[np.uint8]:
    """Images as uint8 ``[N, C, H, W]``.

    Accepted are ``[N, H, W]``, ``[N, H, W, C]`` and ``[N, C, H, W]`` with C = 1 or 3, of booleans, of integers
    in 0..255, or of floats in [0, 1] (rounded to multiples of 1/255).

    Args:
        images: the array.
        name: what errors call it.

    Raises:
        DataError: another shape or type, values out of range, NaN or infinite pixels, or no images at all.

    Example::

        to_pixels(np.random.default_rng(0).random((10, 28, 28)), "noise").shape  # (10, 1, 28, 28)
    """
    return np.ascontiguousarray(_with_channels(_to_bytes(images, name), name))


def _to_bytes(images: Array, name: str) -> npt.NDArray[np.uint8]:
    """Pixel values of any accepted type as 0..255, same shape."""
    if images.dtype.kind not in "buif":
        raise DataError(f"{name} holds {images.dtype} values: give booleans, integers 0..255 or floats in [0, 1]")
    if images.size == 0:
        raise DataError(f"{name} is empty (shape {images.shape}): give at least one image")
    if images.dtype.kind == "b":
        return images.astype(np.uint8) * np.uint8(255)
    return _floats_to_bytes(images, name) if images.dtype.kind == "f" else _integers_to_bytes(images, name)


def _floats_to_bytes(images: Array, name: str) -> npt.NDArray[np.uint8]:
    broken = images.size - int(np.isfinite(images).sum())
    if broken:
        raise DataError(f"{name} has {broken} pixels that are NaN or infinite: remove or repair those images")
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        how = ", such as by x / 2 + 0.5" if low >= -1 and high <= 1 else ", such as by x / 255" if low >= 0 else ""
        raise DataError(f"{name} has float pixels from {low:g} to {high:g}: scale them to [0, 1]{how}")
    return np.rint(images * 255).astype(np.uint8)


def _integers_to_bytes(images: Array, name: str) -> npt.NDArray[np.uint8]:
    low, high = images.min(), images.max()
    if low < 0 or high > 255:
        raise DataError(f"{name} has integer pixels from {low} to {high}: scale them to 0..255")
    if high <= 1:  # black and white, or floats cut to integers: the values do not say which
        raise DataError(f"{name} has only the integers 0 and 1 for pixels: give booleans instead (astype(bool))")
    return images.astype(np.uint8)


def _with_channels(images: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
    """``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]`` -> ``[N, C, H, W]``."""
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and not last:
            return images
        if last and not first:
            return images.transpose(0, 3, 1, 2)
    raise DataError(
        f"{name} has shape {images.shape}: reshape it to [N, H, W], [N, H, W, C] or [N, C, H, W] with 1 or 3 channels"
    )
