"""Our files beside the rates that they are to have, on images held out."""

import dataclasses
import io
import math

import torch
from torch import Tensor

from ratescape.coding.archive import coder_for, decoded_by, write_archive
from ratescape.coding.codec import Codec
from ratescape.coding.compare import Levels, Point
from ratescape.coding.container import Archive
from ratescape.coding.frames import ArrayFrames
from ratescape.coding.header import LAYER
from ratescape.coding.lossy import Lossy as Coder
from ratescape.coding.search import BATCH
from ratescape.coding.subject import Subject
from ratescape.data.batches import stream
from ratescape.model.hierarchy import CHUNK
from ratescape.model.latents import PosteriorSample


@dataclasses.dataclass(frozen=True)
class Promise:
    """What a model says of images, means over them."""

    rates: tuple[float, ...]
    """Of each layer, top first, bits."""
    elbo: float
    """-ELBO, bits: a code length where the likelihood is discrete."""
    distortion: float
    """Nats, at a sample of the posterior."""
    error: float
    """Squared error of expected pixels in [0, 1], at a sample of the posterior."""


@torch.no_grad()
def promised(subject: Subject, levels: Levels, seed: int = 0) -> Promise:
    """Rates, -ELBO and error at one sample of the posterior for each image."""
    model, images = subject.model, subject.model.inputs(levels)
    generator = torch.Generator(images.device).manual_seed(stream(seed, "evaluation"))
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for chunk in images.split(CHUNK):
        result = model(PosteriorSample(model.noise(len(chunk), generator)), chunk)
        squares = (model.likelihood.mean(result.output) - chunk).double().square().flatten(1).mean(1)
        found.append((result.rates.double(), result.distortion.double(), squares))
    rates, distortion, error = (torch.cat(part).mean(0) for part in zip(*found, strict=True))
    bits = (rates / math.log(2)).tolist()
    return Promise(tuple(bits), sum(bits) + float(distortion) / math.log(2), float(distortion), float(error))


@dataclasses.dataclass(frozen=True)
class Lossy:
    """Our lossy archive of some images."""

    points: tuple[Point, ...]
    """Decoded from the top layer, from the top two, ..., from all."""
    layers: tuple[float, ...]
    """Bits per image of each layer, top first."""
    distortion: float
    """Nats, of all layers."""


@torch.no_grad()
def lossy(subject: Subject, levels: Levels, codec: Codec) -> Lossy:
    """Our lossy archive, made and decoded."""
    data, images = _archive(subject, levels, codec), subject.model.inputs(levels)
    points: list[Point] = []
    with Archive.opened(data) as archive:
        count, layers = archive.header.count, archive.header.layers
        sizes = [one.length / count for one in archive.header.sections if one.kind == LAYER]
        rest = len(data) / count - sum(sizes)
        for number in range(1, layers + 1):
            found = torch.cat(list(decoded_by(archive, subject, number)))
            error = float((found - images).double().square().mean())
            name = "ours" if number == layers else f"ours, top {number} of {layers} layers"
            points.append(Point(name, rest + sum(sizes[:number]), error))
        distortion = _distortion(subject, images, codec, archive)
    return Lossy(tuple(points), tuple(8 * size for size in sizes), distortion)


def _distortion(subject: Subject, images: Tensor, codec: Codec, archive: Archive) -> float:
    """Nats per image, from the latents that an archive holds."""
    coder, size = Coder(subject, codec), archive.header.block
    blocks = zip(*(archive.blocks(kind, layer) for kind, layer in coder.streams), strict=True)
    found: list[Tensor] = []
    for pieces, some in zip(blocks, images.split(size), strict=True):
        for output, chunk in zip(coder.outputs(pieces, len(some)), some.split(BATCH), strict=True):
            found.append(subject.model.likelihood.distortion(output, chunk).double())
    return float(torch.cat(found).mean())


def lossless(subject: Subject, levels: Levels) -> Point:
    """Our archive without loss; raises :class:`SpecError` where the likelihood has no such size."""
    return Point("ours, lossless", len(_archive(subject, levels, None)) / len(levels), 0.0)


def _archive(subject: Subject, levels: Levels, codec: Codec | None) -> bytes:
    out, frames = io.BytesIO(), ArrayFrames(levels, subject.model.image_shape)
    write_archive(out, subject, frames, coder_for(subject, frames, codec, None, lossless=codec is None))
    return out.getvalue()
