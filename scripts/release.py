"""A new version: its number in all files that have one, and a section of its own in the changelog.

    python scripts/release.py 0.2.0

Writes src/ratescape/version.py, CITATION.cff and CHANGELOG.md, and prints what is left to do. Nothing is committed,
tagged or uploaded.
"""

import argparse
import datetime
import re
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]

LEFT = """{version} is set. What is left:
  make release-check                 # builds, checks, installs and tries the wheel
  git commit --all --message "Version {version}"
  git tag --annotate v{version} --message "ratescape {version}"
  python -m twine upload dist/*.whl dist/*.tar.gz"""


class NoRelease(Exception):
    """One line: why there can be no such version."""


def released(changelog: str, version: str, date: datetime.date) -> str:
    r"""A changelog whose unreleased entries are those of a version, with an empty section for what comes next.

    Raises:
        NoRelease: there is no section of unreleased changes, or nothing in it.

    Example::

        released("## [Unreleased]\n\n### Added\n\n- A.\n", "0.2.0", datetime.date(2030, 1, 2))
    """
    head, mark, rest = changelog.partition("## [Unreleased]\n")
    own, following, older = rest.partition("\n## [")
    if not mark or "\n- " not in f"\n{own}":
        raise NoRelease("CHANGELOG.md has no unreleased changes: say there what is new")
    return f"{head}{mark}\n## [{version}] - {date.isoformat()}\n{own}{following}{older}"


def checked(version: str, before: str) -> str:
    """The version in its usual form; raises :class:`NoRelease` unless it is one, and later than the one before."""
    try:
        new = Version(version)
    except InvalidVersion as error:
        raise NoRelease(f"{version} is no version: write such as 0.2.0") from error
    if new <= Version(before):
        raise NoRelease(f"{version} is not later than {before}")
    return str(new)


def set_version(root: Path, version: str, date: datetime.date) -> str:
    """Write a version into all files that have one; returns it. Nothing is written unless all of it can be."""
    code, citation, changelog = (root / name for name in ("src/ratescape/version.py", "CITATION.cff", "CHANGELOG.md"))
    text = code.read_text(encoding="utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    if found is None:
        raise NoRelease(f"{code} says no version")
    new = checked(version, found[1])
    cited = re.sub(r"(?m)^version: .*$", f"version: {new}", citation.read_text(encoding="utf-8"))
    written = {
        code: text.replace(found[0], f'__version__ = "{new}"'),
        citation: re.sub(r"(?m)^date-released: .*$", f"date-released: {date.isoformat()}", cited),
        changelog: released(changelog.read_text(encoding="utf-8"), new, date),
    }
    for path, content in written.items():
        path.write_text(content, encoding="utf-8")
    return new


def main() -> int:
    """Set the version that is asked for; exit status 1 if it cannot be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", help="such as 0.2.0")
    options = parser.parse_args()
    try:
        print(LEFT.format(version=set_version(ROOT, options.version, datetime.datetime.now(datetime.UTC).date())))
    except NoRelease as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
