"""Which files a repository may hold, what they are checked for, and how they are copied.

A repository is anybody's: of what it holds, only files of known names are looked at, none of which is code.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from ratescape.errors import HubError
from ratescape.records.files import failed, is_refusal, unwritable, whole_folder, write_atomically
from ratescape.records.ownership import MARK
from ratescape.specs.checks import from_json
from ratescape.specs.identity import FORMAT
from ratescape.version import __version__

ABOUT = "ratescape.json"
WEIGHTS = "model.safetensors"

KINDS: dict[str, re.Pattern[str]] = {
    "model": re.compile(r"model\.safetensors|[\w-]+\.png"),
    "landscape": re.compile(
        r"spec\.yaml|provenance\.json|(landscape|layers|fine)\.csv|answers\.jsonl|figures/[\w.-]+\.png"
        r"|(runs|refined)/[0-9a-f]{12}/(spec\.yaml|weights\.safetensors|\w+\.jsonl|done|[\w-]+\.png)"
        r"|networks/[0-9a-f]{12}/(weights\.safetensors|\w+\.jsonl)|judges/[\w-]+\.safetensors"
    ),
}
"""Paths of the files that make up each kind. The report's page is left out: it is code, and drawn again by
``landscape.report()``."""

PATTERNS = ["*.safetensors", "*.json", "*.jsonl", "*.yaml", "*.csv", "*.png", "*/done", "README.md"]
"""What is downloaded at all."""


def about(kind: str, **facts: Any) -> str:
    """The text of ``ratescape.json``: what a repository holds, and the names of its ``files``."""
    return json.dumps({"kind": kind, "format": FORMAT, "ratescape": __version__} | facts, indent=1) + "\n"


def kind_of(folder: Path, inside: Path) -> str:
    """model or landscape.

    Args:
        inside: the folder that no file may lie outside of, links followed.

    Raises:
        HubError: the folder says nothing of the kind, or is of another format.
    """
    path = folder / ABOUT
    if not path.exists():
        raise HubError(f"{folder} holds no model or landscape of ratescape (no {ABOUT}): check the name")
    _refuse_outside(path, inside)
    try:
        found = from_json(path.read_text(encoding="utf-8"))
        kind, version = str(found["kind"]), int(found["format"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        if is_refusal(error):
            raise failed(error) from error
        raise HubError(f"{path} is damaged: download it again") from error
    if kind not in KINDS or version != FORMAT:
        raise HubError(f"{path} says {kind!r} of format {version}, which this ratescape does not read: upgrade it")
    return kind


def listed(folder: Path, kind: str, inside: Path | None = None) -> list[str]:
    """Paths below a folder of the files that make up a model or a landscape; all others are left alone.

    Args:
        inside: as of :func:`kind_of`; default: the folder, and no file may be a link.

    Raises:
        HubError: such a file is a link to somewhere else, or none at all.
    """
    found: list[str] = []
    for place, folders, names in os.walk(folder):  # links to folders are not followed
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (here / name for name in sorted(names)):
            relative = path.relative_to(folder).as_posix()
            if KINDS[kind].fullmatch(relative) is None:
                continue
            if inside is None and path.is_symlink():
                raise HubError(f"{path} is a link: put the file itself there")
            _refuse_outside(path, inside or folder)
            found.append(relative)
    return found


def whole(folder: Path, kind: str, inside: Path | None = None) -> list[str]:
    """As :func:`listed`, of a folder that is to hold all that ``ratescape.json`` names.

    A large folder goes to the hub in several commits, and comes from it file by file: either may break off.

    Raises:
        HubError: as of :func:`listed`, or files are missing.
    """
    found = listed(folder, kind, inside)
    named = json.loads((folder / ABOUT).read_text(encoding="utf-8")).get("files", [])
    if not isinstance(named, list):
        raise HubError(f"{folder / ABOUT} is damaged: download it again")
    missing = sorted({str(name) for name in named} - set(found))
    if missing:
        raise HubError(
            f"{folder} lacks {missing[0]!r}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''} of its "
            f"{len(named)} files: download it again, or have it uploaded again"
        )
    return found


def _refuse_outside(path: Path, inside: Path) -> None:
    real, within = (Path(os.path.realpath(one)) for one in (path, inside))  # Path.resolve raises where links go round
    if not real.is_relative_to(within) or not real.is_file():
        raise HubError(f"{path} is no file inside {inside}: it is not read; download it again, or mistrust its author")


def copy(source: Path, names: list[str], target: Path) -> None:
    """Copy files by their paths, links by what they point to; raises :class:`RecordError` where that fails."""
    try:
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
    except OSError as error:
        raise unwritable(target, error) from error


def made_whole(source: Path, names: list[str], target: Path, kind: str) -> None:
    """Copy a model's or landscape's files into a new folder, which is there whole or not at all."""
    with whole_folder(target) as begun:
        copy(source, names, begun)
        if kind == "landscape":  # a folder of results, as if it had been mapped there
            write_atomically(begun / "lock", MARK)
