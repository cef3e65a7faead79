"""Scores of every item, against their definitions computed the long way."""

import functools
import io
import itertools
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers.small_networks import MODELS, SHAPE, inputs, plain
from PIL import Image
from scipy.spatial.distance import mahalanobis
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from torch import Tensor, nn

from ratescape.data.batches import stream
from ratescape.errors import DataError, SpecError
from ratescape.model.distributions import FixedGaussian, Gaussian
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource
from ratescape.model.registry import build, resolved_model
from ratescape.scoring import scores
from ratescape.scoring.reference import SMALLEST_SPREAD, Reference
from ratescape.specs.model import ModelSpec


def noise_of(model: HVAE, samples: int, seed: int = 0) -> list[list[Tensor]]:
    """What scores draw: the same for all items."""
    generator = torch.Generator().manual_seed(stream(seed, "evaluation"))
    return [model.noise(1, generator) for _ in range(samples)]


def long_way(model: HVAE, images: Tensor, noise: list[Tensor], lowest: int) -> Tensor:
    """L^{>k} ``[B]``, layer by layer: above from q, with their KL; the k lowest at the prior's mode, without."""
    layers = cast(list[Any], list(model.layers))
    evidence, state, bound = model.encoder(images, lambda index, prior, posterior: posterior), None, 0.0
    for index, layer in enumerate(layers):
        prior = layer.prior(state)
        if index < len(layers) - lowest:
            posterior = layer.posterior(evidence[index], state, prior)
            z = posterior.mean + posterior.sigma * noise[index]
            bound = bound - posterior.kl(prior)
        else:
            z = prior.mean.expand(len(images), *layer.shape)
        state = layer.advance(state, z)
    return bound - model.likelihood.distortion(model.decoder(state), images)


def deep() -> HVAE:
    spec = ModelSpec(family="deep", channels=4, latents=(2,), blocks="1x2,4x3,8x4", likelihood="gaussian")
    torch.manual_seed(0)
    return build(resolved_model(spec, SHAPE, binary=False), SHAPE).double()


def vectors() -> HVAE:
    torch.manual_seed(0)
    spec = resolved_model(ModelSpec(family="vector", channels=8, latents=(2, 3, 2)), (5,), binary=False)
    return build(spec, (5,)).double()


TOP_DOWN = [name for name in MODELS if name != "bottom-up"]
NETWORKS: dict[str, Callable[[], HVAE]] = {
    **{name: functools.partial(plain, name) for name in TOP_DOWN},
    "deep": deep,
    "vector": vectors,
}


