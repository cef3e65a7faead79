"""Probes on samples of q(z_l | x): what the ceilings of Eq. 11 bind."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ratescape.data.batches import Images, stream
from ratescape.errors import DataError
from ratescape.evaluation.bounds import exceeds, f_inverse
from ratescape.evaluation.features import posterior_samples
from ratescape.evaluation.reading import read
from ratescape.evaluation.samples import SampleProbes
from ratescape.model.hierarchy import PosteriorSample
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

CLASSES = 4
SHIFT = 0.6
"""Distance of each class's mean from 0, in standard deviations of the noise."""


def blobs(count: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """z ~ N(mu_y, noise^2 I) in four dimensions, mu_y = SHIFT e_y; and the labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, count)
    return (SHIFT * np.eye(CLASSES)[labels] + noise * generator.normal(size=(count, CLASSES))).astype(
        np.float32
    ), labels


def test_samples_are_one_joint_draw_of_the_posterior() -> None:
    torch.manual_seed(0)
    model = build(resolved_model(ModelSpec(latents=(3, 2)), (1, 16, 16), True), (1, 16, 16))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 16, 16), np.uint8)
    images = Images(pixels, binary=True)
    drawn = posterior_samples(model, images, 5)
    generator = torch.Generator().manual_seed(stream(5, "probes"))
    with torch.no_grad():
        expected = model(PosteriorSample(model.noise(20, generator)), images.take(torch.arange(20))).latents
    for one, other in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(one, other.flatten(1), atol=1e-6)
    assert not np.array_equal(drawn[0], posterior_samples(model, images, 6)[0])
    assert not np.array_equal(drawn[0], read(model, images, 5).samples[0].numpy())  # those that are scored


def test_the_probe_is_scikit_learn_on_standardised_samples() -> None:
    (fit, fit_labels), (score, labels) = blobs(300, 1.0, 0), blobs(200, 1.0, 1)
    scaling = StandardScaler().fit(fit)
    by_hand = SVC(kernel="rbf").fit(scaling.transform(fit), fit_labels).score(scaling.transform(score), labels)
    assert SampleProbes([fit], fit_labels).score([score], labels) == [by_hand]


def test_a_sample_of_a_nearly_collapsed_layer_tells_what_its_rate_allows_but_its_mean_tells_all() -> None:
    """The rate of N(mu_y, 1) against its aggregate bounds I(y; z); the means alone give every label away."""
    (fit, fit_labels), (score, labels) = blobs(2000, 1.0, 0), blobs(2000, 1.0, 1)
    rate = SHIFT**2 / 2  # mean KL from N(mu_y, I) to N(0, I)
    ceiling = float(f_inverse(rate, np.bincount(labels)))
    (on_samples,) = SampleProbes([fit], fit_labels).score([score], labels)
    assert on_samples is not None and on_samples > 1 / CLASSES
    assert not exceeds(on_samples, len(labels), ceiling)
    means = [SHIFT * np.eye(CLASSES, dtype=np.float32)[y] for y in (fit_labels, labels)]
    (on_means,) = SampleProbes([means[0]], fit_labels).score([means[1]], labels)
    assert on_means is not None and on_means == 1.0 and exceeds(on_means, len(labels), ceiling)


def test_what_cannot_be_probed_is_none_or_an_error() -> None:
    (fit, labels) = blobs(50, 1.0, 0)
    broken = fit.copy()
    broken[0, 0] = np.nan
    probes = SampleProbes([broken, fit], labels)
    assert probes.score([fit, broken], labels) == [None, None]
    with pytest.raises(DataError, match="one class"):
        SampleProbes([fit], np.zeros_like(labels))
