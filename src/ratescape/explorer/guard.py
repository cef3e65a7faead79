"""What stands before every request: hosts, origins, the token, sizes, time; and headers behind every answer."""

import asyncio
import ipaddress
import json
import secrets
import socket
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ratescape.explorer.refusal import Refused

UPLOAD, JSON = 16 << 20, 4 << 20
"""Bytes of a picture, and of other requests, at most."""

PATIENCE = 15.0
"""Seconds that a client has to send a request."""

TOKEN, SESSION = "x-ratescape-token", "x-ratescape-session"

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

PLAIN_POLICY = "default-src 'none'; frame-ancestors 'none'"


class Guard:
    """Lets through what comes from the page itself, by someone who has the address.

    Names are checked, since a page from elsewhere may have its own name point to this machine (DNS rebinding).

    Args:
        app: what it stands before.
        host: that the server listens on.
        token: a secret.
    """

    def __init__(self, app: ASGIApp, host: str, token: str) -> None:
        self.app = app
        self.token = token
        self.names = _names(host)
        self.any_address = not _is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # such as a websocket, which nobody here speaks
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", PLAIN_POLICY)
            await send(message)

        try:
            self._check(scope)
        except Refused as refused:
            await answer(with_headers, {"error": str(refused)}, refused.status)
            return
        await self.app(scope, receive, with_headers)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_known(host):
            raise Refused("the Host of this request is not this server's: open the address that is printed", 421)
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise Refused("requests from other pages are not answered", 403)
        if scope["path"] == "/":
            return  # the page itself: links and frames of notebooks open it, and its token is in its address
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refused("requests from other pages are not answered", 403)
        # Who mistypes the address of the page has the token in it, and is to hear what is wrong.
        asks = scope["path"].startswith("/api/")
        in_address = "" if asks else QueryParams(scope["query_string"]).get("token", "")
        if not (self.is_token(headers.get(TOKEN, "")) or self.is_token(in_address)):
            raise Refused("the token is missing or wrong: open the address that is printed", 403)
        if int(headers.get("content-length", "0") or 0) > UPLOAD:
            raise _too_long(UPLOAD)

    def is_token(self, given: str) -> bool:
        """Whether somebody knows the token; takes as long for any."""
        return secrets.compare_digest(given.encode(), self.token.encode())

    def _is_known(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.strip("[]").lower()
        return name in self.names or (self.any_address and _is_address(name))


async def body(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        Refused: it is too long, or takes too long to come.
    """
    parts = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                parts += part
                if len(parts) > most:
                    raise _too_long(most)
    except TimeoutError as error:
        raise Refused(f"the request did not come within {PATIENCE:g} seconds: send it again", 408) from error
    except ClientDisconnect as error:
        raise Refused("the client has left", 499) from error
    return bytes(parts)


async def answer(send: Send, fields: MutableMapping[str, Any], status: int) -> None:
    """Send JSON; the connection of a refused request ends, since the rest of it is not read."""
    content = json.dumps(fields).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _too_long(most: int) -> Refused:
    return Refused(f"the request is longer than {most >> 20} MB: send less", 413)


def _names(host: str) -> set[str]:
    """Names by which a server on a host is known."""
    known = {"127.0.0.1", "localhost", "::1", host.lower()}
    return known if _is_loopback(host) else known | {socket.gethostname().lower(), socket.getfqdn().lower()}


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
