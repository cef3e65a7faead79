"""What readers share: one error of one line for whatever a parser raises, and a limit to unpacked files."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from helpers.toy_files import idx_bytes, random_images

from ratescape.data.formats import read_path
from ratescape.data.formats import reading as module
from ratescape.data.formats.idx import read_idx
from ratescape.data.formats.reading import reading
from ratescape.errors import DataError


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (ValueError("two\nlines,  one"), "x.bin cannot be read as a toy (two lines, one): buy another"),
        (KeyError(), "x.bin cannot be read as a toy (KeyError): buy another"),
        (PermissionError(13, "Permission denied"), "(Permission denied): check its permissions, or buy another"),
        (EOFError("cut"), "x.bin cannot be read as a toy (cut): buy another"),
    ],
)
def test_whatever_is_raised_becomes_one_line(raised: Exception, message: str) -> None:
    with pytest.raises(DataError) as caught, reading(Path("x.bin"), "a toy", "buy another"):
        raise raised
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is raised


def test_an_error_that_names_its_remedy_passes_unchanged() -> None:
    error = DataError("make them alike")
    with pytest.raises(DataError) as caught, reading(Path("x.bin"), "a toy"):
        raise error
    assert caught.value is error


def test_gzip_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images.gz"
    array = np.zeros((1000, 10, 10), np.uint8)
    path.write_bytes(gzip.compress(idx_bytes(array)))
    monkeypatch.setattr(module, "MAX_UNPACKED", len(idx_bytes(array)))
    assert np.array_equal(read_idx(path), array)
    monkeypatch.setattr(module, "MAX_UNPACKED", len(idx_bytes(array)) - 1)
    with pytest.raises(DataError, match=r"images\.gz unpacks to more than 100,015 bytes: replace"):
        read_idx(path)


def test_unpacking_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNPACKED", 1000)
    monkeypatch.setattr(module, "CHUNK", 100)
    stream = io.BytesIO(bytes(1_000_000))
    with pytest.raises(DataError, match="x unpacks to more than 1,000 bytes"):
        module.read_unpacked(stream.read, "x")
    assert stream.tell() == 1100


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("data_batch_1.bin")
        member.size = 3073
        archive.addfile(member, io.BytesIO(random_images(3073).tobytes()))
    monkeypatch.setattr(module, "MAX_UNPACKED", 3072)
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz:data_batch_1\.bin unpacks to more than 3,072"):
        read_path(tmp_path)
