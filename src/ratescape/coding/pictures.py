"""Decoded images as PNG files in a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ratescape.errors import SpecError
from ratescape.records.files import unwritable, whole_folder


class Pictures:
    """A folder that images are written to, whole or not at all: it has its name only at the end.

    Example::

        with Pictures(Path("out")) as pictures:
            pictures.write(names, images)  # as often as there are blocks; out/NAME.png

    Raises:
        SpecError: the folder holds files already.
        RecordError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SpecError(f"out is {folder}, which is there already: choose a new or an empty folder")
        self.folder = folder
        self.count = 0

    def __enter__(self) -> "Pictures":
        self._whole = whole_folder(self.folder)
        self.begun = self._whole.__enter__()
        return self

    def __exit__(self, *ended: Any) -> None:
        self._whole.__exit__(*ended)

    def write(self, names: Sequence[str], images: Tensor) -> None:
        """Write the next images, ``[N, C, H, W]`` in [0, 1]; others are cut off there.

        Args:
            names: of all images of the folder.
        """
        levels = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        try:
            for image, name in zip(levels, names[self.count :], strict=False):
                path = self.begun / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(image.squeeze(2) if image.shape[2] == 1 else image)).save(path)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        self.count += len(levels)

    def add(self, name: str, content: bytes) -> None:
        """Write another file of the folder."""
        try:
            (self.begun / name).write_bytes(content)
        except OSError as error:
            raise unwritable(self.folder, error) from error
