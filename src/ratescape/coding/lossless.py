"""Lossless mode: bits-back coding with the latents of all layers, images in a chain.

Source: Townsend, Bird & Barber, Practical lossless compression with latent variables (ICLR 2019); for hierarchies
Townsend et al., HiLLoC (ICLR 2020). To encode images, their latents are *popped* from the bits of the images encoded
before, as a sample of the posterior; then the pixels are pushed given the latents, and the latents under the prior. The
decoder does the inverse, and gets back the bits that chose the latents: an image costs its -ELBO.
"""

import copy
import dataclasses
import hashlib
import math
import struct
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.chain import TOGETHER, Latents, Plain, Popped, Priors, padded
from ratescape.coding.entropy import Stack
from ratescape.coding.grid import ROUND, Grid
from ratescape.coding.header import CHAIN, Header, checksum
from ratescape.coding.parsing import Reader
from ratescape.coding.pixels import Levels, pixels_of
from ratescape.coding.subject import Subject
from ratescape.errors import DataError, ResourceError

SPARE = 128
"""Bits that should be left on the stack once the latents of a group are popped."""

PLAIN = 0x80
"""Marks a group whose latents were not popped from the stack but chosen."""


@dataclasses.dataclass(frozen=True)
class _Block:
    """What the bytes of a block hold."""

    groups: bytes
    """Images of each group, in the order of decoding, with the mark of plain ones."""
    images: bytes
    """Checksum of each image, one byte."""
    all: bytes
    """Checksum of all images."""
    initial: int
    """Bits that the chain's start cost more than bits-back coding would have, about."""
    stack: bytes

    def to_bytes(self) -> bytes:
        head = struct.pack("<II", len(self.groups), self.initial)
        return head + self.groups + self.images + self.all + self.stack

    @classmethod
    def read(cls, data: bytes, count: int) -> "_Block":
        """The inverse of :meth:`to_bytes`; raises ValueError where the bytes make no sense."""
        reader = Reader(data)
        groups, initial = reader.unpack("<II")
        block = cls(reader.take(groups), reader.take(count), reader.take(8), initial, reader.rest())
        sizes = [group & ~PLAIN for group in block.groups]
        if sum(sizes) != count or not all(0 < size <= TOGETHER for size in sizes):
            raise ValueError("groups of images that do not add up")
        return block


