"""How the pages of this folder become a site: ``make docs`` writes it to ``build/docs``."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SOURCE = ROOT / "src" / "ratescape"
MODULES = ROOT / "web" / "node_modules"

sys.path.insert(0, str(ROOT / "src"))
from ratescape.version import __version__  # noqa: E402

project, author, copyright = "ratescape", "ratescape developers", "ratescape developers"  # noqa: A001
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
nitpicky = False

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
    "options": {"enableMenu": False, "enableSpeech": False, "enableBraille": False, "enableEnrichment": False},
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


nb_execution_mode = os.environ.get("RATESCAPE_DOCS", "cache")
nb_execution_cache_path = str(ROOT / "build" / "docs-cache" / digest_of_package())
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "text/plain", 30)]

# `!ratescape` in a page is the one of this Python; what runs it may be in no activated environment.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT / "examples")])
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["COLUMNS"] = "100"


def add_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax beside the built pages."""
    if error is not None or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / "mathjax"
    shutil.copytree(MODULES / "mathjax", target, dirs_exist_ok=True, ignore=only("tex-svg.js", "LICENSE"))
    font = "mathjax-newcm-font"
    shutil.copytree(MODULES / "@mathjax" / font / "svg", target / "fonts" / font / "svg", dirs_exist_ok=True)
    shutil.copy(MODULES / "@mathjax" / font / "svg.js", target / "fonts" / font / "svg.js")


def only(*kept: str):  # noqa: ANN201
    """What ``shutil.copytree`` is to leave out: everything but some files."""
    return lambda folder, names: [name for name in names if name not in kept]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    if not (MODULES / "mathjax").exists():
        raise SystemExit("MathJax is not there: run `npm --prefix web ci` (Node.js) first, as `make docs` does")
    app.connect("build-finished", add_mathjax)
