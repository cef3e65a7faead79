"""Compress and decompress: symbols do not depend on how a machine computes, and arguments that do not go together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.coding import lively, pictures
from helpers.small_networks import conditioned
from PIL import Image

from ratescape.coding import archive as archives
from ratescape.coding import lossy
from ratescape.coding.archive import compress, decompress
from ratescape.coding.codec import Codec
from ratescape.coding.container import Archive
from ratescape.coding.frames import frames_of
from ratescape.coding.header import CODEC, LAYER
from ratescape.coding.naming import names_in
from ratescape.coding.quantise import Dequantised, Quantised
from ratescape.errors import CheckpointError, DataError, SpecError
from ratescape.model.hierarchy import HVAE
from ratescape.specs.model import ModelSpec


def test_decoded_images_are_near_the_models_reconstructions(model: HVAE, codec: Codec, fresh: np.ndarray) -> None:
    found = decompress(compress(model, fresh, codec=codec), model)
    exact = model.reconstruct(fresh)
    coarse = decompress(compress(model, fresh, codec=codec), model, layers=1)
    assert found.shape == exact.shape
    error, blur = ((one - exact).square().mean().item() for one in (found, coarse))
    assert error < 0.5 * blur


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_the_same_symbols_come_out_with_any_batch_precision_and_threads(
    model: HVAE, codec: Codec, fresh: np.ndarray, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    data = compress(model, fresh[:20], codec=codec)
    usual = decompress(data, model)
    monkeypatch.setattr(lossy, "BATCH", batch)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        assert torch.allclose(decompress(data, model), usual, atol=1e-5)
        model.double()
        assert torch.allclose(decompress(data, model).float(), usual, atol=1e-4)
    finally:
        model.float()
        torch.set_num_threads(threads)


def test_without_a_codec_the_archive_is_calibrated_on_its_own_images(model: HVAE, fresh: np.ndarray) -> None:
    data = compress(model, fresh, rates={2: 4.0, 1: 6.0})
    assert decompress(data, model).shape == (300, 1, 16, 16)
    for single in (fresh[0], fresh[0, 0], torch.from_numpy(fresh[0])):
        assert decompress(compress(model, single), model).shape == (1, 1, 16, 16)


def test_a_network_decodes_at_the_betas_of_the_archive() -> None:
    network, images = conditioned().float(), pictures(50)
    data = compress(network, images, betas=(0.5, 2.0))
    expected = decompress(compress(network.at((0.5, 2.0)), images), network.at((0.5, 2.0)))
    assert torch.equal(decompress(data, network), expected)
    with pytest.raises(CheckpointError, match=r"made by a conditioned network at betas 0\.5, 2"):
        decompress(data, network.at((0.5, 2.0)))
    with pytest.raises(SpecError, match="say which by betas"):
        compress(network, images)


def test_arguments_that_do_not_go_together_are_refused(model: HVAE, codec: Codec, fresh: np.ndarray) -> None:
    with pytest.raises(SpecError, match="codec and rates are both given"):
        compress(model, fresh, codec=codec, rates={2: 1.0})
    with pytest.raises(SpecError, match="codec and rates are of lossy archives"):
        compress(model, fresh, codec=codec, lossless=True)
    with pytest.raises(SpecError, match="leave out betas"):
        compress(model, fresh, betas=(1.0, 1.0))
    with pytest.raises(SpecError, match="a Gaussian likelihood has no lossless size: it is a density"):
        compress(model, fresh, lossless=True)
    with pytest.raises(CheckpointError, match="calibrated for another model"):
        compress(conditioned().at((1.0, 1.0)), fresh, codec=codec)
    with pytest.raises(SpecError, match="give a model that ratescape loaded"):
        compress("digits", fresh)  # type: ignore[arg-type]
    for layers in (0, 3):
        with pytest.raises(SpecError, match=f"layers is {layers}: it must be from 1 to 2"):
            decompress(compress(model, fresh[:2], codec=codec), model, layers=layers)
    with pytest.raises(DataError, match="images is empty"):
        compress(model, fresh[:0])


def test_images_on_disk_are_compressed_without_reading_them_all(
    model: HVAE, codec: Codec, fresh: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "images.npy", fresh)
    np.savez(tmp_path / "images.npz", images=fresh)
    (tmp_path / "folder").mkdir()
    for index, image in enumerate(fresh):
        Image.fromarray(image[0]).save(tmp_path / "folder" / f"{index:03}.png")
    data = compress(model, fresh, codec=codec)
    assert compress(model, tmp_path / "images.npy", codec=codec) == data
    assert compress(model, str(tmp_path / "images.npz"), codec=codec) == data
    assert isinstance(frames_of(tmp_path / "images.npy", model.image_shape).take(0, 5), np.memmap)
    monkeypatch.setattr(archives, "SOME", 200)  # of more, some are looked at
    assert decompress(compress(model, tmp_path / "images.npy"), model).shape == (300, 1, 16, 16)
    named = compress(model, tmp_path / "folder", codec=codec)
    assert torch.equal(decompress(named, model), decompress(data, model))
    with Archive.opened(named) as archive:
        assert names_in(archive)[7] == "007.png"
    Image.new("L", (20, 16)).save(tmp_path / "folder" / "150.png")
    with pytest.raises(DataError, match=r"150\.png has shape \(16, 20\) but .*000\.png has \(16, 16\)"):
        compress(model, tmp_path / "folder", codec=codec)
    with pytest.raises(DataError, match=r"2 images are called 000\.png"):
        compress(model, [tmp_path / "folder" / "000.png"] * 2, codec=codec)


def test_every_number_of_layers_is_decoded_by_asking_and_from_a_file_that_is_cut_off() -> None:
    model, images = lively(ModelSpec(family="residual", channels=4, latents=(3, 2, 1, 2))), pictures(30)
    data = compress(model, images)
    with Archive.opened(data) as archive:
        ends = {one.layer: one.offset + one.length for one in archive.header.sections if one.kind == LAYER}
    source = Quantised(Codec.from_bytes(Archive.opened(data).block(CODEC)).layers)
    with torch.no_grad():
        model.passes([source], model.inputs(images), decode=False)
    for top in range(1, 5):
        symbols = [k.numpy() for k in source.symbols[:top]]
        with torch.no_grad():
            output = model(Dequantised(source.codes, symbols, len(images))).output
        found = decompress(data, model, layers=top)
        assert torch.allclose(found, model.likelihood.mean(output), atol=1e-5)
        assert torch.equal(decompress(data[: ends[5 - top]], model), found)