class Lossless:
    """Codes blocks of images by a model, without loss.

    Example::

        coder = Lossless.prepared(subject, images)
        coder.decode(coder.encode(images), len(images))  # the same images

    Args:
        subject: the model; a copy in float64 on the CPU does the work.
        grid: that latents are rounded to.
        versions: of what wrote the archive, for errors.

    Raises:
        SpecError: a likelihood that is a density.
    """

    def __init__(self, subject: Subject, grid: Grid, versions: tuple[str, ...] = ()) -> None:
        self.pixels = pixels_of(subject.model.likelihood, subject.model.image_shape[0])
        self.model = copy.deepcopy(subject.model).cpu().double()
        self.codec = grid
        self.versions = versions
        self.streams = [(CHAIN, 0)]

    @classmethod
    def prepared(cls, subject: Subject, images: Tensor) -> "Lossless":
        """What codes images such as these, ``[N, C, H, W]``."""
        pixels_of(subject.model.likelihood, subject.model.image_shape[0])  # first: what follows takes time
        return cls(subject, Grid.of(subject.model, images))

    @classmethod
    def read(cls, subject: Subject, content: bytes, header: Header) -> "Lossless":
        """What decodes an archive with this codec; raises ValueError where the bytes make no sense."""
        grid = Grid.from_bytes(content, subject.model.latent_shapes)
        if grid.digest != header.codec:
            raise ValueError("its grid is of another model")
        return cls(subject, grid, header.versions)

    def encode(self, images: Tensor) -> list[bytes]:
        """The one stream's block; it is decoded at once, to be sure.

        Raises:
            DataError: images of floats between levels.
            ResourceError: this machine computes otherwise the second time.
        """
        levels = self.pixels.levels(images)
        block = self._encoded(levels).to_bytes()
        try:
            self.decode([block], len(levels))
        except DataError as error:
            raise ResourceError(f"lossless coding failed on this machine, nothing was written: {error}") from error
        return [block]

    @torch.no_grad()
    def _encoded(self, levels: Levels) -> _Block:
        stack, groups, position = Stack(), bytearray(), len(levels)
        initial, expected, most = 0.0, math.inf, TOGETHER
        while position:
            size = int(min(most, position, max(stack.bits - SPARE, 0) / expected))
            group, before = levels[position - max(size, 1) : position], stack.copy()
            source = Popped(stack, self.codec, len(group)) if size else Plain(self.codec, len(group))
            output = self._output(group, source)
            if size and stack.ran_dry:  # its latents took more than expected: once more, with fewer
                stack, most = before, size // 2
                continue
            expected, most = max(source.bits / len(group), 1.0), TOGETHER
            initial += 0 if size else source.bits
            self.pixels.push(stack, output, group)
            for k, deviation in reversed(list(zip(source.symbols, self.codec.deviations, strict=True))):
                stack.push_gaussian(k.ravel(), np.tile(deviation, len(k)))
            groups.append(len(group) | (0 if size else PLAIN))
            position -= len(group)
        checks = b"".join(hashlib.blake2b(image.tobytes(), digest_size=1).digest() for image in levels)
        return _Block(bytes(groups[::-1]), checks, checksum(levels.tobytes()), round(initial), stack.to_bytes())

    @torch.no_grad()
    def decode(self, blocks: Sequence[bytes], count: int) -> Tensor:
        """The images ``[count, C, H, W]`` of a block, as levels / 255, or 0 and 1, in float32.

        Raises:
            DataError: they are not those that were encoded; names the first.
            ValueError: the bytes make no sense.
        """
        block = _Block.read(blocks[0], count)
        stack, found = Stack(block.stack), np.empty((count, *self.model.image_shape), np.uint8)
        position = 0
        for mark in block.groups:
            size = mark & ~PLAIN
            group = self._popped(stack, size, is_plain=bool(mark & PLAIN))
            self._check(group, block.images, position)
            found[position : position + size] = group
            position += size
        if not stack.is_empty or checksum(found.tobytes()) != block.all:
            raise DataError(self._otherwise("some image"))
        return self.pixels.values(found).float()

    def _popped(self, stack: Stack, size: int, *, is_plain: bool) -> Levels:
        """The next images of the stack."""
        symbols = [
            stack.pop_gaussian(np.tile(deviation, size)).reshape(size, -1) for deviation in self.codec.deviations
        ]
        output = _rounded_output(self.model(Priors(symbols, self.codec)).output, size)
        group = self.pixels.pop(stack, output)
        if not is_plain:
            source = Latents(symbols, self.codec)
            self._output(group, source)
            for k, (means, sigmas) in reversed(list(zip(symbols, source.posteriors, strict=True))):
                stack.push_sample(k.ravel(), means, sigmas)
        return group

    def _output(self, group: Levels, source: Popped | Plain | Latents) -> Tensor:
        """The decoder's output ``[G, K, H, W]`` for the latents of a source, which sees the posteriors."""
        output = self.model(source, padded(self.pixels.values(group))).output
        return _rounded_output(output, len(group))

    def _check(self, group: Levels, checks: bytes, position: int) -> None:
        for index, image in enumerate(group):
            if hashlib.blake2b(image.tobytes(), digest_size=1).digest()[0] != checks[position + index]:
                raise DataError(self._otherwise(f"image {position + index + 1} of a block"))

    def _otherwise(self, which: str) -> str:
        here = f"torch {torch.__version__}"
        made = (
            f" (made by ratescape {self.versions[0]}, torch {self.versions[2]}; here {here})" if self.versions else ""
        )
        return (
            f"{which} is decoded otherwise than it was encoded, as its checksum shows{made}: "
            "decode it with the versions that made it, on a machine of that kind"
        )


def _rounded_output(output: Tensor, size: int) -> Tensor:
    return torch.round(output[:size] * ROUND) / ROUND


def initial_bits(block: bytes) -> int:
    """What the start of the chain of a block cost, bits."""
    return struct.unpack_from("<II", block)[1]
