"""Decoded images as PNG files in a folder."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ratescape.errors import SpecError
from ratescape.records.files import make_folder, sync_folder, unwritable


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
        try:
            make_folder(self.folder.absolute().parent)
            self.temporary = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.absolute().parent))
        except OSError as error:
            raise unwritable(self.folder, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.temporary.chmod(0o777 & ~_umask())
                self._sync()
                self.temporary.replace(self.folder)
                sync_folder(self.folder.absolute().parent)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        finally:
            shutil.rmtree(self.temporary, ignore_errors=True)

    def _sync(self) -> None:
        """Have all files last before the folder gets its name: after a power cut it is whole, or not there."""
        for path in (*self.temporary.rglob("*"), self.temporary):
            number = os.open(path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    def write(self, names: Sequence[str], images: Tensor) -> None:
        """Write the next images, ``[N, C, H, W]`` in [0, 1]; others are cut off there.

        Args:
            names: of all images of the folder.
        """
        levels = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        try:
            for image, name in zip(levels, names[self.count :], strict=False):
                path = self.temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(image.squeeze(2) if image.shape[2] == 1 else image)).save(path)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        self.count += len(levels)

    def add(self, name: str, content: bytes) -> None:
        """Write another file of the folder."""
        try:
            (self.temporary / name).write_bytes(content)
        except OSError as error:
            raise unwritable(self.folder, error) from error


def _umask() -> int:
    """The rights that new files of this process do not have, which only setting them tells."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
