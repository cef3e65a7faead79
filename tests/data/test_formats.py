"""Readers: what comes in as bytes comes out as the same images, and anything damaged is one DataError."""

import gzip
import io
import re
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ratescape.data import formats
from ratescape.errors import DataError

IDX_CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array: npt.NDArray[np.generic]) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, IDX_CODES[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def random_images(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def idx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "images"


# Arrays


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 9), (5, 1, 8, 9)),
        ((5, 8, 9, 1), (5, 1, 8, 9)),
        ((5, 8, 9, 3), (5, 3, 8, 9)),
        ((5, 3, 8, 9), (5, 3, 8, 9)),
    ],
)
def test_layouts_become_channels_first(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    images = random_images(*shape)
    pixels = formats.to_pixels(images, "x")
    assert pixels.shape == expected
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    row = images[3, :, 5, 2] if shape[-1] == 3 else images[3, 2, :, 5] if shape[1] == 3 else images[3, :, 5].ravel()
    assert np.array_equal(pixels[3, expected[1] - 1, :, 5], row)


@settings(deadline=None)
@given(arrays.arrays(np.uint8, (2, 4, 5), elements=st.integers(0, 255)))
def test_number_types_agree(images: npt.NDArray[np.uint8]) -> None:
    images[0, 0, 0] = 255
    expected = formats.to_pixels(images, "x")
    for same in (images.astype(np.int64), images / 255, (images / 255).astype(np.float32)):
        assert np.array_equal(formats.to_pixels(same, "x"), expected)


def test_booleans_become_black_and_white() -> None:
    assert formats.to_pixels(np.array([[[True, False]]]), "x").tolist() == [[[[255, 0]]]]


def test_pixels_are_a_copy() -> None:
    images = random_images(3, 4, 4)
    pixels = formats.to_pixels(images, "x")
    assert not np.shares_memory(pixels, images)


def with_broken_pixels() -> npt.NDArray[np.float64]:
    images = np.zeros((3, 4, 4))
    images[0, 0, 0], images[2, 1, :2] = np.nan, np.inf
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (with_broken_pixels(), "3 pixels that are NaN or infinite"),
        (np.full((2, 4, 4), 1.5), r"float pixels from 1\.5 to 1\.5: scale them to \[0, 1\]"),
        (np.full((2, 4, 4), 256), "integer pixels from 256 to 256: scale them to 0..255"),
        (np.full((2, 4, 4), -1), "integer pixels from -1 to -1"),
        (np.ones((2, 4, 4), np.int64), "only the integers 0 and 1 .* give booleans"),
        (np.zeros((0, 4, 4), np.uint8), r"empty \(shape \(0, 4, 4\)\)"),
        (random_images(2, 16), r"shape \(2, 16\): reshape it"),
        (random_images(2, 5, 4, 4), r"shape \(2, 5, 4, 4\): reshape it"),
        (random_images(2, 3, 4, 3), "reshape it"),
        (np.full((2, 4, 4), None), "object values"),
        (np.full((2, 4, 4), 1j), "complex128 values"),
    ],
)
def test_unusable_pixels_are_refused(images: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(DataError, match=f"the array .*{message}"):
        formats.from_arrays("the array", images)


def test_labels_are_coded_jointly_over_train_and_test() -> None:
    images = formats.from_arrays(
        "x", random_images(3, 4, 4), np.array(["dog", "ant", "dog"]), random_images(2, 4, 4), np.array(["cat", "ant"])
    )
    assert images.classes == ("ant", "cat", "dog")
    assert images.train.labels is not None
    assert images.train.labels.tolist() == [2, 0, 2]
    assert images.train.labels.dtype == np.int64
    assert images.test is not None
    assert images.test.labels is not None
    assert images.test.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(2, np.int64), r"3 images but labels of shape \(2,\)"),
        (np.zeros((3, 2), np.int64), r"labels of shape \(3, 2\)"),
        (np.zeros(3), "labels of x are of type float64"),
        (np.full(3, None), "labels of x are of type object"),
    ],
)
def test_unusable_labels_are_refused(labels: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(DataError, match=message):
        formats.from_arrays("x", random_images(3, 4, 4), labels)


def test_train_and_test_must_fit_together() -> None:
    with pytest.raises(DataError, match=r"\(1, 4, 4\) but test images of \(1, 5, 4\)"):
        formats.from_arrays("x", random_images(3, 4, 4), None, random_images(3, 5, 4))
    with pytest.raises(DataError, match="labels for only one of train and test"):
        formats.from_arrays("x", random_images(3, 4, 4), np.arange(3), random_images(3, 4, 4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8])
@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 2)])
def test_targets_become_rows_of_floats(dtype: type, shape: tuple[int, ...]) -> None:
    given_targets = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    images = formats.from_arrays("x", random_images(3, 4, 4), targets=given_targets)
    targets = images.train.targets
    assert targets is not None and targets.dtype == np.float64
    assert targets.tolist() == given_targets.reshape(3, -1).tolist()
    assert not np.shares_memory(targets, given_targets)
    assert (images.train.labels, images.classes) == (None, None)
    assert formats.from_arrays("x", random_images(3, 4, 4)).train.targets is None


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros(2), r"x has 3 images but targets of shape \(2,\): give one number"),
        (np.zeros((2, 3)), r"targets of shape \(2, 3\)"),
        (np.zeros((3, 0)), r"targets of shape \(3, 0\)"),
        (np.zeros((3, 1, 1)), r"targets of shape \(3, 1, 1\)"),
        (np.array(1.0), r"targets of shape \(\)"),
        (np.array([[1, np.nan], [np.inf, 2], [3, 4]]), "x has 2 targets that are NaN or infinite: remove"),
        (np.array(["a", "b", "c"]), "targets of x are of type <U1: give numbers, and classes as labels"),
        (np.full(3, None), "targets of x are of type object"),
        (np.zeros(3, complex), "targets of x are of type complex128"),
    ],
)
def test_unusable_targets_are_refused(targets: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(DataError, match=message):
        formats.from_arrays("x", random_images(3, 4, 4), targets=targets)


def test_targets_of_train_and_test_must_fit_together() -> None:
    train, test = random_images(3, 4, 4), random_images(2, 4, 4)
    for given_targets in ({"targets": np.zeros(3)}, {"test_targets": np.zeros(2)}):
        with pytest.raises(DataError, match="x has targets for only one of train and test: give both or neither"):
            formats.from_arrays("x", train, None, test, **given_targets)
    with pytest.raises(DataError, match="x has targets of test images but no test images"):
        formats.from_arrays("x", train, targets=np.zeros(3), test_targets=np.zeros(2))
    with pytest.raises(DataError, match="2 targets for each training image but 1 for each test image: make them alike"):
        formats.from_arrays("x", train, None, test, targets=np.zeros((3, 2)), test_targets=np.zeros(2))
    with pytest.raises(DataError, match=r"x \(test\) has 2 images but targets of shape \(3,\)"):
        formats.from_arrays("x", train, None, test, targets=np.zeros(3), test_targets=np.zeros(3))


# IDX

idx_arrays = st.sampled_from(sorted(IDX_CODES)).flatmap(
    lambda name: arrays.arrays(np.dtype(name), arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
)


@settings(deadline=None)  # the disk's time is not ours
@given(array=idx_arrays, zipped=st.booleans())
def test_idx_round_trip(idx_file: Path, array: npt.NDArray[np.generic], zipped: bool) -> None:
    content = idx_bytes(array)
    idx_file.write_bytes(gzip.compress(content) if zipped else content)
    read = formats.read_idx(idx_file)
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
        formats.read_idx(idx_file)


idx_like = st.builds(
    lambda start, rest: start + rest,
    st.sampled_from([b"", b"\0\0", b"\0\0\x08\x01", b"\0\0\x08\x03\0\0\0", b"\x1f\x8b", b"\x1f\x8b\x08\0"]),
    st.binary(max_size=40),
)


@settings(deadline=None)
@given(content=idx_like)
def test_random_bytes_are_an_array_or_an_error(idx_file: Path, content: bytes) -> None:
    idx_file.write_bytes(content)
    message = f"one line naming {idx_file}"
    try:
        array = formats.read_idx(idx_file)
    except DataError as error:
        array, message = None, str(error)
    assert array is None or array.size > 0
    assert str(idx_file) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file .*missing"),
        (b"GIF89a..", "is not an IDX file .*47494638"),
        (idx_bytes(random_images(3, 4, 4))[:-1], r"is truncated \(shape \(3, 4, 4\) needs 48 bytes but has 47\)"),
        (idx_bytes(random_images(3, 4, 4)) + b"!", "is too long"),
        (gzip.compress(idx_bytes(random_images(3, 4, 4)))[:-9], "cannot be read as IDX"),
        (idx_bytes(random_images(0, 4, 4)), "is empty"),
        (b"\0\0\x08\x00", "has a damaged IDX header"),
    ],
)
def test_damaged_idx(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} {message}.*: .*replace"):
        formats.read_idx(path)


