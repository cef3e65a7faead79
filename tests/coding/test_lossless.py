"""Bits-back coding: exact images, sizes near -ELBO, and errors where a machine computes otherwise."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from helpers.coding import lively, pictures

from ratescape.coding import lossless
from ratescape.coding.archive import compress, decompress
from ratescape.coding.container import Archive
from ratescape.coding.entropy import Stack
from ratescape.coding.header import CHAIN
from ratescape.coding.lossless import Lossless
from ratescape.coding.pixels import WHOLE, MixturePixels
from ratescape.coding.subject import subject_of
from ratescape.errors import DataError, ResourceError, SpecError
from ratescape.model.distributions import LogisticMixture
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.specs.model import ModelSpec

BINARY = ModelSpec(channels=4, latents=(3, 2), likelihood="bernoulli")
MIXTURE = ModelSpec(family="residual", channels=4, latents=(3, 2, 1), likelihood="logistic-mixture", mixtures=2)


@pytest.fixture(scope="module")
def binary() -> HVAE:
    return lively(BINARY, binary=True)


def elbo_bits(model: HVAE, images: torch.Tensor, draws: int = 20) -> float:
    """Mean -ELBO, bits per image."""
    exact = model.double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        passes = [exact(PosteriorSample(exact.noise(len(images), generator)), images.double()) for _ in range(draws)]
    model.float()
    return float(torch.stack([(p.rates.sum(1) + p.distortion).mean() for p in passes]).mean()) / math.log(2)


def test_binary_images_come_back_exactly_at_their_elbo(binary: HVAE) -> None:
    images = binary.inputs(pictures(200))
    coder = Lossless.prepared(subject_of(binary), images)
    (data,) = coder.encode(images)
    assert torch.equal(coder.decode([data], 200), images)
    block = lossless._Block.read(data, 200)
    net = 8 * len(block.stack) - block.initial
    assert net / 200 == pytest.approx(elbo_bits(binary, images), rel=0.01)
    assert 0 < block.initial < 3 * 9 * (3 + 2 * 16)  # one image's latents, or a few


def test_colour_images_of_256_levels_come_back_exactly_at_their_elbo() -> None:
    shape = (3, 16, 16)
    model, images = lively(MIXTURE, shape), pictures(12, shape)
    data = compress(model, images, lossless=True)
    found = decompress(data, model)
    assert np.array_equal((found * 255).round().numpy().astype(np.uint8), images)
    with Archive.opened(data) as archive:
        block = lossless._Block.read(next(archive.blocks(CHAIN)), 12)
    net = (8 * len(block.stack) - block.initial) / 12
    assert net == pytest.approx(elbo_bits(model, model.inputs(images)), rel=0.01)


@pytest.mark.parametrize("count", [1, 20])
def test_any_number_of_images_with_any_threads(binary: HVAE, count: int) -> None:
    images = pictures(count, seed=2)
    threads = torch.get_num_threads()
    data = compress(binary, images, lossless=True)
    try:
        torch.set_num_threads(3 - min(threads, 2))
        assert compress(binary, images, lossless=True) == data
        assert torch.equal(decompress(data, binary), binary.inputs(images))
    finally:
        torch.set_num_threads(threads)
    with pytest.raises(SpecError, match="a lossless archive is decoded whole"):
        decompress(data, binary, layers=1)


def test_the_chain_begins_without_bits_back_and_ends_empty(binary: HVAE) -> None:
    images = binary.inputs(pictures(150))
    coder = Lossless.prepared(subject_of(binary), images)
    block = coder._encoded(coder.pixels.levels(images))
    marks = list(block.groups)
    assert marks[-1] == lossless.PLAIN | 1  # what is coded first is decoded last
    assert max(marks[:-5]) < lossless.PLAIN and max(marks[:-5]) > 4
    bottom = Stack()
    bottom.push_coins(np.ones(64, np.int32), np.full(64, 0.5))
    deeper = dataclasses.replace(block, stack=bottom.to_bytes() + block.stack)
    with pytest.raises(DataError, match="decoded otherwise"):  # bits are left over
        coder.decode([deeper.to_bytes()], 150)


def test_a_machine_that_computes_otherwise_is_an_error_and_never_garbage(
    binary: HVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures(50)
    data = compress(binary, images, lossless=True)
    output = lossless._rounded_output
    monkeypatch.setattr(lossless, "_rounded_output", lambda one, size: output(one, size) + 2**-9)
    with pytest.raises(DataError, match=r"is decoded otherwise than it was encoded.*made by ratescape .*, torch"):
        decompress(data, binary)
    calls = iter([2**-9] * 6 + [0.0] * 10**6)
    monkeypatch.setattr(lossless, "_rounded_output", lambda one, size: output(one, size) + next(calls))
    with pytest.raises(ResourceError, match="failed on this machine, nothing was written"):
        compress(binary, images, lossless=True)


def test_probabilities_of_levels_are_those_of_the_likelihood() -> None:
    torch.manual_seed(0)
    mixture = LogisticMixture(3)
    output, levels = (
        0.3 * torch.randn(1, mixture.output_channels(3), 4, 4).double(),
        torch.randint(0, 256, (1, 3, 4, 4)),
    )
    pixels = MixturePixels(mixture, 3)
    values = pixels.values(levels.numpy().astype(np.uint8))
    nats = 0.0
    for channel in range(3):
        weights = pixels._weights(output, values, channel)
        chosen = weights[np.arange(16), levels[0, channel].ravel().numpy()]
        nats -= np.log(chosen / weights.sum(1)).sum()
        assert (weights == np.floor(weights)).all() and (weights.sum(1) == WHOLE + 256).all()
    assert nats == pytest.approx(float(mixture.distortion(output, values)), rel=1e-3)


def test_values_between_levels_have_no_lossless_size() -> None:
    model = lively(ModelSpec(channels=4, latents=(3, 2), likelihood="logistic-mixture"))
    with pytest.raises(DataError, match="between 8-bit levels"):
        compress(model, np.full((2, 16, 16), 0.3), lossless=True)
