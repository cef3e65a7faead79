"""Measurements against their definitions."""

import dataclasses
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sweeps import LEAN
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, load_data
from ratescape.evaluation import pictures, suite
from ratescape.evaluation.features import features, fitting_images, paper_split
from ratescape.evaluation.measurements import flags
from ratescape.evaluation.rates import active_units, rates
from ratescape.evaluation.reading import read
from ratescape.evaluation.reconstruction import Reconstruction
from ratescape.evaluation.subject import Subject
from ratescape.judges.recipes import judge_spec
from ratescape.model.hierarchy import HVAE, PosteriorMode, PosteriorSample
from ratescape.model.registry import build, resolved_model
from ratescape.specs.evaluation import PROBE_KINDS, EvaluationSpec, ProbeKind
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


@pytest.fixture
def model() -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True), SHAPE).requires_grad_(False)


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
    measured = read(model, images, seed=0).restored
    assert measured.psnr == pytest.approx(10 * math.log10(1 / mse), abs=1e-4)
    torch.testing.assert_close(measured.means, model.encode(everything))
    assert Reconstruction(torch.zeros(3), []).psnr == math.inf


@pytest.mark.parametrize("family", ["ghvae", "bottom-up"])
def test_one_reading_gives_what_separate_passes_give(family: str, images: Images) -> None:
    """Also where the encoder depends on the latents, and nothing can be shared."""
    torch.manual_seed(0)
    spec = ModelSpec(family=family, channels=4, latents=(3, 2))
    model = build(resolved_model(spec, SHAPE, binary=True), SHAPE).requires_grad_(False)
    reading, apart = read(model, images, seed=2, draws=2), rates(model, images, seed=2, draws=2)
    torch.testing.assert_close(reading.rates.rates, apart.rates)
    torch.testing.assert_close(reading.rates.distortion, apart.distortion)
    torch.testing.assert_close(
        [mode.flatten(1).numpy() for mode in reading.restored.means], features(model, images, seed=2)
    )
    torch.testing.assert_close(
        [q.mean.numpy() for q in read(model, images, seed=2).posteriors], features(model, images, 2, sampled=True)
    )


def test_active_units_are_those_whose_mean_varies() -> None:
    spread = torch.tensor([0.0, 0.09, 0.11, 1.0])  # variances 0, 0.0081, 0.0121, 1
    means = torch.randn(4000, 4)
    means = (means - means.mean(0)) / means.std(0, correction=0) * spread
    assert active_units([means, means.reshape(4000, 2, 2, 1), torch.ones(5, 3)]) == [2, 2, 0]


@pytest.fixture
def data() -> ImageData:
    """240 images of two classes that differ in brightness, labelled."""
    generator = np.random.default_rng(3)
    labels = np.arange(240) % 2
    pixels = generator.integers(0, 120, (240, *SHAPE)) + 100 * labels[:, None, None, None]
    return load_data(pixels.astype(np.uint8), labels, binary=True, validation=0.25, test=0.25)


def test_records_of_all_splits_are_consistent(model: HVAE, data: ImageData) -> None:
    lines = suite.measure(Subject(model, data, (0.5, 2.0), LEAN))
    assert [(line["split"], line["images"]) for line in lines] == [("validation", 45), ("test", 60)]
    metrics = lines[1]["metrics"]
    top, lower = metrics["rates"]
    assert metrics["rate"] == pytest.approx(top + lower)
    assert metrics["loss"] == pytest.approx(metrics["distortion"] + 0.5 * top + 2 * lower)
    assert metrics["nelbo"] == pytest.approx(metrics["distortion"] + metrics["rate"])
    blank = suite.blank(data, (0.5, 2.0), LEAN)[1]["metrics"]
    assert blank.keys() == metrics.keys() - {"ceiling_rate", "chance"} and set(blank["rates"]) == {None}


