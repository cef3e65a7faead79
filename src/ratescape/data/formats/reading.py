"""What readers of files share: one error for whatever goes wrong, and a limit to what compressed files unpack to."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ratescape.errors import DataError

REPLACE: Final = "replace the file by a sound copy"
"""The remedy for a damaged file."""
MAX_UNPACKED: Final = 1 << 32
"""Bytes that one compressed file may unpack to: 4 GiB, ninety times the largest file of a known set (MNIST's 47 MB).

A few megabytes of gzip can unpack to more than any memory holds."""
CHUNK: Final = 1 << 20
"""Bytes unpacked at once."""
LONGEST: Final = 200
"""Characters of a path that an error shows in full."""


@contextlib.contextmanager
def reading(path: Path, kind: str, remedy: str = REPLACE) -> Iterator[None]:
    """Turn whatever a parser raises on a bad file into one DataError of one line.

    Args:
        path: the file, for the error.
        kind: what it should be, for the error.
        remedy: what the user can do.

    Raises:
        DataError: the block raised anything.

    Example::

        with reading(path, "a table of numbers"):
            numbers = np.loadtxt(path)
    """
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise DataError(f"{path} cannot be read as {kind} ({reason}): check its permissions, or {remedy}") from error
    except Exception as error:  # parsers of damaged files raise anything: struct.error, zlib.error, KeyError ...
        raise DataError(f"{path} cannot be read as {kind} ({_reason(error)}): {remedy}") from error


def _reason(error: Exception) -> str:
    """What a parser says; but NumPy takes whatever it does not know for a pickle, and advises to load it."""
    if "allow_pickle" not in str(error):
        return one_line(error)
    return "it holds objects" if str(error).startswith("Object arrays") else "it is no file of NumPy's"


def exists(path: Path) -> bool:
    """Whether there is something at a path; no text is too long or too strange to ask."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def shortened(path: Path) -> str:
    """A path for an error: texts that were never meant to be one may be long."""
    text = " ".join(str(path).split())
    return text if len(text) <= LONGEST else f"{text[:60]}... ({len(text)} characters)"


def one_line(error: Exception) -> str:
    """An error's message in one line; its type where there is no message."""
    return " ".join(str(error).split()) or type(error).__name__


def read_unpacked(read: Callable[[int], bytes], name: str) -> bytes:
    """All that a compressed file unpacks to, within ``MAX_UNPACKED``.

    Args:
        read: the ``read`` of a decompressing stream.
        name: what errors call it.

    Raises:
        DataError: there is more; no more than the limit and one chunk has been unpacked.
    """
    content = bytearray()
    while chunk := read(CHUNK):
        content += chunk
        if len(content) > MAX_UNPACKED:
            raise DataError(f"{name} unpacks to more than {MAX_UNPACKED:,} bytes: {REPLACE}")
    return bytes(content)
