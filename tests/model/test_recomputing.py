"""Gradient checkpointing: the same numbers, less memory."""

import pytest
import torch
from helpers.small_networks import MODELS
from torch import Tensor

from ratescape.errors import SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, Pass
from ratescape.model.latents import PosteriorSample
from ratescape.model.packs import Parameters, pack_pass, split, stack, training_bytes
from ratescape.model.recomputing import is_recomputing, recomputing
from ratescape.model.registry import build, resolved_model
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 20)
DEEP = ModelSpec(family="deep", channels=4, latents=(2,), blocks="2x2,5x2,10x2")


def network(spec: ModelSpec, seed: int = 0) -> HVAE:
    """A narrow network in float64, whose weights are all moved, since some begin at zero."""
    torch.manual_seed(seed)
    model = build(resolved_model(spec, SHAPE, binary=True), SHAPE).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def gradients(model: HVAE | Conditioned, tensors: Parameters, betas: Tensor | None, again: bool) -> list[Tensor]:
    """Of a loss that counts every layer otherwise, for each parameter ``[P, ...]``."""
    torch.manual_seed(3)
    images, noise = torch.rand(3, *SHAPE, dtype=torch.float64).round(), model.noise(3)
    parameters, _ = split(model, tensors)
    for p in parameters.values():
        p.requires_grad_()
    with recomputing(again):
        result: Pass = pack_pass(model, tensors, PosteriorSample(noise), images, betas)
    weights = torch.arange(1, result.rates.shape[-1] + 1)
    loss = (result.distortion + (result.rates * weights).sum(-1)).sum()
    return list(torch.autograd.grad(loss, list(parameters.values())))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("spec", [DEEP, MODELS["ghvae"], MODELS["bottom-up"]], ids=lambda spec: spec.family)
def test_gradients_are_the_same(spec: ModelSpec, members: int) -> None:
    models = [network(spec, seed) for seed in range(members)]
    kept, again = (gradients(models[0], stack(models), None, again) for again in (False, True))
    torch.testing.assert_close(again, kept, rtol=1e-10, atol=1e-10)


def test_gradients_of_a_conditioned_network_are_the_same() -> None:
    conditioned = Conditioned(network(DEEP), 0.1, 10.0, width=8, groups=(0, 0, 1, 1, 2, 2), rank=2, knots=2).double()
    with torch.no_grad():
        for p in conditioned.film.parameters():
            p.add_(0.05 * torch.randn_like(p))
    betas = torch.tensor([[[0.3, 0.3, 2.0, 2.0, 5.0, 5.0]] * 3], dtype=torch.float64)
    kept, again = (gradients(conditioned, stack([conditioned]), betas, again) for again in (False, True))
    torch.testing.assert_close(again, kept, rtol=1e-10, atol=1e-10)


def test_less_is_kept_for_the_backward_pass() -> None:
    model, images = network(DEEP), torch.rand(8, *SHAPE, dtype=torch.float64)
    assert training_bytes(model, images, checkpointing=True) < 0.5 * training_bytes(model, images)
    assert not is_recomputing()


def test_it_does_not_go_with_compiling() -> None:
    with pytest.raises(SpecError, match=r"execution\.compile does not go with execution\.checkpointing: leave one"):
        ExecutionSpec(compile="always", checkpointing=True)
