"""What does a model reconstruct and generate? Strips of originals, reconstructions and samples, as PNG."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ratescape.data.batches import Images, stream
from ratescape.model.hierarchy import HVAE, PriorSample


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


MOST_ROWS = 8
"""Numbers of groups that pictures of them show, at most: of more, so many are spread from one to all."""


def reconstructions_by_group(model: HVAE, images: Images, count: int, groups: Sequence[int]) -> bytes:
    """PNG of what each group adds: images, and below them what is restored of the top 1, 2, ..., G groups.

    Latents are posterior modes in these groups, and prior modes given those above in the others.

    Args:
        count: images, the first ones.
        groups: group of each layer, top first, numbered from 0.

    Example::

        Path("by_group.png").write_bytes(reconstructions_by_group(model, images, 8, model.spec.usual_groups))
    """
    originals = images.take(torch.arange(min(count, len(images)), device=images.device))
    return strip_png([originals, *_from_top(model, model.encode(originals), groups)])


@torch.no_grad()
def samples_by_group(model: HVAE, count: int, seed: int, groups: Sequence[int]) -> bytes:
    """PNG of samples, a row for the top 1, 2, ..., G groups drawn from their priors: others are at their modes.

    All rows have the same draws, those of :func:`samples`, whose picture the last row is.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(stream(seed, "samples"))
    drawn = model(PriorSample(model.noise(count, generator))).latents
    return strip_png(_from_top(model, drawn, groups))


def _from_top(model: HVAE, latents: Sequence[Tensor], groups: Sequence[int]) -> list[Tensor]:
    """Images from the latents of the top groups alone, one batch for each number of them that is shown."""
    number = max(groups) + 1
    shown = sorted({round(1 + row * (number - 1) / (MOST_ROWS - 1)) for row in range(MOST_ROWS)})
    return [
        model.decode([z if group < kept else None for z, group in zip(latents, groups, strict=True)]) for kept in shown
    ]


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
