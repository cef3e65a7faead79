"""The house keeps its plan: short files and functions, few floors, and few calls from a landscape to the loop."""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from helpers.sweeps import HERE, LEAN, MODEL

import ratescape
from ratescape import landscape
from ratescape.execution import networks, work
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Conditioned, Dedicated, Method, Targeted
from ratescape.specs.training import TrainingSpec

PACKAGE = Path(ratescape.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
PAGE = sorted(file for room in ("report", "explorer") for file in (PACKAGE / room / "page").glob("*.js"))

LONG_FILES: dict[str, str] = {}
"""Files of more than 300 lines, by their path in the package, and why they may be."""

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions of more than 60 lines, as ``path:name``, and why they may be."""


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, int]]:
    """Every function, nested ones too, and how many lines it takes with its decorators and docstring."""
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                begin = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                yield f"{named(path)}:{node.name}", (node.end_lineno or begin) - begin + 1


def test_no_file_is_longer_than_300_lines() -> None:
    assert len(SOURCES) > 100 and len(PAGE) > 10
    long = {named(path) for path in [*SOURCES, *PAGE] if len(lines_of(path)) > 300}
    assert long == LONG_FILES.keys()


def test_no_function_is_longer_than_60_lines() -> None:
    found = dict(functions())
    assert len(found) > 500
    assert {name for name, lines in found.items() if lines > 60} == LONG_FUNCTIONS.keys()


def test_no_line_of_the_pages_scripts_is_longer_than_120() -> None:
    assert [
        f"{path.name}:{number}" for path in PAGE for number, line in enumerate(lines_of(path), 1) if len(line) > 120
    ] == []


def test_at_most_a_dozen_files_lie_at_the_top() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def room(module: str) -> str | None:
    """The room at the package's top that a module is in; ``python -m ratescape`` is one; None outside the package."""
    first, _, rest = module.partition(".")
    return (rest.partition(".")[0] or None) if first == "ratescape" else None


def imported(path: Path) -> set[str]:
    """The rooms that a file imports from, wherever in it; what it needs for the checking of types alone included."""
    found: set[str | None] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {room(alias.name) for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {room(f"{node.module}.{alias.name}") for alias in node.names}
    return {one for one in found if one is not None}


def rooms() -> dict[str, set[str]]:
    """Every room, and those that it imports from."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        if path.parent == PACKAGE and path.stem == "__init__":  # imports names when they are asked for
            continue
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        found.setdefault(own, set()).update(imported(path) - {own})
    return found


def test_the_house_has_at_most_twelve_floors() -> None:
    """The longest chain of imports from room to room. It counts what import-linter does not: the entry point
    ``python -m ratescape``, and imports for the checking of types.
    """
    below = rooms()
    assert set().union(*below.values()) <= below.keys() and "execution" in below["landscape"]

    def chain(top: str, above: tuple[str, ...] = ()) -> list[str]:
        assert top not in above, f"a cycle: {(*above, top)}"
        return [top, *max((chain(one, (*above, top)) for one in below[top]), key=len, default=[])]

    longest = max(map(chain, below), key=len)
    assert longest[0] == "__main__" and len(longest) <= 12, longest


CALLS = {
    "dedicated": Dedicated(grid=BetaGrid(1.0, 1.0, 1)),
    "conditioned": Conditioned(grid=BetaGrid(1.0, 1.0, 1)),
    "targeted": Targeted(target_rates=("total=3",)),
}


@pytest.mark.parametrize("method", CALLS.values(), ids=CALLS.keys())
def test_at_most_six_calls_lead_from_a_landscape_to_the_loop(
    images_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Method
) -> None:
    """Frames of this package alone: what Python puts between for a ``with`` does not count."""
    stacks: list[list[str]] = []
    train = work.train

    def looked_at(*arguments: Any, **options: Any) -> Any:
        stacks.append(list(calls(sys._getframe(1))))
        return train(*arguments, **options)

    for module in (work, networks):
        monkeypatch.setattr(module, "train", looked_at)
    monkeypatch.setattr(landscape.Landscape, "report", lambda self: self.folder.report)
    landscape.map_landscape(
        str(images_file),
        model=MODEL,
        training=TrainingSpec(epochs=1, batch=64, annealing=0.0),
        method=method,
        evaluation=LEAN,
        execution=HERE,
        out=tmp_path / "out",
    )
    assert len(stacks) == 1 + (method.refined_epochs() > 0)  # a recommended model is trained on
    for stack in stacks:
        assert stack[-1] == "map_landscape"
        assert len(stack) <= 6, stack  # so many calls: the last of them is that of train


def calls(frame: FrameType | None) -> Iterator[str]:
    """Names of the package's functions that are being called, from a frame out to ``map_landscape``."""
    while frame is not None:
        if Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
            yield frame.f_code.co_name
            if frame.f_code.co_name == "map_landscape":
                return
        frame = frame.f_back
