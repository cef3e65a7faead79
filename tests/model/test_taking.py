"""A model takes images, latents and seeds as people have them; what it cannot take is refused in one line."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.images import saved
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from ratescape.data.formats import Split
from ratescape.errors import DataError, RatescapeError, SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

GREY, COLOUR = (1, 16, 20), (3, 16, 20)
SPEC = ModelSpec(family="residual", channels=4, latents=(3, 2, 2))


def model_of(shape: tuple[int, int, int], binary: bool = False, spec: ModelSpec = SPEC) -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(spec, shape, binary=binary), shape).requires_grad_(False)


def levels(shape: tuple[int, int, int], count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def pictures(pixels: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)) for image in pixels]


def files(pixels: np.ndarray, folder: Path) -> list[Path]:
    return saved(pictures(pixels), folder)


FORMS: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "uint8": lambda x, _: x,
    "int64": lambda x, _: x.astype(np.int64),
    "uint16": lambda x, _: x.astype(np.uint16),
    "big-endian": lambda x, _: x.astype(">i4"),
    "float64": lambda x, _: x / 255,
    "tensor": lambda x, _: torch.tensor(x),
    "float tensor": lambda x, _: torch.tensor(x / 255, requires_grad=True),
    "last": lambda x, _: x.transpose(0, 2, 3, 1),
    "turned": lambda x, _: x[:, :, ::-1][:, :, ::-1],
    "arrays": lambda x, _: list(x),
    "tensors": lambda x, _: [torch.tensor(image) for image in x],
    "numbers": lambda x, _: x.tolist(),
    "Pillow": lambda x, _: pictures(x),
    "paths": lambda x, folder: files(x, folder),
    "texts": lambda x, folder: [str(path) for path in files(x, folder)],
    "folder": lambda x, folder: files(x, folder)[0].parent,
    "data set": lambda x, _: TensorDataset(torch.tensor(x), torch.arange(len(x))),
    "split": lambda x, _: Split(x, None),
    "series": lambda x, _: pd.Series(pictures(x)),
}


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("form", FORMS)
def test_images_are_taken_in_every_form(form: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    pixels = levels(shape)
    found = model_of(shape).inputs(FORMS[form](pixels, tmp_path))
    assert found.dtype == torch.float32 and found.shape == pixels.shape
    torch.testing.assert_close(found, torch.tensor(pixels) / 255)


@pytest.mark.parametrize("binary", [False, True])
def test_levels_and_floats_are_encoded_alike(binary: bool) -> None:
    pixels, model = levels(GREY), model_of(GREY, binary)
    for one, other in zip(model.encode(pixels), model.encode(pixels / 255), strict=True):
        torch.testing.assert_close(one, other)


def test_booleans_are_black_and_white() -> None:
    pixels = levels(GREY) > 127
    torch.testing.assert_close(model_of(GREY).inputs(pixels), torch.tensor(pixels).float())


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_one_image_is_a_batch_of_one(shape: tuple[int, int, int], tmp_path: Path) -> None:
    model, pixels = model_of(shape), levels(shape, 1)
    one = [
        pixels[0],
        pixels[0].transpose(1, 2, 0),
        torch.tensor(pixels[0]),
        *pictures(pixels),
        *files(pixels, tmp_path),
    ]
    one += [pixels[0, 0]] if shape == GREY else []
    for image in one:
        torch.testing.assert_close(model.inputs(image), model.inputs(pixels))
        assert [len(z) for z in model.encode(image)] == [1, 1, 1] and model.reconstruct(image).shape == pixels.shape


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 1, 28, 28)), r"shape \(2, 1, 28, 28\): this model takes grey images of height 16 and width 20"),
        (np.zeros((2, 16, 20, 3)), "this model takes grey images"),
        (Image.new("RGB", (20, 16)), "this model takes grey images"),
        (Image.new("RGBA", (20, 16)), "mode RGBA: convert all images to 8-bit grey"),
        ([Image.new("L", (20, 16)), Image.new("L", (16, 20))], r"images\[1\] has shape \(20, 16\) but images\[0\]"),
        (np.full((2, 16, 20), -1.0), "floats from -1 to -1: scale them to"),
        (np.linspace(-1, 1, 640).reshape(2, 16, 20), r"from -1 to 1: scale them to \[0, 1\], such as by x / 2 \+ 0.5"),
        (np.full((2, 16, 20), 255.0), r"from 255 to 255: scale them to \[0, 1\], such as by x / 255"),
        (np.full((2, 16, 20), math.nan), "NaN"),
        (np.full((2, 16, 20), 256), "from 256 to 256: give 8-bit levels"),
        (np.ones((2, 16, 20), np.uint8), "0 and 1 alone: give booleans"),
        (np.zeros((2, 16, 20), complex), "images of complex128: give 8-bit levels"),
        (torch.zeros(2, 16, 20, dtype=torch.complex64), "images of torch.complex64: give 8-bit levels"),
        (np.full((2, 16, 20), None), "images of object: give 8-bit levels"),
        ("gone.png", "gone.png does not exist: check the path"),
        (["x" * 5000], r"x\.\.\. \(5000 characters\) does not exist"),
        (None, "images is None: give an array, a tensor"),
        (3, "images is an int: give an array, a tensor"),
        (pd.DataFrame([[1]]), "images is a DataFrame: give an array, a tensor"),
        ({"images": 1}, "images is a dict: give an array, a tensor"),
        ((image for image in [1]), "images is a generator: give an array, a tensor"),
        (DataLoader(TensorDataset(torch.zeros(2, 16, 20))), "DataLoader: give its data set"),
        ([], "images is empty: give at least one image"),
        ([[1, 2], [3]], "rows of different lengths"),
    ],
)
def test_unusable_images_are_refused_in_one_line(images: Any, message: str) -> None:
    for take in (model_of(GREY).encode, model_of(GREY).reconstruct):
        with pytest.raises(RatescapeError, match=message) as caught:
            take(images)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


# Latents


def same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=1e-6)


def test_the_top_layer_needs_no_list() -> None:
    model = model_of(GREY)
    z3, *_ = model.encode(levels(GREY))
    assert same(model.decode(z3), model.decode([z3])) and same(model.decode(z3.numpy()), model.decode([z3]))
    assert same(model.decode(z3, seed=4), model.decode([z3], torch.Generator().manual_seed(4)))


@pytest.mark.parametrize("family", ["ghvae", "lvae", "bottom-up", "residual"])
def test_any_layer_may_be_left_to_its_prior(family: str) -> None:
    model = model_of(GREY, spec=ModelSpec(family=family, channels=4, latents=(3, 2)))
    z2, z1 = model.encode(levels(GREY))
    mode = model._layers()[0].prior(None).mean.expand_as(z2)
    assert same(model.decode([None, z1]), model.decode([mode, z1]))
    assert same(model.decode([z2, None]), model.decode([z2]))
    drawn, again, other = (model.decode([None, z1], seed=seed) for seed in (0, 0, 1))
    assert drawn.shape == (5, *GREY) and same(drawn, again)
    assert same(drawn, other) == (family != "residual")  # where the decoder sees z1 alone, z2 makes no difference
    noise = model.noise(5, torch.Generator().manual_seed(0))
    assert same(drawn, model.decode([model._layers()[0].prior(None).at(noise[0]), z1]))


def test_the_latents_of_one_image_need_no_first_axis() -> None:
    model = model_of(GREY)
    latents = model.encode(levels(GREY, 1))
    assert same(model.decode([z[0] for z in latents]), model.decode(latents))
    assert same(model.decode([None, latents[1][0], None]), model.decode([None, latents[1]]))


@pytest.mark.parametrize(
    ("latents", "message"),
    [
        ([None, None], "latents of no layer: give those of the top layers"),
        (None, "latents of no layer"),
        (torch.zeros(5, 7), r"latents of shapes \[\(5, 7\)\]: give those of the top layers, out of \[\(3,\)"),
        ([torch.zeros(5, 3)] * 4, "of more layers than 3"),
        ([torch.zeros(5, 3), torch.zeros(4, 2, 4, 4)], "different numbers of images"),
        ("z2", "latents of one layer are a str: give an array or a tensor"),
        ([[1, 2], "z"], "latents of one layer are a str: give an array or a tensor"),
        ({2: torch.zeros(5, 3)}, "latents of one layer are a dict"),
    ],
)
def test_unusable_latents_are_refused_in_one_line(latents: Any, message: str) -> None:
    model = model_of(GREY)
    if isinstance(latents, list) and len(latents) == 2 and isinstance(latents[1], Tensor):
        latents = [latents[0], torch.zeros(4, *model.latent_shapes[1])]
    with pytest.raises(SpecError, match=message) as caught:
        model.decode(latents)
    assert "\n" not in str(caught.value)


# Seeds, and a model by itself


def test_a_seed_repeats_samples_and_reconstructions() -> None:
    model, pixels = model_of(GREY), levels(GREY)
    one, again, other = (model.sample(4, seed=seed) for seed in (3, np.int64(3), 4))
    assert same(one, again) and not same(one, other)
    assert same(one, model.sample(4, torch.Generator().manual_seed(3)))
    drawn, repeated = model.reconstruct(pixels, seed=1), model.reconstruct(pixels, seed=1)
    assert same(drawn, repeated) and not same(drawn, model.reconstruct(pixels))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.sample(0), "count is 0: it must be at least 1"),
        (lambda model: model.sample(2.5), "count is a float: give a whole number"),
        (lambda model: model.sample(2, 3), "generator is an int: give a torch.Generator, or a whole number as seed="),
        (lambda model: model.sample(2, seed=-1), "seed is -1: it must be at least 0"),
        (lambda model: model.sample(2, torch.Generator(), seed=1), "both given"),
        (lambda model: model(torch.zeros(2, *GREY)), r"not called with images: model.encode\(images\)"),
        (lambda model: model(levels(GREY)), r"model.reconstruct\(images\)"),
    ],
)
def test_wrong_calls_explain_themselves(call: Callable[[HVAE], Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        call(model_of(GREY))


def test_a_model_shows_itself_in_one_line() -> None:
    model = model_of(GREY)
    count = sum(weights.numel() for weights in model.parameters())
    text = repr(model)
    assert text.startswith("HVAE(residual: z3 3, z2 2x") and "images 1x16x20" in text and f"{count:,}" in text
    assert "\n" not in text and "Conv" in repr(model.decoder)
    network = Conditioned(model, 0.1, 10.0, width=4)
    assert "betas 0.1 to 10" in repr(network) and "\n" not in repr(network)


def test_a_network_takes_betas_in_every_form() -> None:
    network = Conditioned(model_of(GREY), 0.1, 10.0, width=4).requires_grad_(False)
    expected = network.at((0.5, 0.5, 0.5)).encode(levels(GREY))
    for betas in (0.5, [0.5] * 3, np.full(3, 0.5), torch.full((3,), 0.5), np.float32(0.5)):
        for one, other in zip(network.at(betas).encode(levels(GREY)), expected, strict=True):
            torch.testing.assert_close(one, other)
    for bad in ((0.5, 0.5), [1, 0, 1], "1", None, [[1, 1, 1]]):
        with pytest.raises(SpecError, match="one positive number for each of the 3 layers, top first"):
            network.at(bad)


def test_a_missing_file_is_bad_data(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match="cannot be read as an image"):
        model_of(GREY).encode(tmp_path / "text.png")
