"""Mutual information against numerical integration, definitions and bounds."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import entr, logsumexp
from torch import Tensor

from ratescape.data.batches import Images
from ratescape.errors import DataError
from ratescape.evaluation import information
from ratescape.evaluation.information import Information, layer_information, mutual_information
from ratescape.evaluation.mixtures import Mixtures
from ratescape.evaluation.rates import rates
from ratescape.evaluation.reading import read
from ratescape.model.distributions import Gaussian
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


def entropy(labels: np.ndarray) -> float:
    return float(entr(np.bincount(labels) / len(labels)).sum())


def normal(x: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def integrated(p: np.ndarray, densities: np.ndarray, step: float) -> float:
    """I(y; z) = sum_y p(y) int q(z | y) log q(z | y) / q(z) dz from densities ``[M, points]`` on a grid."""
    np.testing.assert_allclose(densities.sum(1) * step, 1, atol=1e-6)
    ratio = np.log(np.maximum(densities, 1e-300) / np.maximum(p @ densities, 1e-300))
    return float(np.sum(p[:, None] * densities * ratio) * step)


def brute_force(
    z: np.ndarray, mean: np.ndarray, variance: np.ndarray, labels: np.ndarray, own: bool, exponent: float = 1.0
) -> float:
    """Mean over j of log r(y_j | z_j) / p(y_j), one pair at a time."""
    total = 0.0
    for j in range(len(z)):
        pairs = -0.5 * ((z[j] - mean) ** 2 / variance + np.log(2 * np.pi * variance)).sum(1)
        used = np.ones(len(z), bool) if own else np.arange(len(z)) != j
        scores = {
            y: math.log(np.mean(labels == y))
            + exponent * logsumexp(pairs[used & (labels == y)], b=1 / np.sum(used & (labels == y)))
            for y in np.unique(labels)
        }
        total += scores[labels[j]] - logsumexp(list(scores.values())) - math.log(np.mean(labels == labels[j]))
    return total / len(z)


class Toy(NamedTuple):
    """Posteriors, one sample of each, and labels."""

    z: Tensor
    mean: Tensor
    sigma: Tensor
    labels: np.ndarray

    def measure(self, **options: int) -> Information:
        return mutual_information(self.z, self.mean, self.sigma, self.labels, **options)


def one_dimensional(z: np.ndarray, mean: np.ndarray, sigma: np.ndarray, labels: np.ndarray) -> Toy:
    """Latents of one dimension, from arrays ``[N]``."""
    return Toy(torch.tensor(z)[:, None], torch.tensor(mean)[:, None], torch.tensor(sigma)[:, None], labels)


def toy(images: int, dimensions: int, sigma: float, spread: float, seed: int = 0, classes: int = 5) -> Toy:
    """Means N(c_y, 1) around class centres c_y ~ N(0, spread^2): q(z | y) = N(c_y, 1 + sigma^2) is known."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    centres = np.random.default_rng(99).normal(0, spread, (classes, dimensions))
    mean = centres[labels] + generator.normal(size=(images, dimensions))
    z = mean + sigma * generator.normal(size=mean.shape)
    return Toy(torch.tensor(z), torch.tensor(mean), torch.full(mean.shape, sigma, dtype=torch.float64), labels)


def truth(dimensions: int, sigma: float, spread: float, classes: int = 5) -> float:
    """I(y; z) of :func:`toy`, by Monte Carlo with the true densities: error 0.003 nats."""
    big = toy(100_000, dimensions, sigma, spread, seed=1, classes=classes)
    centres = np.random.default_rng(99).normal(0, spread, (classes, dimensions))
    squares = ((big.z.numpy()[:, None] - centres) ** 2).sum(2) / (2 * (1 + sigma**2))
    posterior = -squares - logsumexp(-squares, axis=1, keepdims=True)
    return float(posterior[np.arange(len(squares)), big.labels].mean() + math.log(classes))


# Known answers


def average(toys: list[Toy]) -> tuple[float, float, float]:
    """Means of the leave-one-out and the paper's estimates over several draws, and the former's standard error."""
    results = [data.measure() for data in toys]
    assert all(
        abs(r.plain - r.leave_one_out) < 0.01 for r in results
    )  # where posteriors overlap, smoothing changes nothing
    error = math.sqrt(sum(r.standard_error**2 for r in results)) / len(results)
    return float(np.mean([r.leave_one_out for r in results])), float(np.mean([r.paper for r in results])), error


