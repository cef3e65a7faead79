"""Images as the page gets them: one PNG that holds them side by side, without gaps."""

import base64
import io
from typing import TypedDict

import numpy as np
import torch
from PIL import Image
from torch import Tensor

COLUMNS = 8
"""Images in a row, unless told otherwise."""


class Sheet(TypedDict):
    """Images in one picture, which the page cuts apart."""

    png: str
    """Base64."""
    columns: int
    rows: int
    cell: list[int]
    """Height and width of one image."""


def sheet(images: Tensor, columns: int = COLUMNS) -> Sheet:
    """Images in rows; the last row is filled up with black.

    Args:
        images: ``[N, C, H, W]``, values in [0, 1] (those outside are cut off); N is at least 1.
        columns: images in a row, at most.

    Example::

        sheet(model.sample(16))["columns"]  # 8
    """
    count, channels, height, width = images.shape
    across = min(columns, count)
    rows = -(-count // across)
    levels = (images.detach().clamp(0, 1) * 255).round().nan_to_num(0).to(torch.uint8).cpu()
    whole = torch.zeros(rows * across, channels, height, width, dtype=torch.uint8)
    whole[:count] = levels
    grid = whole.reshape(rows, across, channels, height, width).permute(0, 3, 1, 4, 2)
    pixels = grid.reshape(rows * height, across * width, channels).numpy()
    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels))
    picture.save(file, "PNG", compress_level=1)  # a page on the same machine waits for it
    return Sheet(png=base64.b64encode(file.getvalue()).decode(), columns=across, rows=rows, cell=[height, width])
