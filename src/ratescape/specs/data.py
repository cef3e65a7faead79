"""Which images to train and measure on."""

import dataclasses

from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """Which images, and how they are split.

    Example::

        DataSpec("fashion-mnist", validation=0.2, limit=5000)
    """

    name: str = "mnist-5k"
    """A known name (see `ratescape data list`), or the path of a folder of images, a .npz or a .npy file, or a table of
    rows: .csv or .parquet."""
    binary: bool | None = None
    """Threshold pixels at 0.5, as the paper does for MNIST; default: only for the MNIST digits."""
    validation: float = 0.1
    """Share of the training images held out to choose models on; 0 chooses on test, as the paper does."""
    test: float = 0.2
    """Share of all images held out for testing where the source has no test split of its own."""
    limit: int | None = None
    """Largest number of training images, drawn with the split seed; default: all. It leaves validation and test images
    as they are."""
    split_seed: int = 0
    """Seed of the splits into training, validation and test images."""
    target: str | None = None
    """Column of a table of rows that is no part of the vectors: text or whole numbers are classes, other numbers are
    what probes regress on."""

    def __post_init__(self) -> None:
        convert_fields(self, "data.")
        require(bool(self.name), "data.name", self.name, "a name or a path")
        require(0 <= self.validation < 1, "data.validation", self.validation, "at least 0 and below 1")
        require(0 < self.test < 1, "data.test", self.test, "between 0 and 1")
        require(self.limit is None or self.limit > 0, "data.limit", self.limit, "a positive number of images")
        require(self.split_seed >= 0, "data.split_seed", self.split_seed, "at least 0")