def test_one_layer_agrees_with_numerical_integration() -> None:
    """Unequal classes in one dimension, posteriors of two widths: within 1 %."""
    counts, centres, widths = np.array([1500, 3000, 1000, 2500]), np.array([-6.0, -2.0, 2.0, 5.0]), (0.5, 0.9)
    labels = np.repeat(np.arange(4), counts)

    def drawn(seed: int) -> Toy:
        generator = np.random.default_rng(seed)
        mean = centres[labels] + 0.6 * generator.normal(size=len(labels))
        sigma = generator.choice(widths, len(labels))
        z = mean + sigma * generator.normal(size=len(labels))
        return one_dimensional(z, mean, sigma, labels)

    grid = np.linspace(-14, 14, 4001)
    densities = np.mean([normal(grid, centres[:, None], np.hypot(0.6, s)) for s in widths], axis=0)
    known = integrated(counts / counts.sum(), densities, grid[1] - grid[0])
    leave_one_out, paper, error = average([drawn(seed) for seed in range(3)])
    assert 0.8 < known < 1.25 and 3 * error < 0.01 * known
    assert leave_one_out == pytest.approx(known, rel=0.01)
    assert paper == pytest.approx(known, rel=0.01)


def test_a_lower_layer_agrees_with_numerical_integration() -> None:
    """q(z_1 | z_2, x) bends with z_2: from one z_2 an image the mixtures give I(y; z_1) of z_1 alone, within 1 %."""
    counts, centres = np.array([4000, 2000, 2000]), np.array([-2.0, 0.5, 3.0])
    labels = np.repeat(np.arange(3), counts)

    def lower(x: np.ndarray, z2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 2 * np.tanh(z2) + 0.8 * x, 0.3 + 0.4 / (1 + np.exp(-z2))

    def drawn(seed: int) -> Toy:
        generator = np.random.default_rng(seed)
        x = centres[labels] + 0.3 * generator.normal(size=len(labels))
        mean, sigma = lower(x, 0.4 * x + 0.8 * generator.normal(size=len(labels)))
        z1 = mean + sigma * generator.normal(size=len(labels))
        return one_dimensional(z1, mean, sigma, labels)

    nodes, weights = hermegauss(40)
    weights = weights / weights.sum()
    grid = np.linspace(-9, 9, 1201)
    of_x = centres[:, None, None] + 0.3 * nodes[:, None]  # [M, K, 1]
    means, sigmas = lower(of_x, 0.4 * of_x + 0.8 * nodes)  # [M, K, K]
    densities = np.stack(
        [
            np.outer(weights, weights).ravel() @ normal(grid, m.reshape(-1, 1), s.reshape(-1, 1))
            for m, s in zip(means, sigmas, strict=True)
        ]
    )
    known = integrated(counts / counts.sum(), densities, grid[1] - grid[0])
    leave_one_out, paper, error = average([drawn(seed) for seed in range(3)])
    assert 0.5 < known < 1.0 and 2 * error < 0.01 * known
    assert leave_one_out == pytest.approx(known, rel=0.01)
    assert paper == pytest.approx(known, rel=0.01)


# What each estimator is good for


@pytest.mark.parametrize("dimensions", [2, 20])
def test_labels_that_mean_nothing_at_a_high_rate(dimensions: int) -> None:
    """The paper's estimator finds H(y) in random labels; leave-one-out finds nothing, if it is calibrated."""
    data = toy(600, dimensions, sigma=1e-3, spread=0.0)
    measured = data.measure()
    assert measured.paper == pytest.approx(entropy(data.labels), rel=0.01)
    assert measured.leave_one_out < 5 / 600
    assert measured.plain < -100


def test_informative_layers_at_a_high_rate() -> None:
    """30 nats and more of rate, of which one is about the label: the bounds enclose it, the lower one closely."""
    measured = toy(2000, 10, sigma=0.05, spread=0.6).measure()
    known = truth(10, sigma=0.05, spread=0.6)
    assert 0.5 < known < 1.2
    assert 0.9 * known < measured.leave_one_out < known + 3 * measured.standard_error < measured.paper
    assert measured.plain < -10


@pytest.mark.parametrize(("dimensions", "sigma"), [(1, 0.5), (4, 0.5), (4, 0.1)])
def test_the_truth_lies_between_the_estimates(dimensions: int, sigma: float) -> None:
    """In expectation, even from 60 images; a bound raised by its fit stays below the truth by far more than 1 / N."""
    results = [toy(60, dimensions, sigma, 1.0, seed).measure() for seed in range(64)]
    known = truth(dimensions, sigma, 1.0)
    paper, below = (np.array([getattr(r, name) for r in results]) for name in ("paper", "leave_one_out"))
    assert below.mean() < known + 1 / 60 + 3 * below.std() / 8
    assert paper.mean() > known + 3 * paper.std() / 8
    assert abs(below.mean() - known) < paper.mean() - known or dimensions == 1


def test_never_above_the_entropy_of_the_labels() -> None:
    for seed, (dimensions, sigma, spread) in enumerate([(1, 2.0, 0.1), (3, 0.3, 50.0), (8, 1e-6, 0.5), (40, 0.1, 3.0)]):
        data = toy(150, dimensions, sigma, spread, seed)
        measured, most = data.measure(), entropy(data.labels) + 1e-9
        assert measured.leave_one_out <= most and measured.plain <= most and measured.paper <= most
        # That it is at least 0 lies in the exponent, of which 0 gives 0, and not in the last step's cutting it off.
        z, mean, variance = data.z.numpy(), data.mean.numpy(), data.sigma.numpy() ** 2
        smooth = variance + measured.smoothing * mean.var(0, ddof=1)
        assert brute_force(z, mean, smooth, data.labels, False, measured.exponent) >= -1e-9


def test_standard_error_is_the_scatter_of_the_estimate() -> None:
    results = [toy(150, 2, 1.0, 1.5, seed).measure() for seed in range(100)]
    scatter = np.std([r.leave_one_out for r in results])
    claimed = np.mean([r.standard_error for r in results])
    assert claimed == pytest.approx(scatter, rel=0.25)  # the scatter itself is known to 7 %


def test_a_layer_that_carries_nothing() -> None:
    """Equal posteriors, of zero variance over images, say nothing of the label."""
    labels = np.arange(200) % 4
    z = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    measured = mutual_information(z, torch.zeros(200, 3), torch.ones(200, 3), labels)
    assert measured.paper == pytest.approx(0, abs=1e-12) and measured.leave_one_out == pytest.approx(0, abs=1e-12)


# Definitions and numerics


@pytest.mark.parametrize("sigma", [0.05, 0.4, 2.0])
def test_estimates_are_their_definitions(sigma: float) -> None:
    data = toy(70, 3, sigma, 1.0)
    measured = data.measure(chunk=16)
    z, mean, variance = data.z.numpy(), data.mean.numpy(), data.sigma.numpy() ** 2
    smooth = variance + measured.smoothing * mean.var(0, ddof=1)
    assert measured.paper == pytest.approx(brute_force(z, mean, variance, data.labels, own=True), rel=1e-6, abs=1e-5)
    assert measured.plain == pytest.approx(brute_force(z, mean, variance, data.labels, own=False), rel=1e-6, abs=1e-5)
    best = brute_force(z, mean, smooth, data.labels, False, measured.exponent)
    assert measured.leave_one_out == pytest.approx(best, abs=1e-5)
    for factor in (0.9, 1.1):
        assert brute_force(z, mean, smooth, data.labels, False, factor * measured.exponent) <= best
    assert measured.images == 70


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_densities_survive_the_smallest_sigma(offset: float) -> None:
    """Pairs a few sigma apart at sigma = 1e-6, far from the origin, as an expanded square in float32 could not."""
    generator = np.random.default_rng(0)
    groups = np.repeat(generator.normal(size=(20, 8)), 4, axis=0)  # [80, 8], images that are nearly copies
    mean = groups + 1e-6 * generator.normal(size=groups.shape) + offset
    sigma = np.full(mean.shape, 1e-6)
    z = mean + sigma * generator.normal(size=mean.shape)
    labels = np.arange(80) % 4 // 2
    measured = mutual_information(torch.tensor(z), torch.tensor(mean), torch.tensor(sigma), labels)
    assert measured.paper == pytest.approx(brute_force(z, mean, sigma**2, labels, own=True), abs=1e-3)
    assert measured.plain == pytest.approx(brute_force(z, mean, sigma**2, labels, own=False), abs=1e-2)


def test_what_must_not_matter() -> None:
    """Order of images, names of classes, rows treated at once, shift and scale of the latents."""
    data = toy(130, 3, 0.5, 1.0)
    reference = np.array(data.measure())
    order = np.random.default_rng(1).permutation(130)
    shuffled = Toy(data.z[order], data.mean[order], data.sigma[order], data.labels[order])
    factor, shift = torch.tensor([3.0, 0.01, 1.0]), torch.tensor([0.0, 5.0, -100.0])
    moved = Toy(data.z * factor + shift, data.mean * factor + shift, data.sigma * factor, data.labels)
    renamed = data._replace(labels=np.array([40, -3, 7, 0, 9])[data.labels])
    for same in (shuffled.measure(), moved.measure(), renamed.measure(), data.measure(chunk=7)):
        np.testing.assert_allclose(same, reference, rtol=1e-4, atol=1e-5)


def test_float32_is_taken_where_it_suffices_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[bool] = []
    decide = Mixtures._suffices

    def decided(mixtures: Mixtures, exact: tuple[Tensor, Tensor]) -> bool:
        chosen.append(decide(mixtures, exact))
        return chosen[-1]

    data = toy(600, 16, 0.5, 0.3)
    monkeypatch.setattr(Mixtures, "_suffices", decided)
    measured = data.measure()
    assert all(chosen)
    monkeypatch.setattr(Mixtures, "_suffices", lambda *_: False)
    np.testing.assert_allclose(measured, data.measure(), rtol=1e-4, atol=1e-5)
    assert measured.standard_error > 1e-3  # what has been lost is a hundredth of it at most
    chosen.clear()
    monkeypatch.setattr(Mixtures, "_suffices", decided)
    data._replace(z=data.mean + 1e-6 * (data.z - data.mean), sigma=1e-6 * data.sigma).measure()
    assert not chosen[0]


# Models


@pytest.fixture
def images() -> Images:
    """More images than pass through a network at once."""
    return Images(np.random.default_rng(0).integers(0, 256, (1040, *SHAPE), dtype=np.uint8), binary=True)


@pytest.mark.parametrize(
    ("family", "latents"), [("ghvae", (3, 2)), ("lvae", (3, 2)), ("bottom-up", (3, 2)), ("residual", (3, 2, 1))]
)
def test_layers_are_measured_from_one_pass(
    family: str, latents: tuple[int, ...], images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer's sample is drawn from the posterior it is compared with, top first, images in their order."""
    torch.manual_seed(0)
    spec = ModelSpec(family=family, channels=4, latents=latents)
    model = build(resolved_model(spec, SHAPE, binary=True), SHAPE).requires_grad_(False)
    labels = np.arange(1040) % 3
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    measure = information.mutual_information

    def spy(z: Tensor, mean: Tensor, sigma: Tensor, given: np.ndarray) -> Information:
        np.testing.assert_array_equal(given, labels)
        seen.append((z, mean, sigma))
        return measure(z, mean, sigma, given)

    monkeypatch.setattr(information, "mutual_information", spy)
    reading = read(model, images, seed=3)
    measured = layer_information(reading.samples, reading.posteriors, labels)
    assert len(measured) == len(latents) and all(m.images == 1040 for m in measured)
    assert [z.shape[1] for z, _, _ in seen] == [math.prod(shape) for shape in model.latent_shapes]
    for z, mean, sigma in seen:
        noise = (z - mean) / sigma
        assert z.shape == mean.shape == sigma.shape == (1040, z.shape[1])
        assert abs(float(noise.mean())) < 0.1 and float(noise.std()) == pytest.approx(1, abs=0.05)


def test_latents_are_those_of_the_rates(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True), SHAPE).requires_grad_(
        False
    )
    drawn: list[Tensor] = []
    draw = Gaussian.at

    def recorded(self: Gaussian, noise: Tensor) -> Tensor:
        drawn.append(draw(self, noise))
        return drawn[-1]

    monkeypatch.setattr(Gaussian, "at", recorded)
    rates(model, images, seed=3)
    for_rates = drawn.copy()
    drawn.clear()
    read(model, images, seed=3)
    torch.testing.assert_close(drawn, for_rates, rtol=0, atol=0)


# Bad input


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(1040, np.int64), "two classes"),
        (np.arange(1040), "two classes"),
        (np.r_[np.zeros(1039, np.int64), 1], "two classes"),
        (np.arange(7), "one class for each image"),
        (np.zeros((1040, 2), np.int64), "one class for each image"),
    ],
)
def test_labels_that_cannot_be_used(labels: np.ndarray, words: str) -> None:
    nothing = torch.zeros(1040, 2)
    with pytest.raises(DataError, match=words):
        mutual_information(nothing, nothing, nothing + 1, labels)


def test_an_image_alone_in_its_class_is_left_out() -> None:
    data = toy(100, 2, 0.5, 1.0)
    z, mean, sigma = (torch.cat([part, part[:1]]) for part in (data.z, data.mean, data.sigma))
    alone = Toy(z, mean, sigma, np.append(data.labels, 17))
    assert alone.measure() == data.measure()
    assert alone.measure().images == 100


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_model_is_not_measured(bad: float) -> None:
    data = toy(50, 2, 0.5, 1.0)
    mean = data.mean.clone()
    mean[3, 1] = bad
    with pytest.raises(DataError, match="diverged"):
        data._replace(mean=mean).measure()
    with pytest.raises(DataError, match="diverged"):
        data._replace(sigma=torch.zeros_like(data.sigma)).measure()
