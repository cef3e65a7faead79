"""Better symbols for each image: never worse, of the sizes asked for, and better images at the same bytes."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from helpers.coding import lively, pictures

from ratescape.coding import bench, joint
from ratescape.coding.calibrate import calibrate
from ratescape.coding.codec import Codec
from ratescape.coding.lossy import Lossy
from ratescape.coding.quantise import Dequantised, Quantised
from ratescape.coding.search import Search
from ratescape.coding.subject import subject_of
from ratescape.errors import SpecError
from ratescape.model.hierarchy import HVAE
from ratescape.specs.model import ModelSpec

EFFORT = 12
SHARP = ModelSpec(channels=4, latents=(3, 2), sigma=0.05)
"""So that an untrained decoder's small differences count."""
RATES = {2: 3.0, 1: 6.0}


def costs(model: HVAE, codec: Codec, images: torch.Tensor, symbols: list[torch.Tensor]) -> torch.Tensor:
    """Distortion plus price times length of each image ``[B]``."""
    with torch.no_grad():
        output = model(Dequantised(codec.layers, [k.numpy() for k in symbols], len(images))).output
        total = model.likelihood.distortion(output, images).double()
    for code, k in zip(codec.layers, symbols, strict=True):
        bits = code.tables.bits(code.rows(k.numpy())).reshape(len(images), -1).sum(1)
        total += code.price * math.log(2) * torch.from_numpy(bits)
    return total


@pytest.fixture(scope="module")
def model() -> HVAE:
    return lively(SHARP)


@pytest.fixture(scope="module")
def codec(model: HVAE, seen: np.ndarray) -> Codec:
    return calibrate(model, seen)


def priced(model: HVAE, codec: Codec, images: torch.Tensor, factor: float) -> Codec:
    """The codec with prices of so many times what the model makes of distortion."""
    pairs = zip(codec.layers, joint.stiffness(model, images), strict=True)
    layers = tuple(dataclasses.replace(code, price=factor * code.multiplier * beta) for code, beta in pairs)
    return dataclasses.replace(codec, layers=layers, effort=EFFORT)


def test_no_image_gets_worse_and_most_get_better(model: HVAE, codec: Codec, fresh: np.ndarray) -> None:
    images = model.inputs(fresh[:60])
    given = priced(model, codec, images, 1.0)
    source = Quantised(given.layers)
    with torch.no_grad():
        model.passes([source], images, decode=False)
    found = Search(model, given.layers).improved(images, source.symbols, source.weights, EFFORT)
    before, after = (costs(model, given, images, k) for k in (source.symbols, found))
    assert (after <= before + 1e-3).all() and (after < before - 0.01).double().mean() > 0.5
    for code, k in zip(given.layers, found, strict=True):  # what is found can be coded
        assert (code.from_bytes(code.to_bytes(k.numpy()), len(images)) == k.numpy()).all()


def test_what_costs_more_gets_fewer_bits(model: HVAE, codec: Codec, fresh: np.ndarray) -> None:
    images = model.inputs(fresh[:60])
    cheap, dear = (
        Lossy(subject_of(model), priced(model, codec, images, factor)).symbols(images) for factor in (0.1, 100.0)
    )
    for code, one, other in zip(codec.layers, cheap, dear, strict=True):
        assert code.bits(other) < code.bits(one)


def test_with_a_search_layers_have_the_lengths_asked_for_and_images_are_better(
    model: HVAE, seen: np.ndarray, fresh: np.ndarray
) -> None:
    plain, better = (calibrate(model, seen[:200], RATES, held_out=seen[200:], effort=effort) for effort in (0, EFFORT))
    wanted = [3.0 / math.log(2), 6.0 / math.log(2)]
    assert better.lengths == pytest.approx(wanted, rel=0.04)
    one, other = (bench.lossy(subject_of(model), fresh, codec) for codec in (plain, better))
    assert sum(other.layers) == pytest.approx(sum(wanted), rel=0.08)
    assert other.distortion < one.distortion
    assert other.points[-1].error < one.points[-1].error
    again = Codec.from_bytes(better.to_bytes())
    assert again.effort == EFFORT and [c.price for c in again.layers] == [c.price for c in better.layers]
    found = [Lossy(subject_of(model), one).symbols(model.inputs(fresh)) for one in (better, again)]
    assert all((one == other).all() for one, other in zip(*found, strict=True))


def test_stiffness_is_the_curvature_that_a_layer_has() -> None:
    one, other = (lively(dataclasses.replace(SHARP, sigma=sigma)) for sigma in (0.05, 0.1))
    images = one.inputs(pictures(100))
    once = joint.stiffness(one, images)
    # Twice the sigma is a quarter of the distortion.
    assert joint.stiffness(other, images) == pytest.approx([beta / 4 for beta in once], rel=0.02, abs=0.01)


def test_an_effort_out_of_range_is_refused(model: HVAE, seen: np.ndarray) -> None:
    with pytest.raises(SpecError, match="effort is -1: it must be from 0 to"):
        calibrate(model, seen, effort=-1)
