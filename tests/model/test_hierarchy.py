"""The one top-down pass, for every family and L = 1, 2, 3, 5."""

import math
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from ratescape.errors import SpecError
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import Given, PosteriorMode, PosteriorSample, PriorMode, PriorSample
from ratescape.model.parts import TopLayer
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 20)
SPECS = {
    "ghvae": ModelSpec(family="ghvae", channels=4, latents=(3, 2)),
    "lvae": ModelSpec(family="lvae", channels=4, latents=(3, 2)),
    "bottom-up": ModelSpec(family="bottom-up", channels=4, latents=(3, 2)),
    "residual-1": ModelSpec(family="residual", channels=4, latents=(3,)),
    "residual-2": ModelSpec(family="residual", channels=4, latents=(3, 2)),
    "residual-3": ModelSpec(family="residual", channels=4, latents=(3, 2, 1)),
    "residual-5": ModelSpec(family="residual", channels=4, latents=(3, 2, 1, 2, 1)),
}


@pytest.fixture(params=SPECS, ids=str)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(name: str) -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(SPECS[name], SHAPE, binary=True), SHAPE).double().requires_grad_(False)


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(6, *SHAPE, generator=generator, dtype=torch.float64) > 0.5).double()


def test_shapes(model: HVAE, name: str, images: torch.Tensor) -> None:
    layers = SPECS[name].layers
    result = model(PosteriorSample(model.noise(6)), images)
    assert [tuple(z.shape[1:]) for z in result.latents] == model.latent_shapes
    assert result.rates.shape == (6, layers) and result.distortion.shape == (6,)
    assert len(result.priors) == len(result.posteriors) == layers
    prior = model(PriorSample(model.noise(4)))
    assert prior.output.shape == (4, 1, 16, 20) and prior.rates.shape == (0, layers) and not prior.posteriors


def test_rates_and_distortion_are_those_of_the_joint_density(model: HVAE, name: str, images: torch.Tensor) -> None:
    """Averaged over draws, sum of rates = E[log q(z|x) - log p(z)], whatever way the layers are inferred in."""
    draws = 4000
    one = images[:1].expand(draws, -1, -1, -1)
    result = model(PosteriorSample(model.noise(draws, torch.Generator().manual_seed(2))), one)
    log_q = sum(q.log_density(z) for q, z in zip(result.posteriors, result.latents, strict=True))
    log_p = sum(p.log_density(z) for p, z in zip(result.priors, result.latents, strict=True))
    difference = result.rates.sum(1) - (log_q - log_p)
    error = float(difference.std()) / math.sqrt(draws)
    assert abs(float(difference.mean())) <= 5 * error + 1e-9


def test_rates_are_zero_where_the_posterior_is_the_prior(images: torch.Tensor) -> None:
    model = build(resolved_model(SPECS["residual-1"], SHAPE, binary=True), SHAPE).double()
    heads = cast(TopLayer, model.layers[0]).heads
    mean, spread = cast(nn.Linear, heads.mean), cast(nn.Linear, heads.spread)
    for tensor in (mean.weight, spread.weight, mean.bias):
        nn.init.zeros_(tensor)
    nn.init.constant_(spread.bias, math.log(math.expm1(1 - 1e-6)))
    rates = model(PosteriorSample(model.noise(6)), images).rates
    torch.testing.assert_close(rates, torch.zeros_like(rates), atol=1e-12, rtol=0)


def test_the_pass_treats_images_one_by_one(model: HVAE, images: torch.Tensor) -> None:
    noise = model.noise(6, torch.Generator().manual_seed(3))
    together = model(PosteriorSample(noise), images)
    for i in range(6):
        alone = model(PosteriorSample([n[i : i + 1] for n in noise]), images[i : i + 1])
        torch.testing.assert_close(alone.rates[0], together.rates[i])
        torch.testing.assert_close(alone.distortion[0], together.distortion[i])


def test_a_given_pass_repeats_the_pass_its_latents_came_from(model: HVAE, images: torch.Tensor) -> None:
    first = model(PosteriorSample(model.noise(6)), images)
    again = model(Given(first.latents, PriorMode()))
    torch.testing.assert_close(again.output, first.output)


