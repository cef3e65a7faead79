"""Whose a folder or a file is: results go into folders of our own alone, and nobody is told to delete what is theirs.

The first thing that a command writes into a folder is its lock file, which says that the folder is one of results.
"""

import re
from pathlib import Path

from ratescape.errors import RecordError

MARK = "This is a results folder of ratescape. The file keeps two commands out of it at once.\n"
"""What the lock file of a results folder holds."""

KEY = re.compile("[0-9a-f]{12}")


def refuse_foreign(folder: Path, images: Path | None = None) -> None:
    """Refuse to write results into a folder that holds somebody's files, or lies among the images; writes nothing.

    Args:
        folder: need not exist.
        images: what the results are of, where that is a path.

    Raises:
        RecordError: the folder is not empty and none of ours, or is new and lies inside the folder of the images, or
            inside another folder of results.

    Example::

        refuse_foreign(Path("photos"))  # RecordError: photos holds other files ...
    """
    if is_ours(folder):
        return
    if images is not None and images.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise RecordError(f"{folder} lies in the folder of the images, {images}: choose another with --out")
    if (outer := next(filter(is_ours, folder.absolute().parents), None)) is not None:
        raise RecordError(f"{folder} lies inside {outer}, which holds other results: choose another with --out")
    if folder.is_dir() and (found := _others(folder)):
        raise RecordError(
            f"{folder} holds other files (such as {found}) and is no results folder of ratescape: choose a new or an "
            "empty folder with --out"
        )


def is_ours(folder: Path) -> bool:
    """Whether a folder is one of results: it has our mark in its lock file, or our stamp in its spec.yaml."""
    return _begins(folder / "lock", MARK) or _begins(folder / "spec.yaml", "version: ")


def _begins(path: Path, text: str) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(text)) == text.encode()
    except OSError:
        return False


def _others(folder: Path) -> str | None:
    """The first file of a folder that a command which was killed as it began could not have left; None without."""
    names = sorted(path.name for path in folder.iterdir())
    if names == ["lock"] and (folder / "lock").stat().st_size < len(MARK):
        with (folder / "lock").open("rb") as file:
            return None if MARK.encode().startswith(file.read()) else "lock"
    return next(iter(names), None)


def is_made_again(path: Path) -> bool:
    """Whether a file of weights, a checkpoint or a judge is one that the command which wrote it makes again.

    Example::

        is_made_again(Path("digits/runs/0123456789ab/weights.safetensors"))  # True
        is_made_again(Path("mine.safetensors"))  # False
    """
    parent, above, top, *_ = [*path.absolute().parents, Path(), Path(), Path()]
    if parent.name == "judges" and KEY.fullmatch(path.stem):  # of a landscape, or of the user's cache
        return True
    if parent.name == "packs":
        return is_ours(above)
    own = path.name == "weights.safetensors" or path.name.startswith("checkpoint")
    return own and (is_ours(parent) or (above.name in ("runs", "refined", "networks") and is_ours(top)))


def made_by(weights: Path) -> str:
    """The command that makes the weights of a folder of results again, and a space.

    Example::

        made_by(Path("digits/refined/0123456789ab/weights.safetensors"))  # "`recommend --refine` "
    """
    above = weights.absolute().parent.parent.name
    return {"runs": "`map` ", "networks": "`map` ", "refined": "`recommend --refine` "}.get(above, "`train` ")
