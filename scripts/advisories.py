"""Which versions of constraints.txt have known vulnerabilities, by a copy of the PyPA's advisory database.

    git clone https://github.com/pypa/advisory-database
    python scripts/advisories.py advisory-database

Nothing is asked of any server. The exit status is 1 where a version is affected, or where nothing could be compared.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PINS = Path(__file__).resolve().parents[1] / "constraints.txt"


class Affected(NamedTuple):
    """A pinned version that an advisory is about."""

    package: str
    version: Version
    advisory: str
    """Its identifiers, the database's own first."""
    fixed: Version | None
    """The lowest version above with the fix; None if none is known."""


class Database(NamedTuple):
    """What was read of a database."""

    size: int
    """How many advisories it has that are not withdrawn."""
    newest: str
    """The latest day on which one of them was changed."""
    affected: list[Affected]


def pinned(text: str) -> dict[str, Version]:
    """The versions of a constraints file, by normalised names."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = (line.partition("==") for line in lines if line)
    return {canonicalize_name(name): Version(version) for name, _, version in found}


def is_within(version: Version, events: list[Mapping[str, str]]) -> bool:
    """Whether a version is affected by the events of one range.

    Source: Open Source Vulnerability format, version 1.6, "affected[].ranges[].events fields" and "Evaluation".
    """
    is_affected = False
    for kind, found in sorted(((kind, Version(text)) for one in events for kind, text in one.items()), key=_when):
        if kind == "introduced" and version >= found:
            is_affected = True
        elif (kind == "fixed" and version >= found) or (kind == "last_affected" and version > found):
            is_affected = False
    return is_affected


def _when(event: tuple[str, Version]) -> tuple[Version, bool]:
    """Order of events; of the same version, what is introduced again comes last."""
    return event[1], event[0] == "introduced"


def ranges_of(affected: Mapping[str, Any]) -> list[list[Mapping[str, str]]]:
    """Events of ranges that are of versions, not of commits."""
    return [one["events"] for one in affected.get("ranges") or [] if one["type"] == "ECOSYSTEM"]


def concerns(advisory: Mapping[str, Any], pins: Mapping[str, Version]) -> Iterator[Affected]:
    """What an advisory says of the pinned versions."""
    names = ", ".join([advisory["id"], *advisory.get("aliases", [])])
    for affected in advisory.get("affected") or []:
        package = canonicalize_name(affected["package"]["name"])
        version = pins.get(package)
        if version is None or affected["package"]["ecosystem"] != "PyPI":
            continue
        ranges = ranges_of(affected)
        is_listed = any(version == version_of(one) for one in affected.get("versions") or [])
        if is_listed or any(is_within(version, events) for events in ranges):
            fixes = [Version(one["fixed"]) for events in ranges for one in events if "fixed" in one]
            yield Affected(package, version, names, min((one for one in fixes if one > version), default=None))


def version_of(text: str) -> Version | None:
    """None for one of before PEP 440, which no pinned one is."""
    try:
        return Version(str(text))
    except InvalidVersion:
        return None


def compared(folder: Path, pins: Mapping[str, Version]) -> Database:
    """Compare versions with all advisories of a database.

    Args:
        folder: a checkout, with OSV files (YAML) below ``vulns/``.
        pins: versions by normalised names.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read = (yaml.load(path.read_bytes(), loader) for path in sorted(folder.glob("vulns/*/*.yaml")))
    kept = [one for one in read if not one.get("withdrawn")]
    affected = [found for one in kept for found in concerns(one, pins)]
    return Database(len(kept), max((str(one["modified"])[:10] for one in kept), default=""), affected)


def main() -> int:
    """The exit status: 1 where a version is affected, or where nothing could be compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path, help="a checkout of https://github.com/pypa/advisory-database")
    pins = pinned(PINS.read_text(encoding="utf-8"))
    found = compared(parser.parse_args().database, pins)
    if not found.size:
        print("no advisories there: give a checkout of the database, which has a folder vulns", file=sys.stderr)
        return 1
    for one in found.affected:
        remedy = f"fixed in {one.fixed}" if one.fixed is not None else "no fixed version is known"
        print(f"{one.package} {one.version}: {one.advisory}; {remedy}")
    print(
        f"{len(found.affected)} findings for {len(pins)} versions in {found.size:,} advisories, the newest of "
        f"{found.newest}"
    )
    return 1 if found.affected else 0


if __name__ == "__main__":
    sys.exit(main())
