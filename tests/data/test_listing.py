"""What is said of known sets and of one's own images."""

from pathlib import Path

import numpy as np
import pytest
from helpers.toy_files import numbered, without_data, write_mnist_like

from ratescape.data.listing import describe, listing


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has no data."""
    return without_data(tmp_path, monkeypatch)


def test_listing_tells_what_is_here(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist_like(nowhere / "data" / "mnist")
    monkeypatch.setenv("RATESCAPE_DATA", str(nowhere / "data"))
    paths = {description.name: description.path for description in listing()}
    assert list(paths) == ["mnist-5k", "mnist", "fashion-mnist", "svhn", "cifar10"]
    assert paths["mnist"] == nowhere / "data" / "mnist"
    assert paths["svhn"] is None
    assert "no; get it with: ratescape data fetch svhn" in str(describe("svhn"))
    assert "73,257 training, 26,032 test" in str(describe("svhn"))
    assert "32x32 colour" in str(describe("svhn"))
    assert "from     https://cseweb.ucsd.edu/~weijian/static/datasets/svhn/" in str(describe("svhn"))


def test_a_folder_is_looked_in_first(nowhere: Path) -> None:
    write_mnist_like(nowhere / "here")
    assert describe("mnist", nowhere / "here").path == nowhere / "here"
    assert f"here     yes, in {nowhere / 'here'}" in str(describe("mnist", nowhere / "here"))
    assert {one.name: one.path for one in listing(nowhere / "here")}["mnist"] == nowhere / "here"
    assert describe("mnist").path is None


def test_description_of_own_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", x=numbered(10), y=np.array(["ant", "bee"] * 5))
    description = describe(tmp_path / "my.npz")
    assert (description.shape, description.sizes, description.classes) == ((1, 2, 2), (10, 0), ("ant", "bee"))
    assert "classes  2: ant, bee" in str(description)
    assert "targets" not in str(description)
    np.savez(tmp_path / "my.npz", x=numbered(10), targets=np.zeros((10, 3)))
    assert "targets  3 for each image" in str(describe(tmp_path / "my.npz"))
