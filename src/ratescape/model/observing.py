"""What networks are asked to explain: the protocol of likelihoods."""

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn


class Likelihood(nn.Module, ABC):
    """p(x | latents): turns the decoder's output into a distribution over pixels in [0, 1], or over a vector."""

    @abstractmethod
    def output_channels(self, channels: int) -> int:
        """Channels the decoder must give for images of ``channels`` channels."""

    @abstractmethod
    def distortion(self, output: Tensor, images: Tensor) -> Tensor:
        """-log p(images | output) for each image, nats: ``[B, K, H, W], [B, C, H, W] -> [B]``."""

    def least(self, values: int) -> float:
        """Distortion of an image of so many values that are all predicted exactly, nats; 0 where nothing bounds it."""
        return 0.0

    def plain(self, values: int) -> float:
        """Distortion beyond the least of who has seen no image and finds all levels of a value alike likely, nats."""
        return values * math.log(256)

    @abstractmethod
    def mean(self, output: Tensor) -> Tensor:
        """Expected pixels ``[B, K, H, W] -> [B, C, H, W]``; a Gaussian's may lie outside [0, 1]."""

    def in_units(self, values: Tensor) -> Tensor:
        """Expected values in the units of the data; pixels have no others."""
        return values
