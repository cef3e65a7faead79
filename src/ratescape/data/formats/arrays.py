"""Arrays of images or vectors, labels and targets, as a user or a file gives them -> :class:`ImageSet`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratescape.data.formats.image_set import Array, Columns, ImageSet, Split
from ratescape.data.formats.pixels import to_pixels
from ratescape.data.formats.rows import to_rows, usual_columns
from ratescape.errors import DataError


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images that belong together, as given and not yet checked."""

    images: Array
    """Any form that :func:`to_pixels` accepts; or vectors, ``[N, D]``."""
    labels: Array | None = None
    """Classes ``[N]`` or ``[N, 1]``, whole numbers or text."""
    targets: Array | None = None
    """Numbers to regress on, ``[N]`` or ``[N, T]``, finite floats or integers."""
    columns: Columns | None = None
    """Of vectors; default: ``x0``, ``x1``, ..., all of the array's own kind."""


def from_arrays(name: str, train: Arrays, test: Arrays | None = None) -> ImageSet:
    """Check arrays and bring them into the one form; labels are coded jointly over train and test.

    Args:
        name: what errors call the arrays.
        train: the training images.
        test: the test images, if the source has its own.

    Raises:
        DataError: pixels, labels or targets cannot be used, or train and test do not fit together.

    Example::

        images = from_arrays("digits", Arrays(pixels, labels))
        images.train.pixels.shape  # (N, C, H, W)
    """
    parts = {name: train} if test is None else {name: train, f"{name} (test)": test}
    columns = train.columns or usual_columns(train.images)
    pixels = [_items(part, part_name) for part_name, part in parts.items()]
    shapes = [images.shape[1:] for images in pixels]
    if len(shapes[0]) == 1 and shapes[0] != shapes[-1]:
        raise DataError(f"{name} has training rows of {shapes[0][0]} columns but other test items: make them alike")
    if shapes[0] != shapes[-1]:
        raise DataError(
            f"{name} has training images of (C, H, W) = {shapes[0]} but test images of {shapes[-1]}: make them alike"
        )
    counts = [len(images) for images in pixels]
    labels, classes = _all_labels(parts, counts, name)
    targets = _all_targets(parts, counts, name)
    splits = [Split(*arrays) for arrays in zip(pixels, labels, targets, strict=True)]
    return ImageSet(splits[0], None if test is None else splits[1], classes, columns)


def _items(part: Arrays, name: str) -> Array:
    """Images or, of two axes, vectors in the one form."""
    if part.images.ndim != 2:
        return to_pixels(part.images, name)
    return to_rows(part.images, name, part.columns or usual_columns(part.images))


def _all_or_none(arrays: list[Array | None], what: str, name: str) -> list[Array]:
    """The arrays of every part, or an empty list where no part has any."""
    given = [array for array in arrays if array is not None]
    if given and len(given) < len(arrays):
        raise DataError(f"{name} has {what} for only one of train and test: give both or neither")
    return given


def _all_labels(
    parts: dict[str, Arrays], counts: list[int], name: str
) -> tuple[list[npt.NDArray[np.int64]] | list[None], tuple[str, ...] | None]:
    """Codes ``[N]`` of each part's labels and the names of the classes; None for unlabelled images."""
    given = _all_or_none([part.labels for part in parts.values()], "labels", name)
    if not given:
        return [None] * len(parts), None
    checked = [_checked_labels(*each) for each in zip(given, counts, parts, strict=True)]
    values, codes = np.unique(np.concatenate(checked), return_inverse=True)
    return np.split(codes.astype(np.int64), counts[:-1]), tuple(str(value) for value in values)


def _checked_labels(labels: Array, count: int, name: str) -> Array:
    """``[N]`` or ``[N, 1]`` -> ``[N]``, values as they are."""
    if labels.dtype.kind not in "buiUS":
        raise DataError(f"the labels of {name} are of type {labels.dtype}: give whole numbers or text")
    if labels.shape not in ((count,), (count, 1)):
        raise DataError(f"{name} has {count} images but labels of shape {labels.shape}: give one label for each image")
    return labels.reshape(count)


def _all_targets(parts: dict[str, Arrays], counts: list[int], name: str) -> list[npt.NDArray[np.float64]] | list[None]:
    """Targets ``[N, T]`` of each part; None for images without."""
    given = _all_or_none([part.targets for part in parts.values()], "targets", name)
    if not given:
        return [None] * len(parts)
    checked = [_checked_targets(*each) for each in zip(given, counts, parts, strict=True)]
    widths = [targets.shape[1] for targets in checked]
    if widths[0] != widths[-1]:
        raise DataError(
            f"{name} has {widths[0]} targets for each training image but {widths[-1]} for each test image: "
            "make them alike"
        )
    return checked


def _checked_targets(targets: Array, count: int, name: str) -> npt.NDArray[np.float64]:
    """``[N]`` or ``[N, T]`` -> float64 ``[N, T]``, a copy."""
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
