"""Structures against the protocol: parameter totals, sizes, the precision-weighted merge."""

import pytest
import torch

from ratescape.errors import SpecError
from ratescape.model.distributions import Gaussian
from ratescape.model.paper import PrecisionWeightedLayer
from ratescape.model.parts import Geometry
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

COLOUR, BINARY = (3, 32, 32), (1, 28, 28)


@pytest.mark.parametrize(
    ("family", "shape", "total"),
    [("ghvae", COLOUR, 475_811), ("ghvae", BINARY, 122_713), ("lvae", COLOUR, 408_131), ("lvae", BINARY, 104_745)],
)
def test_parameter_totals_are_the_papers(family: str, shape: tuple[int, int, int], total: int) -> None:
    spec = resolved_model(ModelSpec(family=family), shape, binary=shape == BINARY)
    assert sum(p.numel() for p in build(spec, shape).parameters()) == total


@pytest.mark.parametrize(("side", "grid"), [(16, 2), (20, 2), (24, 3), (28, 4), (32, 4), (36, 6), (64, 8)])
@pytest.mark.parametrize("family", ["ghvae", "lvae", "bottom-up", "residual"])
def test_every_allowed_size_comes_back_as_it_was(family: str, side: int, grid: int) -> None:
    shape = (3, side, 32)
    assert Geometry(*shape).grid == (grid, 4)
    spec = resolved_model(ModelSpec(family=family, channels=2, latents=(3, 2)), shape, binary=False)
    model = build(spec, shape)
    assert model.reconstruct(torch.rand(2, *shape)).shape == (2, *shape)


@pytest.mark.parametrize("shape", [(1, 30, 28), (1, 28, 12), (2, 28, 28), (1, 27, 27)])
def test_other_sizes_are_refused_with_those_that_work(shape: tuple[int, int, int]) -> None:
    with pytest.raises(SpecError, match=r"multiples of 4|1 \(grey\)"):
        resolved_model(ModelSpec(), shape, binary=True)


def test_defaults_fit_the_images() -> None:
    grey, colour = resolved_model(ModelSpec(), BINARY, True), resolved_model(ModelSpec(), COLOUR, False)
    assert (grey.channels, grey.latents, grey.likelihood) == (16, (20, 16), "bernoulli")
    assert (colour.channels, colour.latents, colour.likelihood) == (32, (32, 32), "gaussian")


def test_likelihoods_that_do_not_fit_the_pixels_are_refused() -> None:
    with pytest.raises(SpecError, match=r"data\.binary"):
        resolved_model(ModelSpec(likelihood="bernoulli"), BINARY, binary=False)
    with pytest.raises(SpecError, match=r"data\.binary"):
        resolved_model(ModelSpec(likelihood="logistic-mixture"), BINARY, binary=True)
    with pytest.raises(SpecError, match="complete"):
        build(ModelSpec(), BINARY)


@pytest.mark.parametrize("likelihood", ["gaussian", "learned-gaussian", "logistic-mixture"])
@pytest.mark.parametrize("shape", [COLOUR, (1, 20, 20)])
def test_every_likelihood_trains(likelihood: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    spec = resolved_model(ModelSpec(channels=4, latents=(3, 2), likelihood=likelihood), shape, False)
    model = build(spec, shape)
    images = torch.randint(0, 256, (8, *shape)) / 255 * 0.1
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        from ratescape.model.hierarchy import PosteriorSample

        result = model(PosteriorSample(model.noise(8)), images)
        loss = (result.distortion + result.rates.sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1


def test_precision_weighted_merge_is_the_product_of_gaussians() -> None:
    """m = (m^ vp + mp v^) / (v^ + vp), v = v^ vp / (v^ + vp): the normalised product of the two densities."""
    torch.manual_seed(0)
    layer = PrecisionWeightedLayer(Geometry(1, 16, 16), width=4, above=3, size=2).double()
    prior = Gaussian(torch.randn(5, 2, 2, 2).double(), torch.rand(5, 2, 2, 2).double() + 0.3)
    evidence = torch.rand(5, 4, 4, 4).double()
    mean, variance = layer.heads(layer.squeeze(evidence))
    merged = layer.posterior(evidence, torch.zeros(5, 3), prior)
    own = Gaussian(mean, variance.sqrt())
    drawn = torch.randn(3, 5, 2, 2, 2).double()
    offsets = [merged.log_density(z) - own.log_density(z) - prior.log_density(z) for z in drawn]
    torch.testing.assert_close(offsets[0], offsets[1])  # the normaliser does not depend on z
    torch.testing.assert_close(offsets[0], offsets[2])
