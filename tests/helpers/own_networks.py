"""Factories from outside the package: three convolutional layers, and others that are wrong in one way each."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ratescape.model.distributions import Gaussian, Likelihood
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource
from ratescape.model.parts import TopLayer, map_heads
from ratescape.model.vector import VectorDecoder, VectorLayer, VectorTop, VectorTower

Shape = tuple[int, int, int]


class Encoder(nn.Module):
    """One map at a quarter of the size for all layers, of the image less the mean image of the batches before."""

    mean: Tensor

    def __init__(self, shape: Shape, width: int, layers: int, norm: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.tower = nn.Sequential(nn.Conv2d(shape[0], width, 4, 4), norm, nn.ReLU())
        self.layers = layers

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        found = self.tower(images - self.mean)
        if self.training:
            self.mean.copy_((self.mean + images.detach().mean(0)) / 2)
        return [found] * self.layers


class Top(TopLayer):
    """z_3, a vector."""

    def __init__(self, size: int, state: Shape) -> None:
        super().__init__(size, state[0] * state[1] * state[2])
        self.spread = nn.Sequential(nn.Linear(size, state[0] * state[1] * state[2]), nn.Unflatten(1, state))

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return self.spread(latents)


class Maps(nn.Module):
    """z_2 and z_1, maps."""

    closed_form = True

    def __init__(self, size: int, state: Shape) -> None:
        super().__init__()
        self.shape = (size, *state[1:])
        self.prior, self.heads = map_heads(state[0], self.shape), map_heads(2 * state[0], self.shape)
        self.add = nn.Conv2d(size, state[0], 1)

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        return self.heads(torch.cat([state, evidence], 1))

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return state + self.add(latents)


def three(shape: Shape, likelihood: Likelihood, width: int = 4, latents: Sequence[int] = (3, 2, 1)) -> HVAE:
    return assembled(shape, likelihood, width, latents, nn.GroupNorm(2, width))


def assembled(shape: Shape, likelihood: Likelihood, width: int, latents: Sequence[int], norm: nn.Module) -> HVAE:
    state = (width, shape[1] // 4, shape[2] // 4)
    layers = [Top(latents[0], state), *(Maps(size, state) for size in latents[1:])]
    decoder = nn.ConvTranspose2d(width, likelihood.output_channels(shape[0]), 4, 4)
    return HVAE(Encoder(shape, width, len(latents), norm), layers, decoder, likelihood, shape)


def deeper(shape: Shape, likelihood: Likelihood) -> HVAE:
    return three(shape, likelihood, latents=(3, 1, 1, 1, 1))


def columns(shape: tuple[int], likelihood: Likelihood, width: int = 6, sizes: Sequence[int] = (2, 3)) -> HVAE:
    """For rows: one map of linear layers, in the parts of the family ``vector``."""
    depth = len(sizes)
    layers = [VectorTop(width, sizes[0], depth), *(VectorLayer(width, size, depth) for size in sizes[1:])]
    encoder, decoder = VectorTower(*shape, width, depth), VectorDecoder(width, *shape)
    return HVAE(encoder, layers, decoder, likelihood, shape, adapted=("layers", "decoder"))


# What the checks say no to


class Half(Encoder):
    """Forgets the evidence of the lowest layer."""

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        return super().forward(images, source)[1:]


def sparing(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.encoder = Half(shape, 4, 3, nn.GroupNorm(2, 4))
    return model


def normed(shape: Shape, likelihood: Likelihood) -> HVAE:
    return assembled(shape, likelihood, 4, (3, 2, 1), nn.BatchNorm2d(4))


def dropping(shape: Shape, likelihood: Likelihood) -> HVAE:
    return assembled(shape, likelihood, 4, (3, 2, 1), nn.Dropout(0.5))


def idle(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.encoder.register_parameter("unused", nn.Parameter(torch.zeros(3)))
    return model


def frozen(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.decoder.requires_grad_(False)
    return model


def exploding(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    nn.init.constant_(next(model.layers[2].parameters()), 1e38)
    return model


def misshapen(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.decoder = nn.Sequential(nn.ConvTranspose2d(4, 2, 4, 4))
    return model


def broadcast(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.layers[1].shape = (3, 3)  # pyright: ignore[reportArgumentType]
    return model


class Shapeless(Maps):
    """Lacks what the protocol of layers asks for."""

    def __init__(self, size: int, state: Shape) -> None:
        super().__init__(size, state)
        del self.shape


def shapeless(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.layers[1] = Shapeless(2, (4, shape[1] // 4, shape[2] // 4))
    return model


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            raise RuntimeError("never looked at")
        return x


def unlooked(shape: Shape, likelihood: Likelihood) -> HVAE:
    return assembled(shape, likelihood, 4, (3, 2, 1), Failing())


def unlucky(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    with torch.no_grad():
        next(model.parameters()).add_(torch.rand(1, generator=torch.Generator().manual_seed(torch.seed() % 2**31)))
    return model


class Forgetful(Encoder):
    def __init__(self, shape: Shape, width: int, layers: int, norm: nn.Module) -> None:
        super().__init__(shape, width, layers, norm)
        self.register_buffer("mean", torch.zeros(shape), persistent=False)


def forgetful(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.encoder = Forgetful(shape, 4, 3, nn.GroupNorm(2, 4))
    return model


class Branching(nn.Module):
    """Does what vmap cannot: it looks at its values."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.detach().abs().max()) > 1e9 else x


def branching(shape: Shape, likelihood: Likelihood) -> HVAE:
    return assembled(shape, likelihood, 4, (3, 2, 1), Branching())


class Attending(nn.Module):
    """Attention whose weights are read without calling the module that holds them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens, need_weights=False)[0].transpose(1, 2).reshape(x.shape)


def attending(shape: Shape, likelihood: Likelihood) -> HVAE:
    return assembled(shape, likelihood, 4, (3, 2, 1), Attending(4))


def unbiased(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.decoder = nn.ConvTranspose2d(4, likelihood.output_channels(shape[0]), 4, 4, bias=False)
    return model


class BottomUp(Maps):
    closed_form = False


def bottom_up(shape: Shape, likelihood: Likelihood) -> HVAE:
    model = three(shape, likelihood)
    model.layers[2] = BottomUp(1, (4, shape[1] // 4, shape[2] // 4))
    return model


# What is no factory of a network


def failing(shape: Shape, likelihood: Likelihood) -> HVAE:
    raise RuntimeError("no such width")


def other(shape: Shape, likelihood: Likelihood) -> Any:
    return nn.Linear(2, 2)


def resized(shape: Shape, likelihood: Likelihood) -> HVAE:
    return three((1, 8, 8), likelihood)


number = 3
