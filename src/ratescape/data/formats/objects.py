"""Images or vectors, labels and targets as objects of Python -> arrays: tensors, data sets, Pillow images, DataFrames.

What belongs to a package that is slow to import is recognised without importing it: who gives a tensor has PyTorch.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ratescape.data.formats.arrays import Arrays
from ratescape.data.formats.image_set import Array, Split
from ratescape.data.formats.paths import ENDINGS, TABLES, read_path
from ratescape.data.formats.pictures import decode, decode_file
from ratescape.data.formats.reading import exists
from ratescape.data.formats.tables import arrays_of_frame
from ratescape.errors import DataError

TAKEN = (
    "an array, a tensor, a DataFrame, a list of arrays, Pillow images or paths, a Dataset of PyTorch, or the path or "
    "name of a set"
)
"""What images may be given as."""


def arrays_of(images: Any, labels: Any = None, targets: Any = None, target: str | None = None) -> Arrays:
    """Images with what belongs to them, in arrays that are not checked yet.

    Args:
        images: as :func:`images_of` takes them; or a map-style Dataset of PyTorch whose items are images, or an image
            and its label each, each of which is read once; or a DataFrame of rows.
        labels: one for each image: a list, tuple, array, tensor or Series.
        targets: numbers for each image, likewise, or a DataFrame.
        target: column of a DataFrame that holds classes or numbers to regress on.

    Raises:
        DataError: something else; names it and the remedy.

    Example::

        arrays_of([Image.open("a.png"), Image.open("b.png")], ["cat", "dog"])
    """
    name = "data"
    if is_frame(images):
        return _of_frame(arrays_of_frame(images, name, target), labels, targets)
    if target is not None:
        raise DataError(f"data.target is {target!r}: it names a column of a DataFrame, a .csv or a .parquet file")
    if _is_dataset(images):
        images, own = _items(images, name)
        if own is not None and labels is not None:
            raise DataError("labels were given beside a data set that has its own: leave them out")
        labels = own if labels is None else labels
    return Arrays(images_of(images, name), values_of(labels, "labels"), values_of(targets, "targets"))


def is_frame(given: Any) -> bool:
    """Whether something is a DataFrame."""
    return _is("pandas", "DataFrame", given)


def _of_frame(found: Arrays, labels: Any, targets: Any) -> Arrays:
    """Rows of a DataFrame, with what was given beside them."""
    own = [(found.labels, values_of(labels, "labels")), (found.targets, values_of(targets, "targets"))]
    if any(one is not None and given is not None for one, given in own):
        raise DataError("labels or targets were given beside data.target: leave one of them out")
    both = [given if one is None else one for one, given in own]
    return Arrays(found.images, *both, columns=found.columns)


def images_of(given: Any, name: str) -> Array:
    """An array of any shape and type from an array, tensor, Pillow image or path, or from a list of such of one shape.

    A path is that of an image file, or of images that :func:`~ratescape.data.formats.paths.read_path` reads.

    Args:
        name: what errors call it.

    Raises:
        DataError: something else, or images that differ in shape or type.

    Example::

        images_of(["a.png", "b.png"], "images").shape  # (2, 32, 32, 3)
    """
    if isinstance(given, (list, tuple)):
        if _is_of_numbers(given):
            return _numbers(given, name)
        return _stacked([images_of(item, f"{name}[{index}]") for index, item in enumerate(given)], name)
    if _is_dataset(given):
        return images_of(_items(given, name)[0], name)
    if isinstance(given, Split):
        return given.pixels
    if isinstance(given, Image.Image):
        return decode(given, name)
    if isinstance(given, (str, Path)):
        return _from_path(Path(given).expanduser())
    if _is("torch", "Tensor", given):
        return _from_tensor(given)
    if _is("pandas", "Series", given):
        return images_of(list(given), name)
    if hasattr(given, "__array__") and not _is("pandas", "DataFrame", given):
        return np.asarray(given)
    raise DataError(f"{name} is {kind_of(given)}: give {TAKEN}")


def values_of(given: Any, what: str) -> Array | None:
    """Labels or targets as an array, not checked yet; None for none.

    Args:
        what: ``labels`` or ``targets``, as errors call them.

    Raises:
        DataError: no list of values, values of several kinds, or gaps among them.

    Example::

        values_of(["cat", "dog"], "labels").dtype  # <U3
    """
    if given is None or (_is("numpy", "ndarray", given) and given.dtype != object):
        return given
    if _is("torch", "Tensor", given):
        return _from_tensor(given)
    if what == "targets" and _is("pandas", "DataFrame", given):
        return given.to_numpy()
    if isinstance(given, (str, bytes, Mapping)) or _is("pandas", "DataFrame", given) or not isinstance(given, Iterable):
        raise DataError(f"{what} is {kind_of(given)}: give one for each image, as a list, an array or a Series")
    values = [_from_tensor(item) if _is("torch", "Tensor", item) else item for item in given]
    kinds = {"text" if isinstance(value, str) else "gaps" if _is_gap(value) else "numbers" for value in values}
    if len(kinds) > 1 or "gaps" in kinds:
        raise DataError(f"{what} holds {' and '.join(sorted(kinds))}: give whole numbers or text, one for each image")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{what} has rows of different lengths: give as many for each image") from error


def _from_path(path: Path) -> Array:
    """The images at a path, of one split."""
    if not (path.suffix.lower() in (*ENDINGS, *TABLES) or (exists(path) and path.is_dir())):
        return decode_file(path)
    found = read_path(path)
    if found.test is not None:
        raise DataError(f"{path} has splits of its own: give the images of one of them, as an array or a list of paths")
    return found.train.pixels


def _is_of_numbers(given: Any) -> bool:
    """Whether lists in lists end in numbers, by the first of each."""
    while isinstance(given, (list, tuple)) and given:
        given = given[0]
    return isinstance(given, (bool, int, float))


def _numbers(given: Any, name: str) -> Array:
    try:
        return np.asarray(given)
    except ValueError as error:
        raise DataError(f"{name} has rows of different lengths: make all images alike") from error


def _is_gap(value: Any) -> bool:
    """Whether a label says that there is none."""
    return value is None or (isinstance(value, float) and np.isnan(value)) or type(value).__name__ == "NAType"


def _is(package: str, name: str, value: Any) -> bool:
    """Whether a value is an instance of a class of a package, which is not imported for it."""
    module = sys.modules.get(package)
    for part in name.split("."):
        module = getattr(module, part, None)
    return isinstance(module, type) and isinstance(value, module)


def _is_dataset(given: Any) -> bool:
    """Whether images are items of an object that gives one after the other; says so of those that cannot be taken."""
    if _is("torch", "utils.data.DataLoader", given):
        raise DataError("data is a DataLoader: give its data set (loader.dataset), so that each image is seen once")
    dataset = _is("torch", "utils.data.Dataset", given)
    if dataset and not (hasattr(given, "__len__") and hasattr(given, "__getitem__")):
        raise DataError(f"data is a {type(given).__name__}, a Dataset without a length: give a list of its images")
    return dataset


def _items(dataset: Any, name: str) -> tuple[list[Any], list[Any] | None]:
    """Images and labels of a data set; None where it has no labels."""
    images: list[Any] = []
    labels: list[Any] = []
    for index in range(len(dataset)):
        item = dataset[index]
        parts = list(item) if isinstance(item, (tuple, list)) else [item]
        if len(parts) not in (1, 2) or isinstance(item, Mapping):
            what = f"{len(parts)} parts" if len(parts) > 1 else kind_of(item)
            raise DataError(f"{name}[{index}] is {what}: each item must be an image, or an image and its label")
        images.append(parts[0])
        labels += parts[1:]
    if labels and len(labels) < len(images):
        raise DataError(f"{name} has {len(images)} items of which {len(labels)} have labels: give all labels or none")
    return images, None if all(label is None for label in labels) else labels


def _stacked(arrays: list[Array], name: str) -> Array:
    """Arrays of one shape and type as one array, with a first axis for them."""
    if not arrays:
        raise DataError(f"{name} is empty: give at least one image")
    first = arrays[0]
    for index, array in enumerate(arrays):
        if array.shape != first.shape:
            raise DataError(
                f"{name}[{index}] has shape {array.shape} but {name}[0] has {first.shape}: make all images alike, in "
                "size and in grey or colour (labels are an argument of their own)"
            )
        if array.dtype.kind != first.dtype.kind:
            raise DataError(
                f"{name}[{index}] holds {array.dtype} values but {name}[0] {first.dtype}: make all images alike"
            )
    return np.stack(arrays)


def _from_tensor(tensor: Any) -> Array:
    """A tensor as an array on the CPU; of half precision, which NumPy may lack, in float32."""
    here = tensor.detach().cpu()
    return (here.float() if here.is_floating_point() and here.element_size() < 4 else here).numpy()


def kind_of(value: Any) -> str:
    """What a value is, for an error: never its contents, which may be long."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
