"""NumPy files: every accepted naming of arrays; damaged, pickled or oddly named ones are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.toy_files import random_images

from ratescape.data.formats import read_path
from ratescape.errors import DataError


def write_npz(folder: Path, arrays: dict[str, Any]) -> None:
    np.savez(folder / "my.npz", **arrays)


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train")])
def test_npz(tmp_path: Path, names: tuple[str, str]) -> None:
    images = random_images(4, 6, 6)
    write_npz(tmp_path, {names[0]: images, names[1]: np.array([3, 5, 3, 5])})
    read = read_path(tmp_path / "my.npz")
    assert np.array_equal(read.train.pixels[:, 0], images)
    assert read.test is None
    assert read.classes == ("3", "5")


def test_npz_with_splits(tmp_path: Path) -> None:
    images = random_images(6, 6, 6)
    np.savez(tmp_path / "my.npz", x_train=images[:4], x_test=images[4:])
    read = read_path(tmp_path / "my.npz")
    assert read.test is not None
    assert np.array_equal(read.test.pixels[:, 0], images[4:])
    assert read.train.labels is None
    assert read.classes is None


@pytest.mark.parametrize("names", [("images", "labels", "targets"), ("x_train", "y_train", "targets_train")])
def test_npz_with_targets(tmp_path: Path, names: tuple[str, str, str]) -> None:
    arrays = (random_images(4, 6, 6), np.array([3, 5, 3, 5]), np.array([0.5, 1, 2, 4]))
    write_npz(tmp_path, dict(zip(names, arrays, strict=True)))
    read = read_path(tmp_path / "my.npz")
    assert read.classes == ("3", "5")
    assert read.train.targets is not None
    assert read.train.targets.tolist() == [[0.5], [1], [2], [4]]


def test_npz_with_splits_and_targets(tmp_path: Path) -> None:
    images, numbers = random_images(6, 6, 6), np.arange(12).reshape(6, 2)
    arrays = {"x_train": images[:4], "targets_train": numbers[:4], "x_test": images[4:], "targets_test": numbers[4:]}
    write_npz(tmp_path, arrays)
    read = read_path(tmp_path / "my.npz")
    assert read.train.targets is not None and np.array_equal(read.train.targets, numbers[:4])
    assert read.test is not None and read.test.targets is not None and np.array_equal(read.test.targets, numbers[4:])


@pytest.mark.parametrize(("images", "targets"), [("x_train", "targets"), ("images", "targets_train")])
def test_npz_with_targets_of_the_other_scheme(tmp_path: Path, images: str, targets: str) -> None:
    write_npz(tmp_path, {images: random_images(4, 6, 6), targets: np.zeros(4)})
    with pytest.raises(DataError, match=rf"my\.npz holds '{images}', '{targets}': name its arrays .*'targets'.*train"):
        read_path(tmp_path / "my.npz")


def test_npy(tmp_path: Path) -> None:
    images = random_images(4, 6, 6, 3)
    np.save(tmp_path / "my.npy", images)
    assert np.array_equal(read_path(tmp_path / "my.npy").train.pixels, images.transpose(0, 3, 1, 2))


def test_npz_of_unknown_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", pictures=random_images(4, 6, 6), kind=np.arange(4))
    with pytest.raises(DataError, match=r"my\.npz holds 'pictures', 'kind': name its arrays 'images' or 'x' "):
        read_path(tmp_path / "my.npz")


def test_npz_of_wrong_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", images=random_images(4, 36))
    with pytest.raises(DataError, match=r"my\.npz has shape \(4, 36\): reshape"):
        read_path(tmp_path / "my.npz")


def pickled_images(path: Path) -> None:
    objects = np.array([{"a": 1}, None], dtype=object)
    if path.suffix == ".npy":
        np.save(path, objects)
    else:
        np.savez(path, images=objects)


def truncated(path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, random_images(9, 6, 6))
    else:
        np.savez(path, images=random_images(9, 6, 6))
    path.write_bytes(path.read_bytes()[:200])


def text(path: Path) -> None:
    path.write_text("no array")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize("damage", [pickled_images, truncated, text, nothing])
def test_damaged_arrays(tmp_path: Path, ending: str, damage: Callable[[Path], None]) -> None:
    path = tmp_path / f"my.{ending}"
    damage(path)
    with pytest.raises(
        DataError, match=rf"my\.{ending} cannot be read as a \.{ending} file of numbers .*: .*save"
    ) as error:
        read_path(path)
    assert "unsafely" not in str(error.value)  # as NumPy advises


def test_archive_named_npy(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", images=random_images(4, 6, 6))
    (tmp_path / "my.npz").rename(tmp_path / "my.npy")
    with pytest.raises(DataError, match=r"give it the ending \.npz"):
        read_path(tmp_path / "my.npy")


@pytest.mark.parametrize(("name", "what"), [("y_test", "labels"), ("targets_test", "targets")])
def test_npz_with_what_belongs_to_test_images_without_them(tmp_path: Path, name: str, what: str) -> None:
    write_npz(tmp_path, {"x_train": random_images(4, 6, 6), name: np.arange(4)})
    with pytest.raises(DataError, match=rf"my\.npz has {what} of test images but no test images: give both or neither"):
        read_path(tmp_path / "my.npz")
