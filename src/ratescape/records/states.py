"""How far the work in results folders is, read from the disk alone: for `ratescape status` and `ratescape ls`."""

import dataclasses
import datetime
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ratescape.errors import RatescapeError, RecordError
from ratescape.records.attempts import losses_so_far
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.heartbeat import Heartbeat, is_held, path_of, read_heartbeat
from ratescape.records.spans import span
from ratescape.specs.codec import read_mapping

State = Literal["working", "done", "stopped"]


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a results folder holds."""

    path: Path
    data: str
    method: str
    """Of a landscape; ``one model`` for a model alone."""
    done: int
    """Models that are finished."""
    models: int
    state: State
    """``stopped`` where models are missing or work was cut short, and nobody works at it now."""
    beat: Heartbeat | None
    """The last sign of life."""

    @property
    def row(self) -> tuple[str, ...]:
        """Folder, data, method, models, state, size and last change, as text."""
        size, changed = _size_and_change(self.path)
        when = datetime.datetime.fromtimestamp(changed).strftime("%Y-%m-%d %H:%M")
        models = f"{self.done} of {self.models}"
        return str(self.path), self.data, self.method, models, self.state, f"{size / 1e6:.1f} MB", when


def contents_of(path: Path) -> Contents:
    """What a results folder holds, and how far it is.

    Raises:
        RecordError: it is no results folder, damaged, or of another format.

    Example::

        contents_of(Path("digits")).state  # done
    """
    if not path.is_dir():
        raise RecordError(f"{path} is no folder: check the path")
    if not (path / "spec.yaml").exists():
        raise RecordError(f"{path} is no landscape and no model (it has no spec.yaml): check the path")
    if "method" in read_mapping(path / "spec.yaml"):
        spec = SweepFolder(path).spec()
        models, method = len(spec.runs()), spec.method.kind
        done = min(models, sum(1 for _ in path.glob("runs/*/done")))
        name = spec.data.name
    else:
        name, method, models = RunFolder(path).spec().data.name, "one model", 1
        done = int(RunFolder(path).done)
    beat = read_heartbeat(path)
    whole = done == models and (beat is None or beat.state == "done")
    state: State = "working" if is_held(path) else "done" if whole else "stopped"
    return Contents(path, name, method, done, models, state, beat)


def status_of(path: Path) -> list[str]:
    """How far the work in a results folder is, as lines for a person; raises as :func:`contents_of`."""
    found = contents_of(path)
    beat = found.beat
    lines = [f"{path}: {found.data}, {found.method}, {found.done} of {found.models} models are done"]
    where = "" if beat is None else f" {beat.phase} {beat.number} of {beat.of}" if beat.number else f" {beat.phase}"
    if found.state == "working":
        left = "" if beat is None or beat.left is None else f", about {span(beat.left)} left"
        alive = "" if beat is None else f" ({span(beat.elapsed)} so far, last sign of life {span(beat.age)} ago)"
        return [*lines, f"working:{where}{left}{alive}", *_lost(path)]
    if found.state == "done":
        last = "" if beat is None else f": the last call took {span(beat.elapsed)}, and ended {span(beat.age)} ago"
        return [*lines, f"done{last}"]
    when = "" if beat is None else f" {span(beat.age)} ago ({where.strip()})"
    return [*lines, f"killed or stopped{when}: give the same command again to go on", *_lost(path)]


def _lost(path: Path) -> list[str]:
    """What networks of a landscape have lost in attempts that were given up, a line each; none of a model alone."""
    if "method" not in read_mapping(path / "spec.yaml"):
        return []
    folder = SweepFolder(path)
    return losses_so_far(folder, folder.spec().networks())


def listed(root: Path) -> list[Contents]:
    """The landscapes and models below a folder, itself included, by path; what cannot be read is left out.

    Raises:
        RecordError: there is no such folder.
    """
    if not root.is_dir():
        raise RecordError(f"{root} is no folder: check the path")
    found: list[Contents] = []
    for path in _results_below(root):
        try:
            found.append(contents_of(path))
        except RatescapeError:  # of another format, damaged, or somebody else's spec.yaml
            continue
    return found


def _results_below(root: Path) -> Iterator[Path]:
    """Folders with a spec.yaml; what lies inside one of them is a part of it."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if "spec.yaml" in names:
            below.clear()
            yield Path(folder)


def _size_and_change(path: Path) -> tuple[int, float]:
    """Bytes of all files of a folder, and when its records changed last, seconds since 1970."""
    size = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                size += (Path(folder) / name).lstat().st_size
            except OSError:  # it went away meanwhile
                continue
    marks = [path / "spec.yaml", path_of(path), path / "landscape.csv"]
    return size, max((mark.stat().st_mtime for mark in marks if mark.exists()), default=time.time())
