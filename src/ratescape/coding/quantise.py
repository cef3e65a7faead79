"""Latents as whole numbers: z = mu_p + sigma_p Delta k, with mu_p and sigma_p of the prior given the layers above.

Source: Yang, Bamler & Mandt, Variational Bayesian Quantization (ICML 2020): a latent is rounded the more coarsely the
less certain its posterior is. Here each dimension has one step Delta for all images, and rate-distortion optimisation
chooses among its neighbours.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratescape.coding.entropy import Symbols, queued, unqueued
from ratescape.coding.tables import Tables
from ratescape.errors import DataError
from ratescape.model.distributions import Gaussian

Number = TypeVar("Number", bound=np.generic)

OCTAVE = 256
"""Steps are 2^(i / 256) for whole i: near enough to any, and exact in a file."""


@dataclasses.dataclass(frozen=True, eq=False)
class LayerCode:
    """How the latents of one layer become symbols, and symbols bits.

    Example::

        symbols = code.nearest(mean, sigma)  # [B, D]
        data = code.to_bytes(symbols)
    """

    shape: tuple[int, ...]
    """Of one image's latents; D is their number."""
    steps: npt.NDArray[np.int16]
    """Step of each table ``[R]`` as an exponent: 2^(i / 256), in units of the prior's deviation."""
    tables: Tables
    multiplier: float
    """lambda: nats of distortion, over beta, that a nat of length is worth."""
    price: float = 0.0
    """The same without the beta, for symbols that are searched for by the decoder's distortion; 0 where none are."""

    @property
    def dimensions(self) -> int:
        return math.prod(self.shape)

    @property
    def repeats(self) -> int:
        """Neighbouring dimensions that share one table: one, or a channel's cells."""
        return self.dimensions // len(self.steps)

    @property
    def stiffness(self) -> float:
        """Nats of distortion that a nat of :meth:`nearest` stands for, which a trained model has its beta for."""
        return self.price / self.multiplier if self.multiplier else 0.0

    @functools.cached_property
    def delta(self) -> npt.NDArray[np.float64]:
        """Step of each dimension ``[D]``."""
        return steps_of(self.steps, self.dimensions)

    def nearest(self, target: Tensor, weight: Tensor) -> Tensor:
        """Symbols k ``[B, D]`` with the least weight (k Delta - target)^2 / 2 + lambda ln 2 bits(k).

        Of the whole numbers below and above and 0, as far as the tables have them.

        Args:
            target: where the likelihood would have the latents ``[B, D]``: see :func:`likeliest`.
            weight: nats of distortion of a deviation from there, as twice the factor of its square ``[B, D]``.
        """
        parts = self.tensors(target)
        floor = torch.floor(target / parts["delta"])
        best, least = torch.zeros_like(floor), torch.full_like(floor, math.inf)
        for candidate in (floor, floor + 1, torch.zeros_like(floor)):
            k = torch.minimum(torch.maximum(candidate, parts["low"]), parts["high"])
            bits = parts["lengths"][(parts["begin"] + k).long()]
            cost = 0.5 * weight * (k * parts["delta"] - target) ** 2 + self.multiplier * math.log(2) * bits
            best, least = torch.where(cost < least, k, best), torch.minimum(cost, least)
        return best

    def tensors(self, like: Tensor) -> dict[str, Tensor]:
        """Steps, ranges, and where the lengths of each dimension begin, on another's device and in its precision."""
        tables, repeats = self.tables, self.repeats
        arrays = {
            "delta": self.delta,
            "low": np.repeat(tables.low, repeats),
            "high": np.repeat(tables.high, repeats),
            "begin": np.repeat(tables.offsets - tables.low, repeats),
            "lengths": tables.lengths,
        }
        exact = {name: torch.as_tensor(array, device=like.device) for name, array in arrays.items()}
        # Places in a long list of lengths are beyond what float32 counts to exactly.
        return {name: one.to(torch.float64 if name == "begin" else like.dtype) for name, one in exact.items()}

    def rows(self, symbols: Symbols) -> Symbols:
        """Symbols by table: ``[N, D] -> [N * repeats, R]``."""
        return by_table(symbols, len(self.steps))

    def within(self, symbols: Symbols) -> Symbols:
        """The symbols ``[N, D]``, those beyond a table moved to its end."""
        low, high = (np.repeat(one, self.repeats) for one in (self.tables.low, self.tables.high))
        return symbols.clip(low, high).astype(np.int32)

    def bits(self, symbols: Symbols) -> float:
        """Mean code length of the symbols ``[N, D]`` of an image, bits."""
        return float(self.tables.bits(self.rows(symbols)).sum() / len(symbols))

    def to_bytes(self, symbols: Symbols) -> bytes:
        """Symbols ``[N, D]``, which lie in their tables, as bytes."""
        rows, tables = self.rows(symbols), self.tables
        return queued([rows[:, r] - np.int32(tables.low[r]) for r in tables.coded], tables.models)

    def from_bytes(self, data: bytes, count: int) -> Symbols:
        """Symbols ``[N, D]`` of ``count`` images: those of :meth:`to_bytes`, by no network."""
        tables, length = self.tables, count * self.repeats
        rows = np.empty((length, len(self.steps)), np.int32)
        rows[:] = tables.low
        for r, column in zip(tables.coded, unqueued(data, tables.models, [length] * len(tables.coded)), strict=True):
            rows[:, r] += column
        return np.ascontiguousarray(rows.reshape(count, self.repeats, -1).transpose(0, 2, 1)).reshape(count, -1)


