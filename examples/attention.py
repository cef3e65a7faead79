"""A network of your own: an image is cut into patches, whose tokens attend to each other.

    ratescape check-network attention:tokens --shape 1 28 28 --options '{"width": 32}'
    ratescape map --model.factory attention:tokens --model.options '{"width": 32}' --out tokens

The top layer is one vector for the whole image; each lower layer has a small vector for every patch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ratescape.model.distributions import Gaussian, Likelihood
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource
from ratescape.model.parts import Heads, TopLayer


class Block(nn.Module):
    """Each token attends to all of its image, ``[B, T, W] -> [B, T, W]``.

    Betas act on every nn.Linear that is called as a module, which nn.MultiheadAttention does not do with its own.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        likeness = self.query(y) @ self.key(y).transpose(1, 2) / y.shape[2] ** 0.5  # [B, T, T]
        x = x + likeness.softmax(2) @ self.value(y)
        return x + self.mlp(self.after(x))


class Encoder(nn.Module):
    """An image to evidence for each layer, top first: the mean token ``[B, W]``, then all tokens ``[B, T, W]``."""

    def __init__(self, channels: int, patch: int, tokens: int, width: int, lower: int) -> None:
        super().__init__()
        self.embed, self.lower = nn.Conv2d(channels, width, patch, patch), lower
        self.positions = nn.Parameter(0.1 * torch.randn(tokens, width))
        self.block = Block(width)

    def forward(self, images: Tensor, source: LatentSource) -> list[Tensor]:
        tokens = self.block(self.embed(images).flatten(2).transpose(1, 2) + self.positions)
        return [tokens.mean(1), *[tokens] * self.lower]


class Top(TopLayer):
    """z_L, a vector, which is laid out over the positions of all patches: ``[B, size] -> [B, T, W]``."""

    def __init__(self, size: int, tokens: int, width: int) -> None:
        super().__init__(size, width)
        self.spread, self.block = nn.Linear(size, width), Block(width)
        self.positions = nn.Parameter(0.1 * torch.randn(tokens, width))

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return self.block(self.spread(latents).unsqueeze(1) + self.positions)


class Tokens(nn.Module):
    """A lower layer ``[B, T, size]``: prior from the state above, posterior from the state and the image's tokens."""

    closed_form = True  # its rate is the KL between the two

    def __init__(self, size: int, tokens: int, width: int) -> None:
        super().__init__()
        self.shape = (tokens, size)
        self.prior = Heads(nn.Linear(width, size), nn.Linear(width, size), self.shape)
        self.heads = Heads(nn.Linear(2 * width, size), nn.Linear(2 * width, size), self.shape)
        self.add, self.block = nn.Linear(size, width), Block(width)

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        return self.heads(torch.cat([state, evidence], 2))

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return self.block(state + self.add(latents))


class Turned(nn.Module):
    """``[B, T, W] -> [B, W, T]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def tokens(
    shape: tuple[int, int, int], likelihood: Likelihood, width: int = 32, patch: int = 4, sizes: Sequence[int] = (8, 1)
) -> HVAE:
    """The factory: the shape (C, H, W) of an image, the likelihood, and the options by name."""
    rows, columns, (top, *lower) = shape[1] // patch, shape[2] // patch, sizes
    layers = [Top(top, rows * columns, width), *(Tokens(size, rows * columns, width) for size in lower)]
    cells = nn.Linear(width, likelihood.output_channels(shape[0]) * patch**2)
    decoder = nn.Sequential(cells, Turned(), nn.Unflatten(2, (rows, columns)), nn.PixelShuffle(patch))
    return HVAE(Encoder(shape[0], patch, rows * columns, width, len(lower)), layers, decoder, likelihood, shape)
