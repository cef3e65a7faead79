"""Pictures of a user, as a model takes them: cut to its proportions, brought to its size and channels."""

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ratescape.explorer.refusal import Refused

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")

MOST_PIXELS = 40_000_000
"""Of a picture, decoded: more than a telephone's camera makes."""

MOST_SIDE = 20_000

Pixels = npt.NDArray[np.uint8]


def opened(content: bytes, what: str = "the picture") -> Image.Image:
    """A picture that is no bomb; only its head is read.

    Raises:
        Refused: no picture of a known format, or one with too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a bound of our own
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(what) from error
    except Exception as error:  # whatever a damaged file makes of the decoder
        raise Refused(f"{what} is no image that can be read: send one of {', '.join(FORMATS)}", 415) from error
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise _too_large(what)
    return image


def decoded(image: Image.Image, shape: tuple[int, int, int], what: str = "the picture") -> Pixels:
    """A picture as pixels ``[C, H, W]`` of a model: the middle of it, in the model's proportions.

    What is transparent becomes black, and colour becomes grey for a model of grey images.

    Raises:
        Refused: the picture is damaged.
    """
    channels, height, width = shape
    try:
        image.draft("RGB", (4 * width, 4 * height))  # a JPEG need not be decoded in full
        upright = ImageOps.exif_transpose(_eight_bits(image))
        plain = _on_black(upright).convert("L" if channels == 1 else "RGB")
        fitted = ImageOps.fit(plain, (width, height), Image.Resampling.LANCZOS)
    except Exception as error:  # whatever a damaged file makes of the decoder
        raise Refused(f"{what} is damaged: send a sound one", 415) from error
    pixels = np.asarray(fitted, np.uint8)
    return np.ascontiguousarray(pixels[None] if channels == 1 else np.moveaxis(pixels, -1, 0))


def mask_in(content: bytes, sides: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """A mask ``[H, W]``, True where a picture is white.

    Raises:
        Refused: no picture, or one without a white pixel.
    """
    image = opened(content, "the mask")
    height, width = sides
    try:
        small = _on_black(image).convert("L").resize((width, height), Image.Resampling.BOX)
    except Exception as error:  # whatever a damaged file makes of the decoder
        raise Refused("the mask is damaged: send a sound one", 415) from error
    missing = np.asarray(small, np.uint8) >= 128
    if not missing.any():
        raise Refused("the mask has no white pixel: erase something first")
    return missing


def _eight_bits(image: Image.Image) -> Image.Image:
    """A picture of 16 bits as one of 8: Pillow itself would cut levels off."""
    if not image.mode.startswith("I"):
        return image
    levels: Any = np.asarray(image).astype(np.int64)
    return Image.fromarray((levels.clip(0, 65535) // 256).astype(np.uint8))


def _on_black(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    transparent = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", transparent.size, "black"), transparent)


def _too_large(what: str) -> Refused:
    return Refused(f"{what} has more than {MOST_PIXELS // 1_000_000} million pixels: make it smaller", 413)
