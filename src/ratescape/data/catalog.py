"""A name, a path or an array -> :class:`ImageData`, the images or vectors that models are trained and measured on.

The catalog stands on ``formats``, which reads files (it knows nothing of their insides), on ``locating``, which finds
the files of known sets, and on ``splits``, which divides images.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ratescape.data.formats import Columns, ImageSet, Split, from_arrays, read_path
from ratescape.data.formats.objects import arrays_of
from ratescape.data.locating import existing_path, name_of, obtain
from ratescape.data.sources import SOURCES
from ratescape.data.splits import divide
from ratescape.data.standards import Standards
from ratescape.errors import DataError
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec
from ratescape.specs.given import as_path, as_spec

Source: TypeAlias = Any
"""Where images come from: a known name, a path, a :class:`DataSpec` or a dictionary of its fields, :class:`ImageData`
that is loaded, or images: an array, a tensor, a list of arrays, Pillow images or paths, or a Dataset of PyTorch; or
vectors: an array or tensor ``[N, D]``, or a DataFrame."""

Values: TypeAlias = Any
"""Labels or targets of images, one for each: a list, tuple, array, tensor or Series."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images, or vectors, split and ready to be put into batches.

    Example::

        data = rs.load_data("mnist-5k")
        data.test.pixels.shape, data.classes  # (1000, 1, 28, 28), ("0", ..., "9")
        landscape = rs.map_landscape(data)
    """

    spec: DataSpec
    """What was asked for, with ``binary`` filled in."""
    train: Split
    validation: Split | None
    """Taken from the training images; None if ``spec.validation`` is 0."""
    test: Split
    classes: tuple[str, ...] | None
    """Names of the classes, in the order of their codes."""
    fingerprint: str
    """First 12 hex digits of a SHA-256 over all pixels, labels and targets of the source, however it is split."""
    columns: Columns | None = None
    """Of vectors; None for images."""

    @functools.cached_property
    def standards(self) -> Standards | None:
        """What vectors are standardised by: the training split's columns; None for images."""
        if self.columns is None:
            return None
        return Standards.of(self.train.pixels, self.columns, self.spec.name)

    @property
    def what(self) -> str:
        """What its items are called: images, or rows."""
        return "images" if self.columns is None else "rows"

    @property
    def held_out(self) -> dict[str, Split]:
        """The splits that models are measured on, by name: validation (if there is one) and test."""
        splits = {"validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def unseen(self) -> Split:
        """Items that models are not trained on, to calibrate by: those of validation, or of test without these."""
        return self.test if self.validation is None else self.validation

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of images, (D,) of vectors."""
        return self.train.pixels.shape[1:]


def load_data(
    source: Source,
    labels: Values = None,
    targets: Values = None,
    *,
    folder: str | Path | None = None,
    fetch: bool = True,
    progress: bool = False,
    **fields: Any,
) -> ImageData:
    """Load images and split them.

    A source without a test split of its own is split by ``test`` and ``split_seed``, stratified by label where there
    are labels; otherwise its test split is left as it is. ``validation`` is taken from the shuffled training images,
    and ``limit`` limits the rest; neither touches the other or the test split.

    Args:
        source: a name of ``SOURCES``; a path (write ``./mnist`` for a folder called like a name); a spec or a
            dictionary of its fields; or images: an array or tensor ``[N, H, W]``, ``[N, H, W, C]`` or
            ``[N, C, H, W]``, a list of arrays, Pillow images or paths of files, or a Dataset of PyTorch, whose items
            are images, or an image and its label each; or vectors: an array or tensor ``[N, D]``, or a DataFrame of
            numbers and booleans.
        labels: of images given as such: ``[N]``, whole numbers or text, as a list, array, tensor or Series.
        targets: numbers to regress on, of images given as such: ``[N]`` or ``[N, T]``, finite.
        folder: looked in first for the files of a set known by name, and for a path that has moved.
        fetch: whether a set that this machine lacks may be fetched.
        progress: whether fetching shows a progress bar.
        fields: other fields of :class:`DataSpec`, such as ``validation=0.2``.

    Raises:
        DataError: the images are missing, damaged, too few, or of a form that cannot be used.
        SpecError: a field is unknown or out of range.

    Example::

        data = load_data("mnist-5k", validation=0.2)
        data.train.pixels.shape  # (3200, 1, 28, 28)

        mine = load_data(np.load("photos.npy"), labels)  # or tensors, Pillow images, a Dataset of PyTorch
    """
    if not isinstance(source, (str, Path, DataSpec, Mapping, ImageData)):
        images = from_arrays("data", arrays_of(source, labels, targets, _with(DataSpec(), fields).target))
        return _split(images, _with(DataSpec(name="array:" + images.fingerprint()), fields), binary=False)
    for what, given in (("labels", labels), ("targets", targets)):
        if given is not None:
            named = "loaded images" if isinstance(source, ImageData) else _spec_of(source).name
            raise DataError(f"{what} were given beside {named}: give {what} with images only, such as an array")
    if isinstance(source, ImageData):
        return _loaded(source, fields)
    spec = _with(_spec_of(source), fields)
    if spec.name not in SOURCES:
        found = read_path(existing_path(spec.name, as_path(folder, "folder")), spec.target)
        return _split(found, spec, binary=False)
    if spec.target is not None:
        raise DataError(f"data.target is {spec.target!r}, but {spec.name} is a set of images: leave it out")
    files = obtain(spec.name, as_path(folder, "folder"), may_fetch=fetch, progress=progress)
    return _split(_read_known(spec.name, files), spec, SOURCES[spec.name].binary)


def _spec_of(source: str | Path | DataSpec | Mapping[str, Any]) -> DataSpec:
    """What a name, a path or a dictionary of fields stands for."""
    return DataSpec(name=name_of(source)) if isinstance(source, (str, Path)) else as_spec(DataSpec, source, "data")


def _loaded(data: "ImageData", fields: Mapping[str, Any]) -> "ImageData":
    """Images that are loaded already, which are split as they are."""
    if fields:
        raise DataError(f"{', '.join(fields)} given beside loaded images: load them again with that")
    return data


def _with(spec: DataSpec, fields: Mapping[str, Any]) -> DataSpec:
    """The spec with some fields replaced; unlike ``dataclasses.replace``, names a wrong one and its type."""
    return from_dict(DataSpec, {**to_dict(spec), **fields}, "data.") if fields else spec


def _split(images: ImageSet, spec: DataSpec, binary: bool) -> ImageData:
    """The images, divided; ``binary`` is the default of their source."""
    if images.columns is not None and spec.binary:
        raise DataError(f"data.binary is true, but {spec.name} holds rows: leave it out, and give booleans as such")
    resolved = _with(spec, {"binary": binary if spec.binary is None else spec.binary})
    train, validation, test = divide(images, resolved)
    data = ImageData(resolved, train, validation, test, images.classes, images.fingerprint(), images.columns)
    _ = data.standards  # rows that are all alike are refused at once
    return data


def _read_known(name: str, files: tuple[Path, ...]) -> ImageSet:
    """The images of a known set, whose labels have names."""
    images = SOURCES[name].layout.read(files)
    return ImageSet(images.train, images.test, _class_names(name, images.classes))


def _class_names(name: str, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Names for the label values found in a set's files."""
    known = SOURCES[name].classes
    if values is None:
        return None
    strange = [value for value in values if not value.isdecimal() or int(value) >= len(known)]
    if strange:
        raise DataError(f"the files of {name} have the label {strange[0]}, above {len(known) - 1}: replace the files")
    return tuple(known[int(value)] for value in values)
