"""Users' own images as a folder of image files."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.data.formats.image_set import ImageSet
from ratescape.data.formats.pictures import IMAGE_ENDINGS, decode_file
from ratescape.data.formats.reading import reading
from ratescape.errors import DataError


@dataclass(frozen=True)
class _File:
    """One image file."""

    path: Path
    label: str
    """The name of its class: the sub-folder that it lies in; empty for an image outside any."""


def read_image_folder(folder: Path) -> ImageSet:
    """A folder of image files of one size, all grey or all colour.

    Sub-folders are classes, unless there is only one. Two sub-folders ``train`` and ``test`` are the splits, each
    with images or classes in it. Hidden files and files that are not images (by their ending) are ignored.

    Raises:
        DataError: there are no images, or some are damaged, of different sizes, or neither 8-bit grey nor RGB.
    """
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        train, test = _image_files(folder / "train"), _image_files(folder / "test")
    else:
        train, test = _image_files(folder), []
    files = train + test
    pixels, names = _decode(folder, [file.path for file in files]), np.array([file.label for file in files])
    labels = names if len(set(names)) > 1 else None
    count = len(train)
    return from_arrays(
        str(folder),
        Arrays(pixels[:count], None if labels is None else labels[:count]),
        Arrays(pixels[count:], None if labels is None else labels[count:]) if test else None,
    )


def _image_files(folder: Path) -> list[_File]:
    """Image files of a folder, in a fixed order."""
    with reading(folder, "a folder of images", "choose another folder"):
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file())
    visible = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    files = [_File(path, path.relative_to(folder).parts[0] if path.parent != folder else "") for path in visible]
    if not files:
        raise DataError(f"{folder} has no images in it: put files ending in {', '.join(IMAGE_ENDINGS)} there")
    loose = next((file.path for file in files if not file.label), None)
    if loose is not None and any(file.label for file in files):
        raise DataError(f"{folder} has images both in sub-folders and beside them ({loose.name}): move them to a class")
    return files


def _decode(folder: Path, paths: Sequence[Path]) -> npt.NDArray[np.uint8]:
    """Image files -> uint8 ``[N, H, W]`` or ``[N, H, W, 3]``."""
    first = decode_file(paths[0])
    pixels = np.empty((len(paths), *first.shape), np.uint8)
    for index, path in enumerate(paths):
        image = decode_file(path)
        if image.shape != first.shape:
            kinds = ", ".join(f"{count:,} of {kind} (as {name})" for kind, name, count in _kinds(folder, paths))
            raise DataError(f"{folder} has images of several kinds: {kinds}: make all images alike")
        pixels[index] = image
    return pixels


def _kinds(folder: Path, paths: Sequence[Path]) -> list[tuple[str, str, int]]:
    """Size and colour of images, by their headers alone: the name of one of each kind, and how many; most first."""
    names: dict[str, str] = {}
    counts = Counter[str]()
    for path in paths:
        with contextlib.suppress(OSError), Image.open(path) as image:
            kind = f"{image.width}x{image.height} {'grey' if image.mode in ('1', 'L') else 'colour'}"
            names.setdefault(kind, str(path.relative_to(folder)))
            counts[kind] += 1
    return [(kind, names[kind], count) for kind, count in counts.most_common()]
