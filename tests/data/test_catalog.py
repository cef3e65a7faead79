"""Names, paths and arrays -> image data whose spec says what was loaded."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.toy_files import idx_bytes, numbered, numbers, without_data, write_mnist_like

from ratescape.data.catalog import load_data
from ratescape.data.sources import SOURCES
from ratescape.errors import DataError, SpecError
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has no data."""
    return without_data(tmp_path, monkeypatch)


def test_spec_says_what_was_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "my.npy", numbered(10))
    data = load_data(str(tmp_path / "my.npy"), validation=0.2, limit=5)
    assert data.spec == DataSpec(name=str(tmp_path / "my.npy"), binary=False, validation=0.2, limit=5)
    assert numbers(load_data(data.spec)) == numbers(data)
    assert load_data(data.spec, binary=True).spec.binary is True
    assert data.shape == (1, 2, 2)
    assert from_dict(DataSpec, to_dict(data.spec)) == data.spec


def test_array_is_named_by_its_content() -> None:
    data = load_data(numbered(10))
    assert data.spec.name == f"array:{data.fingerprint}"
    with pytest.raises(DataError, match="was given as an array and is kept nowhere: pass the array again"):
        load_data(data.spec)


@pytest.mark.parametrize("fields", [{"validaton": 0.1}, {"limit": 0}, {"split_seed": "one"}])
def test_wrong_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"data\."):
        load_data(numbered(10), **fields)


def test_labels_belong_to_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "my.npy", numbered(10))
    with pytest.raises(DataError, match="give labels with images only"):
        load_data(tmp_path / "my.npy", np.arange(10))
    with pytest.raises(DataError, match="give targets with images only"):
        load_data(tmp_path / "my.npy", targets=np.arange(10))


def test_named_classes(nowhere: Path) -> None:
    write_mnist_like(nowhere)
    data = load_data("fashion-mnist", folder=nowhere)
    assert data.classes == SOURCES["fashion-mnist"].classes
    assert data.spec.binary is False
    (nowhere / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(10, 10, np.uint8)))
    with pytest.raises(DataError, match="the files of fashion-mnist have the label 10, above 9"):
        load_data("fashion-mnist", folder=nowhere)


def test_damaged_local_file(nowhere: Path) -> None:
    write_mnist_like(nowhere)
    path = nowhere / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="train-images-idx3-ubyte is truncated"):
        load_data("mnist", folder=nowhere)


def test_idx_gzipped_anew_is_read_all_the_same(nowhere: Path) -> None:
    write_mnist_like(nowhere)
    before = load_data("mnist", folder=nowhere).fingerprint
    for path in list(nowhere.glob("*-ubyte")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    assert load_data("mnist", folder=nowhere).fingerprint == before
