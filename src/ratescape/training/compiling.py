"""By which pass a training takes its steps: PyTorch's operators one by one, or compiled, where that pays."""

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from ratescape.compute.devices import synchronise
from ratescape.model.hierarchy import Pass
from ratescape.model.packs import pack_pass
from ratescape.specs.execution import CompileName

WARM, TIMED = 3, 20
"""Steps that do not count, and steps of which the median does."""
WORTH_SECONDS = 900.0
"""Time that must be left, step by step, before compiling is tried: it takes one to two minutes on a CPU, and was seen
to save a fifth of a step."""
GAIN = 0.97
"""A compiled step must take less than this share of a plain one to be kept."""

PassOf = Callable[..., Pass]


def is_of_compiling(error: BaseException) -> bool:
    """Whether an error says that this machine cannot compile."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))


class PassChoice:
    """Says, before each step, which pass it is taken by.

    Always and never are what they say. auto times plain steps, and where so much is left that compiling can pay, times
    compiled ones, and goes on with the faster; where the machine cannot compile, with the plain one.

    Example::

        choice = PassChoice("auto", steps=10_000, device=images.device)
        choice.before_step()(model, parameters, sample, batch, conditions)

    Args:
        how: always, never or auto.
        steps: that are left.
        device: of the training; waited for while steps are timed.
    """

    def __init__(self, how: CompileName, steps: int, device: torch.device) -> None:
        self._left = steps
        self._device = device
        self._run: PassOf = compiled_pass() if how == "always" else pack_pass
        self._undecided = how == "auto"
        self._plain: float | None = None
        self._marks: list[float] = []

    def before_step(self) -> PassOf:
        """The pass of the next step: to be called once before each."""
        if self._undecided:
            self._mark()
        self._left -= 1
        return self._run

    def _mark(self) -> None:
        """Take the time; decide where enough steps are timed."""
        synchronise(self._device)
        self._marks.append(time.monotonic())
        if len(self._marks) <= WARM + TIMED:
            return
        took = statistics.median(after - before for before, after in itertools.pairwise(self._marks[WARM:]))
        self._marks = []
        if self._plain is None:
            self._plain = took
            self._undecided = took * self._left >= WORTH_SECONDS
            if self._undecided:
                self._run = self._or_plain(compiled_pass())
        else:
            self._undecided = False
            if took > GAIN * self._plain:
                self._run = pack_pass

    def _or_plain(self, compiled: PassOf) -> PassOf:
        """The compiled pass, or the plain one, for good, where the machine cannot compile."""

        def run(*given: Any) -> Pass:
            try:
                return compiled(*given)
            except RuntimeError as error:
                if not is_of_compiling(error):
                    raise
                self._undecided, self._run = False, pack_pass
                return pack_pass(*given)

        return run


def compiled_pass() -> PassOf:
    """:func:`pack_pass`, compiled anew: every training has a network of its own, and PyTorch keeps but a few."""
    torch.compiler.reset()
    return torch.compile(pack_pass, dynamic=False)
