"""Which pixels of images are missing: by name, by a file, or as an array."""

from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from ratescape.data.formats.objects import kind_of
from ratescape.data.formats.pictures import decode_file
from ratescape.data.formats.reading import reading
from ratescape.errors import SpecError

Missing = npt.NDArray[np.bool_]

FORMS = "half, box, random:0.5 (a share), a file, or an array of booleans, True where a pixel is missing"


def mask_of(given: Any, count: int, sides: tuple[int, int], seed: int, first: int = 0) -> Missing:
    """Which pixels are missing, boolean ``[N, H, W]``, or ``[1, H, W]`` where all images miss the same ones.

    Args:
        given: ``half`` (the lower one), ``box`` (in the middle, of half the height and width), ``random:0.5`` (each
            pixel with this chance, others in each image); the path of an image whose white pixels are missing (levels
            of 128 or more), or of a .npy array; or an array ``[H, W]``, or ``[N, H, W]`` for each image its own; True
            is missing.
        count: images.
        sides: (H, W).
        seed: of random masks: image i misses the same pixels whatever is beside it.
        first: number of the first image among all, by which random masks are drawn.

    Raises:
        SpecError: no mask, or of another shape.
        DataError: a file that cannot be read.

    Example::

        mask_of("box", 1, (4, 4), 0).sum()  # 4
    """
    if is_named(given):
        return _named(given, count, sides, seed, first)
    mask = _of_file(Path(given)) if isinstance(given, (str, Path)) else _of_array(given)
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim == 4 and mask.shape[1] == 1:
        mask = mask[:, 0]
    if mask.ndim == 3 and mask.shape[1:] == sides and len(mask) in (1, count):
        return mask
    height, width = sides
    raise SpecError(
        f"mask has shape {mask.shape[1:] if mask.shape[:1] == (1,) else mask.shape}: give one of (height, width) = "
        f"({height}, {width}), or one for each of the {count} images"
    )


def is_named(given: Any) -> TypeGuard[str]:
    """Whether a mask is given by its name."""
    return isinstance(given, str) and (given in ("half", "box") or given.partition(":")[0] == "random")


def _named(given: str, count: int, sides: tuple[int, int], seed: int, first: int) -> Missing:
    height, width = sides
    mask = np.zeros((1, height, width), np.bool_)
    if given == "half":
        mask[:, height // 2 :] = True
        return mask
    if given == "box":
        mask[:, height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2] = True
        return mask
    share = _share(given)
    draws = [np.random.default_rng([seed, 0, first + index]).random(sides) for index in range(count)]
    return np.stack(draws) < share


def _share(given: str) -> float:
    try:
        share = float(given.partition(":")[2])
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SpecError(f"mask is {given}: say the share of missing pixels, from 0 to 1, such as random:0.5")
    return share


def _of_file(path: Path) -> Missing:
    if not path.exists():
        raise SpecError(f"mask is {path}, which is no file: give {FORMS}")
    if path.suffix.lower() != ".npy":
        pixels = decode_file(path)
        return (pixels if pixels.ndim == 2 else pixels.mean(2)) >= 128
    with reading(path, "a mask"):
        array = np.load(path, allow_pickle=False)
    return _booleans(array, f"mask {path}")


def _of_array(given: Any) -> Missing:
    try:
        array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    except ValueError as error:
        raise SpecError(f"mask is {kind_of(given)}: give {FORMS}") from error
    return _booleans(array, "mask")


def _booleans(array: npt.NDArray[Any], name: str) -> Missing:
    """Booleans, or numbers that are 0 and 1 alone."""
    if array.dtype.kind not in "buif" or not array.size or not np.isin(array, (0, 1)).all():
        raise SpecError(f"{name} is of {array.dtype} and shape {array.shape}: give {FORMS}")
    return array.astype(np.bool_)
