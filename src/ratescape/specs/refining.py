"""Which run a model is that is taken from a landscape's network and trained on: refused here if it cannot be."""

import dataclasses
from collections.abc import Sequence

from ratescape.errors import SpecError
from ratescape.specs.runs import MergedSpec, RunSpec
from ratescape.specs.sweep import SweepSpec


def refined_run(spec: SweepSpec, betas: tuple[float, ...], seed: int, epochs: int) -> RunSpec:
    """The run of a model that is taken from a landscape's network and trained on at its betas.

    Args:
        betas: one for each layer, top layer first; they need not be of the grid.
        epochs: of refining, counted from the network's weights.

    Raises:
        SpecError: every beta point of the landscape has a network of its own, no more epochs than all of its models
            were refined for, or a seed that is none of the landscape's.
    """
    refuse_refining(spec, epochs)
    networks = {network.seed: network for network in spec.networks()}
    if seed not in networks:
        raise SpecError(unknown_seed(seed, list(networks)))
    (like, *_) = spec.runs()
    merged = like.merged or MergedSpec(networks[seed])
    merged = MergedSpec(networks[seed], epochs, merged.refine_learning_rate)
    return dataclasses.replace(like, betas=betas, seed=seed, merged=merged)


def refuse_refining(spec: SweepSpec, epochs: int) -> None:
    """Refuse to refine any model of a landscape for so many epochs, counted from the network's weights.

    Raises:
        SpecError: its models are of no network, or all of them were refined for as many epochs.
    """
    if not spec.networks():
        raise SpecError(
            "refining needs a landscape mapped by method conditioned: train the models of this one for more "
            "training.epochs, in another folder"
        )
    (like, *_) = spec.runs()
    before = 0 if like.merged is None else like.merged.refine
    if epochs <= before:
        least = f"more than the {before} that all its models were refined for, these included" if before else "positive"
        raise SpecError(f"refine is {epochs}: the epochs must be {least}")


def unknown_seed(seed: int, known: Sequence[int]) -> str:
    """What to say of a seed that is none of a landscape's."""
    given, more = ", ".join(map(str, known)), " ".join(map(str, [*known, seed]))
    return f"seed is {seed}: the landscape has {given}; choose among these, or map another with --seeds {more}"
