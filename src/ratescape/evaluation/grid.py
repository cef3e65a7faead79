"""Rates and fidelity of a conditioned network at many beta points: each is a forward pass, none a training."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ratescape.compute.cores import each_on_a_core
from ratescape.compute.precision import arithmetic
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.evaluation.reading import read
from ratescape.model.conditioning import Conditioned
from ratescape.records.table import FINE_IMAGES, fine_columns


class GridPoint(NamedTuple):
    """What a network does at one vector of betas; lists run over the layers, top first, rates are nats per image."""

    betas: list[float]
    rates: list[float]
    rate: float
    distortion: float
    nelbo: float
    psnr: float | None
    """dB; None of vectors."""
    r2: float | None = None
    """Of vectors."""


def seen_images(network: Conditioned, data: ImageData, count: int = FINE_IMAGES) -> Images:
    """The first images of the split that models are chosen on, as the network takes them."""
    (chosen_on, *_) = data.held_out.values()
    like = next(network.parameters())
    return Images.of(data, chosen_on.pixels[:count], like.device, like.dtype)


def grid_table(network: Conditioned, images: Images, points: Sequence[tuple[float, ...]]) -> pd.DataFrame:
    """:func:`measured_grid` as a table: see :func:`ratescape.records.fine.read_fine`."""
    found = [point._asdict() for point in measured_grid(network, images, points)]
    left_out = "r2" if found and found[0]["r2"] is None else "psnr"
    return fine_columns([{k: v for k, v in one.items() if k != left_out} for one in found], network.groups)


def measured_grid(
    network: Conditioned, images: Images, points: Sequence[tuple[float, ...]], seed: int = 0
) -> list[GridPoint]:
    """Measure a network at each of many beta points; on a CPU as many at a time as PyTorch has threads.

    Example::

        network, _ = checkpoint.load_network(path, torch.device("cpu"))
        measured_grid(network, seen_images(network, data), [(0.1, 1.0), (1.0, 1.0)])[0].psnr

    Args:
        images: what to measure on.
        points: betas, top layer first, inside the network's box.
        seed: of the latents drawn, the same for all points.

    Raises:
        SpecError: a point outside the box.
    """
    with arithmetic("float32", images.device):
        return each_on_a_core(lambda betas: _measured(network, images, betas, seed), points, images.device)


def _measured(network: Conditioned, images: Images, betas: tuple[float, ...], seed: int) -> GridPoint:
    reading = read(network.at(betas), images, seed)
    layers, distortion = reading.rates.rates.mean(0).tolist(), reading.rates.distortion.mean().item()
    total, restored = sum(layers), reading.restored
    psnr = restored.psnr if restored.varied is None else None
    return GridPoint(list(betas), layers, total, distortion, distortion + total, psnr, restored.r2)
