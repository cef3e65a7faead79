"""CIFAR-10's batches, unpacked or in their archive: the same images; anything damaged is one DataError."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ratescape.data.formats import read_path
from ratescape.data.formats.cifar10 import CIFAR10_FILES
from ratescape.errors import DataError


def cifar_batches() -> dict[str, bytes]:
    generator = np.random.default_rng(1)
    batches: dict[str, bytes] = {}
    for number, name in enumerate(CIFAR10_FILES):
        records = generator.integers(0, 256, (2, 3073), dtype=np.uint8)
        records[:, 0] = [number, number + 4]
        batches[name] = records.tobytes()
    return batches


def write_archive(path: Path, contents: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("where", [".", "cifar-10-batches-bin", "archive"])
def test_cifar10(tmp_path: Path, where: str) -> None:
    batches = cifar_batches()
    if where == "archive":
        write_archive(tmp_path / "cifar-10-binary.tar.gz", {"readme.html": b"", **dict(reversed(batches.items()))})
    else:
        (tmp_path / where).mkdir(exist_ok=True)
        for name, content in batches.items():
            (tmp_path / where / name).write_bytes(content)
    read = read_path(tmp_path)
    assert read.train.pixels.shape == (10, 3, 32, 32)
    third = np.frombuffer(batches["data_batch_2.bin"], np.uint8)[1:3073]
    assert np.array_equal(read.train.pixels[2].ravel(), third)
    assert read.train.labels is not None
    assert read.train.labels.tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 4, 8]
    assert read.test is not None
    assert read.test.labels is not None
    assert read.test.labels.tolist() == [5, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes, not a multiple of 3073"),
        (bytes(3072), "has 3072 bytes"),
        (b"\x0a" + bytes(3072), "has labels above 9"),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_damaged_cifar10(tmp_path: Path, content: bytes, message: str, archived: bool) -> None:
    batches = cifar_batches() | {"data_batch_3.bin": content}
    if archived:
        write_archive(tmp_path / "cifar-10-binary.tar.gz", batches)
    else:
        for name, batch in batches.items():
            (tmp_path / name).write_bytes(batch)
    with pytest.raises(DataError, match=rf"data_batch_3\.bin {message}.*replace"):
        read_path(tmp_path)


def test_incomplete_cifar10_archive(tmp_path: Path) -> None:
    batches = cifar_batches()
    del batches["test_batch.bin"]
    path = tmp_path / "cifar-10-binary.tar.gz"
    write_archive(path, batches)
    with pytest.raises(DataError, match=r"lacks test_batch\.bin"):
        read_path(tmp_path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cannot be read as a \.tar\.gz archive"):
        read_path(tmp_path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"cannot be read as a \.tar\.gz archive"):
        read_path(tmp_path)
