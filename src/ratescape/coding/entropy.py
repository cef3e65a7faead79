"""The entropy coders of the library constriction, behind two small doors: a queue of bytes, and a stack of bits.

Both take integer tables or numbers rounded to a grid, so that a coder sees exactly the same on every machine.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ratescape.specs.checks import from_extra

Symbols = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

DRY = 64
"""Bits: a stack that holds fewer after a pop may have run out in between, when its symbols mean nothing."""

REACH = 8191
"""Largest symbol of a wide Gaussian, and smallest but for the sign: 2^14 symbols lose 0.002 bit each to 24-bit
probabilities."""

NEAR = 128
"""The same of a narrow Gaussian. Every symbol has a probability of 2^-24 at least, so that one in 2^24 / 257 pops is
any of them, however far from the mean: a sample of a posterior needs a short range."""


def library() -> Any:
    """The module constriction.

    Raises:
        ResourceError: it is not installed.
    """
    return from_extra("constriction", "files of bits need", "files")


def library_version() -> str:
    """The version of the coder; raises as :func:`library`."""
    library()
    from importlib.metadata import version

    return version("constriction")


def categorical(weights: Floats) -> Any:
    """The distribution of symbols 0 .. S-1 by integer weights ``[S]``, two at least."""
    return library().stream.model.Categorical(weights, perfect=False)


def queued(columns: Sequence[Symbols], models: Sequence[Any]) -> bytes:
    """Columns of symbols, each under one model, as bytes without trailing zeros; :func:`unqueued` reads them."""
    encoder = library().stream.queue.RangeEncoder()
    for column, model in zip(columns, models, strict=True):
        encoder.encode(np.ascontiguousarray(column), model)
    return encoder.get_compressed().astype(">u4").tobytes().rstrip(b"\0")


def unqueued(data: bytes, models: Sequence[Any], lengths: Sequence[int]) -> list[Symbols]:
    """The columns of :func:`queued`. Other bytes give some symbols or a ValueError: a checksum must vouch for them."""
    padded = data + bytes(-len(data) % 4 + 8)
    decoder = library().stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))
    return [_sound(decoder.decode, model, length) for model, length in zip(models, lengths, strict=True)]


def _sound(decode: Callable[..., Symbols], *arguments: Any) -> Symbols:
    """What a decoder gives; raises ValueError where the library finds that no encoder wrote these bytes."""
    try:
        return decode(*arguments)
    except AssertionError as error:
        raise ValueError("no encoder wrote these bits") from error


class Stack:
    """A last-in-first-out store of bits (asymmetric numeral systems): what is popped is what was pushed last.

    A pop under a distribution followed by a push of its result under the same one leaves no trace.

    Example::

        stack = Stack()
        stack.push_sample(symbols, means, sigmas)
        stack.pop_sample(means, sigmas)  # the symbols; stack.is_empty

    Args:
        data: what :meth:`to_bytes` gave; empty for an empty stack.

    Raises:
        ValueError: no stack has these bytes.
    """

    def __init__(self, data: bytes = b"") -> None:
        if len(data) % 4:
            raise ValueError("the bits of a stack come in words of four bytes")
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        stack = library().stream.stack
        self._coder = stack.AnsCoder(words) if len(words) else stack.AnsCoder()
        models = library().stream.model
        self._wide = models.QuantizedGaussian(-REACH, REACH)
        self._narrow = models.QuantizedGaussian(-NEAR, NEAR)
        self._coin = models.Bernoulli(perfect=False)
        self._table = models.Categorical(perfect=False)

    def to_bytes(self) -> bytes:
        """All its bits, in words of four bytes, little-endian."""
        return self._coder.get_compressed().astype("<u4").tobytes()

    @property
    def is_empty(self) -> bool:
        return bool(self._coder.is_empty())

    @property
    def bits(self) -> int:
        return int(self._coder.num_valid_bits())

    @property
    def ran_dry(self) -> bool:
        """Whether a pop may have found it empty."""
        return self.bits < DRY

    def copy(self) -> "Stack":
        other = Stack()
        other._coder = self._coder.clone()
        return other

    def push_gaussian(self, symbols: Symbols, sigmas: Floats) -> None:
        """Push symbols ``[N]`` from -REACH to REACH under Gaussians around 0, with bins of width 1."""
        means = np.zeros(len(symbols))
        _check_gaussians(means, sigmas)
        self._coder.encode_reverse(symbols, self._wide, means, sigmas)

    def pop_gaussian(self, sigmas: Floats) -> Symbols:
        """Symbols ``[N]`` of :meth:`push_gaussian`."""
        means = np.zeros(len(sigmas))
        _check_gaussians(means, sigmas)
        return _sound(self._coder.decode, self._wide, means, sigmas)

    def push_sample(self, symbols: Symbols, means: Floats, sigmas: Floats) -> None:
        """Push symbols ``[N]`` that are at most NEAR from the means, rounded, under Gaussians."""
        _check_gaussians(means, sigmas)
        centres = np.rint(means)
        self._coder.encode_reverse((symbols - centres).astype(np.int32), self._narrow, means - centres, sigmas)

    def pop_sample(self, means: Floats, sigmas: Floats) -> Symbols:
        """Symbols ``[N]`` of :meth:`push_sample`: of bits that mean nothing, a sample."""
        _check_gaussians(means, sigmas)
        centres = np.rint(means)
        return (_sound(self._coder.decode, self._narrow, means - centres, sigmas) + centres).astype(np.int32)

    def push_coins(self, symbols: Symbols, probabilities: Floats) -> None:
        """Push bits ``[N]`` that are 1 with the given probabilities."""
        self._coder.encode_reverse(symbols, self._coin, probabilities)

    def pop_coins(self, probabilities: Floats) -> Symbols:
        """Bits ``[N]`` of :meth:`push_coins`."""
        return _sound(self._coder.decode, self._coin, probabilities)

    def push_table(self, symbols: Symbols, weights: Floats) -> None:
        """Push symbols ``[N]`` under integer weights ``[N, S]``."""
        self._coder.encode_reverse(symbols, self._table, weights)

    def pop_table(self, weights: Floats) -> Symbols:
        """Symbols ``[N]`` of :meth:`push_table`."""
        return _sound(self._coder.decode, self._table, weights)


def _check_gaussians(means: Floats, sigmas: Floats) -> None:
    """The library takes a NaN without a word, and panics at a deviation that is not positive."""
    if not (np.isfinite(means).all() and np.isfinite(sigmas).all() and (sigmas > 0).all()):
        raise ValueError("a Gaussian whose mean or deviation is not finite, or whose deviation is not positive")
