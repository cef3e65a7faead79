"""The licences of everything that ratescape and its extras bring, as docs/licences.md.

    python scripts/licences.py

Reads the metadata of what is installed beside it; packages that are not installed are named as such.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
EXTRAS = ("demo", "files", "tables", "hub", "onnx", "ray")
"""Those that a user may install; others are for work on the code."""

HEAD = """# Licences of dependencies

What `pip install ratescape` and its extras bring, and under which licence, as the packages' own metadata say. Made
by `make licences`, with the versions of `constraints.txt`. ratescape itself is under the MIT licence and contains no
code of these. Builds of torch for GPUs bring NVIDIA's libraries, under NVIDIA's own terms.
"""


def name_of(text: str) -> str:
    """A package's name in the one form that names are compared in."""
    return re.sub(r"[-_.]+", "-", text).lower()


def needed(texts: list[str], seen: dict[str, Distribution | None], extras: frozenset[str] = frozenset()) -> None:
    """Add what requirements bring to ``seen``, at any depth."""
    for text in texts:
        requirement = Requirement(text)
        marker, name = requirement.marker, name_of(requirement.name)
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            continue
        if name in seen and not requirement.extras:
            continue
        try:
            seen[name] = distribution(requirement.name)
        except PackageNotFoundError:
            seen[name] = None
            continue
        needed(list(seen[name].requires or []), seen, frozenset(requirement.extras))  # pyright: ignore[reportOptionalMemberAccess]


def licence_of(found: Distribution) -> str:
    """A package's licence: the expression, else its classifiers, else a short text."""
    told: Any = found.metadata  # an email's header, of which its type shows less than it has
    if expression := told.get("License-Expression"):
        return expression
    classifiers = [one for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
    named = [one.rpartition(" :: ")[2] for one in classifiers if one != "License :: OSI Approved"]
    if named:
        return ", ".join(named)
    text = " ".join((told.get("License") or "").split())
    return text if 0 < len(text) <= 60 else "see the package"


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Name, version, licence, and what brings it, of every package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base: dict[str, Distribution | None] = {}
    needed(project["dependencies"], base)
    origin = dict.fromkeys(base, "ratescape")
    everything = dict(base)
    for extra in EXTRAS:
        own: dict[str, Distribution | None] = {}
        needed(project["optional-dependencies"][extra], own)
        for name, found in own.items():
            everything.setdefault(name, found)
            origin[name] = (
                f"{origin[name]}, {extra}" if name in origin and name not in base else origin.get(name, extra)
            )
    for name in sorted(everything):
        found = everything[name]
        version, licence = ("not installed", "") if found is None else (found.version, licence_of(found))
        yield name, version.partition("+")[0], licence, origin[name]


def page() -> str:
    """The text of docs/licences.md."""
    lines = [f"| {' | '.join(row)} |" for row in rows()]
    return "\n".join([HEAD, "| package | version | licence | brought by |", "|---|---|---|---|", *lines]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
