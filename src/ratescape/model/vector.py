"""The vector family: fully connected residual blocks, any number of layers of latents, for rows ``[B, D]``.

Bottom-up, one block a layer reads the row: what is behind the first block is evidence of the lowest layer, what is
behind the last that of the top. Top-down, with state s of a layer and its evidence e,

    p(z | s) = heads(block(s)),   q(z | s, e) = heads(block(s, e)),   s <- block(s + W z).
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from ratescape.model.distributions import Gaussian, likelihood
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import LatentSource
from ratescape.model.numerics import inverse_softplus
from ratescape.model.parts import TopLayer, resolved_sizes, vector_heads
from ratescape.specs.model import ModelSpec


class Block(nn.Module):
    """Adds to a vector what two linear maps make of it, each behind a GELU.

    Args:
        depth: blocks in a row, by whose root the second map starts smaller, so that their sum stays of its size.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        first, last = nn.Linear(width, width), nn.Linear(width, width)
        self.body = nn.Sequential(nn.GELU(), first, nn.GELU(), last)
        with torch.no_grad():
            last.weight.mul_(1 / math.sqrt(depth))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class VectorTower(nn.Module):
    """The encoder: a row to the evidence of each layer ``[B, width]``, top first."""

    def __init__(self, columns: int, width: int, layers: int) -> None:
        super().__init__()
        self.stem = nn.Linear(columns, width)
        self.blocks = nn.ModuleList(Block(width, layers) for _ in range(layers))

    def forward(self, rows: Tensor, source: LatentSource) -> list[Tensor]:
        x, found = self.stem(rows), list[Tensor]()
        for block in self.blocks:
            x = cast(Block, block)(x)
            found.insert(0, x)
        return found


class VectorTop(TopLayer):
    """z_L: its prior is N(0, I); it begins the state."""

    def __init__(self, width: int, size: int, depth: int) -> None:
        super().__init__(size, width)
        self.spread = nn.Linear(size, width)
        self.block = Block(width, depth)

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor:
        return self.block(self.spread(latents))


class VectorLayer(nn.Module):
    """A lower layer: prior and posterior see all layers above through the state."""

    closed_form = True

    def __init__(self, width: int, size: int, depth: int) -> None:
        super().__init__()
        self.shape = (size,)
        self.prior_block, self.prior_heads = Block(width, 1), vector_heads(width, self.shape)
        self.merge, self.posterior_block = nn.Linear(2 * width, width), Block(width, 1)
        self.posterior_heads = vector_heads(width, self.shape)
        self.spread, self.block = nn.Linear(size, width), Block(width, depth)

    def prior(self, state: Tensor) -> Gaussian:
        return self.prior_heads(self.prior_block(state))

    def posterior(self, evidence: Tensor, state: Tensor, prior: Gaussian) -> Gaussian:
        return self.posterior_heads(self.posterior_block(self.merge(torch.cat([state, evidence], 1))))

    def advance(self, state: Tensor, latents: Tensor) -> Tensor:
        return self.block(state + self.spread(latents))


class VectorDecoder(nn.Module):
    """The state below the last layer to a mean (or logit) and a spread of each column: ``[B, 2, D]``.

    The spread is one number a column, whatever the row. It is the output of a linear map of a constant, so that it can
    be conditioned on betas as all else is.
    """

    def __init__(self, width: int, columns: int) -> None:
        super().__init__()
        self.block, self.mean, self.spread = Block(width, 1), nn.Linear(width, columns), nn.Linear(1, columns)
        nn.init.zeros_(self.spread.weight)
        nn.init.constant_(self.spread.bias, inverse_softplus(1.0))

    def forward(self, state: Tensor) -> Tensor:
        return torch.stack([self.mean(self.block(state)), self.spread(torch.ones_like(state[:, :1]))], 1)


def vector(spec: ModelSpec, image_shape: tuple[int, ...]) -> HVAE:
    """A network for rows.

    Args:
        spec: resolved; its latents are the size of each layer, top first, its channels the width of all hidden vectors.
        image_shape: (D,).
    """
    (columns,), (width, latents) = image_shape, resolved_sizes(spec)
    depth = len(latents)
    lower = [VectorLayer(width, size, depth) for size in latents[1:]]
    encoder, decoder = VectorTower(columns, width, depth), VectorDecoder(width, columns)
    observed = likelihood(spec, columns)
    layers = [VectorTop(width, latents[0], depth), *lower]
    return HVAE(encoder, layers, decoder, observed, (columns,), spec, adapted=("layers", "decoder"))
