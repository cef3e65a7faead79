"""A network that is told its betas, and the ordinary models folded out of it."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ratescape import checkpoint
from ratescape.errors import CheckpointError, SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, PosteriorSample, PriorSample
from ratescape.model.packs import member, pack_pass, stack
from ratescape.model.registry import build, resolved_model
from ratescape.specs.data import DataSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec

SHAPE = (1, 16, 16)
LOW, HIGH = 0.05, 20.0
MODELS = {
    "ghvae": ModelSpec(channels=4, latents=(3, 2)),
    "lvae": ModelSpec(family="lvae", channels=4, latents=(3, 2)),
    "bottom-up": ModelSpec(family="bottom-up", channels=4, latents=(3, 2)),
    "residual of 1": ModelSpec(family="residual", channels=4, latents=(3,)),
    "residual of 4": ModelSpec(family="residual", channels=4, latents=(3, 2, 2, 1)),
}


def plain(name: str = "ghvae") -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(MODELS[name], SHAPE, binary=True), SHAPE).double()


def conditioned(name: str = "ghvae", told: float = 0.1, rank: int = 3) -> Conditioned:
    """A network whose gains and shifts deviate from the identity by about ``told``."""
    torch.manual_seed(1)
    network = Conditioned(plain(name), LOW, HIGH, width=8, rank=rank).double()
    torch.nn.init.normal_(network.film.head.weight, std=told)
    torch.nn.init.normal_(network.film.head.bias, std=told)
    return network


def inputs(network: HVAE | Conditioned, count: int = 5) -> tuple[Tensor, list[Tensor], Tensor]:
    """Images, noise and betas."""
    generator = torch.Generator().manual_seed(2)
    images = (torch.rand(count, *SHAPE, generator=generator) > 0.5).double()
    noise = [torch.randn(count, *shape, generator=generator, dtype=torch.float64) for shape in network.latent_shapes]
    logs = torch.rand(count, len(noise), generator=generator, dtype=torch.float64)
    return images, noise, LOW * (HIGH / LOW) ** logs


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("name", MODELS)
def test_folding_gives_the_same_pass_at_every_betas(name: str, rank: int) -> None:
    network = conditioned(name, rank=rank)
    further = {part.split(".")[0] for part in network.film.down}
    assert bool(further) == bool(rank)
    images, noise, betas = inputs(network)
    together = network(PosteriorSample(noise), images, betas)
    for index in range(len(images)):
        folded = network.at(tuple(betas[index].tolist()))
        alone = folded(PosteriorSample([n[index : index + 1] for n in noise]), images[index : index + 1])
        torch.testing.assert_close(alone.rates[0], together.rates[index], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(alone.distortion[0], together.distortion[index], rtol=1e-9, atol=1e-9)
    assert len({round(float(rate), 6) for rate in together.rates[:, 0].detach()}) == len(images)  # and betas matter


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("name", MODELS)
def test_a_new_network_is_the_ordinary_one_and_can_learn_to_differ(name: str, rank: int) -> None:
    torch.manual_seed(1)
    network = Conditioned(plain(name), LOW, HIGH, width=8, rank=rank).double()
    images, noise, betas = inputs(network)
    told = network(PosteriorSample(noise), images, betas)
    torch.testing.assert_close(told.rates, plain(name)(PosteriorSample(noise), images).rates)
    gradients = torch.autograd.grad(told.distortion.sum() + told.rates.sum(), list(network.film.head.parameters()))
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients)
    if rank:  # strengths start at zero, but their heads have a gradient, after which the further maps have one
        strengths = [size for _, buffer, size in network.film.heads if buffer == "scale"]
        assert strengths and set(strengths) == {rank}


def test_an_image_is_told_its_own_betas_only() -> None:
    network = conditioned()
    images, noise, betas = inputs(network)
    other = betas.clone()
    other[1:] = betas[1:].flip(0)
    one, two = (network(PosteriorSample(noise), images, told) for told in (betas, other))
    torch.testing.assert_close(one.distortion[0], two.distortion[0])
    assert not torch.allclose(one.distortion[1], two.distortion[1])


def test_samples_from_the_prior_are_told_the_betas_too() -> None:
    network = conditioned()
    _, noise, betas = inputs(network)
    drawn = network(PriorSample(noise), None, betas)
    folded = network.at(tuple(betas[2].tolist()))
    alone = folded(PriorSample([n[2:3] for n in noise]))
    torch.testing.assert_close(alone.output[0], drawn.output[2])


def test_what_is_folded_is_an_ordinary_model(tmp_path: Path) -> None:
    network = conditioned()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = network.at((0.3, 4.0))
    assert folded.state_dict().keys() == plain().state_dict().keys()
    assert not any(module._forward_hooks for module in folded.modules())
    for name, tensor in network.state_dict().items():  # folding changes nothing in the network
        torch.testing.assert_close(tensor, before[name])
    checkpoint.save_alone(tmp_path / "model.safetensors", folded)
    again, header = checkpoint.load_model(tmp_path / "model.safetensors")
    images, noise, _ = inputs(network)
    torch.testing.assert_close(
        again(PosteriorSample(noise), images).rates, folded(PosteriorSample(noise), images).rates
    )
    assert header["model"]["channels"] == 4


def test_a_network_on_disk_is_the_same_network_and_knows_its_box(tmp_path: Path) -> None:
    network = conditioned()
    path = tmp_path / "network.safetensors"
    spec = NetworkSpec(
        DataSpec(), resolved_model(MODELS["ghvae"], SHAPE, binary=True), low=LOW, high=HIGH, width=8, rank=3
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
    networks = [conditioned(told=told) for told in (0.05, 0.2)]
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
