"""Image files and Pillow images -> arrays of 8-bit pixels."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratescape.data.formats.reading import exists, reading, shortened
from ratescape.errors import DataError

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
"""Endings of the names of image files, in lower case."""


def decode_file(path: Path) -> npt.NDArray[np.uint8]:
    """An image file -> ``[H, W]`` if grey, ``[H, W, 3]`` if colour; Pillow refuses images of absurd size.

    Raises:
        DataError: there is no such file, it is damaged, or neither 8-bit grey nor RGB.

    Example::

        decode_file(Path("photos/cat/1.png")).shape  # (32, 32, 3)
    """
    if not exists(path):
        raise DataError(f"{shortened(path)} does not exist: check the path")
    with reading(path, "an image", "replace or remove the file"), Image.open(path) as image:
        return decode(image, str(path))


def decode(image: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    """A Pillow image -> ``[H, W]`` if grey, ``[H, W, 3]`` if colour.

    Args:
        name: what errors call it.

    Raises:
        DataError: the image is neither 8-bit grey nor RGB; black and white counts as grey, a palette as RGB.

    Example::

        decode(Image.open("photo.png").convert("L"), "photo.png").shape  # (28, 28)
    """
    mode = {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
    if mode not in ("L", "RGB"):
        raise DataError(f"{name} has pixels of mode {image.mode}: convert all images to 8-bit grey (L) or RGB")
    return np.asarray(image.convert(mode), np.uint8)
