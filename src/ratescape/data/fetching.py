"""Files from mirrors, checksummed: resumed where a connection was cut, in their folder whole or not at all."""

import contextlib
import fcntl
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pooch
import requests
import rich.progress
import urllib3.exceptions
from rich.console import Console

from ratescape.errors import DataError

TIMEOUT: Final = (10, 30)
"""Seconds to wait for a connection, and for the next bytes on it."""
CHUNK: Final = 1 << 16
"""Bytes taken from a connection at once."""
CONNECTIONS: Final = 5
"""How many connections a mirror gets for one file, as long as each brings more of it."""


class _FailedError(Exception):
    """A mirror did not give the file; the message says why in short."""


class _WrongContentError(_FailedError):
    """A mirror gave another file."""


class _CutError(Exception):
    """A connection ended before the whole file had come."""


def fetch_files(
    name: str, files: Mapping[str, str], mirrors: tuple[str, ...], folder: Path, *, progress: bool = False
) -> None:
    """Fetch files into a folder, each from the first mirror that has the right one.

    Files that are there with the right checksum are left alone. What had arrived of a file when a connection was cut
    is kept beside it (``.part``) and resumed, also by a later call.

    Args:
        name: what the files are, for errors.
        files: their names and MD5 checksums.
        mirrors: addresses to which a file's name is added.
        folder: where they go; made if need be.
        progress: whether to show a progress bar on stderr.

    Raises:
        DataError: no mirror has the right file (says why, mirror by mirror), or the folder cannot be written.

    Example::

        fetch_files("toys", {"toys.bin": "0cc175b9c0f1b6a831c399e269772661"}, ("https://example.org/",), Path("toys"))
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder), _quiet_pooch(), _bars(progress) as bars:
            for file, md5 in files.items():
                reasons = _fetch_file(mirrors, file, md5, folder, bars)
                if reasons:
                    raise DataError(
                        f"{file} of {name} could not be fetched ({'; '.join(reasons)}): try again later, or get "
                        f"{', '.join(files)} by other means and put them into {folder}"
                    )
    except OSError as error:
        raise DataError(
            f"{name} cannot be written to {folder} ({error.strerror or error}): free some space or use another folder"
        ) from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder once no other process fetches into it: two would write the same partial file."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Keep pooch from logging each step to stderr."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _bars(show: bool) -> rich.progress.Progress:
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not show,
    )


def _fetch_file(mirrors: tuple[str, ...], file: str, md5: str, folder: Path, bars: rich.progress.Progress) -> list[str]:
    """Fetch one file; return why each mirror failed, or nothing if one did not."""
    part = folder / f"{file}.part"
    bar = bars.add_task(file, total=None)

    def report(done: int, total: int | None) -> None:
        bars.update(bar, completed=done, total=total)

    reasons: list[str] = []
    for mirror in mirrors:
        try:
            _fetch_from(mirror + file, md5, folder / file, part, report)
        except _FailedError as error:
            reasons.append(f"{mirror}: {error}")
        else:
            return []
    return reasons


def _fetch_from(url: str, md5: str, path: Path, part: Path, report: Callable[[int, int | None], None]) -> None:
    resumed = part.exists()
    try:
        _retrieve(url, md5, path, part, report)
    except _WrongContentError:
        if not resumed:
            raise
        # What an earlier connection left may be of another file. It is gone now: ask for the whole.
        _retrieve(url, md5, path, part, report)


def _retrieve(url: str, md5: str, path: Path, part: Path, report: Callable[[int, int | None], None]) -> None:
    """Download one file through ``part`` and have pooch check it and move it to ``path``."""

    def download(url: str, output_file: str, _pooch: object) -> None:
        _download(url, part, report)
        part.replace(output_file)

    try:
        pooch.retrieve(url, f"md5:{md5}", path.name, path.parent, downloader=download)
    except requests.HTTPError as error:
        raise _FailedError(str(error).partition(" for url")[0]) from error
    except requests.Timeout as error:
        raise _FailedError("no answer in time") from error
    except requests.ConnectionError as error:
        raise _FailedError("no connection") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, _CutError) as error:
        raise _FailedError(str(error)) from error
    except ValueError as error:  # how pooch reports a wrong checksum; it has removed the file
        raise _WrongContentError("wrong content (its checksum differs)") from error


def _download(url: str, part: Path, report: Callable[[int, int | None], None]) -> None:
    """Complete ``part``, asking only for what is missing."""
    for attempt in range(1, CONNECTIONS + 1):
        before = _bytes_in(part)
        try:
            _receive_rest(url, part, report)
        except (urllib3.exceptions.HTTPError, _CutError) as error:
            after = _bytes_in(part)
            if attempt == CONNECTIONS or after <= before:
                raise _CutError(f"the connection was cut after {after} bytes") from error
        else:
            return


def _bytes_in(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive_rest(url: str, part: Path, report: Callable[[int, int | None], None]) -> None:
    """Append to ``part`` what one connection brings; start over if the server sends the whole file."""
    have = _bytes_in(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # there is nothing after what we have: the checksum tells whether it is the file
        response.raise_for_status()
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise _CutError("it sent us on to an address without TLS")
        resumed = response.status_code == requests.codes.partial_content
        done = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        with part.open("ab" if resumed else "wb") as file:
            # The bytes as sent: a server that marks .gz files as an encoding must not have them unpacked.
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                file.write(chunk)
                done += len(chunk)
                report(done, total)
    if total is not None and done < total:
        raise _CutError(f"{done} of {total} bytes came")
