"""What a release is made of: versions and changelog, lowest versions, licences, and the words around the project."""

import datetime
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import licences
import pytest
import release
import release_check
import tutorials
import yaml

import ratescape

ROOT = Path(__file__).parents[1]
DATE = datetime.date(2030, 1, 2)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_a_release_moves_what_is_unreleased_into_a_section_of_its_own() -> None:
    before = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- New.\n\n## [0.1.0] - 2029-01-01\n\n- Old.\n"
    after = release.released(before, "0.2.0", DATE)
    assert after == before.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2030-01-02\n")
    with pytest.raises(release.NoRelease, match="no unreleased changes"):
        release.released(after, "0.3.0", DATE)


def copied(place: Path) -> Path:
    """What a release writes, in another folder."""
    for name in ("src/ratescape/version.py", "CITATION.cff", "CHANGELOG.md"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    return place


def test_a_version_is_set_in_every_file_or_in_none(tmp_path: Path) -> None:
    root = copied(tmp_path)
    before = {path: path.read_text() for path in root.rglob("*") if path.is_file()}
    for wrong in ("0.0.9", ratescape.__version__, "next"):
        with pytest.raises(release.NoRelease, match=wrong):
            release.set_version(root, wrong, DATE)
    assert {path: path.read_text() for path in root.rglob("*") if path.is_file()} == before
    assert release.set_version(root, "99.1", DATE) == "99.1"
    assert '__version__ = "99.1"' in (root / "src/ratescape/version.py").read_text()
    assert yaml.safe_load((root / "CITATION.cff").read_text())["version"] == 99.1
    assert "## [99.1] - 2030-01-02" in (root / "CHANGELOG.md").read_text()


def test_the_citation_has_the_version_of_the_package() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == ratescape.__version__


def test_the_lowest_versions_are_those_that_are_allowed() -> None:
    assert release_check.lowest(["numpy>=2.0", "constriction>=0.5,<0.6"]) == ["numpy==2.0", "constriction==0.5"]
    assert release_check.lowest(["torch>=2.6"], torch="2.13.0") == ["torch==2.13.0"]
    with pytest.raises(release_check.CheckFailed, match="numpy has no lower bound"):
        release_check.lowest(["numpy"])
    assert len(release_check.lowest(release_check.requirements_of(["demo"]))) == len(PROJECT["dependencies"]) + 1


def test_every_extra_has_lower_bounds() -> None:
    for extra, texts in PROJECT["optional-dependencies"].items():
        assert release_check.lowest([text for text in texts if not text.startswith("ratescape[")]), extra


def test_a_wheel_without_a_file_of_the_package_is_noticed(tmp_path: Path) -> None:
    wheel = tmp_path / "ratescape.whl"
    source = ROOT / "src"
    with zipfile.ZipFile(wheel, "w") as packed:
        for path in source.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.name != "main.js":
                packed.writestr(path.relative_to(source).as_posix(), "")
    assert release_check.missing_files(wheel) == ["ratescape/explorer/page/main.js", "ratescape/report/page/main.js"]


def test_python_is_tried_with_torch_only_where_there_is_a_build_of_it() -> None:
    found = [(one.python, one.resolution, one.torch) for one in release_check.trials(["a", "b"], ["a"])]
    assert found == [("a", "lowest", True), ("a", "newest", True), ("b", "newest", False)]


def test_every_dependency_is_in_the_table_of_licences() -> None:
    listed = dict(re.findall(r"^\| ([\w-]+) \| [\w.]+ \| ([^|]+) \|", licences.PAGE.read_text(), re.MULTILINE))
    asked = [text for extra in licences.EXTRAS for text in PROJECT["optional-dependencies"][extra]]
    for text in [*PROJECT["dependencies"], *asked]:
        name = licences.name_of(re.split(r"[\[<>=]", text)[0])
        assert listed.get(name, "see the package") != "see the package", f"{name}: make licences"


@pytest.mark.parametrize("name", ["SECURITY.md", "CONTRIBUTING.md", ".github/pull_request_template.md"])
def test_paths_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = [one for one in re.findall(r"`([\w./-]+)`", text) if "/" in one or one.endswith((".md", ".toml", ".txt"))]
    assert all((ROOT / one).exists() for one in named), named


def test_issue_forms_are_forms() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 3
    for form in forms:
        told = yaml.safe_load(form.read_text(encoding="utf-8"))
        if form.stem != "config":
            assert {"name", "description", "body"} <= told.keys()
            ids = [one["id"] for one in told["body"] if one["type"] != "markdown"]
            assert len(ids) == len(set(ids)) > 1


def test_a_tutorial_is_a_program_that_fails_where_a_cell_does(tmp_path: Path) -> None:
    cells = ["%%writefile mine.py\nFOUND = 3\n", "from mine import FOUND\n", "%%bash\ntest -e mine.py\n"]
    page, python = tmp_path / "page.md", Path(sys.executable)
    page.write_text("".join(f"Words.\n\n```{{code-cell}}\n:tags: [hide-input]\n{cell}```\n" for cell in cells))
    assert tutorials.ran(python, page)[1] == ""
    page.write_text(page.read_text() + "```{code-cell}\n%%bash\necho why; false\ntrue\n```\n")
    assert "why" in tutorials.ran(python, page)[1]
