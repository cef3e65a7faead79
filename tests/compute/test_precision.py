"""Shorter number formats in training end where float32 ends, and leave nothing behind."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from helpers.images import SIDE, blobs
from torch import Tensor

from ratescape.compute.precision import FLOAT, arithmetic, denormals_as_zero, mixed_precision
from ratescape.data.batches import Images
from ratescape.data.catalog import load_data
from ratescape.evaluation.rates import rates
from ratescape.execution.packing import member_bytes
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, PosteriorSample
from ratescape.model.packs import member
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training import compiling
from ratescape.training.betas.annealing import LinearAnnealing
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.sampled import BetaBox, SampledBetas
from ratescape.training.loop import train

SHAPE = (1, SIDE, SIDE)
SPEC = TrainingSpec(epochs=13, batch=32, learning_rate=3e-3)
"""52 steps on 128 images."""
BETAS = [(1.0, 1.0), (0.1, 10.0), (5.0, 0.2)]
MODELS = {
    "ghvae": ModelSpec(channels=4, latents=(3, 2)),
    "lvae": ModelSpec(family="lvae", channels=4, latents=(3, 2)),
    "bottom-up": ModelSpec(family="bottom-up", channels=4, latents=(3, 2)),
    "residual": ModelSpec(family="residual", channels=4, latents=(3, 2, 1)),
}
FLAGS = (torch.backends.cudnn, torch.backends.cuda.matmul)


@pytest.fixture(scope="module")
def images() -> Images:
    return Images(blobs(128)[:, None], binary=True)


def model_of(name: str) -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(MODELS[name], SHAPE, binary=True), SHAPE)


def trained(images: Images, name: str, precision: Any, betas: list[tuple[float, ...]]) -> dict[str, Tensor]:
    model, spec = model_of(name), dataclasses.replace(SPEC, precision=precision)
    result = train(spec, model, images, FixedBetas(torch.tensor(betas), 0), len(betas), seed=7)
    assert result.diverged == [False] * len(betas)
    assert {weights.dtype for weights in result.parameters.values()} == {torch.float32}
    return result.parameters


@pytest.mark.parametrize("name", MODELS)
def test_bf16_gives_the_same_rates_and_distortion(images: Images, name: str) -> None:
    """After 52 steps: distortion within 0.2 %, each layer's rate within 5 % and 0.02 nats, of float32.

    bfloat16 keeps 8 bits, so that a product is off by up to 0.4 %; errors of many average out.
    """
    layers = MODELS[name].layers
    betas = [(1.0,) * layers] if name == "bottom-up" else [tuple(b[i % 2] for i in range(layers)) for b in BETAS]
    exact, short = (trained(images, name, precision, betas) for precision in ("float32", "bf16"))
    assert any(not torch.equal(exact[key], short[key]) for key in exact)
    model = model_of(name)
    for index in range(len(betas)):
        measured = []
        for parameters in (exact, short):
            model.load_state_dict(member(parameters, index), strict=True)
            measured.append(rates(model, images, seed=0))
        one, other = measured
        np.testing.assert_allclose(other.distortion.mean(), one.distortion.mean(), rtol=2e-3)
        np.testing.assert_allclose(other.rates.mean(0), one.rates.mean(0), rtol=0.05, atol=0.02)


def test_bf16_trains_a_network_conditioned_on_betas(images: Images) -> None:
    losses = []
    for precision in ("float32", "bf16"):
        network = Conditioned(model_of("ghvae"), 0.1, 10.0, 8)
        policy = SampledBetas(BetaBox(0.1, 10.0, (0, 1)), 1, LinearAnnealing(0), 0, torch.empty(0))
        spec = dataclasses.replace(SPEC, precision=precision)
        losses.append(train(spec, network, images, policy, 1, seed=7).history[0][-1]["loss"])
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=5e-3)


@pytest.mark.parametrize("likelihood", ["gaussian", "learned-gaussian", "logistic-mixture"])
def test_losses_and_what_they_are_made_of_are_float32(likelihood: Any) -> None:
    batch = torch.rand(4, 3, SIDE, SIDE)
    spec = ModelSpec(channels=4, latents=(3, 2), likelihood=likelihood)
    model = build(resolved_model(spec, (3, SIDE, SIDE), binary=False), (3, SIDE, SIDE))
    with mixed_precision("bf16", batch.device):
        result = model(PosteriorSample(model.noise(4)), batch)
    gaussians = [part for gaussian in (*result.priors, *result.posteriors) for part in gaussian]
    for tensor in (result.output, result.rates, result.distortion, *result.latents, *gaussians):
        assert tensor.dtype == torch.float32


def test_tf32_changes_nothing_on_a_cpu(images: Images) -> None:
    exact, short = (trained(images, "ghvae", precision, BETAS) for precision in ("float32", "tf32"))
    for key in exact:
        torch.testing.assert_close(exact[key], short[key], rtol=0, atol=0)


@pytest.mark.parametrize("precision", FLOAT)
def test_a_gpus_arithmetic_is_as_asked_for_and_restored(precision: str) -> None:
    """The flags can be set without a GPU; what they do there is not tested here."""
    before = [flag.allow_tf32 for flag in FLAGS]

    def interrupted() -> None:
        with arithmetic(precision, torch.device("cuda")):
            assert [flag.allow_tf32 for flag in FLAGS] == [precision == "tf32"] * 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [flag.allow_tf32 for flag in FLAGS] == before
    with arithmetic("tf32", torch.device("cpu")):
        assert [flag.allow_tf32 for flag in FLAGS] == before


def halved_tiny() -> float:
    """Half of the smallest normal number: a denormal one, or 0 where these count as 0."""
    return float(torch.tensor(torch.finfo(torch.float32).tiny) / 2)


def test_trainings_on_a_cpu_take_denormal_numbers_as_zero_and_leave_no_trace(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    before = compiling.pack_pass

    def looks(*given: Any) -> Any:
        seen.append(halved_tiny())
        return before(*given)

    monkeypatch.setattr(compiling, "pack_pass", looks)
    trained(images, "ghvae", "float32", BETAS[:1])
    assert seen and not any(seen)
    assert halved_tiny() > 0
    with denormals_as_zero():
        with arithmetic("float32", torch.device("cpu")):
            assert halved_tiny() == 0
        assert halved_tiny() == 0  # as a user who asked for it had it
    assert halved_tiny() > 0


def test_bf16_is_planned_to_take_less_memory() -> None:
    data = load_data(blobs(96))
    spec = SweepSpec(data=data.spec, model=resolved_model(MODELS["ghvae"], SHAPE, binary=False))
    short = dataclasses.replace(spec, training=TrainingSpec(precision="bf16"))
    assert member_bytes(short, data) < 0.9 * member_bytes(spec, data)
