"""Images, labels and targets as people have them in Python make one and the same data; the rest is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.images import saved
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from ratescape.data.catalog import load_data
from ratescape.errors import DataError, RatescapeError
from ratescape.specs.data import DataSpec

NAMES = ["dog", "ant"] * 6
GREY = np.random.default_rng(0).integers(0, 256, (12, 16, 20), dtype=np.uint8)
COLOUR = np.random.default_rng(0).integers(0, 256, (12, 16, 20, 3), dtype=np.uint8)


class Items(Dataset[Any]):
    """A data set of whatever items."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Endless(IterableDataset[Any]):
    """A data set without a length."""

    def __iter__(self) -> Iterator[Any]:
        return iter(GREY)


def pictures(pixels: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(image) for image in pixels]


def files(pixels: np.ndarray, folder: Path) -> list[Path]:
    return saved(pictures(pixels), folder)


IMAGES: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "tensor": lambda x, _: torch.tensor(x),
    "integers": lambda x, _: torch.tensor(x).long(),
    "floats": lambda x, _: torch.tensor(x).float() / 255,
    "half": lambda x, _: torch.tensor(x).bfloat16() / 255,
    "gradient": lambda x, _: (torch.tensor(x) / 255).requires_grad_(),
    "arrays": lambda x, _: list(x),
    "tensors": lambda x, _: tuple(torch.tensor(image) for image in x),
    "numbers": lambda x, _: x.tolist(),
    "Pillow": lambda x, _: pictures(x),
    "paths": lambda x, folder: files(x, folder),
    "texts": lambda x, folder: list(map(str, files(x, folder))),
    "data set": lambda x, _: TensorDataset(torch.tensor(x)),
    "items": lambda x, _: Items(pictures(x)),
    "subset": lambda x, _: Subset(Items(pictures(x)), range(len(x))),
}


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("form", IMAGES)
def test_images_are_the_same_in_every_form(form: str, pixels: np.ndarray, tmp_path: Path) -> None:
    found = load_data(IMAGES[form](pixels, tmp_path), NAMES)
    expected = load_data(pixels, np.array(NAMES))
    if form != "half":  # which keeps 8 bits of a float, too few for its 256 levels
        assert found.fingerprint == expected.fingerprint
    assert found.classes == ("ant", "dog") and found.shape == expected.shape


LABELS: dict[str, Any] = {
    "list": [1, 0] * 6,
    "tuple": (1, 0) * 6,
    "tensor": torch.tensor([1, 0] * 6),
    "tensors": [torch.tensor(1), torch.tensor(0)] * 6,
    "column": torch.tensor([[1], [0]] * 6),
    "series": pd.Series([1, 0] * 6, index=range(5, 17)),
    "NumPy numbers": [np.int64(1), np.int8(0)] * 6,
    "booleans": [True, False] * 6,
    "text": NAMES,
    "Series of text": pd.Series(NAMES),
    "categories": pd.Series(NAMES, dtype="category"),
    "array of objects": np.array(NAMES, object),
    "generator": iter(NAMES),
}


@pytest.mark.parametrize("form", LABELS)
def test_labels_are_the_same_in_every_form(form: str) -> None:
    found, expected = load_data(GREY, LABELS[form]), load_data(GREY, [1, 0] * 6)
    assert found.fingerprint == expected.fingerprint
    assert found.classes in (("0", "1"), ("ant", "dog"), ("False", "True"))


@pytest.mark.parametrize("label", [int, str, torch.tensor, np.int64], ids=["int", "str", "tensor", "int64"])
@pytest.mark.parametrize("pair", [tuple, list])
def test_a_data_set_may_have_its_labels(label: Any, pair: Any) -> None:
    labels = [1, 0] * 6
    items = [pair((picture, label(one))) for picture, one in zip(pictures(GREY), labels, strict=True)]
    assert load_data(Items(items)).fingerprint == load_data(GREY, labels).fingerprint


def test_labels_may_stand_beside_a_data_set_without() -> None:
    for items in (pictures(GREY), [(picture,) for picture in pictures(GREY)], [(p, None) for p in pictures(GREY)]):
        assert load_data(Items(items), NAMES).fingerprint == load_data(GREY, NAMES).fingerprint


@pytest.mark.parametrize(
    "targets",
    [
        torch.arange(24.0).reshape(12, 2),
        np.arange(24.0).reshape(12, 2).tolist(),
        pd.DataFrame(np.arange(24.0).reshape(12, 2)),
        list(torch.arange(24.0).reshape(12, 2)),
    ],
    ids=["tensor", "lists", "DataFrame", "tensors"],
)
def test_targets_are_the_same_in_every_form(targets: Any) -> None:
    expected = load_data(GREY, targets=np.arange(24.0).reshape(12, 2))
    assert load_data(GREY, targets=targets).fingerprint == expected.fingerprint
    numbers = load_data(GREY, targets=pd.Series(np.arange(12.0)))
    assert numbers.fingerprint == load_data(GREY, targets=np.arange(12.0)).fingerprint


