"""Measurements against their definitions."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from ratescape.data.batches import Images
from ratescape.evaluation import pictures, suite
from ratescape.evaluation.rates import active_units, rates
from ratescape.evaluation.reconstruction import Reconstruction, reconstruction
from ratescape.model.hierarchy import HVAE, PosteriorMode, PosteriorSample
from ratescape.model.networks import build, complete
from ratescape.specs import EvaluationSpec, ModelSpec

SHAPE = (1, 16, 16)


@pytest.fixture
def model() -> HVAE:
    torch.manual_seed(0)
    return build(complete(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True), SHAPE).requires_grad_(False)


@pytest.fixture
def images() -> Images:
    """More images than pass through a network at once, so that chunks of unequal size must be weighted rightly."""
    return Images(np.random.default_rng(0).integers(0, 256, (1100, *SHAPE), dtype=np.uint8), binary=True)


def test_rates_agree_with_one_pass_over_all_images(model: HVAE, images: Images) -> None:
    """Other draws of the latents, the same expectation: means agree within five standard errors of their difference."""
    measured = rates(model, images, seed=0, draws=4)
    everything = images.take(torch.arange(len(images)))
    result = model(PosteriorSample(model.noise(len(images), torch.Generator().manual_seed(9))), everything)
    assert measured.rates.shape == (1100, 2) and measured.distortion.shape == (1100,)
    torch.testing.assert_close(measured.rates[:, 0].float(), result.rates[:, 0])  # exact: nothing is sampled above z_2
    for ours, other in ((measured.rates[:, 1], result.rates[:, 1]), (measured.distortion, result.distortion)):
        difference = ours - other
        assert abs(difference.mean()) < 5 * difference.std() / math.sqrt(len(difference))


def test_rates_repeat_with_their_seed(model: HVAE, images: Images) -> None:
    one, two, other = (rates(model, images, seed).distortion for seed in (1, 1, 2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(one, other)


def test_psnr_is_of_the_one_mse_over_all_images(model: HVAE, images: Images) -> None:
    everything = images.take(torch.arange(len(images)))
    restored = torch.sigmoid(model(PosteriorMode(), everything).output)
    mse = float((restored - everything).square().mean())
    measured = reconstruction(model, images)
    assert measured.psnr == pytest.approx(10 * math.log10(1 / mse), abs=1e-4)
    torch.testing.assert_close(measured.means, model.encode(everything))
    assert Reconstruction(0.0, []).psnr == math.inf


def test_active_units_are_those_whose_mean_varies() -> None:
    spread = torch.tensor([0.0, 0.09, 0.11, 1.0])  # variances 0, 0.0081, 0.0121, 1
    means = torch.randn(4000, 4)
    means = (means - means.mean(0)) / means.std(0, correction=0) * spread
    assert active_units([means, means.reshape(4000, 2, 2, 1), torch.ones(5, 3)]) == [2, 2, 0]


def test_a_record_is_consistent(model: HVAE, images: Images) -> None:
    metrics = suite.record(model, images, "test", (0.5, 2.0), EvaluationSpec())["metrics"]
    top, lower = metrics["rates"]
    assert metrics["rate"] == pytest.approx(top + lower)
    assert metrics["loss"] == pytest.approx(metrics["distortion"] + 0.5 * top + 2 * lower)
    assert metrics["nelbo"] == pytest.approx(metrics["distortion"] + metrics["rate"])
    blank = suite.blank("test", (0.5, 2.0), EvaluationSpec())["metrics"]
    assert blank.keys() == metrics.keys()


def test_pictures_hold_the_pixels(model: HVAE, images: Images) -> None:
    strip = np.asarray(Image.open(io.BytesIO(pictures.reconstructions(model, images, 5))))
    assert strip.shape == (32, 80)
    originals = images.take(torch.arange(5))[:, 0].numpy() * 255
    for index in range(5):
        np.testing.assert_array_equal(strip[:16, 16 * index : 16 * (index + 1)], originals[index])
    restored = model.reconstruct(images.take(torch.arange(5)))[3, 0].numpy() * 255
    np.testing.assert_allclose(strip[16:, 48:64], restored, atol=0.51)
    drawn = [pictures.samples(model, 4, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_colour_pictures() -> None:
    rows = [torch.rand(3, 3, 4, 6), torch.full((3, 3, 4, 6), 2.0)]
    strip = np.asarray(Image.open(io.BytesIO(pictures.strip_png(rows))))
    assert strip.shape == (8, 18, 3) and (strip[4:] == 255).all()
    np.testing.assert_allclose(strip[:4, 6:12], rows[0][1].permute(1, 2, 0).numpy() * 255, atol=0.51)
