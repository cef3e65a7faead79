"""How the pages of this folder become a site: ``make docs`` writes it to ``build/docs``."""

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SOURCE = ROOT / "src" / "ratescape"
MODULES = ROOT / "web" / "node_modules"

sys.path.insert(0, str(ROOT / "src"))
from ratescape.version import __version__  # noqa: E402

project, author, copyright = "ratescape", "ratescape developers", "ratescape developers"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md"]

html_theme = "furo"
html_title = f"ratescape {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False

# Pages

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4
suppress_warnings = ["config.cache"]
RUNNING = os.environ.get("RATESCAPE_DOCS", "all")
"""Which pages with cells are run: ``all``, or none (``off``)."""

if RUNNING != "all":  # cells that were not run have no kernel to say what they are written in
    suppress_warnings.append("myst-nb.lexer")

highlight_language = "none"

# Reference

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
maximum_signature_line_length = 88

# Formulas: MathJax and its font as npm has them, so that the site needs no network.

mathjax_path = "mathjax/tex-svg.js"
mathjax4_config = {
    "loader": {"paths": {"fonts": "[mathjax]/fonts", "mathjax-newcm": "[mathjax]/fonts/mathjax-newcm-font"}},
    "output": {"fontPath": "[mathjax]/fonts/%%FONT%%-font"},
    # Speech would need files of its own; assistive MathML, which screen readers read, is there without them.
    "options": {
        "enableMenu": False,
        "menuOptions": {"settings": {"enrich": False, "speech": False, "braille": False, "assistiveMml": True}},
    },
}

# Tutorials are run from an empty folder each. What they print is kept as long as the package stays as it is:
# jupyter-cache looks at a page alone, so that the name of its folder has to tell of the package.


def digest_of_package() -> str:
    """Of all files of the package, by name and content."""
    total = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(str(path.relative_to(SOURCE)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


nb_execution_mode = "off" if RUNNING == "off" else "cache"
nb_execution_cache_path = str(ROOT / "build" / "docs-cache" / digest_of_package())
nb_execution_in_temp = True
nb_execution_timeout = 900
nb_execution_show_tb = True

begin = NotebookClient.__init__


def begin_joining(client: NotebookClient, *given: Any, **options: Any) -> None:
    """Join the pieces of any length in which the text of a command comes; nobody else lets this be chosen."""
    begin(client, *given, **{"coalesce_streams": True} | options)


NotebookClient.__init__ = begin_joining

# `!ratescape` in a page is the one of this Python; what runs it may be in no activated environment.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT / "examples")])
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["COLUMNS"] = "100"
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # tqdm misses a widget of notebooks, which no page uses


def list_other_pages(app: Sphinx, name: str, content: list[str]) -> None:
    """In the first page, put all pages of this folder that it does not list in the place of the line ``*``."""
    if name == "index":
        listed = {"index", *content[0].splitlines()}
        others = [path.stem for path in sorted(HERE.glob("*.md")) if path.stem not in listed]
        content[0] = content[0].replace("\n*\n", "\n" + "\n".join(others) + "\n")


def add_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax and its font beside the built pages."""
    if error is not None or app.builder.format != "html":
        return
    target, font = Path(app.outdir) / "_static" / "mathjax", "mathjax-newcm-font"
    shutil.copytree(MODULES / "@mathjax" / font / "svg", target / "fonts" / font / "svg", dirs_exist_ok=True)
    shutil.copy(MODULES / "@mathjax" / font / "svg.js", target / "fonts" / font / "svg.js")
    for name in ("tex-svg.js", "LICENSE"):
        shutil.copy(MODULES / "mathjax" / name, target / name)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    if not (MODULES / "mathjax").exists():
        raise SystemExit("MathJax is not there: run `npm --prefix web ci` (Node.js) first, as `make docs` does")
    app.connect("source-read", list_other_pages)
    app.connect("build-finished", add_mathjax)
