"""IDX files: every array comes back as it was, and anything damaged is one DataError."""

import gzip
import re
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import numpy.typing as npt
import pytest
from helpers.toy_files import IDX_CODES, idx_bytes, random_images
from hypothesis import given, settings
from hypothesis import strategies as st

from ratescape.data.formats import read_path
from ratescape.data.formats.idx import read_idx
from ratescape.errors import DataError


@pytest.fixture(scope="module")
def idx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "images"


idx_arrays = st.sampled_from(sorted(IDX_CODES)).flatmap(
    lambda name: arrays.arrays(np.dtype(name), arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
)


@settings(deadline=None)  # the disk's time is not ours
@given(array=idx_arrays, zipped=st.booleans())
def test_idx_round_trip(idx_file: Path, array: npt.NDArray[np.generic], zipped: bool) -> None:
    content = idx_bytes(array)
    idx_file.write_bytes(gzip.compress(content) if zipped else content)
    read = read_idx(idx_file)
    assert read.dtype == array.dtype
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()


@settings(deadline=None)  # the disk's time is not ours
@given(array=idx_arrays, zipped=st.booleans(), data=st.data())
def test_every_truncated_idx_is_an_error(
    idx_file: Path, array: npt.NDArray[np.generic], zipped: bool, data: st.DataObject
) -> None:
    content = idx_bytes(array)
    content = gzip.compress(content) if zipped else content
    idx_file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DataError, match=re.escape(str(idx_file))):
        read_idx(idx_file)


def array_or_error(path: Path) -> npt.NDArray[np.generic] | DataError:
    try:
        return read_idx(path)
    except DataError as error:
        return error


idx_like = st.builds(
    lambda start, rest: start + rest,
    st.sampled_from([b"", b"\0\0", b"\0\0\x08\x01", b"\0\0\x08\x03\0\0\0", b"\x1f\x8b", b"\x1f\x8b\x08\0"]),
    st.binary(max_size=40),
)


@settings(deadline=None)
@given(content=idx_like)
def test_random_bytes_are_an_array_or_an_error(idx_file: Path, content: bytes) -> None:
    idx_file.write_bytes(content)
    outcome = array_or_error(idx_file)
    if isinstance(outcome, DataError):
        assert str(idx_file) in str(outcome)
        assert "\n" not in str(outcome)
    else:
        assert outcome.size > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file .*missing"),
        (b"GIF89a..", "is not an IDX file .*47494638"),
        (idx_bytes(random_images(3, 4, 4))[:-1], r"is truncated \(shape \(3, 4, 4\) needs 48 bytes but has 47\)"),
        (idx_bytes(random_images(3, 4, 4)) + b"!", "is too long"),
        (gzip.compress(idx_bytes(random_images(3, 4, 4)), mtime=0)[:-9], "cannot be read as IDX"),
        (idx_bytes(random_images(0, 4, 4)), "is empty"),
        (b"\0\0\x08\x00", "has a damaged IDX header"),
        (b"\0\0\x08\x09" + 9 * b"\0\0\0\x01" + b"!", r"has a damaged IDX header \(9 axes in 41 bytes\)"),
    ],
    ids=["nothing", "a picture", "a byte short", "a byte more", "zipped", "no images", "no axes", "nine axes"],
)
def test_damaged_idx(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} {message}.*: .*replace"):
        read_idx(path)


def test_unreadable_file(tmp_path: Path) -> None:
    folder_in_place_of_file = tmp_path / "train-images-idx3-ubyte"
    folder_in_place_of_file.mkdir()
    with pytest.raises(DataError, match=r"cannot be read as IDX \(Is a directory\): check its permissions"):
        read_idx(folder_in_place_of_file)


def write_idx_set(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Ten training and five test images in the MNIST layout, half of the files gzipped; the images."""
    images, test = random_images(10, 6, 6), random_images(5, 6, 6)
    labels = np.arange(10, dtype=np.uint8)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(test))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels[:5])))
    return images, test


def test_idx_folder(tmp_path: Path) -> None:
    images, test = write_idx_set(tmp_path)
    read = read_path(tmp_path)
    assert np.array_equal(read.train.pixels[:, 0], images)
    assert read.test is not None
    assert np.array_equal(read.test.pixels[:, 0], test)
    assert read.classes == tuple("0123456789")


def test_idx_folder_with_too_few_labels(tmp_path: Path) -> None:
    write_idx_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(9, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"10 images but labels of shape \(9,\)"):
        read_path(tmp_path)
