"""Quantised latents: the best symbols, the lengths asked for, and what is decoded."""

import math
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.coding import lively, pictures
from helpers.small_networks import conditioned

from ratescape.coding.calibrate import calibrate
from ratescape.coding.codec import MAGIC, Codec
from ratescape.coding.identity import digest_of
from ratescape.coding.lossy import Lossy
from ratescape.coding.quantise import Dequantised, LayerCode, Quantised
from ratescape.coding.subject import subject_of
from ratescape.coding.tables import Tables
from ratescape.errors import CheckpointError, SpecError
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorMode
from ratescape.specs.model import ModelSpec


def mean_bits(model: HVAE, codec: Codec, images: np.ndarray) -> list[float]:
    """Measured bytes of each layer, in bits per image."""
    return [8 * len(data) / len(images) for data in Lossy(subject_of(model), codec).encode(model.inputs(images))]


def test_the_chosen_symbol_is_the_best_of_its_neighbours_and_zero() -> None:
    random = np.random.default_rng(0)
    tables = Tables.fitted(random.normal(0, [0.4, 3.0], (2000, 2)).round().astype(np.int32))
    code = LayerCode((2,), np.array([0, -100], np.int16), tables, 0.7)
    target, weight = torch.randn(500, 2).double() * 2, torch.rand(500, 2).double() * 9 + 0.1
    chosen = code.nearest(target, weight).numpy()
    for image in range(0, 500, 7):
        for d in range(2):
            costs = {}
            for k in range(int(tables.low[d]), int(tables.high[d]) + 1):
                error = 0.5 * weight[image, d].item() * (k * code.delta[d] - target[image, d].item()) ** 2
                bits = tables.lengths[tables.offsets[d] + k - tables.low[d]]
                costs[k] = error + 0.7 * math.log(2) * bits
            place = target[image, d].item() / code.delta[d]
            near = [np.clip(k, tables.low[d], tables.high[d]) for k in (math.floor(place), math.floor(place) + 1, 0)]
            assert costs[int(chosen[image, d])] == pytest.approx(min(costs[int(k)] for k in near))


def test_layers_have_the_lengths_asked_for_on_fresh_images(model: HVAE, seen: np.ndarray, fresh: np.ndarray) -> None:
    for rates in ({2: 3.0, 1: 9.0}, {2: 6.0, 1: 5.0}):
        codec = calibrate(model, seen, rates)
        wanted = [rates[2] / math.log(2), rates[1] / math.log(2)]
        assert codec.wanted == pytest.approx([rates[2], rates[1]])
        assert codec.lengths == pytest.approx(wanted, rel=0.02)
        # A byte or two of the stream's end, and the sampling of 300 images, come on top.
        assert mean_bits(model, codec, fresh) == pytest.approx(wanted, rel=0.08)


def test_lengths_are_those_of_images_held_out(model: HVAE, seen: np.ndarray, fresh: np.ndarray) -> None:
    others = fresh.copy()
    others[::2] = 0  # half of them are all alike, and cost less
    rates, images = {2: 3.0, 1: 4.0}, model.inputs(others)
    codec = calibrate(model, seen, rates, held_out=others)
    bits = [code.bits(k) for code, k in zip(codec.layers, Lossy(subject_of(model), codec).symbols(images), strict=True)]
    assert bits == pytest.approx([3 / math.log(2), 4 / math.log(2)], rel=0.02)
    assert mean_bits(model, codec, seen)[1] > 1.05 * bits[1]


def test_few_images_held_out_tell_lengths_where_they_are_clearly_others(
    model: HVAE, seen: np.ndarray, fresh: np.ndarray
) -> None:
    alike = calibrate(model, seen, held_out=fresh[:40])
    assert alike.to_bytes() == calibrate(model, seen).to_bytes()  # so few are less sure than those of the training
    others = fresh[:40].copy()
    others[:30] = 255  # white all over, which cost this model less
    codec = calibrate(model, seen, held_out=others)
    with torch.no_grad():
        rates = model(PosteriorMode(), model.inputs(others)).rates.mean(0).tolist()
    assert codec.wanted == pytest.approx(rates, rel=0.1)
    assert sum(codec.wanted) < 0.95 * sum(alike.wanted)


def test_a_total_is_shared_as_the_model_has_it(model: HVAE, seen: np.ndarray, codec: Codec) -> None:
    halved = calibrate(model, seen, f"total={sum(codec.wanted) / 2!r}")
    assert halved.wanted == pytest.approx([rate / 2 for rate in codec.wanted])
    assert calibrate(model, seen, {2: 2.0}).wanted[1] == pytest.approx(codec.wanted[1])


def test_what_a_layer_cannot_have_is_refused_with_what_it_can(model: HVAE, seen: np.ndarray) -> None:
    with pytest.raises(SpecError, match=r"layer 2 cannot have 900 nats .* ask for less"):
        calibrate(model, seen, {2: 900.0})


