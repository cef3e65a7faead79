"""Known vulnerabilities of pinned versions, by a made-up database."""

from pathlib import Path

import advisories
import pytest
from packaging.version import Version

PINS = "# tested with these\nOne.Package==2.5  # why\nother==1.0\n"


def written(root: Path, name: str, text: str, package: str = "one-package") -> None:
    path = root / "vulns" / package / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"id: {name}\nmodified: '2030-01-0{len(name)}T00:00:00Z'\n{text}")


def about(text: str, package: str = "one_package", ecosystem: str = "PyPI") -> str:
    return f"affected:\n- package: {{name: {package}, ecosystem: {ecosystem}}}\n  {text}\n"


def events(*found: str) -> str:
    return f"ranges: [{{type: ECOSYSTEM, events: [{', '.join(found)}]}}]"


ALL = "introduced: '0'"


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        (events(f"{{{ALL}}}", "{fixed: '2.6'}"), "2.6"),
        (events("{fixed: '3'}", f"{{{ALL}}}"), "3"),  # in any order
        (events("{introduced: '2.5'}"), None),
        (events(f"{{{ALL}}}", "{last_affected: '2.5'}"), None),
        (events(f"{{{ALL}}}", "{fixed: '1'}", "{introduced: '2'}", "{fixed: '2.5.1'}"), "2.5.1"),
        ("versions: ['2.5.0', 2004d]", None),
    ],
)
def test_a_version_within_a_range_or_a_list_is_affected(text: str, fixed: str | None, tmp_path: Path) -> None:
    written(tmp_path, "A", about(text) + "aliases: [CVE-2030-1]\n")
    (found,) = advisories.compared(tmp_path, advisories.pinned(PINS)).affected
    assert found == ("one-package", Version("2.5"), "A, CVE-2030-1", None if fixed is None else Version(fixed))


@pytest.mark.parametrize(
    "text",
    [
        about(events(f"{{{ALL}}}", "{fixed: '2.5'}")),
        about(events(f"{{{ALL}}}", "{last_affected: '2.4.9'}")),
        about(events("{introduced: 2.5.1}")),
        about(events(f"{{{ALL}}}", "{fixed: '1'}", "{introduced: '2.6'}")),
        about("versions: ['2.4', '2.5.post1']"),
        about("ranges: [{type: GIT, events: [{introduced: 0}, {fixed: 205e056f}]}]"),
        about(events(f"{{{ALL}}}"), "another"),
        about(events(f"{{{ALL}}}"), ecosystem="npm"),
        about(events(f"{{{ALL}}}")) + "withdrawn: '2030-02-01T00:00:00Z'\n",
    ],
)
def test_what_is_not_about_a_pinned_version_is_no_finding(text: str, tmp_path: Path) -> None:
    written(tmp_path, "A", text)
    assert advisories.compared(tmp_path, advisories.pinned(PINS)).affected == []


def test_the_command_says_what_is_affected_and_by_which_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (pins := tmp_path / "constraints.txt").write_text(PINS)
    monkeypatch.setattr(advisories, "PINS", pins)
    monkeypatch.setattr("sys.argv", ["advisories.py", str(tmp_path)])
    assert advisories.main() == 1
    assert "no advisories there" in capsys.readouterr().err
    written(tmp_path, "AB", about(events(f"{{{ALL}}}"), "other2"), "other2")
    assert advisories.main() == 0
    written(tmp_path, "ABC", about(events(f"{{{ALL}}}", "{fixed: '2'}"), "Other"), "other")
    assert advisories.main() == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "0 findings for 2 versions in 1 advisories, the newest of 2030-01-02"
    assert out[1:] == [
        "other 1.0: ABC; fixed in 2",
        "1 findings for 2 versions in 2 advisories, the newest of 2030-01-03",
    ]


def test_every_pinned_version_is_read() -> None:
    text = advisories.PINS.read_text(encoding="utf-8")
    pins = advisories.pinned(text)
    assert len(pins) == sum("==" in line.partition("#")[0] for line in text.splitlines())
    assert pins["pyyaml"] >= Version("6")
