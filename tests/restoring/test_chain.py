"""The Markov chain and the ascent, on a linear Gaussian model in which everything about the posterior is known."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.linear_gaussian import CENTRE, PIXELS, SCALE, SHAPE, S, linear_maps, network
from helpers.small_networks import plain

from ratescape.model.hierarchy import HVAE

CHAINS = 4000
DEVIATIONS = 5.0
"""Standard errors that a Monte Carlo estimate may be away: two in a million are further."""

DAMAGES = [
    pytest.param({"mask": [[0, 0, 1, 1], [0, 1, 1, 0]]}, id="mask"),
    pytest.param({"noise": 0.4 * SCALE}, id="noise"),
    pytest.param({"downscale": 2}, id="small"),
    pytest.param({"downscale": 2, "noise": 0.2 * SCALE, "mask": [[0, 1]]}, id="all of them"),
]


def observed(damage: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """A of y = A x + noise, rows of what is known alone, and the covariance of the noise."""
    factor = damage.get("downscale", 1)
    sides = (SHAPE[1] // factor, SHAPE[2] // factor)
    rows = np.zeros((*sides, *SHAPE[1:]))
    for i, j in np.ndindex(*sides):
        rows[i, j, factor * i : factor * (i + 1), factor * j : factor * (j + 1)] = 1 / factor**2
    known = ~np.asarray(damage.get("mask", np.zeros(sides)), bool)
    maps = rows[known].reshape(-1, PIXELS)
    return maps, damage.get("noise", 0.0) ** 2 * np.eye(len(maps))


def gain_of(covariance: np.ndarray, maps: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return covariance @ maps.T @ np.linalg.inv(maps @ covariance @ maps.T + noise)


def image() -> torch.Tensor:
    """One whole image, drawn from the model."""
    from_eps, _ = linear_maps()
    rng = np.random.default_rng(9)
    x = CENTRE + from_eps @ rng.standard_normal(6) + S * rng.standard_normal(PIXELS)
    return torch.from_numpy(x).reshape(1, *SHAPE)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_chain_has_the_posterior_as_its_stationary_distribution(damage: dict[str, Any]) -> None:
    maps, noise = observed(damage)
    _, covariance = linear_maps()
    restored = network().restore(image(), **damage, samples=CHAINS, steps=80, sigma=S, degrade=True)
    y = restored.damaged[~restored.damaged.isnan()].numpy()

    gain = gain_of(covariance, maps, noise)
    mean = CENTRE + gain @ (y - maps @ CENTRE)
    given_latents = S**2 * np.eye(PIXELS)  # what E[x | z, y] leaves out of the posterior's covariance
    rest = given_latents - gain_of(given_latents, maps, noise) @ maps @ given_latents
    spread = covariance - gain @ maps @ covariance - rest

    samples = restored.samples.flatten(2)[0].numpy()
    variances = spread.diagonal()
    off = np.abs(samples.mean(0) - mean)
    assert (off <= DEVIATIONS * np.sqrt(variances.clip(0) / CHAINS) + 1e-9).all()
    errors = np.sqrt((np.outer(variances, variances) + spread**2).clip(0) / CHAINS)
    assert (np.abs(np.cov(samples.T) - spread) <= DEVIATIONS * errors + 1e-9).all()
    assert spread.diagonal().max() > 0.01 * SCALE**2  # there is something to be wrong about


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_most_probable_latents_are_those_of_the_closed_form(damage: dict[str, Any]) -> None:
    maps, noise = observed(damage)
    from_eps, _ = linear_maps()
    restored = network().restore(image(), **damage, method="map", steps=400, sigma=S, degrade=True)
    y = restored.damaged[~restored.damaged.isnan()].numpy()

    seen = maps @ from_eps
    of_values = maps @ maps.T * S**2 + noise
    eps = seen.T @ np.linalg.inv(seen @ seen.T + of_values) @ (y - maps @ CENTRE)
    at = CENTRE + from_eps @ eps
    expected = at + gain_of(S**2 * np.eye(PIXELS), maps, noise) @ (y - maps @ at)
    np.testing.assert_allclose(restored.mean.flatten().numpy(), expected, atol=2e-4 * SCALE)
    assert restored.samples.shape == (1, 1, *SHAPE) and not restored.spread.any()


def test_lower_layers_are_at_their_mode_where_only_the_top_is_found() -> None:
    maps, _ = observed({"noise": 0.4 * SCALE})
    from_eps, _ = linear_maps()
    restored = network().restore(image(), noise=0.4 * SCALE, method="map", steps=400, sigma=S, degrade=True, layers=1)
    top = maps @ from_eps[:, :3]
    of_values = (S**2 + (0.4 * SCALE) ** 2) * np.eye(PIXELS)
    y = restored.damaged.flatten().numpy()
    at = CENTRE + from_eps[:, :3] @ top.T @ np.linalg.inv(top @ top.T + of_values) @ (y - CENTRE)
    expected = at + S**2 / (S**2 + (0.4 * SCALE) ** 2) * (y - at)
    np.testing.assert_allclose(restored.mean.flatten().numpy(), expected, atol=2e-4 * SCALE)
    chain = network().restore(image(), noise=0.4 * SCALE, samples=200, sigma=S, degrade=True, layers=1)
    alone = np.linalg.matrix_rank(np.cov(chain.samples.flatten(2)[0].numpy().T), tol=1e-6 * SCALE**2)
    assert alone == 3  # the three latents of the top layer, not six


@pytest.mark.parametrize("name", ["ghvae", "lvae", "bottom-up", "residual of 4"])
@pytest.mark.parametrize("method", ["chain", "map"])
def test_all_families_restore(name: str, method: str) -> None:
    model: HVAE = plain(name)
    pixels = np.random.default_rng(0).random((3, 16, 16)) > 0.5
    restored = model.restore(pixels, mask="half", method=method, steps=2, layers=1)  # type: ignore[arg-type]
    assert restored.mean.shape == (3, 1, 16, 16) and bool(restored.samples.isfinite().all())


def test_an_image_is_restored_alike_by_map_whatever_is_beside_it() -> None:
    images = torch.cat([image(), 1 - image(), image() / 2])
    together = network().restore(images, mask="half", method="map", sigma=S).mean
    alone = network().restore(images[1:2], mask="half", method="map", sigma=S).mean
    torch.testing.assert_close(together[1:2], alone)


def test_a_seed_gives_the_same_samples_again_and_another_one_others() -> None:
    restored = [network().restore(image(), mask="half", samples=3, seed=seed).samples for seed in (1, 1, 2)]
    assert torch.equal(restored[0], restored[1]) and not torch.equal(restored[0], restored[2])
    assert not torch.equal(restored[0][:, 0], restored[0][:, 1])


def test_memory_is_bounded_by_rows_not_by_items(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = network(), list[int]()
    monkeypatch.setattr("ratescape.restoring.restore.CHUNK", 10)
    whole = model.forward

    def counted(source: object, images: torch.Tensor | None = None) -> object:
        result = whole(source, images)  # type: ignore[arg-type]
        sizes.append(len(result.output))
        return result

    monkeypatch.setattr(model, "forward", counted)
    restored = model.restore(torch.cat([image()] * 7), mask="half", samples=5, steps=2)
    assert restored.samples.shape == (7, 5, *SHAPE) and max(sizes) == 10
