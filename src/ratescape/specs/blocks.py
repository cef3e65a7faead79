"""Top-down blocks of a deep hierarchy, written as the field does: ``1x1,4x2,7x3,14x2`` is resolution x blocks."""

import itertools
import re
from typing import NamedTuple

from ratescape.errors import SpecError


class Level(NamedTuple):
    """The blocks of one resolution, each of which is a layer of latents."""

    resolution: int
    """The longer side of its maps."""
    blocks: int


def levels(text: str) -> tuple[Level, ...]:
    """The levels of a text, the coarsest, which is the top of the hierarchy, first.

    Example::

        levels("1x1,4x2,14x3")  # (Level(1, 1), Level(4, 2), Level(14, 3)): six layers

    Raises:
        SpecError: the text cannot be read, or its resolutions do not rise.
    """
    found = [re.fullmatch(r"\s*(\d+)x(\d+)\s*", part) for part in text.split(",")]
    read = tuple(Level(int(one[1]), int(one[2])) for one in found if one is not None)
    expected = "RESOLUTIONxBLOCKS of each level, the coarsest first, such as 1x1,4x2,7x3,14x2"
    wrong = [
        part for part, one in zip(text.split(","), found, strict=True) if one is None or not int(one[1]) * int(one[2])
    ]
    if wrong:
        raise SpecError(f"model.blocks is {text!r}: {wrong[0]!r} cannot be read; it must be {expected}")
    for above, below in itertools.pairwise(read):
        if below.resolution <= above.resolution:
            after = f"{below.resolution} comes after {above.resolution}, and resolutions must rise"
            raise SpecError(f"model.blocks is {text!r}: {after}; write {expected}")
    return read


def written(chosen: tuple[Level, ...]) -> str:
    """Levels as the text that :func:`levels` reads."""
    return ",".join(f"{level.resolution}x{level.blocks}" for level in chosen)


def sizes(height: int, width: int) -> dict[int, tuple[int, int]]:
    """Height and width of the maps of every resolution that an image has, the image's own first.

    Each has half the sides of the one before, rounded up, down to a single cell. A resolution is the longer side.

    Example::

        list(sizes(28, 28))  # [28, 14, 7, 4, 2, 1]
    """
    found = {max(height, width): (height, width)}
    while max(height, width) > 1:
        height, width = (height + 1) // 2, (width + 1) // 2
        found[max(height, width)] = (height, width)
    return found


def fitting(text: str, height: int, width: int) -> tuple[Level, ...]:
    """The levels of a text, if images of this size have their resolutions.

    Raises:
        SpecError: they do not, and the message lists those they have; or as :func:`levels`.
    """
    read, known = levels(text), sizes(height, width)
    missing = [str(level.resolution) for level in read if level.resolution not in known]
    if missing:
        raise SpecError(
            f"model.blocks is {text!r}: images of {height} x {width} pixels have no resolution {', '.join(missing)}; "
            f"theirs are {', '.join(map(str, sorted(known)))}"
        )
    return read


def usual(height: int, width: int) -> tuple[Level, ...]:
    """Five layers at three resolutions: a vector, a quarter of the image's sides, and half of them."""
    _, half, quarter, *_ = sizes(height, width)
    return (Level(1, 1), Level(quarter, 2), Level(half, 2))


USUAL_BLOCKS = (1, 2, 2)
"""Blocks at the levels of :func:`usual`, whatever the images."""