def test_a_size_in_a_gap_is_refused_with_the_sizes_on_either_side(model: HVAE) -> None:
    alike = pictures(2)[np.arange(400) % 2]  # of two images, symbols tell which, or nothing
    with pytest.raises(
        SpecError, match=r"its sizes leap there from (\S+) to (\S+) nats; ask for one of these"
    ) as error:
        calibrate(model, alike, {2: 0.4})
    below, above = (float(one) for one in re.findall(r"from (\S+) to (\S+) nats", str(error.value))[0])
    assert below < 0.4 < above
    assert calibrate(model, alike, {2: above}).lengths[0] == pytest.approx(above / math.log(2), rel=0.04)


def test_symbols_decode_to_the_latents_that_were_chosen(model: HVAE, codec: Codec, fresh: np.ndarray) -> None:
    images = model.inputs(fresh)
    source = Quantised(codec.layers)
    with torch.no_grad():
        encoded = model(source, images)
        symbols = [k.numpy() for k in source.symbols]
        decoded = model(Dequantised(codec.layers, symbols, len(images)))
    for one, other in zip(encoded.latents, decoded.latents, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    for code, k in zip(codec.layers, symbols, strict=True):
        assert (code.from_bytes(code.to_bytes(k), len(k)) == k).all()
    assert all(np.abs(k).max() > 1 for k in symbols)  # there is something to code


def test_more_bits_make_smaller_errors(model: HVAE, seen: np.ndarray, fresh: np.ndarray) -> None:
    images = model.inputs(fresh)
    with torch.no_grad():
        exact = model(PosteriorMode(), images).latents[0]
        errors = [
            (model(Quantised(calibrate(model, seen, {2: rate}).layers), images).latents[0] - exact).square().mean()
            for rate in (1.0, 3.0, 6.0)
        ]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


def test_a_collapsed_layer_costs_nothing(seen: np.ndarray) -> None:
    model = lively(ModelSpec(channels=4, latents=(3, 2)))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.startswith("layers.0.heads"):
                weights.fill_(math.log(math.e - 1) if name.endswith("spread.bias") else 0.0)
    codec = calibrate(model, seen)
    assert codec.lengths[0] == 0.0
    assert codec.layers[0].to_bytes(np.zeros((50, 3), np.int32)) == b""


def test_cells_of_a_large_map_share_a_table_and_come_back_in_place() -> None:
    random = np.random.default_rng(0)
    spread = np.repeat([0.5, 4.0], 9)
    symbols = random.normal(0, spread, (400, 18)).round().astype(np.int32)
    rows = symbols.reshape(400, 2, 9).transpose(0, 2, 1).reshape(-1, 2)
    code = LayerCode((2, 3, 3), np.zeros(2, np.int16), Tables.fitted(rows), 1.0)
    data = code.to_bytes(symbols)
    assert (code.from_bytes(data, 400) == symbols).all()
    assert 8 * len(data) == pytest.approx(400 * code.bits(symbols), abs=40)


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec(family="lvae", channels=4, latents=(3, 2)),
        ModelSpec(family="residual", channels=4, latents=(3, 2, 1, 2)),
        ModelSpec(family="deep", channels=4, blocks="1x1,4x2"),
    ],
    ids=["lvae", "residual of 4", "deep"],
)
def test_every_top_down_family_codes_in_colour_too(spec: ModelSpec) -> None:
    shape = (3, 16, 16)
    model, images = lively(spec, shape), pictures(120, shape)
    codec = calibrate(model, images)
    assert len(mean_bits(model, codec, images)) == len(model.latent_shapes) == len(codec.layers)
    # Of so few images a table may be all or nothing, and rates of an untrained network may hold no information.
    assert 0 < codec.bits < 1.03 * sum(codec.wanted) / math.log(2) + 1


def test_bottom_up_is_refused_with_the_reason(seen: np.ndarray) -> None:
    model = lively(ModelSpec(family="bottom-up", channels=4, latents=(3, 2)))
    with pytest.raises(SpecError, match="a bottom-up model cannot be coded: its top layer is inferred"):
        calibrate(model, seen)


def test_a_codec_is_saved_whole_and_is_the_same_again(
    codec: Codec, model: HVAE, fresh: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "mine.codec"
    codec.save(path)
    loaded = Codec.load(path)
    assert (loaded.digest, loaded.model, loaded.wanted) == (codec.digest, codec.model, codec.wanted)
    assert mean_bits(model, loaded, fresh) == mean_bits(model, codec, fresh)
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"mine\.codec is damaged"):
        Codec.load(path)
    content = zlib.compress(zlib.decompress(codec.to_bytes())[:-1])
    path.write_bytes(MAGIC + digest_of(content) + content)  # what is wrong has a digest that is right
    with pytest.raises(CheckpointError, match=r"mine\.codec is damaged \(it ends too early\)"):
        Codec.load(path)
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="is not a codec of ratescape"):
        Codec.load(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        Codec.load(tmp_path / "none.codec")


def test_a_conditioned_network_codes_at_its_betas(seen: np.ndarray) -> None:
    network = conditioned().float()
    one, other = (calibrate(network, seen[:60], betas=betas) for betas in ((0.1, 0.1), (1.0, 0.2)))
    assert one.model != other.model
    with pytest.raises(SpecError, match="say which by betas"):
        calibrate(network, seen[:60])