def test_unreadable_file(tmp_path: Path) -> None:
    folder_in_place_of_file = tmp_path / "train-images-idx3-ubyte"
    folder_in_place_of_file.mkdir()
    with pytest.raises(DataError, match=r"cannot be read as IDX \(Is a directory\): check its permissions"):
        formats.read_idx(folder_in_place_of_file)


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
    read = formats.read_path(tmp_path)
    assert np.array_equal(read.train.pixels[:, 0], images)
    assert read.test is not None
    assert np.array_equal(read.test.pixels[:, 0], test)
    assert read.classes == tuple("0123456789")


def test_idx_folder_with_too_few_labels(tmp_path: Path) -> None:
    write_idx_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(9, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"10 images but labels of shape \(9,\)"):
        formats.read_path(tmp_path)


# SVHN


def write_svhn(path: Path, count: int, **tables: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    images = random_images(32, 32, 3, count)
    digits = np.arange(1, count + 1, dtype=np.uint8).reshape(-1, 1)
    scipy.io.savemat(path, {"X": images, "y": digits, **tables}, do_compression=True)
    return images


def test_svhn(tmp_path: Path) -> None:
    images = write_svhn(tmp_path / "train_32x32.mat", 10)
    write_svhn(tmp_path / "test_32x32.mat", 4)
    read = formats.read_path(tmp_path)
    assert read.train.pixels.shape == (10, 3, 32, 32)
    assert read.train.pixels[7, 2, 30, 11] == images[30, 11, 2, 7]
    assert read.train.labels is not None
    assert read.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert read.test is not None
    assert read.test.labels is not None
    assert read.test.labels.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"X": random_images(28, 28, 3, 4)}, r"X of uint8 \(28, 28, 3, 4\)"),
        ({"X": np.zeros((32, 32, 3, 4))}, "X of float64"),
        ({"y": np.array([[1], [2], [3], [11]], np.uint8)}, "labels y other than"),
    ],
)
def test_svhn_of_another_form(tmp_path: Path, tables: dict[str, npt.NDArray[np.generic]], message: str) -> None:
    path = tmp_path / "train_32x32.mat"
    write_svhn(path, 4, **tables)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} holds {message}.*replace"):
        formats.read_svhn((path, path))