def items_of(model: HVAE) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    if len(model.image_shape) == 1:
        return torch.randn(6, *model.image_shape, generator=generator, dtype=torch.float64)
    return inputs(model, 6)[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_likelihood_ratios_are_those_of_the_definition(name: str) -> None:
    model = NETWORKS[name]()
    items, layers = items_of(model), len(model.latent_shapes)
    found = model.score(items, samples=2, seed=4)
    noise = noise_of(model, 2, seed=4)
    with torch.no_grad():
        bounds = [torch.stack([long_way(model, items, one, k) for one in noise]).mean(0) for k in range(layers)]
    np.testing.assert_allclose(found["nelbo"], -bounds[0].numpy(), rtol=1e-10)
    assert [column for column in found.columns if column.startswith("llr")] == [
        f"llr_{k}" for k in range(layers - 1, 0, -1)
    ]
    for k in range(1, layers):
        np.testing.assert_allclose(found[f"llr_{k}"], (bounds[0] - bounds[k]).numpy(), rtol=1e-8, atol=1e-9)


def test_bottom_up_inference_keeps_the_sample_that_the_top_layer_was_inferred_from() -> None:
    model = plain("bottom-up")
    images, _, _ = inputs(model, 4)
    (noise,) = noise_of(model, 1)
    with torch.no_grad():
        encoder = cast(Any, model.encoder)
        lower = encoder.lower_heads(encoder.tower(images))
        z1 = lower.at(noise[1])
        top = encoder.top_heads(encoder.hidden(z1.flatten(1)))
        z2 = top.at(noise[0])
        prior = cast(Any, model.layers[1]).prior(z2)
        bound = -model.likelihood.distortion(model.decoder(z1), images)
        without = -model.likelihood.distortion(model.decoder(prior.mean), images)
        rate = lower.log_density(z1) - prior.log_density(z1)
    np.testing.assert_allclose(model.score(images)["llr_1"], (bound - rate - without).numpy(), rtol=1e-9)


class Ignored(nn.Module):
    """A lower layer that has collapsed: its posterior is its prior, and nobody looks at what it gives."""

    closed_form = True
    shape = (2,)

    def prior(self, state: Tensor) -> Gaussian:
        return Gaussian(state.sum(1, keepdim=True).expand(-1, 2), torch.full_like(state[:, :2], 0.5))

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        return prior

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return state


class Linear(nn.Module):
    """z of p(x | z) = N(W z, s^2) with its own posterior, N(A x, V), where the true one has no correlations."""

    closed_form = True

    def __init__(self, weights: Tensor, sigma: float, spread: float = 1.0) -> None:
        super().__init__()
        self.shape = (weights.shape[1],)
        self.variance = 1 / (1 + weights.square().sum(0) / sigma**2)  # of the true posterior
        self.gain = (self.variance[:, None] * weights.T / sigma**2).T
        self.spread = spread
        self.anchor = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def prior(self, state: Tensor | None) -> Gaussian:
        return Gaussian(torch.zeros(1, *self.shape, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64))

    def posterior(self, evidence: Tensor, state: Tensor | None, prior: Gaussian) -> Gaussian:
        mean = evidence @ self.gain
        return Gaussian(mean, (self.spread * self.variance.sqrt()).expand_as(mean))

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return latents


class Flat(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        return [images.flatten(1)] * self.layers


class Map(nn.Module):
    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, state: Tensor) -> Tensor:
        return (state @ self.weights.T).unflatten(1, (1, 4, 4))


SIGMA = 0.5
WEIGHTS = torch.zeros(16, 2, dtype=torch.float64)
WEIGHTS[:8, 0], WEIGHTS[8:, 1] = 0.3, -0.2  # orthogonal columns


def linear(spread: float = 1.0, lower: int = 0) -> HVAE:
    layers = [Linear(WEIGHTS, SIGMA, spread), *(Ignored() for _ in range(lower))]
    return HVAE(Flat(1 + lower), layers, Map(WEIGHTS), FixedGaussian(SIGMA), (1, 4, 4))


def grey(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((count, 4, 4))


def test_layers_that_have_collapsed_give_no_ratio() -> None:
    found = linear(lower=2).score(grey(), samples=3)
    assert np.abs(found["llr_1"]).max() < 1e-12 and np.abs(found["llr_2"]).max() < 1e-12
    assert np.abs(plain("residual of 4").score(inputs(plain(), 5)[0])["llr_1"]).min() > 1e-3


def log_likelihood(images: np.ndarray) -> np.ndarray:
    covariance = (WEIGHTS @ WEIGHTS.T).numpy() + SIGMA**2 * np.eye(16)
    return multivariate_normal(np.zeros(16), covariance).logpdf(images.reshape(-1, 16))


def test_the_true_posterior_gives_the_likelihood_with_any_number_of_samples() -> None:
    images = grey()
    many = linear().score(images, samples=7)
    np.testing.assert_allclose(many["nll"], -log_likelihood(images), rtol=1e-10)  # every weight is p(x)
    one = linear().score(images)
    np.testing.assert_array_equal(one["nll"], one["nelbo"])


def test_the_bound_tightens_with_the_samples_towards_the_likelihood() -> None:
    model, images, seeds = linear(spread=1.6), grey(4), range(40)
    means = [np.mean([model.score(images, samples=k, seed=s)["nll"] for s in seeds], 0) for k in (1, 2, 8, 64)]
    truth = -log_likelihood(images)
    assert all((later < earlier).all() for earlier, later in itertools.pairwise(means))
    assert (means[-1] > truth - 0.02).all() and (means[-1] - truth < 0.35 * (means[0] - truth)).all()


def test_distances_are_those_of_the_closed_form() -> None:
    generator = np.random.default_rng(1)
    mixing = np.array([[3.0, 0, 0], [1, 20, 0], [0, 0.5, 0.2]])
    rates = generator.normal(size=(20_000, 3)) @ mixing + 50
    reference = Reference.of(rates)
    inverse = np.linalg.inv(np.cov(rates.T))
    expected = [mahalanobis(one, rates.mean(0), inverse) for one in rates[:50]]
    np.testing.assert_allclose(reference.distance(rates[:50]), expected, rtol=0.02)
    few = generator.normal(size=(6, 3)) * [5, 1, 1]
    apart = (few - few.mean(0)) / few.std(0)
    shrunk = np.linalg.inv(ledoit_wolf(apart, assume_centered=True)[0])
    np.testing.assert_allclose(Reference.of(few).distance(few), np.sqrt(np.diag(apart @ shrunk @ apart.T)))
    assert Reference.of(few).distance(few.mean(0, keepdims=True))[0] < 1e-12


def test_a_layer_without_any_spread_has_a_floor() -> None:
    rates = np.stack([np.random.default_rng(0).normal(10, 2, 300), np.zeros(300)], 1)
    far = Reference.of(rates).distance(np.array([[10.0, 0.0], [10.0, 3 * SMALLEST_SPREAD]]))
    assert np.isfinite(far).all() and far[1] > far[0] + 1
    with pytest.raises(DataError, match="two at least"):
        Reference.of(rates[:1])


def test_complexity_is_the_size_of_a_png() -> None:
    images = np.zeros((2, *SHAPE), np.uint8)
    images[1] = np.random.default_rng(0).integers(0, 2, SHAPE) * 255
    found = plain().score(images)
    file = io.BytesIO()
    Image.fromarray(images[1, 0] > 0).save(file, "png", optimize=True)
    assert found["complexity"][1] == pytest.approx(8 * len(file.getvalue()) * math.log(2))
    assert found["complexity"][0] < found["complexity"][1]
    np.testing.assert_allclose(found["corrected"], found["nelbo"] - found["complexity"])
    assert "complexity" not in vectors().score(np.zeros((2, 5)))


def test_scores_do_not_depend_on_what_is_scored_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = deep(), list[int]()
    images = items_of(model).repeat(4, 1, 1, 1).numpy()
    whole = model.score(images, samples=2, reference=images)
    passes = HVAE.passes
    monkeypatch.setattr(HVAE, "passes", lambda *given, **how: seen.append(len(given[2])) or passes(*given, **how))
    monkeypatch.setattr(scores, "MOST_ITEMS", 5)
    part = model.score(images[3:20], samples=2, reference=images)
    assert max(seen) == 5
    for name in whole.columns:
        np.testing.assert_allclose(part[name], whole[name][3:20], rtol=1e-6, err_msg=name)
    monkeypatch.setattr(scores, "OUTPUTS", 3 * 256 * 16)
    assert scores.at_once(model) == 3  # 256 numbers an output, 16 outputs at once


def test_a_network_with_many_layers_is_compared_by_groups() -> None:
    model = deep()
    found = model.score(items_of(model))
    rates = scores.group_rates(model, found.columns)
    assert rates.shape == (6, 3)
    np.testing.assert_allclose(rates[:, 2], sum(found[f"rate_{layer}"] for layer in (4, 3, 2, 1)))
    assert scores.group_rates(plain(), plain().score(items_of(plain())).columns).shape == (6, 2)


def test_the_table_names_its_items(tmp_path: Any) -> None:
    for index, image in enumerate(np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    found = plain().score(tmp_path)
    assert list(found.table["item"]) == ["0.png", "1.png", "2.png"] and len(found) == 3
    found.save(tmp_path / "scores.csv")
    header, *lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert header.startswith("item,rate_2,rate_1,rate,distortion,nelbo,nll,llr_1,complexity,corrected")
    assert len(lines) == 3 and lines[0].startswith("0.png,")
    assert "mahalanobis" not in found
    with pytest.raises(SpecError, match=r"no score 'llr_2'.*llr_1"):
        found["llr_2"]


def test_bad_input_is_one_line() -> None:
    with pytest.raises(SpecError, match="samples is 0"):
        plain().score(inputs(plain())[0], samples=0)
    with pytest.raises(SpecError, match="16"):
        plain().score(np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(DataError, match="empty"):
        plain().score(np.zeros((0, 16, 16), np.uint8))
