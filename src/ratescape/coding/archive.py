"""Images to an archive and back: :func:`compress` and :func:`decompress`, in memory or from file to file."""

import contextlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ratescape.coding import container
from ratescape.coding.calibrate import calibrate_subject
from ratescape.coding.codec import Codec
from ratescape.coding.container import Archive, Spool
from ratescape.coding.entropy import library_version
from ratescape.coding.frames import Frames, frames_of
from ratescape.coding.header import CODEC, LAYER, LOSSLESS, LOSSY, NAMES, Header, damaged
from ratescape.coding.lossless import Lossless
from ratescape.coding.lossy import Lossy
from ratescape.coding.naming import packed_names
from ratescape.coding.subject import Subject, subject_for, subject_of
from ratescape.errors import CheckpointError, DataError, SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE
from ratescape.specs.given import Betas
from ratescape.specs.rate_targets import Request
from ratescape.version import __version__

BLOCK = 8192
"""Images of a block, at most."""

ELEMENTS = 1 << 22
"""Numbers of one block, of latents or of pixels, at most, which bounds the memory that an archive takes."""


class Coder(Protocol):
    """Codes blocks of images, in one mode."""

    streams: list[tuple[int, int]]
    """Kind and layer of the section of each stream."""

    def encode(self, images: Tensor) -> list[bytes]: ...

    def decode(self, blocks: Sequence[bytes], count: int) -> Tensor: ...


def compress(
    model: HVAE | Conditioned,
    images: Any,
    *,
    codec: Codec | None = None,
    rates: Request | None = None,
    betas: Betas = None,
    lossless: bool = False,
) -> bytes:
    """An archive of images (.rsc): of the size of the model's rate, or without loss of that of its -ELBO.

    Lossy: the mean bytes of each layer are those that the codec was calibrated for, and :func:`decompress` gives
    expected images from any number of layers, the top ones first. Lossless: bits-back coding, for models of black and
    white pixels (Bernoulli) and of 256 levels (logistic mixture).

    Example::

        data = rs.compress(model, images, rates={2: 20, 1: 40})  # nats per image
        coarse = rs.decompress(data, model, layers=1)  # [N, C, H, W]
        exact = rs.decompress(rs.compress(model, images, lossless=True), model)

    Args:
        model: of any family but bottom-up; or a network that is conditioned on its betas.
        images: as :meth:`ratescape.HVAE.inputs` takes them, or the path of a folder of images.
        codec: of :func:`ratescape.calibrate`; default: calibrated on the images themselves, which is for large sets:
            the archive carries its codec.
        rates: that such a codec is calibrated for: as of :func:`ratescape.calibrate`.
        betas: of the network.
        lossless: without loss.

    Raises:
        SpecError: a bottom-up model, or arguments that do not go together, or a likelihood without lossless sizes.
        DataError: images that the model does not take, or cannot be read.
        ResourceError: the entropy coder is not installed.
    """
    out = io.BytesIO()
    subject = subject_of(model, betas)
    frames = frames_of(images, subject.model.image_shape)
    write_archive(out, subject, frames, coder_for(subject, frames, codec, rates, lossless=lossless))
    return out.getvalue()


def coder_for(
    subject: Subject, frames: Frames, codec: Codec | None, rates: Request | None, *, lossless: bool
) -> Lossy | Lossless:
    """What codes these images: see :func:`compress`."""
    if not len(frames):
        raise DataError("images is empty: give at least one image")
    if lossless:
        if codec is not None or rates is not None:
            raise SpecError("codec and rates are of lossy archives: leave them out, or leave out lossless")
        return Lossless.prepared(subject, subject.model.inputs(_some(frames)))
    if codec is None:
        codec = calibrate_subject(subject, _some(frames), rates)
    elif rates is not None:
        raise SpecError("codec and rates are both given: the codec has its rates; leave one of them out")
    if codec.model != subject.digest:
        raise CheckpointError("the codec was calibrated for another model: calibrate one for this model")
    return Lossy(subject, codec)


def share_changed(model: HVAE, frames: Frames) -> float:
    """Share of pixels, of some images, that become black or white by what a model of such pixels takes them for."""
    if not isinstance(model.likelihood, Bernoulli):
        return 0.0
    pixels = np.asarray(_some(frames))
    white = 255 if pixels.dtype == np.uint8 else 1
    return float(np.mean((pixels > 0) & (pixels < white)))


SOME, SEVERAL = 2000, 100
"""Images that are looked at before the work begins, at most, and how many neighbours of them at a time."""