@pytest.mark.parametrize("protocol", ["heldout", "paper"])
def test_the_probes_that_are_asked_for_and_no_others(model: HVAE, data: ImageData, protocol: Any) -> None:
    """Each says what it says among all of them."""
    wanted: tuple[tuple[ProbeKind, ...], ...] = (PROBE_KINDS, ("rbf",), ("sample",))
    settings = [EvaluationSpec(samples=0, probes=protocol, probe_kinds=kinds) for kinds in wanted]
    everything, one, sampled = (suite.measure(Subject(model, data, (0.5, 2.0), each)) for each in settings)
    for full, lean, other in zip(everything, one, sampled, strict=True):
        names = {"accuracy_rbf", "accuracy_sample"}
        assert not {"accuracy_knn", "accuracy_linear_svm", "clustering_nmi"} & {*lean["metrics"], *other["metrics"]}
        assert names & lean["metrics"].keys() == {"accuracy_rbf"}
        assert names & other["metrics"].keys() == {"accuracy_sample"}
        both = lean["metrics"] | other["metrics"]
        assert both == {name: full["metrics"][name] for name in both}


@pytest.mark.parametrize("protocol", ["heldout", "paper"])
def test_every_measurement_that_needs_labels(model: HVAE, data: ImageData, protocol: Any) -> None:
    lines = suite.measure(Subject(model, data, (0.5, 2.0), EvaluationSpec(samples=0, probes=protocol)))
    for line in lines:
        metrics = line["metrics"]
        # Brightness is what an untrained network passes on best; on 9 images, as the paper divides them, by luck.
        assert all(value > (0.9 if protocol == "heldout" else 0) for value in metrics["accuracy_rbf"])
        assert all(0 <= value <= math.log(2) + 1e-9 for value in metrics["information"])
        assert all(0.5 <= value <= 1 for value in metrics["ceiling_information"] + metrics["ceiling_rate"])
        assert metrics["ceiling_rate"][0] <= metrics["ceiling_rate"][1]  # R(z_>=1) = R(z_2) + R(z_1 | z_2)


def test_without_labels_or_with_one_class_scores_are_absent_and_say_why(model: HVAE, data: ImageData) -> None:
    pixels = np.concatenate([data.train.pixels, data.test.pixels])
    for labels in (None, np.zeros(len(pixels), np.int64)):
        plain = load_data(pixels, labels, binary=True)
        spec = EvaluationSpec(samples=50)
        assert judge_spec(plain, spec) is None
        (validation, _) = suite.measure(Subject(model, plain, (1.0, 1.0), spec))
        assert not any(name.startswith("inception") for name in validation["metrics"])
        assert not any(name.startswith("accuracy") for name in validation["metrics"])
        reason = "the images have no labels" if labels is None else "the images are all of one class"
        assert validation["absent"]["inception_score"] == reason
        assert "information" in validation["absent"]


def with_targets(data: ImageData, labels: bool) -> ImageData:
    """The same images with two targets: their brightness, and noise."""
    pixels = np.concatenate([data.train.pixels, data.test.pixels])
    bright = pixels.mean((1, 2, 3))
    targets = np.stack([bright, np.random.default_rng(0).normal(size=len(pixels))], axis=1)
    classes = (bright > bright.mean()).astype(np.int64) if labels else None
    return load_data(pixels, classes, targets, binary=False, validation=0.25, test=0.25)


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("protocol", ["heldout", "paper"])
def test_ridge_regression_on_targets_equals_scikit_learn_by_hand(
    model: HVAE, data: ImageData, protocol: Any, labels: bool
) -> None:
    data = with_targets(data, labels)
    spec = EvaluationSpec(samples=0, information=False, probes=protocol)
    lines = suite.measure(Subject(model, data, (1.0, 1.0), spec))
    for line, split in zip(lines, data.held_out.values(), strict=True):
        assert split.targets is not None and data.train.targets is not None
        layers = features(model, Images(split.pixels, False), spec.seed, sampled=protocol == "paper")
        if protocol == "paper":
            fit, score = paper_split(len(split.targets), spec.seed)
            parts = [(x[fit], split.targets[fit], x[score], split.targets[score]) for x in layers]
        else:
            fitted = features(model, Images(data.train.pixels, False), spec.seed)
            scalers = [StandardScaler().fit(x.astype(np.float64)) for x in fitted]
            parts = [
                (scaler.transform(x), data.train.targets, scaler.transform(y), split.targets)
                for scaler, x, y in zip(scalers, fitted, layers, strict=True)
            ]
        expected = [Ridge().fit(x.astype(np.float64), y).score(z.astype(np.float64), t) for x, y, z, t in parts]
        assert line["metrics"]["ridge_r2"] == pytest.approx(expected, abs=1e-6)
        assert ("accuracy_rbf" in line["metrics"]) == labels == ("accuracy" not in line["absent"])


