"""Families by name: what fits the images, what is refused, and a family from outside the package."""

import dataclasses
from pathlib import Path

import pytest
import torch
from helpers.toy_family import TOY, running_mean
from torch import Tensor

from ratescape import checkpoint
from ratescape.errors import SpecError
from ratescape.model import registry
from ratescape.model.conditioning import Conditioned
from ratescape.model.latents import PosteriorSample
from ratescape.model.packs import pack_pass, split, stack
from ratescape.model.parts import Geometry
from ratescape.model.registry import build, resolved_model
from ratescape.specs import families
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.families import FamilyFacts, register_facts
from ratescape.specs.model import LikelihoodName, ModelSpec
from ratescape.specs.runs import NetworkSpec, RunSpec

COLOUR, BINARY = (3, 32, 32), (1, 28, 28)


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
    with pytest.raises(SpecError, match="resolve the spec"):
        build(ModelSpec(), BINARY)


@pytest.mark.parametrize("likelihood", ["gaussian", "learned-gaussian", "logistic-mixture"])
@pytest.mark.parametrize("shape", [COLOUR, (1, 20, 20)])
def test_every_likelihood_trains(likelihood: LikelihoodName, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    spec = resolved_model(ModelSpec(channels=4, latents=(3, 2), likelihood=likelihood), shape, False)
    model = build(spec, shape)
    images = torch.randint(0, 256, (8, *shape)) / 255 * 0.1
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        result = model(PosteriorSample(model.noise(8)), images)
        loss = (result.distortion + result.rates.sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1


TOYS = (1, 5, 7)
"""(C, H, W) of images that no built-in family takes."""


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """The resolved spec of a family that is registered for one test."""
    monkeypatch.setattr(families, "_registered", {})
    monkeypatch.setattr(registry, "_families", dict(registry._families))
    registry.register("toy", TOY)
    return resolved_model(ModelSpec(family="toy"), TOYS, binary=True)


def test_a_family_from_outside_is_known_to_specs(toys: ModelSpec) -> None:
    assert (toys.latents, toys.layers, toys.likelihood) == ((3, 2), 2, "bernoulli")
    assert from_dict(ModelSpec, to_dict(toys)) == toys
    with pytest.raises(SpecError, match="two sizes for toy"):
        ModelSpec(family="toy", latents=(3,))
    with pytest.raises(SpecError, match=r"^model\.family is 'toys': it must be one of 'ghvae', .*, 'toy'"):
        ModelSpec(family="toys")
    registry.register("toy", dataclasses.replace(TOY, tunable=False))  # again, as one does in a notebook
    with pytest.raises(SpecError, match="equal betas only"):
        RunSpec(model=toys, betas=(1.0, 2.0))


def test_built_in_families_cannot_be_replaced() -> None:
    with pytest.raises(ValueError, match="'lvae' is a built-in family"):
        registry.register("lvae", TOY)
    assert sum(p.numel() for p in build(resolved_model(ModelSpec(family="lvae"), BINARY, True), BINARY).parameters())


def test_a_family_that_specs_know_but_no_network_does_is_named(toys: ModelSpec) -> None:
    register_facts(FamilyFacts("elsewhere"))
    with pytest.raises(SpecError, match=r"'elsewhere', whose network is not registered"):
        build(ModelSpec(family="elsewhere"), TOYS)


def test_a_family_from_outside_trains_in_a_pack(toys: ModelSpec) -> None:
    models = [build(toys, TOYS) for _ in range(3)]
    parameters, buffers = split(models[0], stack(models))
    leaves = [p.requires_grad_() for p in parameters.values()]
    images = (torch.rand(16, *TOYS) > 0.5).float()
    optimiser, losses = torch.optim.Adam(leaves, 0.05), list[Tensor]()
    for _ in range(20):
        result = pack_pass(models[0], parameters | buffers, PosteriorSample(models[0].noise(16)), images)
        losses.append((result.distortion + result.rates.sum(2)).mean(1))  # [P]
        optimiser.zero_grad()
        losses[-1].sum().backward()
        optimiser.step()
    assert bool((losses[-1] < losses[0] - 1).all())


def test_a_family_from_outside_is_conditioned_merged_saved_and_loaded(toys: ModelSpec, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Conditioned(build(toys, TOYS), 0.1, 10.0, width=8, rank=2, knots=3).double().eval()
    assert {name for name, kind, _ in network.film.heads if kind == "scale"} == {
        *(f"layers.1.{part}.{head}" for part in ("prior", "heads") for head in ("mean", "spread")),
        *(f"layers.0.heads.{head}" for head in ("mean", "spread")),
        "decoder.linear",
    }
    torch.nn.init.normal_(network.film.head.weight, std=0.1)
    torch.nn.init.normal_(running_mean(network.model))
    images, betas = (torch.rand(4, *TOYS) > 0.5).double(), torch.tensor([[0.3, 4.0]]).double().expand(4, 2)
    source = PosteriorSample(network.noise(4))
    expected = network(source, images, betas)
    merged = network.at((0.3, 4.0), extrapolate=False)
    spec = NetworkSpec(model=toys, low=0.1, high=10.0, width=8, rank=2, knots=3)
    checkpoint.save_alone(tmp_path / "model", merged)
    checkpoint.save_network(tmp_path / "network", network.state_dict(), spec, {"image_shape": TOYS})
    loaded, again = checkpoint.load_model(tmp_path / "model")[0], checkpoint.load_network(tmp_path / "network")[0]
    for result in (merged(source, images), loaded(source, images), again(source, images, betas)):
        torch.testing.assert_close(result.rates, expected.rates)
        torch.testing.assert_close(result.distortion, expected.distortion)
