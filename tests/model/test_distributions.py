"""Likelihoods against closed forms and brute force."""

import itertools
import math

import numpy as np
import pytest
import torch

from ratescape.errors import SpecError
from ratescape.model.distributions import (
    FixedGaussian,
    Gaussian,
    LearnedGaussian,
    LogisticMixture,
    likelihood,
)
from ratescape.specs.model import ModelSpec


def test_gaussian_likelihood_has_its_constant() -> None:
    # The paper's sigma over 3072 dimensions: 3072 (ln 0.71 + 0.5 ln 2 pi) = 1770.85 nats for a perfect image.
    images = torch.rand(2, 3, 32, 32)
    assert FixedGaussian(0.71).distortion(images, images).tolist() == pytest.approx([1770.85] * 2, abs=0.005)
    assert FixedGaussian(0.71).least(images[0].numel()) == pytest.approx(1770.85, abs=0.005)


def test_fixed_and_learned_gaussian_agree_at_the_initial_sigma() -> None:
    images, output = torch.rand(4, 1, 16, 16), torch.rand(4, 1, 16, 16)
    fixed, learned = FixedGaussian(0.3), LearnedGaussian(0.3)
    torch.testing.assert_close(
        fixed.distortion(output, images), learned.distortion(output, images), rtol=1e-4, atol=1e-3
    )


def test_learned_sigma_is_best_at_the_root_mean_squared_error() -> None:
    images, output = torch.rand(50, 1, 16, 16), torch.rand(50, 1, 16, 16)
    model = LearnedGaussian(0.71)
    optimiser = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(400):
        optimiser.zero_grad()
        model.distortion(output, images).mean().backward()
        optimiser.step()
    rmse = float((images - output).square().mean().sqrt())
    assert float(torch.nn.functional.softplus(model.pre_sigma.detach())) == pytest.approx(rmse, rel=1e-3)


def test_kl_is_the_expected_log_ratio() -> None:
    torch.manual_seed(0)
    q = Gaussian(torch.randn(1, 6), torch.rand(1, 6) + 0.2)
    p = Gaussian(torch.randn(1, 6), torch.rand(1, 6) + 0.5)
    z = q.at(torch.randn(40_000, 6))
    ratio = q.log_density(z) - p.log_density(z)
    error = float(ratio.std()) / math.sqrt(len(ratio))
    assert float(ratio.mean()) == pytest.approx(float(q.kl(p)), abs=5 * error)


@pytest.mark.parametrize("channels", [1, 3])
def test_logistic_mixture_is_a_distribution_over_all_levels(channels: int) -> None:
    """Summed over every value of one pixel, probabilities are one: all 256 for grey, a coarse marginal for colour."""
    torch.manual_seed(0)
    mixture = LogisticMixture(3)
    output = torch.randn(1, mixture.output_channels(channels), 1, 1, dtype=torch.float64)
    levels = torch.arange(256, dtype=torch.float64) / 255
    if channels == 1:
        images = levels.reshape(256, 1, 1, 1)
        total = torch.logsumexp(-mixture.distortion(output.expand(256, -1, -1, -1), images), 0)
        assert float(total) == pytest.approx(0, abs=1e-9)
        return
    # For colour the sum over blue given (red, green), then over green, must not depend on what was summed out.
    totals = []
    for red, green in itertools.product([0.0, 40 / 255], repeat=2):
        images = torch.stack([torch.full_like(levels, red), torch.full_like(levels, green), levels], 1)[..., None, None]
        totals.append(torch.logsumexp(-mixture.distortion(output.expand(256, -1, -1, -1), images), 0))
    # p(red, green) by the same sum with another output whose blue parts differ
    other = output.clone().unflatten(1, (3, 10))
    other[:, :, [3, 6, 8, 9]] += 0.7  # blue's mean, scale and couplings
    other = other.flatten(1, 2)
    for (red, green), total in zip(itertools.product([0.0, 40 / 255], repeat=2), totals, strict=True):
        images = torch.stack([torch.full_like(levels, red), torch.full_like(levels, green), levels], 1)[..., None, None]
        again = torch.logsumexp(-mixture.distortion(other.expand(256, -1, -1, -1), images), 0)
        assert float(again) == pytest.approx(float(total), abs=1e-9)
        assert float(total) < 0


def test_logistic_mixture_mean_is_the_expected_pixel() -> None:
    torch.manual_seed(1)
    mixture = LogisticMixture(2)
    output = torch.randn(1, mixture.output_channels(1), 1, 1, dtype=torch.float64) * 0.3
    output = output.unflatten(1, (2, 3))
    output[:, :, 2] = -2.0  # narrow enough that no mass is cut off at the ends of the range
    output = output.flatten(1, 2)
    levels = torch.arange(256, dtype=torch.float64) / 255
    masses = torch.exp(-mixture.distortion(output.expand(256, -1, -1, -1), levels.reshape(256, 1, 1, 1)))
    assert float(mixture.mean(output)) == pytest.approx(float((masses * levels).sum()), abs=1e-3)


def test_colour_mean_propagates_through_the_couplings() -> None:
    mixture = LogisticMixture(1)
    output = torch.zeros(1, 10, 1, 1)
    output[0, 1:4, 0, 0] = torch.tensor([0.1, -0.2, 0.0])  # means, around one half
    output[0, 7:10, 0, 0] = torch.atanh(torch.tensor([0.5, 0.25, -0.5]))  # couplings
    red = 0.6
    green = 0.3 + 0.5 * red
    blue = 0.5 + 0.25 * red - 0.5 * green
    np.testing.assert_allclose(mixture.mean(output).flatten(), [red, green, blue], rtol=1e-5)


def test_an_open_likelihood_is_refused() -> None:
    with pytest.raises(SpecError, match=r"model\.likelihood"):
        likelihood(ModelSpec())
