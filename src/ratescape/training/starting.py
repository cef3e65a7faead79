"""What a training begins with: the untrained network of a run, and the policy of its betas."""

from collections.abc import Callable, Mapping, Sequence

import torch

from ratescape.compute.precision import FLOAT
from ratescape.data.batches import stream
from ratescape.data.catalog import ImageData
from ratescape.model.columns import stand_on
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build
from ratescape.specs.runs import RunSpec
from ratescape.training.betas.controlled import ControlledBetas
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.policy import BetaPolicy
from ratescape.training.schedule import annealing_steps, total_steps

Log = Callable[[int], Sequence[Mapping[str, object]]]
"""What was recorded over the training of a member, by its index."""


def initial(run: RunSpec, data: ImageData) -> HVAE:
    """The untrained network of a run, drawn in float32: a function of structure and seed, and of vectors' units."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(run.seed, "weights"))
        model = build(run.model, data.shape)
    stand_on(model.likelihood, data)
    return model.to(FLOAT[run.training.precision])


def pack_policy(runs: tuple[RunSpec, ...], count: int, like: torch.Tensor) -> tuple[BetaPolicy, Log | None]:
    """How the betas of a pack's runs are chosen, for so many training images; and the log of it, if one is kept."""
    spec = runs[0]
    if spec.target is not None:
        targets = [run.target.rates for run in runs if run.target is not None]
        steps = total_steps(spec.training, count)
        controlled = ControlledBetas(targets, spec.model.layers, steps, spec.target.control, like)
        return controlled, controlled.log
    betas = torch.tensor([run.betas for run in runs], device=like.device, dtype=like.dtype)  # [P, L]
    return FixedBetas(betas, annealing_steps(spec.training, count), spec.training.annealing_path), None
