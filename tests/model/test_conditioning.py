"""A network conditioned on betas, and the ordinary models that it merges into."""

import re
from pathlib import Path

import pytest
import torch
from helpers.small_networks import HIGH, KNOTS, LOW, MODELS, SHAPE, conditioned, inputs, plain

from ratescape import checkpoint
from ratescape.errors import CheckpointError, SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.latents import PosteriorSample, PriorSample
from ratescape.model.packs import member, pack_pass, stack
from ratescape.model.registry import resolved_model
from ratescape.specs.data import DataSpec
from ratescape.specs.runs import NetworkSpec


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("name", MODELS)
def test_merging_gives_the_same_pass_at_every_betas(name: str, rank: int) -> None:
    network = conditioned(name, rank=rank)
    assert bool(network.film.down) == bool(rank)
    images, noise, betas = inputs(network)
    together = network(PosteriorSample(noise), images, betas)
    for index in range(len(images)):
        merged = network.at(tuple(betas[index].tolist()))
        alone = merged(PosteriorSample([n[index : index + 1] for n in noise]), images[index : index + 1])
        torch.testing.assert_close(alone.rates[0], together.rates[index], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(alone.distortion[0], together.distortion[index], rtol=1e-9, atol=1e-9)
    assert len({round(float(rate), 6) for rate in together.rates[:, 0].detach()}) == len(images)  # and betas matter


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("name", MODELS)
def test_a_new_network_is_the_ordinary_one_and_can_learn_to_differ(name: str, rank: int) -> None:
    torch.manual_seed(1)
    network = Conditioned(plain(name), LOW, HIGH, width=8, rank=rank).double()
    images, noise, betas = inputs(network)
    result = network(PosteriorSample(noise), images, betas)
    torch.testing.assert_close(result.rates, plain(name)(PosteriorSample(noise), images).rates)
    gradients = torch.autograd.grad(result.distortion.sum() + result.rates.sum(), list(network.film.head.parameters()))
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients)
    if rank:  # scales start at zero, but their heads have a gradient, after which the adapters have one
        heads = gradients[1].split([size for _, _, size in network.film.heads])  # of the head's bias
        scales = [part for (_, buffer, _), part in zip(network.film.heads, heads, strict=True) if buffer == "scale"]
        assert scales and all(part.shape == (rank,) and bool((part != 0).all()) for part in scales)
        torch.nn.init.normal_(network.film.head.bias, std=0.1)
        result = network(PosteriorSample(noise), images, betas)
        adapters = [*network.film.down.parameters(), *network.film.up.parameters()]
        gradients = torch.autograd.grad(result.distortion.sum() + result.rates.sum(), adapters)
        assert all(float(gradient.abs().max()) > 0 for gradient in gradients)


def test_an_image_depends_on_its_own_betas_only() -> None:
    network = conditioned()
    images, noise, betas = inputs(network)
    other = betas.clone()
    other[1:] = betas[1:].flip(0)
    one, two = (network(PosteriorSample(noise), images, given) for given in (betas, other))
    torch.testing.assert_close(one.distortion[0], two.distortion[0])
    assert not torch.allclose(one.distortion[1], two.distortion[1])


def test_samples_from_the_prior_depend_on_the_betas_too() -> None:
    network = conditioned()
    _, noise, betas = inputs(network)
    drawn = network(PriorSample(noise), None, betas)
    merged = network.at(tuple(betas[2].tolist()))
    alone = merged(PriorSample([n[2:3] for n in noise]))
    torch.testing.assert_close(alone.output[0], drawn.output[2])


def test_what_is_merged_is_an_ordinary_model(tmp_path: Path) -> None:
    network = conditioned()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    merged = network.at((0.3, 4.0))
    assert merged.state_dict().keys() == plain().state_dict().keys()
    assert not any(module._forward_hooks for module in merged.modules())
    for name, tensor in network.state_dict().items():  # merging changes nothing in the network
        torch.testing.assert_close(tensor, before[name])
    checkpoint.save_alone(tmp_path / "model.safetensors", merged)
    again, header = checkpoint.load_model(tmp_path / "model.safetensors")
    images, noise, _ = inputs(network)
    torch.testing.assert_close(
        again(PosteriorSample(noise), images).rates, merged(PosteriorSample(noise), images).rates
    )
    assert header["model"]["channels"] == 4


def test_a_network_on_disk_is_the_same_network_and_knows_its_box(tmp_path: Path) -> None:
    network = conditioned()
    path = tmp_path / "network.safetensors"
    spec = NetworkSpec(
        DataSpec(),
        resolved_model(MODELS["ghvae"], SHAPE, binary=True),
        low=LOW,
        high=HIGH,
        width=8,
        rank=3,
        knots=KNOTS,
    )
    checkpoint.save_network(path, network.state_dict(), spec, {"image_shape": SHAPE})
    again, header = checkpoint.load_network(path)
    assert header["network"] == spec
    images, noise, betas = inputs(network)
    torch.testing.assert_close(
        again(PosteriorSample(noise), images, betas).rates, network(PosteriorSample(noise), images, betas).rates
    )
    assert (again.low, again.high) == (LOW, HIGH)
    checkpoint.save_alone(path, plain())
    with pytest.raises(CheckpointError, match="holds no conditioned network"):
        checkpoint.load_network(path)


def test_betas_outside_the_box_are_refused_unless_asked_for() -> None:
    network = conditioned()
    network.at((LOW, HIGH))
    for betas in ((LOW / 1.01, 1.0), (1.0, HIGH * 1.01)):
        with pytest.raises(SpecError, match=re.escape("outside the box 0.05 to 20")):
            network.at(betas)
        assert not network.covers(betas)
        network.at(betas, extrapolate=True)
    for betas in ((1.0,), (1.0, 0.0), (1.0, float("nan")), (1.0, 1.0, 1.0)):
        with pytest.raises(SpecError, match="one positive number for each of the 2 layers"):
            network.at(betas, extrapolate=True)


def test_a_pack_of_networks_is_its_members() -> None:
    networks = [conditioned(spread=spread) for spread in (0.05, 0.2)]
    images, noise, betas = inputs(networks[0])
    parameters = stack(networks)
    both = torch.stack([betas, betas.flip(0)])
    together = pack_pass(networks[0], parameters, PosteriorSample(noise), images, both)
    for index, network in enumerate(networks):
        alone = network(PosteriorSample(noise), images, both[index])
        torch.testing.assert_close(together.rates[index], alone.rates)
        single = {name: tensor[None] for name, tensor in member(parameters, index).items()}
        one = pack_pass(network, single, PosteriorSample(noise), images, both[index : index + 1])
        torch.testing.assert_close(one.distortion[0], alone.distortion)
