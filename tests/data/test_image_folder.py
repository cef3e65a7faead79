"""Folders of image files: classes and splits from sub-folders; images that do not go together are refused."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from helpers.toy_files import random_images
from PIL import Image

from ratescape.data.formats import read_path
from ratescape.errors import DataError


def write_image(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_folder_without_classes(tmp_path: Path) -> None:
    images = random_images(3, 6, 5, 3)
    for number, image in enumerate(images):
        write_image(tmp_path / f"{number}{'.PNG' if number else '.png'}", image)
    (tmp_path / "empty.png").mkdir()
    (tmp_path / "notes.txt").write_text("left aside")
    write_image(tmp_path / ".thumbnails" / "0.png", images[0, :2, :2])
    read = read_path(tmp_path)
    assert np.array_equal(read.train.pixels, images.transpose(0, 3, 1, 2))
    assert read.classes is None


def test_folder_with_classes(tmp_path: Path) -> None:
    images = random_images(4, 6, 5)
    for number, name in enumerate(("ant", "bee", "ant", "bee")):
        write_image(tmp_path / name / f"{number}.png", images[number])
    read = read_path(tmp_path)
    assert read.classes == ("ant", "bee")
    assert np.array_equal(read.train.pixels[:, 0], images[[0, 2, 1, 3]])
    assert read.train.labels is not None
    assert read.train.labels.tolist() == [0, 0, 1, 1]


def test_folder_with_splits(tmp_path: Path) -> None:
    images = random_images(4, 6, 5)
    for number, sub_folder in enumerate(("train/ant", "train/bee", "test/bee", "test/ant")):
        write_image(tmp_path / sub_folder / "a.png", images[number])
    read = read_path(tmp_path)
    assert np.array_equal(read.train.pixels[:, 0], images[:2])
    assert read.test is not None
    assert np.array_equal(read.test.pixels[:, 0], images[[3, 2]])
    assert read.test.labels is not None
    assert read.test.labels.tolist() == [0, 1]


def test_black_and_white_and_palette_images(tmp_path: Path) -> None:
    grey = np.where(random_images(6, 5) > 127, 255, 0).astype(np.uint8)
    Image.fromarray(grey).convert("1").save(tmp_path / "a.png")
    assert np.array_equal(read_path(tmp_path).train.pixels[0, 0], grey)
    Image.fromarray(grey).convert("RGB").quantize(4).save(tmp_path / "a.png")
    assert np.array_equal(read_path(tmp_path).train.pixels[0], np.stack([grey] * 3))


def test_a_lone_sub_folder_is_no_class(tmp_path: Path) -> None:
    for number, image in enumerate(random_images(2, 6, 5)):
        write_image(tmp_path / "all" / f"{number}.png", image)
    assert read_path(tmp_path).classes is None


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DataError, match=r"has no images in it: put files ending in \.png"):
        read_path(tmp_path)


def test_folder_with_images_of_another_size(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", random_images(6, 5))
    write_image(tmp_path / "b.png", random_images(6, 5))
    write_image(tmp_path / "c.png", random_images(6, 4))
    write_image(tmp_path / "d.png", random_images(6, 3))
    kinds = r"2 of 5x6 grey \(as a\.png\), 1 of 4x6 grey \(as c\.png\), 1 of 3x6 grey \(as d\.png\)"
    with pytest.raises(DataError, match=rf"images of several kinds: {kinds}: make all images alike"):
        read_path(tmp_path)
    write_image(tmp_path / "c.png", random_images(6, 5, 3))
    with pytest.raises(DataError, match=r"1 of 5x6 colour \(as c\.png\)"):
        read_path(tmp_path)


def test_folder_with_transparent_images(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", random_images(6, 5, 4))
    with pytest.raises(DataError, match=r"a\.png has pixels of mode RGBA: convert"):
        read_path(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_folder_with_a_damaged_image(tmp_path: Path, content: bytes | None) -> None:
    write_image(tmp_path / "a.png", random_images(60, 50))
    write_image(tmp_path / "b.png", random_images(60, 50))
    damaged = tmp_path / "b.png"
    damaged.write_bytes(damaged.read_bytes()[:500] if content is None else content)
    with pytest.raises(DataError, match=r"b\.png cannot be read as an image .*replace or remove the file"):
        read_path(tmp_path)


def test_folder_with_images_beside_classes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", random_images(6, 5))
    write_image(tmp_path / "ant" / "b.png", random_images(6, 5))
    with pytest.raises(DataError, match=r"both in sub-folders and beside them \(a\.png\)"):
        read_path(tmp_path)


def test_an_image_of_absurd_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file can unpack to more pixels than fit the memory; Pillow refuses twice its limit."""
    write_image(tmp_path / "a.png", random_images(60, 50))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1499)
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image .*exceeds limit.*: replace or remove"):
        read_path(tmp_path)
