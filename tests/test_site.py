"""The site: links lead somewhere, the reference is complete, cells fail where commands do, nothing comes from afar."""

import json
import re
import shlex
from pathlib import Path

import pytest

import ratescape
from ratescape.cli.commands import COMMANDS, parse

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
RUN = [page for page in (*TUTORIALS, DOCS / "commands.md") if page.read_text(encoding="utf-8").startswith("---\n")]

CELL = re.compile(r"^```\{code-cell\}\n((?::[^\n]*\n)*)(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def cells(page: Path) -> list[str]:
    """The cells of a tutorial, without their tags."""
    return [code for _, code in CELL.findall(page.read_text(encoding="utf-8"))]


def anchor(title: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_links_within_the_site_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for path, heading in LINK.findall(text):
        if path.startswith(("http://", "https://")):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {path}"
        if heading and target.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {anchor(title) for title in titles}, f"{page.name} links to {path}#{heading}"


@pytest.mark.parametrize("name", sorted(set(ratescape.__all__) - {"__version__"}))
def test_every_public_name_is_in_the_reference(name: str) -> None:
    listed = re.findall(r"^\.\. auto(?:function|class|exception):: ratescape\.(\w+)$", api(), re.MULTILINE)
    assert listed.count(name) == 1


def test_the_reference_names_nothing_that_is_not_there() -> None:
    for name in re.findall(r"^\.\. auto\w+:: ratescape\.(\w+)$", api(), re.MULTILINE):
        assert name in ratescape.__all__


def api() -> str:
    return (DOCS / "api.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_reference() -> None:
    titles = re.findall(r"^## (.*)$", (DOCS / "commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(titles) == sorted(COMMANDS)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_cells_of_commands_fail_when_a_command_does(page: Path) -> None:
    """A line that begins with ! would go on after an error, and the build with it."""
    found = cells(page)
    assert len(found) == page.read_text(encoding="utf-8").count("```{code-cell}") > 0
    for code in found:
        assert not re.search(r"^!", code, re.MULTILINE)
        if code.startswith("%%bash"):
            for line in code.replace("\\\n", " ").splitlines()[1:]:
                words = shlex.split(line.replace("2>&1", ""))
                assert words[0] == "ratescape"
                if "--help" not in words:
                    assert parse(words[1:])
        elif not code.startswith("%%"):
            compile(code, str(page), "exec")


def test_the_first_page_shows_what_is_there() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = [
        line for block in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL) for line in block.splitlines()
    ]
    pages = [line for line in listed if line and not line.startswith(":") and "*" not in line]
    assert len(pages) > 12 and all((DOCS / f"{page}.md").exists() for page in pages)
    assert {"results/*", "*"} <= set(listed), "pages that come later are taken up"
    assert {f"tutorials/{page.stem}" for page in TUTORIALS} <= set(pages)


BUILT = ROOT / "build" / "docs"


@pytest.mark.skipif(not (BUILT / "index.html").exists(), reason="make docs has not built the site")
def test_the_built_site_needs_no_network() -> None:
    pages = sorted(BUILT.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        sources = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"([^\"]*)\"", text)
        sources += re.findall(r"<link[^>]*rel=\"(?:stylesheet|preload|icon)\"[^>]*href=\"([^\"]*)\"", text)
        afar = [source for source in sources if re.match(r"(https?:)?//", source)]
        assert not afar, f"{page.name}: {afar}"
    for style in BUILT.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text(encoding="utf-8")), style.name


def test_mathjax_is_pinned() -> None:
    package = json.loads((ROOT / "web" / "package.json").read_text(encoding="utf-8"))
    assert re.fullmatch(r"[\d.]+", package["devDependencies"]["mathjax"])
