"""The page as the server sends it: one text that holds its style and its script."""

import functools
import html
import importlib.resources
import re

NONCE = "{{NONCE}}"
"""Stands for what names the page's own script anew each time the page is sent."""

FORBIDDEN = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>ratescape explore</title><p>The address of this page has "
    "a token at its end. It is printed where <code>ratescape explore</code> was started: open it from there.</html>"
)


@functools.cache
def page(title: str) -> str:
    """The page of a landscape, but for :data:`NONCE`, which stands where a script's is to be.

    Example::

        page("digits").replace(NONCE, secrets.token_urlsafe(16))
    """
    parts = {"TITLE": html.escape(title), "NONCE": NONCE}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _resource("page.html"))


def policy(nonce: str, *, framed: bool) -> str:
    """What the page may do: run its own script, and talk to its own server.

    Args:
        framed: a notebook may show it in a frame.
    """
    ancestors = "" if framed else "; frame-ancestors 'none'"
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"connect-src 'self'; base-uri 'none'; form-action 'none'{ancestors}"
    )


def _resource(name: str) -> str:
    return importlib.resources.files("ratescape.explorer.page").joinpath(name).read_text(encoding="utf-8")