def steps_of(exponents: npt.NDArray[np.int16], dimensions: int) -> npt.NDArray[np.float64]:
    """The step of each dimension ``[D]`` from those of their tables as exponents ``[R]``, 2^(i / 256)."""
    return np.repeat(np.exp2(exponents / OCTAVE), dimensions // len(exponents))


def by_table(values: npt.NDArray[Number], tables: int) -> npt.NDArray[Number]:
    """``[N, D] -> [N * D / R, R]``: what belongs to one of R tables in one column."""
    return values.reshape(len(values), tables, -1).transpose(0, 2, 1).reshape(-1, tables)


def in_units_of(prior: Gaussian, posterior: Gaussian) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the posterior in the prior's coordinates, (z - mu_p) / sigma_p, each ``[B, D]``."""
    mean = (posterior.mean - prior.mean) / prior.sigma
    return mean.flatten(1), (posterior.sigma / prior.sigma).flatten(1)


def refuse_infinite(*parts: Tensor) -> None:
    """Refuse posteriors that are not finite; raises :class:`DataError`."""
    if not all(bool(torch.isfinite(part).all()) for part in parts):
        raise DataError("images have posteriors that are not finite in this model: train it anew")


LEAST_WEIGHT = 0.01
"""Of a dimension that says nearly nothing: it would carry 0.005 nats."""

FARTHEST = 8.0
"""Deviations of the prior that a target is at most away from its mean."""


def likeliest(prior: Gaussian, posterior: Gaussian) -> tuple[Tensor, Tensor]:
    """Where the likelihood alone would have the latents, and how much it minds a deviation, each ``[B, D]``.

    In the prior's coordinates the prior is N(0, 1), and a posterior N(e, s^2) is that times a likelihood of precision
    h = 1 / s^2 - 1 around e / (s^2 h). A code length already holds the prior, so that distances are measured by the
    likelihood: by the posterior, the prior would count twice, and a layer of little information would come out blurred.

    Raises:
        DataError: posteriors that are not finite.
    """
    mean, sigma = in_units_of(prior, posterior)
    refuse_infinite(mean, sigma)
    weight = (sigma**-2 - 1).clamp_min(LEAST_WEIGHT)
    return (mean / (sigma.square() * weight)).clamp(-FARTHEST, FARTHEST), weight


def placed(prior: Gaussian, places: Tensor) -> Tensor:
    """Latents ``[B, *shape]`` at places ``[B, D]`` in the prior's coordinates."""
    return prior.at(places.reshape(len(places), *prior.mean.shape[1:]).to(prior.mean.dtype))


class Quantised:
    """Source of the latents of images that are encoded: keeps their symbols and weights ``[B, D]``, top layer first."""

    def __init__(self, codes: Sequence[LayerCode]) -> None:
        self.codes = codes
        self.symbols: list[Tensor] = []
        self.weights: list[Tensor] = []
        """How much the likelihood minds a deviation: see :func:`likeliest`."""

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        assert posterior is not None  # images are encoded
        code = self.codes[index]
        target, weight = likeliest(prior, posterior)
        k = code.nearest(target, weight)
        self.symbols.append(k.to(torch.int32))
        self.weights.append(weight)
        return placed(prior, k * torch.as_tensor(code.delta, dtype=k.dtype, device=k.device))


class Dequantised:
    """Source of the latents of symbols ``[B, D]`` of the top layers; those below are at their prior's mode."""

    def __init__(self, codes: Sequence[LayerCode], symbols: Sequence[Symbols], count: int) -> None:
        self.codes = codes
        self.symbols = symbols
        self.count = count

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        if index >= len(self.symbols):
            return prior.mean.expand(self.count, *prior.mean.shape[1:])
        places = torch.as_tensor(self.symbols[index] * self.codes[index].delta, device=prior.mean.device)
        return placed(prior, places)