def test_without_labels_only_what_needs_them_is_absent(model: HVAE, data: ImageData) -> None:
    """Also where all images are of one class; and without probes nothing is fitted."""
    pixels = data.train.pixels
    targets = pixels.mean((1, 2, 3))
    for labels in (None, np.zeros(len(pixels), np.int64)):
        plain = load_data(pixels, labels, targets)
        lines = suite.measure(Subject(model, plain, (1.0, 1.0), EvaluationSpec(samples=0)))
        for line in lines:
            assert all(0.2 < value < 1 for value in line["metrics"]["ridge_r2"])
            assert line["absent"].keys() == {"accuracy", "information", "inception_score"}
            assert not any(name.startswith("accuracy") for name in line["metrics"])
        lines = suite.measure(Subject(model, plain, (1.0, 1.0), LEAN))
        assert not any("ridge_r2" in line["metrics"] for line in lines)


@pytest.mark.parametrize("protocol", ["heldout", "paper"])
def test_targets_that_cannot_be_scored_say_why(model: HVAE, data: ImageData, protocol: Any) -> None:
    """A test split of one image, and targets that are all the same."""
    pixels = data.train.pixels[:20]
    spec = EvaluationSpec(samples=0, probes=protocol)
    for targets, share in ((np.arange(20), 0.01), (np.ones(20), 0.3)):
        for line in suite.measure(Subject(model, load_data(pixels, targets=targets, test=share), (1.0, 1.0), spec))[1:]:
            assert line["metrics"].get("ridge_r2", [None, None]) == [None, None]
            assert "images" in line["absent"]["ridge_r2"]


def test_an_accuracy_above_its_ceiling_by_more_than_chance_is_flagged() -> None:
    metrics = {"accuracy_knn": [0.99, 0.99], "ceiling_rate": [0.6, 0.6], "ceiling_information": [0.95, 0.6]}
    assert flags([0.9, 0.55], metrics, 1000) == ["accuracy_sample_2 above ceiling_rate"]
    assert flags([0.9, 0.55], metrics, 5) == []  # five images tell nothing
    assert flags([None], {"ceiling_rate": [0.5]}, 1000) == []


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


def test_the_training_loss_is_measured_as_the_held_out_loss_on_as_many_images(model: HVAE, images: Images) -> None:
    pixels = images.pixels.numpy()
    data = load_data(pixels[:, 0])
    assert data.validation is not None
    same = dataclasses.replace(data, train=data.validation)
    validation, test = suite.measure(Subject(model, same, (0.5, 2.0), LEAN))
    assert validation["metrics"]["train_loss"] == pytest.approx(validation["metrics"]["loss"], rel=1e-9)
    assert "train_loss" not in test["metrics"] and "train_loss" not in test["absent"]
    chosen = Images(data.train.pixels[fitting_images(len(data.train.pixels), 0, len(data.validation.pixels))], True)
    seen = rates(model, chosen, seed=0)
    loss = seen.distortion.mean() + (seen.rates.mean(0) * torch.tensor([0.5, 2.0])).sum()
    binary = dataclasses.replace(data, spec=dataclasses.replace(data.spec, binary=True))
    (measured, _) = suite.measure(Subject(model, binary, (0.5, 2.0), LEAN))
    assert measured["metrics"]["train_loss"] == pytest.approx(loss.item())
