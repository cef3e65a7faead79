"""What does a model reconstruct and generate? Strips of originals, reconstructions and samples, as PNG."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ratescape.data.batches import Images, stream
from ratescape.model.hierarchy import HVAE


def reconstructions(model: HVAE, images: Images, count: int) -> bytes:
    """PNG of two rows: the first ``count`` images, and below them their reconstructions from modes.

    Example::

        Path("reconstructions.png").write_bytes(reconstructions(model, images, 8))
    """
    originals = images.take(torch.arange(min(count, len(images)), device=images.device))
    return strip_png([originals, model.reconstruct(originals)])


def samples(model: HVAE, count: int, seed: int) -> bytes:
    """PNG of one row: ``count`` samples from the prior; the same draws for every model of one shape and seed.

    Example::

        Path("samples.png").write_bytes(samples(model, 8, seed=0))
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(stream(seed, "samples"))
    return strip_png([model.sample(count, generator)])


def strip_png(rows: list[Tensor]) -> bytes:
    """PNG of rows of images side by side, without gaps.

    Args:
        rows: each ``[N, C, H, W]``, values in [0, 1] (those outside are clipped).
    """
    strips = [torch.cat(list(row.detach().cpu()), dim=-1) for row in rows]  # each [C, H, N W]
    levels = (torch.cat(strips, dim=1).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    pixels = levels[0] if levels.shape[0] == 1 else np.moveaxis(levels, 0, -1)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=True)
    return file.getvalue()
