"""Which layers share a beta: groups by layer, or by the resolutions of a deep network."""

import re
from typing import TypeAlias

from ratescape.errors import SpecError
from ratescape.specs.blocks import levels
from ratescape.specs.checks import require
from ratescape.specs.model import ModelSpec

Groups: TypeAlias = tuple[int | str, ...]
"""A number for each layer, top first, or for each group the resolutions it has: ``("1-4,7", "14")``."""


def resolved_groups(groups: Groups | None, model: ModelSpec) -> tuple[int, ...]:
    """Group of each layer, top first, numbered from 0; by default :attr:`ModelSpec.usual_groups`.

    Example::

        resolved_groups(("1-4,7", "14"), ModelSpec(family="deep", blocks="1x1,4x1,7x2,14x2"))  # (0, 0, 0, 0, 1, 1)

    Raises:
        SpecError: not one group for each layer, or numbers with gaps; or resolutions that a deep network has not, that
            are named twice or left out, or that are not known yet because its blocks are not.
    """
    layers = model.layers
    if groups is None:
        return model.usual_groups
    words = [word for one in groups for word in str(one).split(",")]
    by_layer = tuple(int(word) for word in words if word.strip().isdigit())
    if len(by_layer) == len(words) == layers and {*by_layer} == {*range(max(by_layer, default=-1) + 1)}:
        return by_layer
    if model.family == "deep" and groups:
        return _by_resolution(groups, model)
    expected = f"one group for each of the {layers} layers, numbered 0, 1, ... without gaps"
    require(False, "groups", groups, expected)
    raise AssertionError("refused above")


def _by_resolution(groups: Groups, model: ModelSpec) -> tuple[int, ...]:
    """Group of each layer from the resolutions of each group."""
    if model.blocks is None:
        raise SpecError(
            f"groups is {groups}: groups of resolutions need the network's blocks, so give model.blocks, too"
        )
    own = levels(model.blocks)
    group_of: dict[int, int] = {}
    for number, words in enumerate(groups):
        for resolution in _named(str(words), [level.resolution for level in own], groups):
            if resolution in group_of:
                raise SpecError(f"groups is {groups}: resolution {resolution} is named twice")
            group_of[resolution] = number
    left_out = [str(level.resolution) for level in own if level.resolution not in group_of]
    if left_out:
        raise SpecError(f"groups is {groups}: resolution {', '.join(left_out)} is in no group; name each once")
    found = [group_of[level.resolution] for level in own for _ in range(level.blocks)]
    order = list(dict.fromkeys(found))
    return tuple(order.index(one) for one in found)


def _named(words: str, known: list[int], groups: Groups) -> list[int]:
    """The resolutions of one group: ``7``, ``4,7`` or ``1-7``, which takes all that the network has between."""
    found: list[int] = []
    for part in words.split(","):
        read = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first, last = (int(read[1]), int(read[2] or read[1])) if read else (1, 0)
        within = [one for one in known if first <= one <= last]
        if not within or first not in known or last not in known:
            theirs = ", ".join(map(str, known))
            raise SpecError(
                f"groups is {groups}: {part!r} is no resolution of this network, nor a range of them; it has {theirs}, "
                "written such as 1-4,7 14"
            )
        found += within
    return found
