"""How a source's images are divided into training, validation and test images."""

import numpy as np
import numpy.typing as npt

from ratescape.data.formats import ImageSet, Split
from ratescape.errors import DataError
from ratescape.specs.data import DataSpec


def divide(images: ImageSet, spec: DataSpec) -> tuple[Split, Split | None, Split]:
    """Training, validation (None without one) and test images.

    A test split of the source's own is left as it is. Each division has its own generator, so that the test split
    depends on nothing but ``spec.test`` and ``spec.split_seed``.

    Raises:
        DataError: there are fewer images than parts.

    Example::

        train, validation, test = divide(images, DataSpec(validation=0.1, test=0.2))
    """
    train, test = images.train, images.test
    wanted = 1 + (spec.validation > 0) + (test is None)
    if len(train.pixels) < wanted:
        what = "images" if images.columns is None else "rows"
        raise DataError(f"{spec.name} has {len(train.pixels)} {what} to split into {wanted} parts: add some {what}")
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
    """The images at ``indices [n]``, with their labels and targets."""
    labels = None if split.labels is None else split.labels[indices]
    targets = None if split.targets is None else split.targets[indices]
    return Split(split.pixels[indices], labels, targets)


def _hold_out(
    split: Split, share: float, generator: np.random.Generator, leave: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Shuffled indices of the images that stay and of those held out, stratified by class.

    An image's depth is its rank within its own class, in shuffled order, over the size of that class; the images of
    least depth are held out. With N images in C classes, the number held out of a class of n is within
    1/2 + n (C + 1) / 2N of its share: within one image or so where classes are of about equal size. (Ranks are
    rounded, by up to 1/2 in each class and once in the total, which shifts the depth at the border by as much over N.)
    """
    count = len(split.pixels)
    order = generator.permutation(count)
    labels = np.zeros(count, np.int64) if split.labels is None else split.labels[order]
    sizes = np.bincount(labels)
    rank = np.empty(count)
    rank[np.argsort(labels, kind="stable")] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    depth = (rank + 0.5) / sizes[labels]
    held = np.zeros(count, bool)
    held[np.argsort(depth, kind="stable")[: _share(share, count, leave)]] = True
    return order[~held], order[held]