def _some(frames: Frames) -> Any:
    """Images from all over the set."""
    if len(frames) <= SOME:
        return frames.take(0, len(frames))
    begins = torch.linspace(0, len(frames) - SEVERAL, SOME // SEVERAL).long().tolist()
    parts = [frames.take(begin, begin + SEVERAL) for begin in begins]
    return torch.cat(parts) if isinstance(parts[0], Tensor) else np.concatenate(parts)


def write_archive(
    out: IO[bytes],
    subject: Subject,
    frames: Frames,
    coder: Lossy | Lossless,
    where: str = "",
    progress: Callable[[int], object] | None = None,
) -> Header:
    """Write an archive, a block of images at a time.

    Args:
        where: path of the model, for who decodes.
        progress: called with the number of images after each block.
    """
    with contextlib.ExitStack() as open_spools:
        kinds = [(CODEC, 0), (NAMES, 0), *coder.streams]
        spools = [open_spools.enter_context(Spool(kind, layer)) for kind, layer in kinds]
        spools[0].add(coder.codec.to_bytes())
        spools[1].add(packed_names(frames.names))
        size = _block_size(subject.model)
        for begin in range(0, len(frames), size):
            end = min(begin + size, len(frames))
            blocks = coder.encode(subject.model.inputs(frames.take(begin, end)))
            for spool, block in zip(spools[2:], blocks, strict=True):
                spool.add(block)
            if progress is not None:
                progress(end)
        return container.write(out, _header(subject, coder, len(frames), where), spools)


def _header(subject: Subject, coder: Lossy | Lossless, count: int, where: str) -> Header:
    return Header(
        mode=LOSSLESS if isinstance(coder, Lossless) else LOSSY,
        model=subject.digest,
        codec=coder.codec.digest,
        count=count,
        block=_block_size(subject.model),
        shape=tuple(subject.model.image_shape),
        is_binary=subject.is_binary,
        layers=len(subject.model.latent_shapes),
        betas=subject.betas,
        versions=(__version__, library_version(), str(torch.__version__)),
        where=where,
    )


def _block_size(model: HVAE) -> int:
    numbers = max(sum(math.prod(shape) for shape in model.latent_shapes), math.prod(model.image_shape))
    return max(min(BLOCK, ELEMENTS // numbers), 1)


def decompress(data: bytes | str | Path, model: HVAE | Conditioned, layers: int | None = None) -> Tensor:
    """The images of an archive, ``[N, C, H, W]`` in [0, 1]: expected ones of a lossy archive, exact ones of a lossless.

    Of an archive that is cut off, those layers are decoded that are whole, from the top.

    Example::

        images = rs.decompress(data, model)
        coarse = rs.decompress(data, model, layers=1)  # from the top layer alone

    Args:
        data: the archive, or the path of its file.
        model: that it was made with, or the network.
        layers: how many to decode of a lossy archive, from the top; default: all that there are. The others are at the
            mode of their prior.

    Raises:
        DataError: the archive is damaged, of another format, or cut off before the end of its top layer.
        CheckpointError: the model is another one; says which is wanted.
        SpecError: layers that there are not.
    """
    with Archive.opened(data) as archive:
        return torch.cat(list(decoded(archive, model, layers)))


def decoded(archive: Archive, model: HVAE | Conditioned, layers: int | None = None) -> Iterator[Tensor]:
    """The images of an archive, a block at a time, which bounds the memory: as :func:`decompress`."""
    return decoded_by(archive, subject_for(archive.header, model, archive.name), layers)


def decoded_by(archive: Archive, subject: Subject, layers: int | None = None) -> Iterator[Tensor]:
    """As :func:`decoded`, by a model that is known to be the archive's."""
    header = archive.header
    if header.block > _block_size(subject.model) or header.shape != tuple(subject.model.image_shape):
        raise damaged(archive.name, "its blocks are larger than any of this model")
    if header.layers != len(subject.model.latent_shapes):
        raise damaged(archive.name, f"it says that its model has {header.layers} layers, which has another number")
    coder = _coder_of(archive, subject)
    streams = coder.streams[: layers_there(archive, layers)]
    blocks = [archive.blocks(kind, layer) for kind, layer in streams]
    for number, pieces in enumerate(zip(*blocks, strict=True)):
        try:
            yield coder.decode(pieces, header.in_block(number))
        except ValueError as error:
            raise damaged(archive.name, str(error)) from error


def layers_there(archive: Archive, layers: int | None) -> int:
    """How many layers are decoded: those asked for, or all that are whole.

    Raises:
        SpecError: layers that there are not, or any number of a lossless archive's.
        DataError: the top layer is not whole, or one that was asked for.
    """
    header = archive.header
    if header.mode == LOSSLESS:
        if layers is not None:
            raise SpecError(f"layers is {layers}: a lossless archive is decoded whole, leave it out")
        return header.layers
    if layers is not None:
        if not 1 <= layers <= header.layers:
            raise SpecError(f"layers is {layers}: it must be from 1 to {header.layers}, counted from the top")
        return layers
    numbers = range(header.layers, 0, -1)
    whole = next((n for n, layer in enumerate(numbers) if not archive.has(LAYER, layer)), header.layers)
    return max(whole, 1)  # of none, the section says what is wrong


def _coder_of(archive: Archive, subject: Subject) -> Coder:
    """What decodes an archive, by the codec that it carries."""
    content = archive.block(CODEC)
    try:
        if archive.header.mode == LOSSLESS:
            return Lossless.read(subject, content, archive.header)
        codec = Codec.from_bytes(content)
    except ValueError as error:
        raise DataError(f"{archive.name} is damaged in its codec ({error}): get a sound copy") from error
    if codec.digest != archive.header.codec:
        raise damaged(archive.name, "its codec is another one than its header says")
    return Lossy(subject, codec)
