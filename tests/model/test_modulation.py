"""Gains, shifts and low-rank adapters: on which layers, drawn how, and what they compute."""

from collections.abc import Callable
from functools import partial
from typing import cast

import pytest
import torch
from helpers.small_networks import HIGH, LOW, SHAPE, conditioned, inputs, plain
from torch import Tensor, nn

from ratescape.errors import SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.model.modulation import as_arguments, attach, detach, modulated_layers

STORED = {
    ("ghvae", 0): (5223, -4.37365325396, 1.60666927645, 13.6168780287, 893.73810655, 5.87616540263),
    ("ghvae", 3): (6972, -16.8877983839, -1.12875844935, 8.31966684215, 893.215122966, 4.13863835432),
    ("lvae", 0): (3811, 2.54515355203, 4.13323107952, 4.50387118859, 893.762633545, 0.939199486966),
    ("lvae", 3): (5053, -3.50822015382, 4.98516584995, 5.17642178182, 888.069407725, 1.80426670115),
    ("bottom-up", 0): (4439, 4.02382168792, 3.73241726636, 4.82935744796, 891.285110007, 2.07596786522),
    ("bottom-up", 3): (5000, -1.23828301585, 1.89919530913, 5.88633315374, 889.856303338, 0.729062748996),
    ("residual of 1", 0): (2203, 6.89398302723, -0.551376345021, 2.57298347734, 887.56245237, 0.375309265996),
    ("residual of 1", 3): (2686, 7.61843679068, -2.55381634663, 1.94859977691, 892.805777349, 0.753212311401),
    ("residual of 4", 0): (5967, -2.14862653648, 1.41011120693, 6.99522775145, 888.108591713, 4.49515535222),
    ("residual of 4", 3): (9912, 0.211489469682, 12.0281589583, 14.0084346404, 887.231573792, 4.50830911988),
}
"""Family and rank -> of a network drawn with seed 0: its numbers, their sum, and their sum weighted with cos(index);
of one whose gains and shifts were drawn, too: sum of rates and of distortion (nats), and the weighted sum of the model
that it merges into. They were computed when the adapters of today's networks were chosen by the names of their layers.
"""


def weighted(tensors: dict[str, Tensor]) -> float:
    values = torch.cat([tensor.double().flatten() for tensor in tensors.values()])
    return float((values * torch.arange(len(values), dtype=torch.float64).cos()).sum())


@pytest.mark.parametrize(("name", "rank"), STORED)
def test_networks_of_a_seed_are_the_ones_they_were(name: str, rank: int) -> None:
    """The same layers have adapters, drawn in the same order: results of landscapes stay those of their seeds."""
    torch.manual_seed(1)
    new = Conditioned(plain(name), LOW, HIGH, width=8, rank=rank).state_dict()
    network = conditioned(name, rank=rank)
    images, noise, betas = inputs(network)
    with torch.no_grad():
        result = network(PosteriorSample(noise), images, betas)
    merged = network.at(tuple(betas[0].tolist())).state_dict()
    found = (
        sum(tensor.numel() for tensor in new.values()),
        float(sum(tensor.double().sum() for tensor in new.values())),
        weighted(new),
        float(result.rates.sum()),
        float(result.distortion.sum()),
        weighted(merged),
    )
    assert found == pytest.approx(STORED[name, rank], rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("adapted", [(), ("layers.1",), ("encoder.top", "decoder.2")])
def test_the_network_says_which_of_its_layers_have_adapters(adapted: tuple[str, ...]) -> None:
    like = plain()
    model = HVAE(like.encoder, list(like.layers), like.decoder, like.likelihood, SHAPE, like.spec, adapted)
    network = Conditioned(model, LOW, HIGH, width=8, rank=2)
    having = {name for name, kind, _ in network.film.heads if kind == "scale"}
    expected = {name for name, _ in modulated_layers(model) if name.startswith(tuple(f"{a}." for a in adapted) or "-")}
    assert having == expected | ({"decoder.2"} & set(adapted)) and bool(having) == bool(adapted)
    assert {name for name, kind, _ in network.film.heads if kind == "gain"} == dict(modulated_layers(model)).keys()


def test_adapters_of_layers_that_do_not_exist_are_refused() -> None:
    like = plain()
    with pytest.raises(ValueError, match="no module decoder_0"):
        HVAE(like.encoder, list(like.layers), like.decoder, like.likelihood, SHAPE, like.spec, ("layers", "decoder_0"))


KINDS: dict[str, Callable[..., nn.Module]] = {
    "linear": partial(nn.Linear, 4),
    "convolution": partial(nn.Conv2d, 4, kernel_size=3, padding=1),
    "transposed": partial(nn.ConvTranspose2d, 4, kernel_size=4, stride=2, padding=1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_computes_what_the_formula_says(kind: str) -> None:
    """h = a (f(x) + up (s g(x))) + b for every item, g being a layer with ``down`` for its weight and no bias."""
    torch.manual_seed(0)
    layer, adapters = KINDS[kind](3).double(), KINDS[kind](2, bias=False).double()
    model = nn.Sequential(layer)
    x = torch.randn(5, 4, *(() if kind == "linear" else (6, 6))).double()
    gain, shift, scale, up = (torch.randn(*size).double() for size in ((5, 3), (5, 3), (5, 2), (3, 2)))
    wide = [-1] + [1] * (x.ndim - 2)
    added = torch.einsum("cr,nr,nr...->nc...", up, scale, adapters(x))
    expected = gain.reshape(5, *wide) * (layer(x) + added) + shift.reshape(5, *wide)
    attach(model)
    down = cast(Tensor, adapters.weight)
    settings = {"0.gain": gain, "0.shift": shift, "0.scale": scale, "0.down": down, "0.up": up}
    torch.testing.assert_close(torch.func.functional_call(model, as_arguments(model, settings), x), expected)
    before = layer(x)  # without settings, and once detached, the layer does what it did
    detach(model)
    torch.testing.assert_close(layer(x), before, rtol=0, atol=0)
    assert not layer._forward_hooks and not list(layer.buffers())


def test_a_layer_without_a_bias_is_named_before_anything_is_trained() -> None:
    model = plain()
    cast(nn.Sequential, model.decoder)[2] = nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=False)
    with pytest.raises(SpecError, match=r"decoder\.2 has no bias"):
        Conditioned(model, LOW, HIGH, width=8)
