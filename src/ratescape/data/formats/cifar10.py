"""CIFAR-10's binary version, as six batches or the archive of them."""

import tarfile
from pathlib import Path
from typing import Final

import numpy as np

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.data.formats.image_set import ImageSet
from ratescape.data.formats.layout import Layout, find_files
from ratescape.data.formats.reading import REPLACE, read_unpacked, reading
from ratescape.errors import DataError

CIFAR10_FILES: Final = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR10_FOLDER: Final = "cifar-10-batches-bin"
CIFAR10_ARCHIVE: Final = "cifar-10-binary.tar.gz"
CIFAR10_RECORD: Final = 1 + 3 * 32 * 32
"""Bytes of one image: its label, then 1024 red, 1024 green and 1024 blue pixels."""


def _find(folder: Path) -> tuple[Path, ...] | None:
    """The batches in a folder or in its sub-folder, or the archive of them; None if neither is there."""
    unpacked = find_files(folder, CIFAR10_FILES) or find_files(folder / CIFAR10_FOLDER, CIFAR10_FILES)
    return unpacked or find_files(folder, (CIFAR10_ARCHIVE,))


def _read(files: tuple[Path, ...]) -> ImageSet:
    """The six batches in the order of ``CIFAR10_FILES``, or the one archive of them."""
    *train, test = _read_archive(files[0]) if len(files) == 1 else [_read_batch(path) for path in files]
    images = np.concatenate([batch.images for batch in train])
    labels = np.concatenate([batch.labels for batch in train if batch.labels is not None])
    return from_arrays(str(files[0].parent), Arrays(images, labels), test)


def _read_batch(path: Path) -> Arrays:
    with reading(path, "a CIFAR-10 batch"):
        content = path.read_bytes()
    return _parse(content, str(path))


def _read_archive(path: Path) -> list[Arrays]:
    """Batches straight out of the archive: nothing is extracted to disk, so no member's path can lead astray."""
    contents: dict[str, bytes] = {}
    with reading(path, "a .tar.gz archive"), tarfile.open(path, "r:gz") as archive:
        for member in archive:
            name, file = Path(member.name).name, archive.extractfile(member)
            if file is not None and name in CIFAR10_FILES:
                contents[name] = read_unpacked(file.read, f"{path}:{name}")
    missing = [name for name in CIFAR10_FILES if name not in contents]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)} (is it the binary version?): {REPLACE}")
    return [_parse(contents[name], f"{path}:{name}") for name in CIFAR10_FILES]


def _parse(content: bytes, name: str) -> Arrays:
    """Records of a batch -> images ``[N, 3, 32, 32]`` and labels ``[N]``."""
    if not content or len(content) % CIFAR10_RECORD:
        raise DataError(f"{name} has {len(content)} bytes, not a multiple of {CIFAR10_RECORD}: {REPLACE}")
    records = np.frombuffer(content, np.uint8).reshape(-1, CIFAR10_RECORD)
    if records[:, 0].max() > 9:
        raise DataError(f"{name} has labels above 9, so it is no CIFAR-10 batch: {REPLACE}")
    return Arrays(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0])


CIFAR10: Final = Layout(_find, _read)
"""CIFAR-10's binary version: six batches, in a folder or in one archive."""
