"""p(x | z, y) of black and white pixels and of 256 levels, against counting and against many draws."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ratescape.errors import SpecError
from ratescape.model.distributions import Bernoulli, FixedGaussian, LogisticMixture
from ratescape.restoring.counts import LEAST_NOISE, cells, whole
from ratescape.restoring.damage import Seen, enlarged, small
from ratescape.restoring.pixels import BernoulliPixels, GaussianPixels, LevelPixels, pixels_of

DRAWS = 4000
DEVIATIONS = 5.0


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seen_of(values: Tensor, noise: float, factor: int, missing: Tensor | None = None) -> Seen:
    hidden = torch.zeros_like(values[:, :1]).bool() if missing is None else missing
    return Seen(values.masked_fill(hidden, 0), hidden, noise, factor)


def by_counting(logits: np.ndarray, y: float, noise: float) -> tuple[np.ndarray, float]:
    """P(x_j = 1 | y) and log p(y) of one cell, over all images that it may show."""
    weights, images = [], list(itertools.product((0, 1), repeat=len(logits)))
    for image in images:
        prior = sum(-math.log1p(math.exp(-logit if bit else logit)) for logit, bit in zip(logits, image, strict=True))
        distance = (y - np.mean(image)) / noise
        weights.append(prior - distance**2 / 2 - math.log(noise) - math.log(2 * math.pi) / 2)
    total = np.logaddexp.reduce(weights)
    return np.exp(np.array(weights) - total) @ np.array(images), float(total)


@pytest.mark.parametrize("noise", [0.1, 0.5])
@pytest.mark.parametrize("factor", [1, 2])
def test_black_and_white_pixels_are_those_of_bayes_rule(noise: float, factor: int) -> None:
    logits, values = 2 * normal(1, 1, 2, 2), normal(1, 1, 2 // factor, 2 // factor, seed=1).sigmoid()
    seen = seen_of(values, noise, factor)
    smallest = math.hypot(noise, LEAST_NOISE) if factor > 1 else noise
    parts = cells(logits, factor).reshape(-1, factor**2).numpy()
    found = [by_counting(part, y, smallest) for part, y in zip(parts, values.flatten().tolist(), strict=True)]
    chances = torch.from_numpy(np.stack([one for one, _ in found]))
    pixels = BernoulliPixels()
    shaped = whole(chances.reshape(1, 1, 2 // factor, 2 // factor, -1), factor)
    torch.testing.assert_close(pixels.expected(logits, seen), shaped)
    assert pixels.log_likelihood(logits, seen).item() == pytest.approx(sum(log for _, log in found))

    many = seen.take(torch.zeros(DRAWS, dtype=torch.long))
    drawn = pixels.drawn(logits.expand(DRAWS, -1, -1, -1), many, torch.Generator().manual_seed(2))
    assert set(drawn.unique().tolist()) <= {0.0, 1.0}
    errors = (shaped * (1 - shaped) / DRAWS).sqrt()
    assert bool(((drawn.mean(0, keepdim=True) - shaped).abs() <= DEVIATIONS * errors).all())


def test_drawn_pixels_have_the_mean_that_is_known() -> None:
    """Of a mean without noise, the number of white pixels is known, whatever the logits say."""
    logits = 3 * normal(50, 1, 8, 8)
    truth = (normal(50, 1, 8, 8, seed=1) > 0.3).double()
    seen = seen_of(small(truth, 4), 0.0, 4)
    drawn = BernoulliPixels().drawn(logits, seen, torch.Generator().manual_seed(2))
    torch.testing.assert_close(small(drawn, 4), seen.values)


def test_missing_cells_say_nothing() -> None:
    logits, hidden = normal(3, 1, 4, 4), torch.tensor([[True, False], [False, True]]).expand(3, 1, 2, 2)
    pixels = BernoulliPixels()
    seen = seen_of(normal(3, 1, 2, 2, seed=1).sigmoid(), 0.1, 2, hidden)
    free = enlarged(hidden.double(), 2).bool()
    torch.testing.assert_close(pixels.expected(logits, seen)[free], logits.sigmoid()[free])
    assert bool((pixels.expected(logits, seen)[~free] != logits.sigmoid()[~free]).all())
    nothing = seen_of(seen.values, 0.1, 2, torch.ones_like(hidden))
    torch.testing.assert_close(pixels.log_likelihood(logits, nothing), torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_are_drawn_from_the_mixture(channels: int) -> None:
    """Draws against the cumulative distribution that files are coded by, and against mean and variance."""
    likelihood = LogisticMixture(3)
    output = normal(1, likelihood.output_channels(channels), 1, 1, seed=4) * 0.5
    drawn = likelihood.drawn(output.expand(DRAWS, -1, -1, -1), torch.Generator().manual_seed(0))
    levels = drawn * 255
    torch.testing.assert_close(levels, levels.round())
    for channel in range(channels):  # given the channels before it, as drawn
        below = likelihood.distribution(output.expand(DRAWS, -1, -1, -1), drawn, channel)[:, 0, 0]
        for level in (60, 127, 200):
            chance = below[:, level]
            off = ((levels[:, channel, 0, 0] <= level).double() - chance).mean()
            assert abs(float(off)) <= DEVIATIONS * float((chance * (1 - chance)).mean() / DRAWS) ** 0.5


@pytest.mark.parametrize("channels", [1, 3])
def test_the_variance_of_levels_is_that_of_draws(channels: int) -> None:
    likelihood = LogisticMixture(2)
    output = 0.1 * normal(1, likelihood.output_channels(channels), 1, 1, seed=6)
    parts = output.unflatten(1, (2, -1))  # of each component: logit, means, log scales, couplings
    parts[:, :, 1 + channels : 1 + 2 * channels] -= 1  # narrow, so that no level is cut off
    if channels == 3:
        parts[:, :, 2] -= 0.25  # couplings of about 1/2, -1/2 and 1/2, and all means in the middle
        parts[:, :, 7:] += torch.tensor([0.55, -0.55, 0.55]).reshape(1, 1, 3, 1, 1)
    drawn = likelihood.drawn(output.expand(20 * DRAWS, -1, -1, -1), torch.Generator().manual_seed(0))
    ratio = drawn.var(0) / likelihood.variance(output)[0]
    assert bool(((ratio - 1).abs() < 0.03).all())


def test_levels_under_a_mask_are_weighed_pixel_by_pixel() -> None:
    likelihood = LogisticMixture(2)
    output, values = normal(2, likelihood.output_channels(3), 2, 2), normal(2, 3, 2, 2, seed=1).sigmoid()
    pixels, none = LevelPixels(likelihood), torch.zeros(2, 1, 2, 2).bool()
    whole_image = pixels.log_likelihood(output, seen_of(values, 0.0, 1, none))
    torch.testing.assert_close(whole_image, -likelihood.distortion(output, values))
    upper, lower = none.clone(), none.clone()
    upper[:, :, 0], lower[:, :, 1] = True, True
    halves = [LevelPixels(likelihood).log_likelihood(output, seen_of(values, 0.0, 1, m)) for m in (upper, lower)]
    torch.testing.assert_close(halves[0] + halves[1], whole_image)


def test_the_spread_of_pixels_is_estimated_from_what_is_known_of_each_image() -> None:
    mean = torch.zeros(2, 1, 64, 64, dtype=torch.float64)
    values = normal(2, 1, 64, 64) * torch.tensor([0.1, 0.3]).reshape(2, 1, 1, 1)
    noisy = values + 0.2 * normal(2, 1, 64, 64, seed=1)
    hidden = torch.zeros(2, 1, 64, 64).bool()
    hidden[:, :, :32] = True
    pixels = GaussianPixels(FixedGaussian(0.71), None)
    gain = pixels.expected(mean, seen_of(noisy, 0.2, 1, hidden))[:, 0, 40, 40] / noisy[:, 0, 40, 40]
    expected = torch.tensor([0.01 / 0.05, 0.09 / 0.13], dtype=torch.float64)
    torch.testing.assert_close(gain, expected, atol=0.04, rtol=0)
    unseen = pixels.drawn(mean, seen_of(noisy, 0.2, 1, torch.ones_like(hidden)), torch.Generator().manual_seed(0))
    assert 0.68 < float(unseen.std()) < 0.74  # nothing is known: the model's own


def test_a_sigma_is_of_gaussians() -> None:
    seen = seen_of(torch.zeros(1, 1, 2, 2), 0.0, 1)
    with pytest.raises(SpecError, match="sigma is of models with a Gaussian likelihood"):
        pixels_of(Bernoulli(), seen, 0.1)
