"""The page as one text: its style and its script inside its markup."""

import functools
import html
import importlib.resources
import json
import re

from ratescape.report.page.names import shades
from ratescape.report.page.script import join_modules

_THEME = "report/page/theme.css"
"""Colours, light and dark, of both pages."""


@functools.cache
def render(title: str) -> str:
    """The page of a landscape, but for ``{{NONCE}}``, which stands where a script's is to be.

    Args:
        title: what the landscape is called.

    Example::

        render("digits").replace("{{NONCE}}", secrets.token_urlsafe(16))
    """
    parts = {
        "TITLE": html.escape(title),
        "NONCE": "{{NONCE}}",
        "STYLE": _resource(_THEME) + _resource("explorer/page/page.css"),
        "DATA": json.dumps({"colours": shades("viridis")}),
        "SCRIPT": join_modules("explorer/page/main.js", _resource),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _resource("explorer/page/page.html"))


def _resource(path: str) -> str:
    return importlib.resources.files("ratescape").joinpath(path).read_text(encoding="utf-8")
