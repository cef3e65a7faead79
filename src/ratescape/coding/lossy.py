"""Lossy mode: a stream of symbols for each layer, from which images of nearly the same looks are decoded."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.codec import Codec
from ratescape.coding.entropy import Symbols
from ratescape.coding.header import LAYER
from ratescape.coding.quantise import Dequantised
from ratescape.coding.search import BATCH, symbols_of
from ratescape.coding.subject import Subject
from ratescape.errors import CheckpointError


class Lossy:
    """Codes blocks of images by a model and its codec.

    Example::

        coder = Lossy(subject, codec)
        blocks = coder.encode(images)  # bytes of each layer, top first
        coder.decode(blocks[:1], len(images))  # from the top layer alone

    Args:
        subject: the model.
        codec: calibrated for it.

    Raises:
        CheckpointError: the codec's layers are not the model's.
    """

    def __init__(self, subject: Subject, codec: Codec) -> None:
        if [code.shape for code in codec.layers] != list(subject.model.latent_shapes):
            raise CheckpointError("the codec is of a model of other layers: calibrate one for this model")
        self.model = subject.model
        self.codec = codec
        layers = len(codec.layers)
        self.streams = [(LAYER, number) for number in range(layers, 0, -1)]
        """Kind and layer of the section of each stream, top first."""

    def symbols(self, images: Tensor) -> list[Symbols]:
        """Symbols of every layer ``[N, D]``, top first, of images ``[N, C, H, W]`` in [0, 1]."""
        found = symbols_of(self.model, self.codec.layers, images, self.codec.effort)
        return [one.cpu().numpy() for one in found]

    def encode(self, images: Tensor) -> list[bytes]:
        """A block of each stream."""
        return [code.to_bytes(k) for code, k in zip(self.codec.layers, self.symbols(images), strict=True)]

    def decode(self, blocks: Sequence[bytes], count: int) -> Tensor:
        """Expected images ``[count, C, H, W]`` from the blocks of the top layers, of one at least."""
        return torch.cat([self.model.likelihood.mean(output) for output in self.outputs(blocks, count)])

    @torch.no_grad()
    def outputs(self, blocks: Sequence[bytes], count: int) -> Iterator[Tensor]:
        """The same as parameters of the likelihood ``[B, K, H, W]``, a batch at a time."""
        codes = self.codec.layers
        symbols = [code.from_bytes(data, count) for code, data in zip(codes, blocks, strict=False)]
        for begin in range(0, count, BATCH):
            some = [np.ascontiguousarray(k[begin : begin + BATCH]) for k in symbols]
            yield self.model(Dequantised(codes, some, len(some[0]))).output
