"""The step of one layer such that the mean code length of its symbols is what was asked for."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.quantise import OCTAVE, LayerCode, by_table, steps_of
from ratescape.coding.tables import WIDEST, Tables
from ratescape.errors import SpecError

OWN_TABLES = 512
"""Up to so many dimensions each has a table of its own; in a larger map the cells of a channel share one."""

FINEST, COARSEST = 1 / 64, 64.0
"""Smallest and largest step, in units of the likelihood's deviation. sqrt(12) gives the error of a sample."""

CLOSE = 0.003
"""Relative error of a length at which the search ends."""

MISSED = 0.03
"""Relative error above which what was asked for counts as out of reach."""

ROUNDS = 2
"""Times that tables are measured anew on what they made the best choice; a third changes lengths by less than 0.1 %."""


class LayerSearch:
    """Targets and weights ``[N, D]`` of one layer of all images, and the search for its step."""

    def __init__(self, shape: tuple[int, ...], target: Tensor, weight: Tensor, fitted: int | None) -> None:
        self.shape = shape
        self.fitted = fitted
        self.target = target
        self.weight = weight
        self.tables = math.prod(shape) if math.prod(shape) <= OWN_TABLES or len(shape) == 1 else shape[0]
        self.unit = by_table(weight.double().cpu().numpy(), self.tables).mean(0) ** -0.5
        spread = by_table(target.double().cpu().numpy(), self.tables)
        self.least_step = (spread.max(0) - spread.min(0)) / (WIDEST - 8)

    def at(self, step: float) -> tuple[LayerCode, Tensor, float]:
        """The code of a step in units of the likelihood's deviation, the symbols ``[N, D]``, their mean bits."""
        delta = np.maximum(step * self.unit, self.least_step)
        steps = np.clip(np.ceil(np.log2(delta) * OCTAVE), -(2**15), 2**15 - 1).astype(np.int16)
        delta = steps_of(steps, math.prod(self.shape))
        symbols = torch.round(self.target / torch.as_tensor(delta, dtype=self.target.dtype, device=self.target.device))
        # At a step of sqrt(12) deviations lambda is 1: then both terms of the choice rise alike with the step.
        multiplier = step**2 / 12
        code = self._coded(steps, symbols, multiplier)
        for _ in range(ROUNDS):
            symbols = code.nearest(self.target, self.weight)
            code = self._coded(steps, symbols, multiplier)
        symbols = code.nearest(self.target, self.weight)
        return code, symbols, self.bits(code, symbols)

    def bits(self, code: LayerCode, symbols: Tensor) -> float:
        """Mean length of the images that tell lengths."""
        return code.bits(symbols[self.fitted or 0 :].to(torch.int32).cpu().numpy())

    def _coded(self, steps: np.ndarray, symbols: Tensor, multiplier: float) -> LayerCode:
        seen = by_table(symbols[: self.fitted].to(torch.int32).cpu().numpy(), self.tables)
        return LayerCode(self.shape, steps, Tables.fitted(seen), multiplier)

    def found(self, wanted: float) -> tuple[LayerCode, Tensor, list[float]]:
        """The code whose mean length is nearest to the one wanted, bits; its symbols; all lengths seen on the way."""
        low, high = math.log(FINEST), math.log(COARSEST)
        best, missed, seen = None, math.inf, list[float]()
        for _ in range(16):
            middle = 0.5 * (low + high)
            code, symbols, bits = self.at(math.exp(middle))
            seen.append(bits)
            if abs(bits - wanted) < missed:
                best, missed = (code, symbols), abs(bits - wanted)
            if missed <= max(CLOSE * wanted, 0.01):
                break
            low, high = (middle, high) if bits > wanted else (low, middle)
        assert best is not None  # every length is nearer than infinity
        return *best, seen


def refuse_missed(number: int, wanted: float, found: float, seen: Sequence[float]) -> None:
    """Refuse a rate that a layer cannot have; a model's own, which may be the same for all images, need not be had.

    Args:
        seen: rates that the layer can have.
    """
    if not is_missed(wanted, found):
        return
    below = max((one for one in seen if one < wanted), default=None)
    above = min((one for one in seen if one > wanted), default=None)
    if below is not None and above is not None:
        can = f"its sizes leap there from {below:.4g} to {above:.4g} nats; ask for one of these"
    elif below is not None:
        can = f"it has {below:.4g} at most; ask for less"
    else:
        can = f"it has {found:.4g} at least; ask for more"
    raise SpecError(
        f"layer {number} cannot have {wanted:.4g} nats ({wanted / math.log(2):.4g} bits) per image: {can}, or take a "
        "model of other betas"
    )


def is_missed(wanted: float, found: float) -> bool:
    """Whether a length found is so far from the one wanted that it counts as out of reach."""
    return abs(found - wanted) > max(MISSED * wanted, 0.07)
