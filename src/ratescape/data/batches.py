"""Images or vectors on the training device, and the order in which they are seen."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratescape.data.catalog import ImageData
from ratescape.data.standards import Standards


def unit(pixels: Tensor, binary: bool, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels as the models see them, in [0, 1]; any shape.

    Args:
        pixels: uint8.
        binary: threshold at 0.5, as the paper does for MNIST: 0 up to level 127, 1 from 128.
    """
    return (pixels > 127).to(dtype) if binary else pixels.to(dtype) / 255


def black_and_white(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The same of levels that stay levels: uint8 in, 0 or 255 out."""
    return np.where(pixels > 127, 255, 0).astype(np.uint8)


class Images:
    """The images of one split, held as uint8 on a device: a quarter of the memory that floats would take.

    Args:
        pixels: uint8 ``[N, C, H, W]``.
        binary: threshold pixels at 0.5.
        device: where they are held.
        dtype: of the batches.
        standards: of vectors ``[N, D]``, which are standardised by them, in float64, and held as ``dtype``.

    Example::

        images = Images(data.train.pixels, data.spec.binary, "cuda")
        batch = images.take(images.order(seed=0, epoch=1)[:256])  # [256, C, H, W] in [0, 1]
    """

    def __init__(
        self,
        pixels: np.ndarray,
        binary: bool,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        standards: Standards | None = None,
    ) -> None:
        if standards is not None:
            pixels = standards.applied(pixels)
        # Flattened and shaped again, for NumPy calls an array contiguous whatever the stride of its one channel, while
        # PyTorch takes it for a sign of another memory format, in which convolutions round differently.
        kept = torch.tensor(pixels, device=device, dtype=None if standards is None else dtype)
        self.pixels = kept.reshape(-1).view(pixels.shape)
        self.binary = binary
        self.dtype = dtype

    @classmethod
    def of(
        cls,
        data: ImageData,
        pixels: npt.NDArray[Any],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "Images":
        """Some images or vectors of a data set, as its models take them.

        Example::

            Images.of(data, data.test.pixels[:8])
        """
        return cls(pixels, bool(data.spec.binary), device, dtype, data.standards)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def take(self, indices: Tensor) -> Tensor:
        """Images ``[B, C, H, W]`` in [0, 1], or standardised vectors ``[B, D]``, at ``indices [B]``."""
        return self._unit(self.pixels[indices])

    def in_order(self, size: int) -> Iterator[Tensor]:
        """All images in their own order, as ``[B, C, H, W]`` in [0, 1]; B is ``size``, and less in the last batch."""
        for chunk in self.pixels.split(size):
            yield self._unit(chunk)

    def _unit(self, chunk: Tensor) -> Tensor:
        return chunk if chunk.is_floating_point() else unit(chunk, self.binary, self.dtype)

    def order(self, seed: int, epoch: int) -> Tensor:
        """Permutation ``[N]`` of an epoch; depends on seed and epoch alone."""
        generator = torch.Generator().manual_seed(stream(seed, "order", epoch))
        return torch.randperm(len(self), generator=generator).to(self.device)


AT_ONCE: Final = 250
"""Images that pass a network together on a CPU: the maps of 1,000 of 28 x 28 do not stay in its caches."""


def parts(chunk: Tensor) -> Iterator[slice]:
    """Which of a chunk of images ``[B, ...]`` pass a network together: on a CPU some of them, on a GPU all.

    Noise is drawn for the whole chunk, so that no draw depends on this.

    Example::

        for part in parts(chunk):
            model(PosteriorSample([layer[part] for layer in noise]), chunk[part])
    """
    size = AT_ONCE if chunk.device.type == "cpu" else len(chunk)
    for begin in range(0, len(chunk), size):
        yield slice(begin, begin + size)


STREAMS: Final = {
    "order": 0,
    "noise": 1,
    "weights": 2,
    "evaluation": 3,
    "samples": 4,
    "probes": 5,
    "betas": 6,
    "restoring": 7,
}
"""Independent uses of one seed."""


def stream(seed: int, use: str, position: int = 0) -> int:
    """A 63-bit seed for one use of ``seed`` at one position (epoch, step, ...).

    Generators are seeded anew at every position, so that a resumed run draws the same numbers as an uninterrupted one
    without any generator's state being saved.

    Example::

        noise = torch.Generator().manual_seed(stream(seed, "noise", step))
    """
    words = np.random.SeedSequence([seed, STREAMS[use], position]).generate_state(2)
    return (int(words[0]) << 32 | int(words[1])) >> 1
