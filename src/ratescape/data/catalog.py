"""A name, a path or an array -> :class:`ImageData`: where a set's files lie, and how its images are split.

The catalog stands on ``formats``, which reads files (it knows nothing of their insides), on ``sources``, which lists
the known sets, and on ``fetching``. The files of a set known by name are looked for in the folder asked for, then in
the one that the environment variable ``RATESCAPE_DATA`` names (each time in its sub-folder of the set's name first),
in the cache, and in the system's folders; a set found nowhere is fetched to the cache. Files at hand are parsed
strictly but not checksummed; fetched ones are checksummed before they count.
"""

import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pooch

from ratescape.data import formats
from ratescape.data.fetching import fetch_files
from ratescape.data.formats import Images, Split
from ratescape.data.sources import SOURCES
from ratescape.errors import DataError
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec

FOLDER_VARIABLE: Final = "RATESCAPE_DATA"


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images, split and ready to be put into batches."""

    spec: DataSpec
    """What was asked for, with ``binary`` filled in."""
    train: Split
    validation: Split | None
    """Carved out of the training images; None if ``spec.validation`` is 0."""
    test: Split
    classes: tuple[str, ...] | None
    """Names of the classes, in the order of their codes."""
    fingerprint: str
    """First 12 hex digits of a SHA-256 over all pixels, labels and targets of the source, however it is split."""

    @property
    def held_out(self) -> dict[str, Split]:
        """The splits that models are measured on, by name: validation (if there is one) and test."""
        splits = {"validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.train.pixels.shape
        return channels, height, width


def load_data(
    source: DataSpec | str | Path | npt.NDArray[Any],
    labels: npt.NDArray[Any] | None = None,
    targets: npt.NDArray[Any] | None = None,
    *,
    folder: Path | None = None,
    fetch: bool = True,
    progress: bool = False,
    **fields: Any,
) -> ImageData:
    """Load images and split them.

    A source without a test split of its own is split by ``test`` and ``split_seed``, stratified by label where there
    are labels; otherwise its test split is left as it is. ``validation`` is carved out of the shuffled training
    images, and ``limit`` taken from the rest; neither touches the other or the test split.

    Args:
        source: a name of ``SOURCES``, a path (write ``./mnist`` for a folder called like a name), or an array
            ``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]``.
        labels: of an array's images: ``[N]``, whole numbers or text.
        targets: numbers to regress on, of an array's images: ``[N]`` or ``[N, T]``, finite.
        folder: looked in first for the files of a set known by name.
        fetch: whether a set that is not at hand may be fetched.
        progress: whether fetching shows a progress bar.
        fields: other fields of :class:`DataSpec`, such as ``validation=0.2``.

    Raises:
        DataError: the images are missing, damaged, too few, or of a form that cannot be used.
        SpecError: a field is unknown or out of range.
    """
    binary = False
    if isinstance(source, np.ndarray):
        images = formats.from_arrays("the array", source, labels, targets=targets)
        spec = _spec(DataSpec(name="array:" + fingerprint(images)), fields)
    else:
        spec = _spec(source if isinstance(source, DataSpec) else DataSpec(name=_name(source)), fields)
        for what, given in (("labels", labels), ("targets", targets)):
            if given is not None:
                raise DataError(f"{what} were given beside {spec.name}: give {what} with an array only")
        if spec.name in SOURCES:
            images = _read_source(spec.name, folder, may_fetch=fetch, progress=progress)
            binary = SOURCES[spec.name].binary
        else:
            images = formats.read_path(_existing_path(spec.name))
    resolved = _spec(spec, {"binary": binary if spec.binary is None else spec.binary})
    train, validation, test = _divide(images, resolved)
    return ImageData(resolved, train, validation, test, images.classes, fingerprint(images))


def _spec(spec: DataSpec, fields: Mapping[str, Any]) -> DataSpec:
    return from_dict(DataSpec, {**to_dict(spec), **fields}, "data.") if fields else spec


def _name(source: str | Path) -> str:
    """The name that stands for a source in a spec: a path never reads like a known set."""
    name = str(source)
    return f"./{name}" if isinstance(source, Path) and name in SOURCES else name


def _existing_path(name: str) -> Path:
    """The path that a name stands for; an error names the known sets and the nearest."""
    path = Path(name).expanduser()
    if path.exists():
        return path
    if name.startswith("array:"):
        raise DataError(f"{name} was given as an array and is kept nowhere: pass the array again")
    if path.suffix or len(path.parts) > 1:
        raise DataError(f"{name} does not exist: check the path, or give a known name ({', '.join(SOURCES)})")
    raise _unknown(name)


def _unknown(name: str) -> DataError:
    near = difflib.get_close_matches(name, SOURCES, n=1)
    hint = f"did you mean {near[0]}? Known names" if near else "give the path of existing images, or a known name"
    return DataError(f"unknown data set {name!r}: {hint}: {', '.join(SOURCES)}")


def fingerprint(images: Images) -> str:
    """First 12 hex digits of a SHA-256 over shapes, pixels, labels and targets: the same content, the same digits.

    Images without targets have the fingerprint that they had before there were targets.
    """
    digest = hashlib.sha256()
    for split in (images.train, images.test):
        arrays = (None, None) if split is None else (split.pixels, split.labels)
        extra = () if split is None or split.targets is None else (split.targets,)
        for array in (*arrays, *extra):
            digest.update(repr(None if array is None else array.shape).encode())
            if array is not None:
                digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()[:12]


# Splits


def _divide(images: Images, spec: DataSpec) -> tuple[Split, Split | None, Split]:
    """Training, validation (None without one) and test images.

    Every split has its own generator, so that the test split depends on nothing but ``test`` and ``split_seed``.
    """
    train, test = images.train, images.test
    wanted = 1 + (spec.validation > 0) + (test is None)
    if len(train.pixels) < wanted:
        raise DataError(f"{spec.name} has {len(train.pixels)} images to split into {wanted} parts: add some images")
    if test is None:
        generator = np.random.default_rng([spec.split_seed, 0])
        rest, held = _hold_out(train, spec.test, generator, leave=wanted - 1)
        train, test = _part(train, rest), _part(train, held)
    order = np.random.default_rng([spec.split_seed, 1]).permutation(len(train.pixels))
    count = _share(spec.validation, len(order), leave=1) if spec.validation > 0 else 0
    validation = _part(train, order[:count]) if count else None
    return _part(train, order[count:][: spec.limit]), validation, test


def _share(share: float, count: int, leave: int) -> int:
    """A share of ``count`` as a number of images: at least one, and so that ``leave`` remain."""
    return min(max(round(share * count), 1), count - leave)


def _part(split: Split, indices: npt.NDArray[np.intp]) -> Split:
    labels = None if split.labels is None else split.labels[indices]
    targets = None if split.targets is None else split.targets[indices]
    return Split(split.pixels[indices], labels, targets)


def _hold_out(
    split: Split, share: float, generator: np.random.Generator, leave: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Shuffled indices of the images that stay and of those held out, of every class the same share.

    Each image's depth is its place within its own class, in shuffled order, over the size of that class; holding out
    the images of least depth takes from each class its share up to one image.
    """
    count = len(split.pixels)
    order = generator.permutation(count)
    labels = np.zeros(count, np.int64) if split.labels is None else split.labels[order]
    sizes = np.bincount(labels)
    place = np.empty(count)
    place[np.argsort(labels, kind="stable")] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    depth = (place + 0.5) / sizes[labels]
    held = np.zeros(count, bool)
    held[np.argsort(depth, kind="stable")[: _share(share, count, leave)]] = True
    return order[~held], order[held]


