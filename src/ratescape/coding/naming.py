"""Names of the images of an archive: packed, read with care, and made into names of files."""

import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath

from ratescape.coding.container import Archive
from ratescape.coding.frames import Frames
from ratescape.coding.header import NAMES
from ratescape.coding.parsing import Reader, inflated, packed_text
from ratescape.errors import DataError

MOST_BYTES = 256 << 20
"""What the names of an archive may unpack to."""


def packed_names(names: Sequence[str]) -> bytes:
    """Names, compressed; none for images without any."""
    return zlib.compress(b"".join(map(packed_text, names)), 9)


def names_in(archive: Archive) -> list[str]:
    """File names of an archive's images, relative to a folder, all different, each ending in .png.

    Raises:
        DataError: the names are damaged, or would leave that folder.
    """
    content, count = archive.block(NAMES), archive.header.count
    try:
        reader = Reader(inflated(content, MOST_BYTES))
        names: list[str] = []
        while reader.position < len(reader.data):
            names.append(reader.text())
    except ValueError as error:
        raise DataError(f"{archive.name} is damaged in its names ({error}): get a sound copy") from error
    if not names:
        return _numbered(count)
    if len(names) != count or len(set(names)) != count:
        raise DataError(f"{archive.name} has {len(set(names))} names for {count} images: get a sound copy")
    return _as_files([_inside(name, archive.name) for name in names])


def _numbered(count: int) -> list[str]:
    """Names of files of images that have none: ``01.png`` and so on."""
    return [f"{number:0{len(str(count))}}.png" for number in range(1, count + 1)]


def _inside(name: str, archive: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or not path.parts
        or any(part in ("..", ".") for part in path.parts)
        or not name.isprintable()
    ):
        raise DataError(f"{archive} has an image called {name!r}, which is no name inside a folder: do not trust it")
    return path


def names_of(frames: Frames) -> list[str]:
    """File names for images made of others, ending in .png: by their names, or by number."""
    return _as_files([PurePosixPath(name) for name in frames.names]) if frames.names else _numbered(len(frames))


def _as_files(paths: Sequence[PurePosixPath]) -> list[str]:
    """Names with the ending .png; whole names with it added where that would make two of them alike."""
    short = [path.with_suffix(".png").as_posix() for path in paths]
    return short if len(set(short)) == len(short) else [f"{path.as_posix()}.png" for path in paths]
