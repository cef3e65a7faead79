"""Better symbols for each image, by the decoder's own distortion: whole numbers are changed as long as that pays.

Rounding one latent after the other by its posterior knows nothing of what the others of the image make up for, nor
what the encoder, which was trained for all images, missed for this one. The search descends in distortion + price
times length. Each step tries the changes that the gradient favours, several at once, and keeps them where the image
came out better, so that no image ever gets worse. Sources of the idea: Campos et al., Content adaptive optimization for
neural image compression (CVPR workshop 2019); Yang, Bamler & Mandt, Improving inference for neural image compression
(NeurIPS 2020), both with continuous latents.
"""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ratescape.coding.quantise import LayerCode, Quantised, placed
from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE

SHARE = 0.6
"""Of the changes that promise a gain, so many are tried at first; an image's share grows where that was right."""

GROWTH, FALL, LEAST = 1.2, 0.7, 0.003
"""What the share is multiplied by after a step that was right, and after one that was wrong; the smallest share."""

KEPT = 0.9
"""Share of what was learnt of a curvature that is left a step later, since other changes make it untrue."""

BEND = 0.1
"""Smallest share of a curvature that a measured one counts as: a decoder may be concave somewhere."""


BATCH = 250
"""Images that pass through the network at once."""


@torch.no_grad()
def symbols_of(
    model: HVAE, codes: Sequence[LayerCode], images: Tensor, effort: int = 0, start: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """Symbols ``[N, D]`` of each layer, top first, of images ``[N, C, H, W]``.

    Args:
        effort: steps of the search; 0 for the nearest symbols.
        start: the symbols to begin with, in place of the nearest ones.
    """
    batches: list[list[Tensor]] = []
    for begin in range(0, len(images), BATCH):
        chunk, source = images[begin : begin + BATCH], Quantised(codes)
        model.passes([source], chunk, decode=False)
        first = source.symbols if start is None else [k[begin : begin + BATCH] for k in start]
        better = Search(model, codes).improved(chunk, first, source.weights, effort) if effort else first
        batches.append(better)
    return [torch.cat(layer) for layer in zip(*batches, strict=True)]


@dataclasses.dataclass(frozen=True)
class _Alphabet:
    """What may be chosen in every dimension of all layers side by side, each ``[D]``."""

    delta: Tensor
    low: Tensor
    high: Tensor
    begin: Tensor
    """Where the cost of k = 0 stands in ``costs``."""
    costs: Tensor
    """Nats of distortion that each symbol is worth, of all tables in turn."""

    @classmethod
    def of(cls, codes: Sequence[LayerCode], like: Tensor) -> "_Alphabet":
        parts = [code.tensors(like) for code in codes]
        starts = [0]
        for part in parts:
            starts.append(starts[-1] + len(part["lengths"]))
        joined = {name: torch.cat([part[name] for part in parts]) for name in ("delta", "low", "high")}
        begin = torch.cat([part["begin"] + start for part, start in zip(parts, starts, strict=False)])
        prices = [code.price * math.log(2) * part["lengths"] for code, part in zip(codes, parts, strict=True)]
        return cls(**joined, begin=begin, costs=torch.cat(prices))

    def cost(self, symbols: Tensor) -> Tensor:
        """What symbols ``[B, D]`` cost, nats of distortion."""
        return self.costs[(self.begin + symbols).long()]

    def near(self, symbols: Tensor) -> list[Tensor]:
        """What each symbol may become: its neighbours, and 0."""
        others = (symbols - 1, symbols + 1, torch.zeros_like(symbols))
        return [torch.minimum(torch.maximum(one, self.low), self.high) for one in others]


@dataclasses.dataclass(frozen=True)
class _State:
    """Where the search of B images stands."""

    symbols: Tensor
    """``[B, D]``."""
    total: Tensor
    """Distortion plus what the symbols cost ``[B]``, nats."""
    gradient: Tensor
    """Of the distortion by the latents in the prior's coordinates ``[B, D]``."""
    curvature: Tensor
    """The second derivative, as far as it is known ``[B, D]``."""
    usual: Tensor
    """What it is taken for in the long run ``[B, D]``: the posterior's."""
    share: Tensor
    """Of the favoured changes, how many are tried ``[B]``."""


class _Places:
    """Source of latents at places ``[B, D]`` in the prior's coordinates, of all layers side by side."""

    def __init__(self, places: Tensor, sizes: Sequence[int]) -> None:
        self.places = places.split(list(sizes), 1)

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        return placed(prior, self.places[index])


class Search:
    """Searches for better symbols of images, under given codes.

    Example::

        better = Search(model, codes).improved(images, symbols, weights, steps=40)

    Args:
        codes: of the layers, top first, with their prices.
    """

    def __init__(self, model: HVAE, codes: Sequence[LayerCode]) -> None:
        self.model = model
        self.codes = codes
        self.sizes = [code.dimensions for code in codes]

    def improved(
        self, images: Tensor, symbols: Sequence[Tensor], weights: Sequence[Tensor], steps: int
    ) -> list[Tensor]:
        """Symbols ``[B, D]`` of each layer, top first, of images ``[B, C, H, W]``.

        Args:
            symbols: to begin with, of each layer.
            weights: how much each layer's likelihood minds a deviation: see ``quantise.likeliest``.
            steps: passes through the decoder, forward and back.
        """
        like = weights[0]
        alphabet = _Alphabet.of(self.codes, like)
        generator = torch.Generator(like.device).manual_seed(0)
        scaled = [weight * code.stiffness for weight, code in zip(weights, self.codes, strict=True)]
        found = torch.cat([one.to(like.dtype) for one in symbols], 1)
        found = torch.minimum(torch.maximum(found, alphabet.low), alphabet.high)
        total, gradient = self._measured(alphabet, images, found)
        share = torch.full_like(total, SHARE)
        usual = torch.cat(scaled, 1)
        state = _State(found, total, gradient, usual, usual, share)
        for _ in range(steps):
            state = self._step(alphabet, images, state, generator)
        return [one.to(torch.int32) for one in state.symbols.split(self.sizes, 1)]

    def _measured(self, alphabet: _Alphabet, images: Tensor, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be small ``[B]``, and the gradient of the distortion ``[B, D]``."""
        with torch.enable_grad():
            places = (symbols * alphabet.delta).requires_grad_()
            output = self.model(_Places(places, self.sizes)).output
            distortion = self.model.likelihood.distortion(output, images)
            (gradient,) = torch.autograd.grad(distortion.sum(), places)
        return distortion.detach() + alphabet.cost(symbols).sum(1), gradient

    def _step(self, alphabet: _Alphabet, images: Tensor, state: _State, generator: torch.Generator) -> _State:
        """Try the most favoured changes of every image, and keep those that were for the better."""
        tried = _favoured(alphabet, state, generator)
        total, gradient = self._measured(alphabet, images, tried)
        better = total < state.total
        moved = (tried - state.symbols) * alphabet.delta
        # What the gradient changed by over the way is the curvature along it, the other changes' part included.
        bend = (gradient - state.gradient) / torch.where(moved == 0, 1.0, moved)
        bend = torch.where(moved == 0, state.curvature, torch.maximum(bend, BEND * state.curvature))
        rows = better.unsqueeze(1)
        return _State(
            torch.where(rows, tried, state.symbols),
            torch.where(better, total, state.total),
            torch.where(rows, gradient, state.gradient),
            state.usual + KEPT * (bend - state.usual),
            state.usual,
            torch.where(better, (GROWTH * state.share).clamp(max=1), (FALL * state.share).clamp(min=LEAST)),
        )


def _favoured(alphabet: _Alphabet, state: _State, generator: torch.Generator) -> Tensor:
    """Symbols ``[B, D]`` with the changes that promise most, with some chance in it, lest one false promise stands in
    the way of all others.
    """
    best, gain = state.symbols, torch.zeros_like(state.symbols)
    now = alphabet.cost(best)
    for other in alphabet.near(state.symbols):
        way = (other - state.symbols) * alphabet.delta
        change = state.gradient * way + 0.5 * state.curvature * way**2 + alphabet.cost(other) - now
        best, gain = torch.where(change < gain, other, best), torch.minimum(change, gain)
    gain = gain * torch.rand(gain.shape, generator=generator, device=gain.device, dtype=gain.dtype)
    many = (state.share * (gain < 0).sum(1)).ceil().clamp(min=1).long()
    bound = gain.sort(1).values.gather(1, (many - 1).unsqueeze(1))
    return torch.where((gain < 0) & (gain <= bound), best, state.symbols)
