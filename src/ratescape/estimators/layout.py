"""How the arrays of scikit-learn's users hold vectors and images, there and back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ratescape.errors import SpecError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """How arrays hold items: as rows ``[N, D]`` of vectors or images, or as images ``[N, *axes]``.

    Example::

        Layout.of(X, (28, 28)).items(X).shape  # [N, 28, 28] of rows [N, 784]
    """

    axes: tuple[int, ...]
    """The axes of one item as users hold them: (D,), (H, W), (H, W, C) or (C, H, W)."""
    is_flat: bool
    """Whether arrays are rows."""

    @classmethod
    def of(cls, given: Array, image_shape: Sequence[int] | None) -> "Layout":
        """That of an array ``[N, D]`` or of four axes.

        Raises:
            SpecError: an array of other axes, or rows that are not as long as an image.
        """
        if given.ndim == 4:
            if image_shape is not None and tuple(image_shape) != given.shape[1:]:
                raise SpecError(f"image_shape is {tuple(image_shape)}, but X has shape {given.shape}: leave it out")
            return cls(given.shape[1:], is_flat=False)
        if given.ndim != 2:
            raise SpecError(f"X has shape {given.shape}: give rows [N, D], or images [N, H, W, C] or [N, C, H, W]")
        axes = given.shape[1:] if image_shape is None else tuple(map(int, image_shape))
        if image_shape is not None and (len(axes) not in (2, 3) or math.prod(axes) != given.shape[1]):
            raise SpecError(
                f"image_shape is {axes}, but X has {given.shape[1]} columns: give (H, W), (C, H, W) or (H, W, C) of "
                "as many pixels"
            )
        return cls(axes, is_flat=True)

    @property
    def is_image(self) -> bool:
        return len(self.axes) > 1

    @property
    def features(self) -> int:
        """Columns that rows have."""
        return math.prod(self.axes)

    def items(self, given: Array) -> Array:
        """Vectors ``[N, D]``, or images ``[N, *axes]``, of which rows are taken, too.

        Raises:
            SpecError: images of other axes, or rows of another number of columns.
        """
        if given.ndim == 2:
            if given.shape[1] != self.features:
                raise SpecError(f"X has {given.shape[1]} columns, but the model takes {self.features}")
            return given.reshape(len(given), *self.axes)
        if given.shape[1:] != self.axes:
            raise SpecError(f"X has shape {given.shape}, but the model takes images [N, {str(self.axes)[1:-1]}]")
        return given

    def array(self, items: Tensor) -> Array:
        """What a model gives, ``[N, D]`` or ``[N, C, H, W]``, as users hold it."""
        found = items.cpu().numpy()
        if len(self.axes) == 3 and self.axes != found.shape[1:]:
            found = np.moveaxis(found, 1, -1)
        return found.reshape(len(found), *((-1,) if self.is_flat else self.axes))
