"""The axes of a landscape: groups of layers that share a beta, what they are called, and what each carries."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ratescape.metrics import ACTIVE_RATE, SUBSCRIPTS, layer_columns
from ratescape.selection import beta_vaes
from ratescape.specs.blocks import levels
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec


class Group(NamedTuple):
    """Layers that share a beta: an axis of a landscape."""

    name: str
    """``z₃``, ``z₅–z₃`` or, of a deep network, its resolutions: ``7×7``, ``1×1–4×4``."""
    layers: tuple[int, ...]
    """Their numbers, the top one first."""

    @property
    def beta(self) -> str:
        """What its beta is called: ``β₃``, ``β(7×7)``."""
        own = self.name == latents(self.layers) and len(self.layers) == 1
        return f"β{self.name.removeprefix('z')}" if own else f"β({self.name})"


def groups_of(spec: SweepSpec) -> list[Group]:
    """The groups of a landscape, the top one first.

    Those of a deep network are named by resolution, where each takes whole ones; others by layers. Where rates were
    asked for, each layer has a beta of its own, and a deep network's are grouped by resolution all the same.

    Example::

        groups_of(spec)  # [Group("1×1", (5,)), Group("7×7", (4, 3)), Group("14×14", (2, 1))]
    """
    grouping = spec.grouping()
    numbers = range(spec.model.layers, 0, -1)
    members = [
        tuple(layer for layer, of in zip(numbers, grouping, strict=True) if of == group)
        for group in dict.fromkeys(grouping)
    ]
    names = _by_resolution(spec.model, members) or [latents(layers) for layers in members]
    return [Group(name, layers) for name, layers in zip(names, members, strict=True)]


def single_layers(rows: pd.DataFrame) -> list[Group]:
    """Every layer of a table as a group of its own."""
    return [Group(latents((layer,)), (layer,)) for layer in range(len(layer_columns(rows, "rate")), 0, -1)]


def group_rates(rows: pd.DataFrame, groups: Sequence[Group], prefix: str = "") -> list[pd.Series]:
    """What the layers of each group carry together, nats per image, one column for each group.

    Args:
        rows: the models.
        groups: the groups, top first.
        prefix: ``test_`` for what was measured on test.
    """
    return [rows[[f"{prefix}rate_{layer}" for layer in group.layers]].sum(axis=1, skipna=False) for group in groups]


def group_shares(rows: pd.DataFrame, groups: Sequence[Group], prefix: str = "") -> list[pd.Series]:
    """The share of the total rate that each group carries; missing where less than 0.1 nats leave nothing to divide.

    Args:
        rows: the models.
        groups: the groups, top first.
        prefix: as of :func:`group_rates`.
    """
    total = rows[f"{prefix}rate"].where(rows[f"{prefix}rate"] >= ACTIVE_RATE)
    return [rate / total for rate in group_rates(rows, groups, prefix)]


def group_betas(row: pd.Series, groups: Sequence[Group]) -> list[str]:
    """The beta of each group as text; from the smallest to the largest where rates were asked for of single layers."""
    return [_beta_text([row[f"beta_{layer}"] for layer in group.layers]) for group in groups]


def _beta_text(betas: Sequence[float]) -> str:
    low, high = (f"{float(f'{beta:.3g}'):g}" for beta in (min(betas), max(betas)))
    return low if low == high else f"{low}–{high}"


def axes_of(rows: pd.DataFrame, groups: Sequence[Group]) -> int:
    """In how many betas the models differ on their own: one for each group, or one that all layers share."""
    return 1 if beta_vaes(rows).all() else len(groups)


def latents(layers: Sequence[int]) -> str:
    """The latents of layers, top first: ``z₅, z₄``; of three and more that follow one another ``z₅–z₃``."""
    return _listed([f"z{layer}".translate(SUBSCRIPTS) for layer in layers], [-layer for layer in layers])


def _listed(names: Sequence[str], places: Sequence[int]) -> str:
    """Names, or the first and the last where three and more have places that follow one another."""
    follow = all(after == before + 1 for before, after in itertools.pairwise(places))
    return f"{names[0]}–{names[-1]}" if follow and len(names) > 2 else ", ".join(names)


def _by_resolution(model: ModelSpec, members: Sequence[Sequence[int]]) -> list[str] | None:
    """Names of the groups by the resolutions of their maps; None where they have none, or two groups share one."""
    if model.family != "deep" or model.blocks is None:
        return None
    own = levels(model.blocks)
    places = [place for place, level in enumerate(own) for _ in range(level.blocks)][::-1]  # of layer 1 first
    found = [list(dict.fromkeys(places[layer - 1] for layer in layers)) for layers in members]
    if sum(map(len, found)) > len(own):
        return None
    sides = [f"{level.resolution}×{level.resolution}" for level in own]
    return [_listed([sides[place] for place in group], group) for group in found]
