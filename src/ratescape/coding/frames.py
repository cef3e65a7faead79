"""Images to be compressed, a block at a time: files are decoded when their block comes, arrays may lie on disk."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ratescape.data.formats.objects import images_of
from ratescape.data.formats.pictures import IMAGE_ENDINGS, decode_file
from ratescape.data.formats.reading import reading
from ratescape.errors import DataError


class Frames(Protocol):
    """Images in an order, with their names, if they have any."""

    names: list[str]
    """One for each image, all different; or none at all."""

    def __len__(self) -> int: ...

    def take(self, begin: int, end: int) -> Any:
        """Images from one number to another, as :meth:`ratescape.HVAE.inputs` takes them."""
        ...


class ArrayFrames:
    """Images of an array or tensor, or one of them.

    Args:
        image_shape: (C, H, W) of the model.
    """

    def __init__(self, images: Any, image_shape: tuple[int, ...]) -> None:
        channels, *sides = image_shape
        single = [image_shape, (*sides, channels), *([tuple(sides)] if channels == 1 else [])]
        self.images = images[None] if tuple(images.shape) in single else images
        self.names: list[str] = []

    def __len__(self) -> int:
        return len(self.images)

    def take(self, begin: int, end: int) -> Any:
        return self.images[begin:end]


class FileFrames:
    """Image files.

    Args:
        names: of the files in the archive.
    """

    def __init__(self, paths: Sequence[Path], names: list[str]) -> None:
        self.paths = paths
        self.names = names

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, begin: int, end: int) -> Any:
        """Decodes these files; raises :class:`DataError` of one that cannot be read, or is not like the first."""
        found = [decode_file(path) for path in self.paths[begin:end]]
        for path, image in zip(self.paths[begin:end], found, strict=True):
            if image.shape != found[0].shape:
                raise DataError(
                    f"{path} has shape {image.shape} but {self.paths[begin]} has {found[0].shape}: give images of "
                    "one size, all grey or all colour"
                )
        return np.stack(found)


def frames_of(images: Any, image_shape: tuple[int, ...]) -> Frames:
    """Images as a caller has them.

    Args:
        images: the path of a folder of image files, of a .npy or .npz file, or of an image; a list of such paths of
            images; or images as :meth:`ratescape.HVAE.inputs` takes them.
        image_shape: (C, H, W) of the model.

    Raises:
        DataError: no images, or files that are missing, damaged, or of the same name.
    """
    if isinstance(images, (str, Path)):
        return _of_paths([Path(images)], image_shape)
    is_list = isinstance(images, (list, tuple)) and len(images) > 0
    if is_list and all(isinstance(one, (str, Path)) for one in images):
        return _of_paths([Path(one) for one in images], image_shape)
    array = images if hasattr(images, "shape") and hasattr(images, "__getitem__") else images_of(images, "images")
    return ArrayFrames(array, image_shape)


def _of_paths(paths: Sequence[Path], image_shape: tuple[int, ...]) -> Frames:
    if len(paths) == 1 and not paths[0].is_dir() and paths[0].suffix.lower() == ".npy":
        return ArrayFrames(_mapped(paths[0]), image_shape)
    if len(paths) == 1 and paths[0].suffix.lower() == ".npz":
        return ArrayFrames(images_of(paths[0], "images"), image_shape)
    files: list[Path] = []
    names: list[str] = []
    for path in paths:
        inside = _files_in(path) if path.is_dir() else [path]
        files += inside
        names += [(one.relative_to(path) if path.is_dir() else Path(one.name)).as_posix() for one in inside]
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f"{times} images are called {name}: give them apart, or rename one")
    return FileFrames(files, names)


def _mapped(path: Path) -> Any:
    """Images of a .npy file, left on disk."""
    with reading(path, "an array of images"):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def _files_in(folder: Path) -> list[Path]:
    """Image files in a folder and below it, in a fixed order, but for hidden ones."""
    with reading(folder, "a folder of images", "choose another folder"):
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file())
    visible = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not visible:
        raise DataError(f"{folder} has no images in it: name one with files ending in {', '.join(IMAGE_ENDINGS)}")
    return visible
