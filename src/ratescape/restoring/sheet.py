"""A contact sheet: for some images what was damaged, samples, their mean and spread, and the original, as PNG."""

import io

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ratescape.model.restored import Restored
from ratescape.restoring.damage import enlarged

MISSING = (0.25, 0.35, 0.75)
"""Colour of missing pixels, a blue that no grey image has."""

LEAST_SPREAD = 0.01
"""A spread that is nowhere larger is not shown brighter than this one."""

LEAST_SIDE, GAP, HEAD = 96, 4, 16
"""Pixels: the height and width of an image at least, the space between, and that of the titles."""


def contact_sheet(restored: Restored, originals: Tensor | None = None, count: int = 8, samples: int = 4) -> bytes:
    """PNG with one row for each image; missing pixels are blue.

    Args:
        originals: the whole images ``[N, C, H, W]``, if they are known.
        count: images, the first ones, at most.
        samples: of each, at most.

    Example::

        Path("sheet.png").write_bytes(contact_sheet(model.restore(images, mask="half")))
    """
    columns = _columns(restored, originals, count, samples)
    shown = next(iter(columns.values())).shape
    scale = max(1, -(-LEAST_SIDE // max(shown[1:3])))
    height, width = (side * scale + GAP for side in shown[1:3])
    sheet = Image.new("RGB", (len(columns) * width + GAP, shown[0] * height + HEAD + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (title, images) in enumerate(columns.items()):
        draw.text((column * width + GAP, 2), title, "black")
        for row, image in enumerate(images):
            picture = Image.fromarray(image).resize((width - GAP, height - GAP), Image.Resampling.NEAREST)
            sheet.paste(picture, (column * width + GAP, row * height + HEAD))
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def _columns(
    restored: Restored, originals: Tensor | None, count: int, samples: int
) -> dict[str, npt.NDArray[np.uint8]]:
    """Images ``[n, H, W, 3]`` of each column, by its title."""
    first = restored.samples[:count]
    factor = first.shape[-1] // restored.damaged.shape[-1]
    found = {"damaged": _damaged(restored.damaged[:count], factor)}
    drawn = min(samples, first.shape[1])
    if first.shape[1] > 1:
        found |= {f"sample {number + 1}": _levels(first[:, number]) for number in range(drawn)}
        spread = restored.spread[:count]
        brighter = max(1, int(1 / max(float(spread.max()), LEAST_SPREAD)))
        found |= {"mean": _levels(restored.mean[:count]), f"spread x{brighter}": _levels(brighter * spread)}
    else:
        found["restored"] = _levels(restored.mean[:count])
    return found if originals is None else found | {"original": _levels(originals[:count])}


def _damaged(values: Tensor, factor: int) -> npt.NDArray[np.uint8]:
    colour = torch.tensor(MISSING, device=values.device, dtype=values.dtype).reshape(1, 3, 1, 1)
    coloured = values.expand(-1, 3, -1, -1)
    return _levels(enlarged(torch.where(coloured.isnan(), colour, coloured), factor))


def _levels(images: Tensor) -> npt.NDArray[np.uint8]:
    """Values in [0, 1] (others are cut off) ``[n, C, H, W]`` -> ``[n, H, W, 3]``."""
    levels = (images.expand(-1, 3, -1, -1).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())