def test_a_spec_may_be_a_dictionary(images_file: Path) -> None:
    found = load_data({"name": str(images_file), "limit": 10})
    assert found.spec == load_data(DataSpec(str(images_file), limit=10)).spec and len(found.train.pixels) == 10
    with pytest.raises(RatescapeError, match=r"unknown key data.limits; did you mean data.limit\?"):
        load_data({"name": str(images_file), "limits": 10})


def test_loaded_images_are_taken_as_they_are() -> None:
    data = load_data(GREY, NAMES, validation=0.3)
    assert load_data(data) is data
    with pytest.raises(DataError, match="labels were given beside loaded images"):
        load_data(data, NAMES)
    with pytest.raises(DataError, match="validation given beside loaded images"):
        load_data(data, validation=0.1)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            torch.linspace(-1, 1, 12 * 16 * 20).reshape(12, 16, 20),
            r"from -1 to 1: scale them to \[0, 1\], such as by x",
        ),
        (torch.full((12, 16, 20), 255.0), "from 255 to 255: scale them to .* by x / 255"),
        (torch.full((12, 16, 20), torch.nan), "NaN or infinite"),
        (None, "data is None: give an array"),
        (7, "data is an int: give an array"),
        ((picture for picture in GREY), "data is a generator: give an array"),
        ({"images": GREY}, "unknown key data.images"),
        (DataLoader(TensorDataset(torch.tensor(GREY))), "DataLoader: give its data set"),
        (Endless(), "Endless, a Dataset without a length: give a list"),
        (Items([]), "data is empty: give at least one image"),
        (Items([{"image": GREY[0]}]), r"data\[0\] is a dict: each item must be an image, or an image and its label"),
        (Items([(GREY[0], 1, 2)]), r"data\[0\] is 3 parts: each item must be"),
        (Items([(GREY[0], 1), GREY[1]]), "2 items of which 1 have labels"),
        ([], "data is empty: give at least one image"),
        ((GREY, np.zeros(12)), r"data\[1\] has shape \(12,\) .* \(labels are an argument of their own\)"),
        ([GREY[0], GREY[1] / 255], r"data\[1\] holds float64 values but data\[0\] uint8"),
        (pictures(GREY)[:1] + pictures(COLOUR)[:1], r"data\[1\] has shape \(16, 20, 3\) but data\[0\] has \(16, 20\)"),
        ([Image.new("RGBA", (20, 16))], r"data\[0\] has pixels of mode RGBA: convert all images"),
        (["gone.png"], "gone.png does not exist: check the path"),
        ([[[1, 2], [3]]], "rows of different lengths"),
        ([object()], r"data\[0\] is an object: give an array"),
        ("x" * 5000, r"5000 characters"),
        ("a\0b/c", "does not exist"),
    ],
)
def test_what_is_no_data_is_refused_in_one_line(source: Any, message: str) -> None:
    with pytest.raises(RatescapeError, match=message) as caught:
        load_data(source)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("labels.csv", "labels is a str: give one for each image"),
        ({"a": 1}, "labels is a dict: give one"),
        (3, "labels is an int: give one"),
        (pd.DataFrame({"label": NAMES}), "labels is a DataFrame: give one"),
        ([1, "dog"] * 6, "labels holds numbers and text: give whole numbers or text"),
        (pd.Series(["dog", None] * 6), "labels holds gaps and text"),
        (pd.Series([1, None] * 6), "labels holds gaps and numbers"),
        ([None] * 12, "labels holds gaps"),
        ([[1], [1, 2]], "labels has rows of different lengths"),
        ([0.5] * 12, "labels of data are of type float64: give whole numbers or text"),
        (torch.zeros(12, 4, dtype=torch.long), r"12 images but labels of shape \(12, 4\)"),
    ],
)
def test_what_is_no_label_is_refused_in_one_line(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_data(GREY, labels)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_labels_beside_a_name_or_a_data_set_with_its_own_are_refused(images_file: Path) -> None:
    for source in (images_file, {"name": str(images_file)}, DataSpec(str(images_file))):
        with pytest.raises(DataError, match=r"labels were given beside .*blobs\.npz: give labels with images only"):
            load_data(source, [1])
    with pytest.raises(DataError, match="labels were given beside a data set that has its own"):
        load_data(Items([(GREY[0], 1)]), [1])
