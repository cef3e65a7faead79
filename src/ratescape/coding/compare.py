"""What other formats make of the same images: single files, a tiled sheet, general compressors of the whole set."""

import bz2
import dataclasses
import gzip
import io
import lzma
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratescape.model.numerics import psnr_of

Levels = npt.NDArray[np.uint8]

QUALITIES = (1, 5, 10, 20, 40, 60, 80, 95)
"""Of JPEG and WebP: from the smallest files to nearly perfect ones."""

SHEET = 16383
"""Largest side of an image in WebP."""


@dataclasses.dataclass(frozen=True)
class Point:
    """The size of some images in one format."""

    name: str
    size: float
    """Bytes per image, all overhead included."""
    error: float
    """Mean squared error of pixels in [0, 1]; 0 without loss."""
    setting: str = ""

    @property
    def psnr(self) -> float:
        """dB; infinite without loss."""
        return psnr_of(self.error)


def compared(levels: Levels, is_binary: bool) -> list[Point]:
    """Sizes by every other format.

    Example::

        for point in compared(data.test.pixels, is_binary=False):
            print(point.name, point.setting, point.size, point.psnr)

    Args:
        levels: uint8 ``[N, C, H, W]``; of binary images 0 and 255.
        is_binary: general compressors then get eight pixels in a byte, and PNG one bit a pixel.
    """
    return [*_general(levels, is_binary), *_without_loss(levels, is_binary), *_with_loss(levels)]


def _general(levels: Levels, is_binary: bool) -> Iterator[Point]:
    raw = (np.packbits(levels > 127) if is_binary else levels).tobytes()
    packers = {
        "gzip": lambda data: gzip.compress(data, 9),
        "bz2": lambda data: bz2.compress(data, 9),
        "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    }
    for name, pack in packers.items():
        yield Point(f"{name} of all", len(pack(raw)) / len(levels), 0.0)


def _without_loss(levels: Levels, is_binary: bool) -> Iterator[Point]:
    for where, images in (("single", list(levels)), ("sheet", _sheets(levels))):
        pictures = [_picture(image) for image in images]
        small = [one.convert("1") for one in pictures] if is_binary else pictures
        yield Point(f"PNG {where}", _total(small, "PNG", optimize=True) / len(levels), 0.0)
        yield Point(f"WebP lossless {where}", _total(pictures, "WebP", lossless=True) / len(levels), 0.0)


def _with_loss(levels: Levels) -> Iterator[Point]:
    for form in ("JPEG", "WebP"):
        for where, images in (("single", list(levels)), ("sheet", _sheets(levels))):
            for quality in QUALITIES:
                files = [_bytes(_picture(image), form, quality=quality) for image in images]
                error = sum(_squares(image, file) for image, file in zip(images, files, strict=True))
                total = sum(map(len, files)) / len(levels)
                yield Point(f"{form} {where}", total, error / sum(image.size for image in images), f"quality {quality}")


def _sheets(levels: Levels) -> list[Levels]:
    """The images side by side on sheets that are nearly square, the last one filled up with black."""
    count, channels, height, width = levels.shape
    across = min(math.ceil(math.sqrt(count * height / width)), SHEET // width)
    down = min(math.ceil(count / across), SHEET // height)
    whole = np.zeros((-(-count // (across * down)) * across * down, channels, height, width), np.uint8)
    whole[:count] = levels
    tiled = whole.reshape(-1, down, across, channels, height, width).transpose(0, 3, 1, 4, 2, 5)
    return list(np.ascontiguousarray(tiled.reshape(-1, channels, down * height, across * width)))


def _picture(image: Levels) -> Image.Image:
    return Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))


def _bytes(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def _total(pictures: Sequence[Image.Image], form: str, **options: object) -> int:
    return sum(len(_bytes(picture, form, **options)) for picture in pictures)


def _squares(image: Levels, file: bytes) -> float:
    """Sum of squared errors of pixels in [0, 1]."""
    with Image.open(io.BytesIO(file)) as opened:
        found = np.asarray(opened.convert("L" if len(image) == 1 else "RGB"), np.float64)
    exact = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    return float(np.square((found - exact) / 255).sum())