def test_zero_noise_is_the_mode(model: HVAE, images: torch.Tensor) -> None:
    silence = [torch.zeros_like(n) for n in model.noise(6)]
    torch.testing.assert_close(model(PosteriorSample(silence), images).output, model(PosteriorMode(), images).output)
    torch.testing.assert_close(model(PriorSample(silence)).output, model(PriorMode()).output.expand(6, -1, -1, -1))


def test_every_parameter_gets_a_gradient(name: str, images: torch.Tensor) -> None:
    model = build(resolved_model(SPECS[name], SHAPE, binary=True), SHAPE).double()
    result = model(PosteriorSample(model.noise(6)), images)
    (result.distortion + result.rates.sum(1)).mean().backward()
    gradients = {n: p.grad for n, p in model.named_parameters()}
    assert [n for n, g in gradients.items() if g is None or not g.isfinite().all() or not g.abs().max() > 0] == []


def test_lower_layers_do_not_change_the_ones_above(model: HVAE, name: str, images: torch.Tensor) -> None:
    if name == "bottom-up":  # there z2 is inferred from z1
        pytest.skip("bottom-up inference goes the other way")
    noise = model.noise(6)
    changed = [*noise[:-1], noise[-1] + 1]
    one, other = model(PosteriorSample(noise), images), model(PosteriorSample(changed), images)
    torch.testing.assert_close(one.rates, other.rates)
    assert not torch.allclose(one.distortion, other.distortion)


def test_decoding_from_any_number_of_top_layers(model: HVAE, images: torch.Tensor) -> None:
    means = model.encode(images)
    torch.testing.assert_close(model.decode(means), model.reconstruct(images))
    for top in range(1, len(means)):
        mode = model.decode(means[:top])
        filled = model(Given(means[:top], PriorMode()))
        for latents, prior in zip(filled.latents[top:], filled.priors[top:], strict=True):
            torch.testing.assert_close(latents, prior.mean)
        torch.testing.assert_close(mode, model.decode(filled.latents))
        drawn = model.decode(means[:top], torch.Generator().manual_seed(0))
        assert mode.shape == drawn.shape == images.shape and not torch.allclose(mode, drawn)


def test_samples_repeat_with_their_generator(model: HVAE) -> None:
    one, two = (model.sample(3, torch.Generator().manual_seed(5)) for _ in range(2))
    torch.testing.assert_close(one, two)
    assert ((one >= 0) & (one <= 1)).all() and one.shape == (3, *SHAPE)
    assert not torch.allclose(one, model.sample(3, torch.Generator().manual_seed(6)))


def test_reconstruction_from_samples_differs_from_modes(model: HVAE, images: torch.Tensor) -> None:
    sampled = model.reconstruct(images, torch.Generator().manual_seed(0))
    assert sampled.shape == images.shape and not torch.allclose(sampled, model.reconstruct(images))


def test_wrong_latents_are_refused(model: HVAE, name: str) -> None:
    with pytest.raises(SpecError, match="top layers"):
        model.decode([torch.zeros(2, 99, dtype=torch.float64)])
    with pytest.raises(SpecError, match="top layers"):
        model.decode([])


@pytest.mark.parametrize("form", ["uint8", "float", "flat", "last", "numpy"])
def test_images_are_taken_in_every_usual_form(form: str) -> None:
    model = build(resolved_model(SPECS["ghvae"], SHAPE, binary=True), SHAPE)
    levels = torch.randint(0, 256, (5, *SHAPE), dtype=torch.uint8)
    forms = {
        "uint8": levels,
        "float": levels.float() / 255,
        "flat": levels[:, 0],
        "last": levels.permute(0, 2, 3, 1),
        "numpy": levels.numpy(),
    }
    expected = (levels > 127).float()
    torch.testing.assert_close(model.inputs(forms[form]), expected)


def test_unusable_images_are_refused() -> None:
    model = build(resolved_model(SPECS["ghvae"], SHAPE, binary=True), SHAPE)
    for bad in (torch.zeros(2, 1, 28, 28), torch.full((2, *SHAPE), 2.0), torch.full((2, *SHAPE), math.nan)):
        with pytest.raises(SpecError, match="images"):
            model.encode(bad)
    with pytest.raises(SpecError, match="8-bit"):
        model.encode(np.full((2, *SHAPE), 256, np.int64))
