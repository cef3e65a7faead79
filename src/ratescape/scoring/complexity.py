"""How complex is an image by itself? The size of its PNG file (Serra et al., ICLR 2020).

A model finds simple images likely, whatever they show. The size of an image without any model, taken from -ELBO, leaves
what the model itself has to say.
"""

import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor


def png_nats(images: Tensor, binary: bool) -> npt.NDArray[np.float64]:
    """Size of each image ``[B, C, H, W]`` in [0, 1] as a PNG, in nats ``[B]``: bits times ln 2.

    Args:
        binary: one bit for each pixel, else 8 bits for each channel.

    Example::

        png_nats(model.inputs(images), binary=True)
    """
    levels = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return np.array([8 * math.log(2) * _png_bytes(image, binary) for image in levels])


def _png_bytes(image: npt.NDArray[np.uint8], binary: bool) -> int:
    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(image.squeeze(2) if image.shape[2] == 1 else image))
    (picture.convert("1", dither=Image.Dither.NONE) if binary else picture).save(file, "png", optimize=True)
    return file.getbuffer().nbytes
