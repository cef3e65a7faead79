"""Pixels under a discrete likelihood, pushed onto a stack of bits and popped from it.

Probabilities are rounded to whole numbers before a coder sees them, so that what a machine rounds otherwise in the
last digit of a float64 makes no difference, but for one value in some thousand millions.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratescape.coding.entropy import Stack, Symbols
from ratescape.errors import DataError, SpecError
from ratescape.model.distributions import Bernoulli, Likelihood, LogisticMixture

WHOLE = 1 << 22
"""Parts that a probability is a whole number of; the coder's own have 24 bits."""

Levels = npt.NDArray[np.uint8]


class Pixels(Protocol):
    """How the pixels of some images are coded, given the decoder's output ``[B, K, H, W]`` in float64."""

    def levels(self, images: Tensor) -> Levels:
        """Images ``[B, C, H, W]`` in [0, 1] as whole numbers."""
        ...

    def values(self, levels: Levels) -> Tensor:
        """The inverse of :meth:`levels`, in float64."""
        ...

    def push(self, stack: Stack, output: Tensor, levels: Levels) -> None: ...

    def pop(self, stack: Stack, output: Tensor) -> Levels: ...


class BinaryPixels:
    """Pixels that are 0 or 1, by logits."""

    def levels(self, images: Tensor) -> Levels:
        return images.cpu().numpy().astype(np.uint8)

    def values(self, levels: Levels) -> Tensor:
        return torch.from_numpy(levels).double()

    def push(self, stack: Stack, output: Tensor, levels: Levels) -> None:
        stack.push_coins(levels.ravel().astype(np.int32), self._probabilities(output))

    def pop(self, stack: Stack, output: Tensor) -> Levels:
        return stack.pop_coins(self._probabilities(output)).astype(np.uint8).reshape(output.shape)

    def _probabilities(self, output: Tensor) -> npt.NDArray[np.float64]:
        whole = torch.round(torch.sigmoid(output) * WHOLE).clamp(1, WHOLE - 1)
        return (whole / WHOLE).flatten().numpy()


class MixturePixels:
    """Pixels of 256 levels, by mixtures of discretised logistics; in colour, channel by channel."""

    def __init__(self, likelihood: LogisticMixture, channels: int) -> None:
        self.likelihood = likelihood
        self.channels = channels

    def levels(self, images: Tensor) -> Levels:
        """Raises :class:`DataError` for values between levels."""
        scaled = images.double() * 255
        levels = scaled.round()
        if bool((scaled - levels).abs().max() > 1e-3):
            raise DataError("images of floats between 8-bit levels have no lossless size: give 8-bit levels")
        return levels.cpu().numpy().astype(np.uint8)

    def values(self, levels: Levels) -> Tensor:
        return torch.from_numpy(levels).double() / 255

    def push(self, stack: Stack, output: Tensor, levels: Levels) -> None:
        for image in reversed(range(len(levels))):
            values = self.values(levels[image : image + 1])
            for channel in reversed(range(self.channels)):
                weights = self._weights(output[image : image + 1], values, channel)
                stack.push_table(levels[image, channel].ravel().astype(np.int32), weights)

    def pop(self, stack: Stack, output: Tensor) -> Levels:
        levels = np.zeros((len(output), self.channels, *output.shape[2:]), np.uint8)
        for image in range(len(levels)):
            for channel in range(self.channels):
                values = self.values(levels[image : image + 1])
                weights = self._weights(output[image : image + 1], values, channel)
                levels[image, channel] = _as_levels(stack.pop_table(weights), output)
        return levels

    def _weights(self, output: Tensor, values: Tensor, channel: int) -> npt.NDArray[np.float64]:
        """Whole numbers in proportion to the probabilities of all levels of one image's channel ``[H W, 256]``."""
        below = self.likelihood.distribution(output, values, channel).flatten(0, -2)  # [H W, 255]
        whole = torch.round(below * WHOLE).numpy()
        return np.diff(whole, prepend=0.0, append=float(WHOLE), axis=1).clip(0) + 1


def _as_levels(symbols: Symbols, output: Tensor) -> Levels:
    return symbols.astype(np.uint8).reshape(output.shape[2:])


def pixels_of(likelihood: Likelihood, channels: int) -> Pixels:
    """How the pixels of a likelihood are coded.

    Raises:
        SpecError: it is a density, under which no image has a length.
    """
    if isinstance(likelihood, Bernoulli):
        return BinaryPixels()
    if isinstance(likelihood, LogisticMixture):
        return MixturePixels(likelihood, channels)
    raise SpecError(
        "a Gaussian likelihood has no lossless size: it is a density of pixels, not a probability of their levels; "
        "take a model with the likelihood bernoulli or logistic-mixture, or leave out lossless"
    )
