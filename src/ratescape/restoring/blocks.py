"""Any number of images restored, a block of them at a time, as all at once would be."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from ratescape.model.hierarchy import HVAE
from ratescape.model.restored import Restored
from ratescape.restoring.damage import Damage, damaged, seen
from ratescape.restoring.masks import is_named, mask_of
from ratescape.restoring.restore import Restoring, restored, rows_at_once


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Some images, one after the other."""

    restored: Restored
    originals: Tensor | None
    """``[n, C, H, W]`` in [0, 1]; None where nobody knows them."""


def in_blocks(
    model: HVAE, take: Callable[[int, int], Any], count: int, damage: Damage, how: Restoring, *, degrade: bool
) -> Iterator[Block]:
    """Restore images block by block; the results do not depend on the blocks.

    Args:
        take: gives the images from one number to another.
        count: how many there are.
        degrade: they are whole, and are damaged first.

    Raises:
        SpecError: as of :func:`ratescape.restoring.restore.restore`.

    Example::

        for block in in_blocks(model, lambda a, b: images[a:b], len(images), Damage("half"), Restoring(), degrade=True):
            print(block.restored.psnr(block.originals))
    """
    _, height, width = damage.shape(model.image_shape)
    masks = None
    if damage.mask is not None and not is_named(damage.mask):
        masks = mask_of(damage.mask, count, (height, width), how.seed)
    rows = rows_at_once(model, damage.downscale)
    size = rows // math.gcd(rows, how.chains)  # so many images' chains are whole chunks of the network's rows
    for begin in range(0, count, size):
        end = min(begin + size, count)
        own = damage if masks is None or len(masks) == 1 else dataclasses.replace(damage, mask=masks[begin:end])
        items = take(begin, end)
        known = (damaged if degrade else seen)(model, items, own, how.seed, begin)
        yield Block(restored(model, known, how, begin), model.inputs(items) if degrade else None)