@pytest.mark.parametrize("keep", [0, 10, 200, -100])
def test_truncated_svhn(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "train_32x32.mat"
    write_svhn(path, 4)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"{re.escape(str(path))} cannot be read as a MATLAB v5 file.*replace"):
        formats.read_svhn((path, path))


def test_svhn_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "train_32x32.mat"
    scipy.io.savemat(path, {"X": random_images(32, 32, 3, 4)})
    with pytest.raises(DataError, match=r"cannot be read as a MATLAB v5 file \('y'\)"):
        formats.read_svhn((path, path))


# CIFAR-10


def cifar_batches() -> dict[str, bytes]:
    generator = np.random.default_rng(1)
    batches: dict[str, bytes] = {}
    for number, name in enumerate(formats.CIFAR10_FILES):
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
    read = formats.read_path(tmp_path)
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
        formats.read_path(tmp_path)


def test_incomplete_cifar10_archive(tmp_path: Path) -> None:
    batches = cifar_batches()
    del batches["test_batch.bin"]
    path = tmp_path / "cifar-10-binary.tar.gz"
    write_archive(path, batches)
    with pytest.raises(DataError, match=r"lacks test_batch\.bin"):
        formats.read_path(tmp_path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cannot be read as a \.tar\.gz archive"):
        formats.read_path(tmp_path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"cannot be read as a \.tar\.gz archive"):
        formats.read_path(tmp_path)


# .npy and .npz


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train")])
def test_npz(tmp_path: Path, names: tuple[str, str]) -> None:
    images = random_images(4, 6, 6)
    np.savez(tmp_path / "my.npz", **{names[0]: images, names[1]: np.array([3, 5, 3, 5])})
    read = formats.read_path(tmp_path / "my.npz")
    assert np.array_equal(read.train.pixels[:, 0], images)
    assert read.test is None
    assert read.classes == ("3", "5")


def test_npz_with_splits(tmp_path: Path) -> None:
    images = random_images(6, 6, 6)
    np.savez(tmp_path / "my.npz", x_train=images[:4], x_test=images[4:])
    read = formats.read_path(tmp_path / "my.npz")
    assert read.test is not None
    assert np.array_equal(read.test.pixels[:, 0], images[4:])
    assert read.train.labels is None
    assert read.classes is None


@pytest.mark.parametrize("names", [("images", "labels", "targets"), ("x_train", "y_train", "targets_train")])
def test_npz_with_targets(tmp_path: Path, names: tuple[str, str, str]) -> None:
    arrays = (random_images(4, 6, 6), np.array([3, 5, 3, 5]), np.array([0.5, 1, 2, 4]))
    np.savez(tmp_path / "my.npz", **dict(zip(names, arrays, strict=True)))
    read = formats.read_path(tmp_path / "my.npz")
    assert read.classes == ("3", "5")
    assert read.train.targets is not None
    assert read.train.targets.tolist() == [[0.5], [1], [2], [4]]


def test_npz_with_splits_and_targets(tmp_path: Path) -> None:
    images, numbers = random_images(6, 6, 6), np.arange(12).reshape(6, 2)
    arrays = {"x_train": images[:4], "targets_train": numbers[:4], "x_test": images[4:], "targets_test": numbers[4:]}
    np.savez(tmp_path / "my.npz", **arrays)
    read = formats.read_path(tmp_path / "my.npz")
    assert read.train.targets is not None and np.array_equal(read.train.targets, numbers[:4])
    assert read.test is not None and read.test.targets is not None and np.array_equal(read.test.targets, numbers[4:])


@pytest.mark.parametrize(("images", "targets"), [("x_train", "targets"), ("images", "targets_train")])
def test_npz_with_targets_of_the_other_scheme(tmp_path: Path, images: str, targets: str) -> None:
    np.savez(tmp_path / "my.npz", **{images: random_images(4, 6, 6), targets: np.zeros(4)})
    with pytest.raises(DataError, match=rf"my\.npz holds '{images}', '{targets}': name its arrays .*'targets'.*train"):
        formats.read_path(tmp_path / "my.npz")


def test_npy(tmp_path: Path) -> None:
    images = random_images(4, 6, 6, 3)
    np.save(tmp_path / "my.npy", images)
    assert np.array_equal(formats.read_path(tmp_path / "my.npy").train.pixels, images.transpose(0, 3, 1, 2))


def test_npz_of_unknown_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", pictures=random_images(4, 6, 6), kind=np.arange(4))
    with pytest.raises(DataError, match=r"my\.npz holds 'pictures', 'kind': name its arrays 'images' or 'x' "):
        formats.read_path(tmp_path / "my.npz")


def test_npz_of_wrong_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", images=random_images(4, 36))
    with pytest.raises(DataError, match=r"my\.npz has shape \(4, 36\): reshape"):
        formats.read_path(tmp_path / "my.npz")


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
    with pytest.raises(DataError, match=rf"my\.{ending} cannot be read as a \.{ending} file of numbers .*: .*save"):
        formats.read_path(path)


def test_archive_named_npy(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", images=random_images(4, 6, 6))
    (tmp_path / "my.npz").rename(tmp_path / "my.npy")
    with pytest.raises(DataError, match=r"give it the ending \.npz"):
        formats.read_path(tmp_path / "my.npy")


# Folders of images


def write_image(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_folder_without_classes(tmp_path: Path) -> None:
    images = random_images(3, 6, 5, 3)
    for number, image in enumerate(images):
        write_image(tmp_path / f"{number}.png", image)
    (tmp_path / "notes.txt").write_text("left aside")
    write_image(tmp_path / ".thumbnails" / "0.png", images[0, :2, :2])
    read = formats.read_path(tmp_path)
    assert np.array_equal(read.train.pixels, images.transpose(0, 3, 1, 2))
    assert read.classes is None


def test_folder_with_classes(tmp_path: Path) -> None:
    images = random_images(4, 6, 5)
    for number, name in enumerate(("ant", "bee", "ant", "bee")):
        write_image(tmp_path / name / f"{number}.png", images[number])
    read = formats.read_path(tmp_path)
    assert read.classes == ("ant", "bee")
    assert np.array_equal(read.train.pixels[:, 0], images[[0, 2, 1, 3]])
    assert read.train.labels is not None
    assert read.train.labels.tolist() == [0, 0, 1, 1]


def test_folder_with_splits(tmp_path: Path) -> None:
    images = random_images(4, 6, 5)
    for number, place in enumerate(("train/ant", "train/bee", "test/bee", "test/ant")):
        write_image(tmp_path / place / "a.png", images[number])
    read = formats.read_path(tmp_path)
    assert np.array_equal(read.train.pixels[:, 0], images[:2])
    assert read.test is not None
    assert np.array_equal(read.test.pixels[:, 0], images[[3, 2]])
    assert read.test.labels is not None
    assert read.test.labels.tolist() == [0, 1]


def test_black_and_white_and_palette_images(tmp_path: Path) -> None:
    grey = np.where(random_images(6, 5) > 127, 255, 0).astype(np.uint8)
    Image.fromarray(grey).convert("1").save(tmp_path / "a.png")
    assert np.array_equal(formats.read_path(tmp_path).train.pixels[0, 0], grey)
    Image.fromarray(grey).convert("RGB").quantize(4).save(tmp_path / "a.png")
    assert np.array_equal(formats.read_path(tmp_path).train.pixels[0], np.stack([grey] * 3))


def test_a_lone_sub_folder_is_no_class(tmp_path: Path) -> None:
    for number, image in enumerate(random_images(2, 6, 5)):
        write_image(tmp_path / "all" / f"{number}.png", image)
    assert formats.read_path(tmp_path).classes is None


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DataError, match=r"has no images in it: put files ending in \.png"):
        formats.read_path(tmp_path)


def test_folder_with_images_of_another_size(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", random_images(6, 5))
    write_image(tmp_path / "b.png", random_images(6, 5))
    write_image(tmp_path / "c.png", random_images(6, 4))
    write_image(tmp_path / "d.png", random_images(6, 3))
    with pytest.raises(DataError, match=r"c\.png is 4x6 grey but a\.png is 5x6 grey: make all images alike"):
        formats.read_path(tmp_path)
    write_image(tmp_path / "c.png", random_images(6, 5, 3))
    with pytest.raises(DataError, match=r"c\.png is 5x6 colour but a\.png is 5x6 grey"):
        formats.read_path(tmp_path)


def test_folder_with_transparent_images(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", random_images(6, 5, 4))
    with pytest.raises(DataError, match=r"a\.png has pixels of mode RGBA: convert"):
        formats.read_path(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_folder_with_a_damaged_image(tmp_path: Path, content: bytes | None) -> None:
    write_image(tmp_path / "a.png", random_images(60, 50))
    write_image(tmp_path / "b.png", random_images(60, 50))
    damaged = tmp_path / "b.png"
    damaged.write_bytes(damaged.read_bytes()[:500] if content is None else content)
    with pytest.raises(DataError, match=r"b\.png cannot be read as an image .*replace or remove the file"):
        formats.read_path(tmp_path)


def test_folder_with_images_beside_classes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", random_images(6, 5))
    write_image(tmp_path / "ant" / "b.png", random_images(6, 5))
    with pytest.raises(DataError, match=r"both in sub-folders and beside them \(a\.png\)"):
        formats.read_path(tmp_path)


def test_paths_that_hold_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist: check the path"):
        formats.read_path(tmp_path / "nowhere")
    (tmp_path / "data.csv").write_text("1,2")
    with pytest.raises(DataError, match=r"data\.csv is neither a folder of images nor a \.npz or \.npy file"):
        formats.read_path(tmp_path / "data.csv")