# Sets known by name


def _read_source(name: str, folder: Path | None, *, may_fetch: bool, progress: bool) -> Images:
    source = SOURCES[name]
    if folder is not None and not folder.is_dir():
        raise DataError(f"{folder} is not a folder: check the path, or leave it out to have {name} looked for")
    files = locate(name, folder)
    if files is None and may_fetch:
        fetch(name, progress=progress)
        files = locate(name, folder)
    if files is None:
        raise DataError(f"{name} is not on this machine: {_by_hand(name, _cache(name))}")
    images = source.read(files)
    return Images(images.train, images.test, _class_names(name, images.classes))


def _class_names(name: str, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Names for the label values found in a set's files."""
    known = SOURCES[name].classes
    if values is None:
        return None
    strange = [value for value in values if not value.isdecimal() or int(value) >= len(known)]
    if strange:
        raise DataError(f"the files of {name} have the label {strange[0]}, above {len(known) - 1}: replace the files")
    return tuple(known[int(value)] for value in values)


def locate(name: str, folder: Path | None = None) -> tuple[Path, ...] | None:
    """The files of a set known by name, if this machine has all of them; see the top of this file for the places."""
    source = SOURCES[name]
    places = [] if folder is None else [folder / name, folder]
    if named := os.environ.get(FOLDER_VARIABLE):
        places.append(Path(named) / name)
        # The MNIST-like sets share their file names: a folder for all data must not stand for one of them.
        if source.find is not formats.find_idx or Path(named).name == name:
            places.append(Path(named))
    places += [_cache(name), *source.folders]
    return next((files for files in map(source.find, places) if files is not None), None)


def _cache(name: str) -> Path:
    return Path(pooch.os_cache("ratescape")) / name


def _by_hand(name: str, folder: Path) -> str:
    """How a person gets a set without our help."""
    source = SOURCES[name]
    if not source.files:
        return source.install
    return (
        f"put {', '.join(source.files)} (from {' or '.join(source.mirrors)}) into {folder}, or into a folder {name} "
        f"in the folder that the environment variable {FOLDER_VARIABLE} names"
    )


def fetch(name: str, folder: Path | None = None, *, progress: bool = False) -> Path:
    """Have the files of a set known by name on this machine; return the folder they lie in.

    Without a ``folder``, a set that is at hand outside the cache stays where it is. In the cache, or in ``folder``,
    files that are missing or whose checksum differs are fetched anew.

    Raises:
        DataError: the name is unknown, no mirror has the right file, or the folder cannot be written.
    """
    if name not in SOURCES:
        raise _unknown(name)
    files = locate(name)
    target = _cache(name) if folder is None else folder
    if files is not None and (not SOURCES[name].files or (folder is None and target not in files[0].parents)):
        return files[0].parent
    if not SOURCES[name].files:
        raise DataError(f"{name} comes with a package that is not installed: {SOURCES[name].install}")
    fetch_files(name, SOURCES[name].files, SOURCES[name].mirrors, target, progress=progress)
    return target


# Telling about sets


@dataclass(frozen=True)
class Description:
    """What is known of a set of images; as text: one fact a line."""

    name: str
    title: str
    shape: tuple[int, int, int]
    """(C, H, W)."""
    sizes: tuple[int, int]
    """Images for training and testing; no test images: a part is held out."""
    classes: tuple[str, ...] | None
    binary: bool
    """Whether pixels are thresholded at 0.5 by default."""
    licence: str
    citation: str
    origin: str
    """Where the set comes from."""
    place: Path | None
    """Where it lies on this machine; None if it must be fetched."""
    targets: int = 0
    """Numbers to regress on for each image."""

    def __str__(self) -> str:
        channels, height, width = self.shape
        train, test = self.sizes
        facts = {
            "what": self.title,
            "images": f"{width}x{height} {'colour' if channels == 3 else 'grey'}"
            + (", thresholded at 0.5 by default" if self.binary else ""),
            "splits": f"{train:,} training, {test:,} test" if test else f"{train:,}, of which a part is held out",
            "classes": "none" if self.classes is None else f"{len(self.classes)}: {', '.join(self.classes)}",
            "targets": f"{self.targets} for each image" if self.targets else "",
            "licence": self.licence,
            "cite": self.citation,
            "from": self.origin,
            "here": f"yes, in {self.place}" if self.place else f"no; get it with: ratescape data fetch {self.name}",
        }
        return "\n".join([self.name, *(f"  {fact:8} {text}" for fact, text in facts.items() if text)])


def describe(source: str | Path, folder: Path | None = None) -> Description:
    """What is known of a set by name, without reading it; or of the images at a path, which are read.

    Raises:
        DataError: the name is unknown, or what is at the path cannot be used.
    """
    name = _name(source)
    if name not in SOURCES:
        path = _existing_path(name)
        images = formats.read_path(path)
        shape = images.train.pixels.shape
        sizes = (shape[0], 0 if images.test is None else len(images.test.pixels))
        return Description(
            name=name,
            title="images of your own",
            shape=(shape[1], shape[2], shape[3]),
            sizes=sizes,
            classes=images.classes,
            binary=False,
            licence="",
            citation="",
            origin="",
            place=path,
            targets=0 if images.train.targets is None else images.train.targets.shape[1],
        )
    known, files = SOURCES[name], locate(name, folder)
    origin = " or ".join(known.mirrors) or known.install
    return Description(
        name=name,
        title=known.title,
        shape=known.shape,
        sizes=known.sizes,
        classes=known.classes,
        binary=known.binary,
        licence=known.licence,
        citation=known.citation,
        origin=origin,
        place=None if files is None else files[0].parent,
    )


def listing(folder: Path | None = None) -> list[Description]:
    """All sets known by name; ``place`` says which of them this machine has."""
    return [describe(name, folder) for name in SOURCES]
