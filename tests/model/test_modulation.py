"""Gains, shifts and low-rank adapters: on which layers, drawn how, and what they compute."""

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np
import pytest
import torch
from helpers.small_networks import HIGH, KNOTS, LOW, SHAPE, conditioned, inputs, plain
from scipy.interpolate import RegularGridInterpolator
from torch import Tensor, nn

from ratescape.errors import SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.model.modulation import BetaFeatures, as_arguments, attach, detach, modulated_layers

STORED = {
    ("ghvae", 0): (7221, -4.37365325396, 1.60666927645, 14.468455268, 892.654858968, 7.11078801475),
    ("ghvae", 3): (9267, -12.8870853314, 7.08213244148, 9.70991985026, 891.945625775, 4.47298255761),
    ("lvae", 0): (5305, 2.54515355203, 4.13323107952, 6.09139194971, 889.936799975, -0.458041583282),
    ("lvae", 3): (6790, 0.537466820475, 3.31239979878, 4.88487839866, 888.226012403, 1.61987661734),
    ("bottom-up", 0): (6437, 4.02382168792, 3.73241726636, 11.1312869056, 891.688377765, 0.0390672748283),
    ("bottom-up", 3): (7106, 1.8563298482, 4.83150046614, 5.8437551704, 890.985194239, 0.94606916917),
    ("residual of 1", 0): (2461, 6.89398302723, -0.551376345021, 1.55980769752, 888.330752218, 0.0201025466683),
    ("residual of 1", 3): (2980, 6.7686629263, -2.87558114622, 2.67305657464, 890.243431973, -0.591266786557),
    ("residual of 4", 0): (16659, -2.14862653648, 1.41011120693, 27.8827129186, 890.309385671, 6.50837666727),
    ("residual of 4", 3): (24654, 1.53049178886, -1.40209987857, 35.3970837113, 908.7954479, 5.43997644685),
}
"""Family and rank -> of a network drawn with seed 0: its numbers, their sum, and their sum weighted with cos(index);
of one whose gains and shifts were drawn, too: sum of rates and of distortion (nats), and the weighted sum of the model
that it merges into. They were computed when gains and shifts came to be interpolated between knots (format 3); those of
rank 3 again when adapters came to be scaled in place, which is another rounding.
"""


def weighted(tensors: dict[str, Tensor]) -> float:
    values = torch.cat([tensor.double().flatten() for tensor in tensors.values()])
    return float((values * torch.arange(len(values), dtype=torch.float64).cos()).sum())


@pytest.mark.parametrize(("name", "rank"), STORED)
def test_networks_of_a_seed_are_the_ones_they_were(name: str, rank: int) -> None:
    """The same layers have adapters, drawn in the same order: results of landscapes stay those of their seeds."""
    torch.manual_seed(1)
    new = Conditioned(plain(name), LOW, HIGH, width=8, rank=rank, knots=KNOTS).state_dict()
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


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_what_betas_set_are_those_of_finite_differences(kind: str) -> None:
    """Of gains and shifts as of adapters: a batch normalisation stands for a product and a sum."""
    torch.manual_seed(1)
    model = nn.Sequential(KINDS[kind](3).double())
    attach(model)
    sizes: dict[str, tuple[int, ...]] = {"gain": (2, 3), "shift": (2, 3), "scale": (2, 2), "up": (3, 2)}
    sizes["down"] = tuple(cast(Tensor, KINDS[kind](2).weight).shape)
    x = torch.randn(2, 4, *(() if kind == "linear" else (3, 3)), dtype=torch.float64, requires_grad=True)

    def computed(x: Tensor, *tensors: Tensor) -> Tensor:
        settings = {f"0.{name}": tensor for name, tensor in zip(sizes, tensors, strict=False)}
        return torch.func.functional_call(model, as_arguments(model, settings), x)

    drawn = [torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in sizes.values()]
    assert torch.autograd.gradcheck(computed, (x, *drawn))
    assert torch.autograd.gradcheck(computed, (x, *drawn[:2]))  # without adapters


def test_a_layer_without_a_bias_is_named_before_anything_is_trained() -> None:
    model = plain()
    cast(nn.Sequential, model.decoder)[2] = nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=False)
    with pytest.raises(SpecError, match=r"decoder\.2 has no bias"):
        Conditioned(model, LOW, HIGH, width=8)


# Features of betas


def standardised_logs(count: int, axes: int) -> Tensor:
    return 2 * torch.rand(count, axes, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 1


def as_betas(logs: Tensor) -> Tensor:
    return LOW * (HIGH / LOW) ** ((logs + 1) / 2)


def hats(features: BetaFeatures, betas: Tensor) -> Tensor:
    return features(betas)[:, 8:]  # after the outputs of the small network of width 8


def test_hats_interpolate_between_knots_as_scipy_does() -> None:
    """A linear function of the hats is the bilinear interpolation of its values at the knots of the log betas."""
    features = BetaFeatures(LOW, HIGH, (0, 1), width=8, knots=4).double()
    values = torch.randn(4, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    logs = standardised_logs(50, 2)
    knots = np.linspace(-1, 1, 4)
    wanted = RegularGridInterpolator((knots, knots), values.numpy())(logs.numpy())
    found = hats(features, as_betas(logs)) @ values.flatten()
    torch.testing.assert_close(found, torch.from_numpy(wanted), rtol=1e-6, atol=1e-6)  # the box is kept in float32


def test_outside_the_box_hats_are_those_of_its_border() -> None:
    features = BetaFeatures(LOW, HIGH, (0, 1), width=8, knots=4).double()
    outside, border = torch.tensor([[LOW / 3, 1.0]]).double(), torch.tensor([[LOW, 1.0]]).double()
    torch.testing.assert_close(hats(features, outside), hats(features, border), rtol=1e-6, atol=1e-6)


def test_hats_of_groups_read_one_layer_of_each_and_go_by_pairs() -> None:
    logs = standardised_logs(6, 3)
    grouped = BetaFeatures(LOW, HIGH, (0, 1, 1), width=8, knots=3).double()
    two = BetaFeatures(LOW, HIGH, (0, 1), width=8, knots=3).double()
    betas = as_betas(logs[:, [0, 1, 1]])
    torch.testing.assert_close(hats(grouped, betas), hats(two, betas[:, :2]))
    three = BetaFeatures(LOW, HIGH, (0, 1, 2), width=8, knots=3).double()
    found = hats(three, as_betas(logs))
    assert found.shape == (6, 3 * 9)
    for index, pair in enumerate([(0, 1), (0, 2), (1, 2)]):
        torch.testing.assert_close(found[:, 9 * index : 9 * index + 9], hats(two, as_betas(logs[:, pair])))
    one = BetaFeatures(LOW, HIGH, (0, 0), width=8, knots=3).double()
    assert hats(one, as_betas(logs[:, [0, 0]])).shape == (6, 3)


def test_without_knots_there_are_no_hats() -> None:
    assert BetaFeatures(LOW, HIGH, (0, 1), width=8, knots=0)(torch.ones(2, 2)).shape == (2, 8)
