"""Modules joined into one script: in the right order, each once, and nothing that cannot be joined goes unnoticed."""

import importlib.resources
import re

import pytest

from ratescape.explorer.page import render
from ratescape.report.page.script import JoinError, join_modules

EXPLORER = importlib.resources.files("ratescape.explorer.page")
PAGE = importlib.resources.files("ratescape.report.page")
MODULES = sorted(file.name for file in PAGE.iterdir() if file.name.endswith(".js"))


def joined(**files: str) -> str:
    """The script of modules given as ``main="..."``: without their headings."""
    script = join_modules("main.js", lambda name: files[name.removesuffix(".js")])
    return re.sub(r"^(?:// ---- .*|\"use strict\";|)\n", "", script, flags=re.MULTILINE)


def test_what_is_imported_comes_first_and_once() -> None:
    script = joined(
        main='import { a } from "./a.js";\nimport { b } from "./b.js";\na(b);\n',
        a='import { b } from "./b.js";\n\nexport function a() {\n  return b;\n}\n',
        b="export const b = 1;\n",
    )
    assert script == "const b = 1;\nfunction a() {\n  return b;\n}\na(b);\n"


def test_imports_may_run_over_lines_and_words_in_texts_stay() -> None:
    script = joined(
        main='import {\n  one,\n  two,\n} from "./numbers.js";\nconst text = "export import";\nsay(one, two);\n',
        numbers="export let one = 1;\nexport class two {}\n",
    )
    assert script == 'let one = 1;\nclass two {}\nconst text = "export import";\nsay(one, two);\n'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"main": 'import { a } from "./a.js";\n', "a": "const a = 1;\n"}, "imports a, which a.js does not export"),
        ({"main": 'import { a } from "./a.js";\nconst a = 2;\n', "a": "export const a = 1;\n"}, "both declare a"),
        ({"main": 'import { b } from "./a.js";\nlet a;\n', "a": "let a;\nexport const b = 1;\n"}, "both declare a"),
        (
            {"main": 'import { a } from "./a.js";\nexport const b = 1;\n', "a": 'import { b } from "./main.js";\n'},
            "cycle",
        ),
        ({"main": 'import { a as b } from "./a.js";\n', "a": "export const a = 1;\n"}, "imports a as b, which"),
        ({"main": "export default 1;\n"}, "cannot be joined: export default 1;"),
        ({"main": "export { a };\n"}, "cannot be joined: export { a };"),
        ({"main": 'import * as a from "./a.js";\n', "a": ""}, "cannot be joined: import"),
        ({"main": 'import a from "./a.js";\n', "a": ""}, "cannot be joined: import"),
        ({"main": 'import "./a.js";\n', "a": ""}, "cannot be joined: import"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_joined_is_an_error_that_names_it(files: dict[str, str], message: str) -> None:
    with pytest.raises(JoinError, match=re.escape(message)):
        joined(**files)


def test_the_page_uses_every_module() -> None:
    script = join_modules("main.js", lambda name: PAGE.joinpath(name).read_text(encoding="utf-8"))
    assert sorted(re.findall(r"^// ---- (\S+\.js)$", script, re.MULTILINE)) == MODULES
    assert not re.search(r"^\s*(?:import|export)\b", script, re.MULTILINE)


def test_the_explorer_uses_every_module_of_its_own_and_some_of_the_reports() -> None:
    used = re.findall(r"^// ---- (\S+\.js)$", render("digits"), re.MULTILINE)
    own = {f"explorer/page/{path.name}" for path in EXPLORER.iterdir() if path.name.endswith(".js")}
    assert {name for name in used if name.startswith("explorer/")} == own
    assert {"report/page/dom.js", "report/page/colours.js", "report/page/look.js"} <= set(used) - own


def test_imports_are_relative_to_the_file_that_has_them() -> None:
    files = {
        "a/main.js": 'import { b } from "../b/b.js";\nsay(b);\n',
        "b/b.js": 'import { c } from "./c.js";\nexport const b = c;\n',
        "b/c.js": "export const c = 1;\n",
    }
    assert join_modules("a/main.js", files.__getitem__).count("const") == 2


def test_the_name_of_a_landscape_is_no_markup() -> None:
    assert "<title>&lt;b&gt;: explorer</title>" in render("<b>")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short(name: str) -> None:
    lines = PAGE.joinpath(name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250 and max(map(len, lines)) <= 120
