"""Users' own images as NumPy files. Pickled objects in them are refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.data.formats.image_set import Array, ImageSet
from ratescape.data.formats.pixels import to_pixels
from ratescape.data.formats.reading import reading
from ratescape.errors import DataError

NPZ_NAMES: Final = (
    "'images' or 'x' (and 'labels' or 'y', 'targets'), or 'x_train' (and 'y_train', 'targets_train', 'x_test', "
    "'y_test', 'targets_test')"
)

_WHOLE: Final = ("images", "x", "labels", "y", "targets")
_SPLIT: Final = ("x_train", "y_train", "targets_train", "x_test", "y_test", "targets_test")


def read_npy(path: Path) -> ImageSet:
    """A .npy file of images or rows without labels.

    Raises:
        DataError: the file holds anything but one numeric array of images.
    """
    guard = reading(path, "a .npy file of numbers (pickled objects are refused)", "save a plain numeric array")
    with guard, path.open("rb") as file:
        images = np.load(file, allow_pickle=False)
    if not isinstance(images, np.ndarray):
        raise DataError(f"{path} is an archive of arrays: give it the ending .npz")
    return from_arrays(str(path), Arrays(images))


def read_npz(path: Path) -> ImageSet:
    """A .npz file with the arrays ``NPZ_NAMES``, of which those called x may be rows.

    Raises:
        DataError: the file is damaged, its arrays have other names, or cannot be used.
    """
    guard = reading(path, "a .npz file of numbers (pickled objects are refused)", "save plain arrays with np.savez")
    with guard, path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        found = list(archive.files)
        arrays = {name: archive[name] for name in found if name in _WHOLE + _SPLIT}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of a member that is no .npy
            raise DataError(f"{path} has a member {name!r} that is no array: save plain arrays with np.savez")
    images = arrays.get("x_train", arrays.get("images", arrays.get("x")))
    # Targets named by the other scheme would be lost without a word.
    strange = ("targets",) if "x_train" in arrays else ("targets_train", "targets_test")
    if images is None or any(name in arrays for name in strange):
        raise DataError(f"{path} holds {', '.join(map(repr, found)) or 'nothing'}: name its arrays {NPZ_NAMES}")
    if images.ndim == 2 and images is arrays.get("images"):
        to_pixels(images, str(path))  # what is called images is no rows, but may be flattened: says so
    if "x_train" in arrays:
        train = Arrays(images, arrays.get("y_train"), arrays.get("targets_train"))
        return from_arrays(str(path), train, _test_arrays(arrays, path))
    return from_arrays(str(path), Arrays(images, arrays.get("labels", arrays.get("y")), arrays.get("targets")))


def _test_arrays(arrays: Mapping[str, Array], path: Path) -> Arrays | None:
    """The test images of a file that has its own split, with what belongs to them; None without."""
    if "x_test" in arrays:
        return Arrays(arrays["x_test"], arrays.get("y_test"), arrays.get("targets_test"))
    for name, what in (("y_test", "labels"), ("targets_test", "targets")):
        if name in arrays:
            raise DataError(f"{path} has {what} of test images but no test images: give both or neither")
    return None
