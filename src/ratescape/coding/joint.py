"""Codes whose symbols are searched for: steps, prices and tables such that each layer still has the length asked for.

A search changes lengths, and best tables, of all layers at once. So the calibration without a search is told other
lengths until, after the search, they are those that are wanted.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.quantise import OCTAVE, LayerCode, by_table
from ratescape.coding.search import symbols_of
from ratescape.coding.tables import Tables
from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE

ROUNDS, REFITS = 3, 3
"""Times that steps are changed, and for each of them tables are measured on what the search made of them."""

PRICE = 1.3
"""What lengths cost above what the rounding has them cost."""

LAST, CLOSE = 6, 0.01
"""Times that prices, and steps with them, are changed at the end, at most; relative error of lengths that ends it."""

SLOPE, FLATTEST, STEEPEST = -0.8, -0.25, -3.0
"""By which power of its price a length is taken to change at first, and what a measured power is held between."""

NOTHING = 0.1
"""Bits that are next to nothing: between lengths far below, no ratio is worth a change."""


@dataclasses.dataclass(frozen=True)
class Joint:
    """The calibration of codes with a search.

    Args:
        model: whose codes they are.
        images: ``[N, C, H, W]``.
        fitted: how many of them tables are fitted to; the others tell lengths. None: all do both.
        betas: of the model, of each layer; None where they are not known, and :func:`stiffness` tells.
        plain: the codes without a search that have some lengths, bits, top first.
        effort: steps of the search.
    """

    model: HVAE
    images: Tensor
    fitted: int | None
    betas: Sequence[float] | None
    plain: Callable[[Sequence[float]], list[LayerCode]]
    effort: int

    def found(self, wanted: Sequence[float]) -> tuple[list[LayerCode], list[float]]:
        """Codes with prices, and the lengths of each layer, bits, as near to those wanted as they come."""
        betas = self.betas or stiffness(self.model, self.images)
        told = list(wanted)
        codes: list[LayerCode] = []
        for _ in range(ROUNDS):
            codes = [
                dataclasses.replace(code, price=PRICE * code.multiplier * beta)
                for code, beta in zip(self.plain(told), betas, strict=True)
            ]
            codes, lengths = self._refitted(codes)
            told = [one * _ratio(want, has) for one, want, has in zip(told, wanted, lengths, strict=True)]
        return self._priced(codes, wanted)

    def _refitted(self, codes: list[LayerCode]) -> tuple[list[LayerCode], list[float]]:
        """The codes with tables of what the search makes of all images, which goes on from where it was."""
        symbols: list[Tensor] | None = None
        for _ in range(REFITS):
            symbols = symbols_of(self.model, codes, self.images, math.ceil(self.effort / REFITS), symbols)
            codes = [_of_symbols(code, k[: self.fitted]) for code, k in zip(codes, symbols, strict=True)]
        assert symbols is not None  # there are refits
        return codes, _lengths(codes, [k[self.fitted or 0 :] for k in symbols])

    def _priced(self, codes: list[LayerCode], wanted: Sequence[float]) -> tuple[list[LayerCode], list[float]]:
        """The codes with prices at which the images that tell lengths have those that are wanted."""
        told = self.images[self.fitted or 0 :]
        best, missed, lengths = codes, math.inf, list(wanted)
        slopes = [SLOPE] * len(codes)
        before: tuple[list[LayerCode], list[float]] | None = None
        for _ in range(LAST):
            found = _lengths(codes, symbols_of(self.model, codes, told, self.effort))
            off = max(abs(_ratio(has, want) - 1) for want, has in zip(wanted, found, strict=True))
            if off < missed:
                best, missed, lengths = codes, off, found
            if off <= CLOSE:
                break
            if before is not None:
                slopes = [_slope(*one) for one in zip(*before, codes, found, slopes, strict=True)]
            before = codes, found
            codes = [
                _dearer(code, _ratio(want, has) ** (1 / slope))
                for code, want, has, slope in zip(codes, wanted, found, slopes, strict=True)
            ]
        return best, lengths


def _dearer(code: LayerCode, factor: float) -> LayerCode:
    """A code at a price so many times as high, with the steps that go with it."""
    limits = np.iinfo(np.int16)
    steps = (code.steps.astype(np.int64) + round(OCTAVE / 2 * math.log2(factor))).clip(limits.min, limits.max)
    return dataclasses.replace(
        code, steps=steps.astype(np.int16), multiplier=factor * code.multiplier, price=factor * code.price
    )


def _slope(code: LayerCode, length: float, later: LayerCode, found: float, known: float) -> float:
    """The power of its price that a length changed by, if its price changed enough to tell."""
    way = math.log(later.price / code.price)
    if abs(way) < 0.02:
        return known
    return min(max(math.log((found + NOTHING) / (length + NOTHING)) / way, STEEPEST), FLATTEST)


def _of_symbols(code: LayerCode, symbols: Tensor) -> LayerCode:
    tables = Tables.fitted(by_table(symbols.cpu().numpy(), len(code.steps)))
    return dataclasses.replace(code, tables=tables)


def _lengths(codes: Sequence[LayerCode], symbols: Sequence[Tensor]) -> list[float]:
    """Mean bits per image of symbols ``[N, D]``, of those that tables do not have as of the nearest that they have."""
    return [code.bits(code.within(k.cpu().numpy())) for code, k in zip(codes, symbols, strict=True)]


def _ratio(one: float, other: float) -> float:
    """How much larger one length is; at most twofold, and not at all where both are next to nothing."""
    return min(max((one + NOTHING) / (other + NOTHING), 0.5), 2.0)


SEEN = 500
"""Images that stiffness is measured on, at most."""


@torch.no_grad()
def stiffness(model: HVAE, images: Tensor, seed: int = 0) -> list[float]:
    """Nats of distortion that a nat of each layer's rate is worth to the model, top first: its betas, about.

    A posterior of deviation s in the prior's coordinates, trained at beta, has a likelihood of precision 1 / s^2 - 1 on
    either side of which the distortion rises by beta times as much: so noise of that deviation in one layer, made up
    for by the layers below, costs beta (1 - s^2) / 2 in each dimension.
    """
    some = images[:SEEN]
    noise = model.noise(len(some), torch.Generator(images.device).manual_seed(seed))
    sources = [_Noisy(None, noise), *(_Noisy(index, noise) for index in range(len(noise)))]
    exact, *others = model.passes(sources, some)
    found: list[float] = []
    for source, other in zip(sources[1:], others, strict=True):
        risen = float((other.distortion - exact.distortion).mean())
        found.append(max(2 * risen / max(source.informed, 1e-3), 1e-2))
    return found


class _Noisy:
    """Source of the means of the posteriors, but for one layer, of which it gives a sample."""

    def __init__(self, noisy: int | None, noise: Sequence[Tensor]) -> None:
        self.noisy = noisy
        self.noise = noise
        self.informed = 0.0
        """Sum of 1 - s^2 over the dimensions of the noisy layer, mean over images."""

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        assert posterior is not None  # this is a pass over images
        if index != self.noisy:
            return posterior.mean
        self.informed = float((1 - (posterior.sigma / prior.sigma) ** 2).flatten(1).sum(1).mean())
        return posterior.at(self.noise[index])
