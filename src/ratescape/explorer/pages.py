"""What the server sends beside the page: what stands for it without the token, and what the page may do."""

NONCE = "{{NONCE}}"
"""Stands for what names the page's own script anew each time the page is sent."""

FORBIDDEN = """<!doctype html><html lang=en><meta charset=utf-8><title>ratescape explore</title>
<p>The address of this page has a token at its end. It is printed where <code>ratescape explore</code> was started: open
it from there.
<script nonce="{{NONCE}}">
const token = sessionStorage.getItem("ratescape-token");
if (token && !location.search) location.replace(`/?token=${encodeURIComponent(token)}${location.hash}`);
</script></html>"""
"""Without a token. A tab that had the page has kept its token, which it took out of the address, and loads it again."""


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
