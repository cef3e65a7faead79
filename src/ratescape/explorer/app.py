"""The server's routes: what is asked comes in as JSON or a picture, what is answered goes out as JSON."""

import asyncio
import contextlib
import secrets
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ratescape.errors import NoWinner, RatescapeError
from ratescape.explorer.answers import abilities, answers
from ratescape.explorer.asking import Asked
from ratescape.explorer.family import Family
from ratescape.explorer.guard import JSON, SESSION, UPLOAD, Guard, body
from ratescape.explorer.page import render
from ratescape.explorer.pages import FORBIDDEN, NONCE, policy
from ratescape.explorer.pictures import decoded, opened
from ratescape.explorer.refusal import Refused
from ratescape.explorer.sessions import Session, Sessions
from ratescape.explorer.sheets import sheet
from ratescape.explorer.viewing import as_taken, landscape, test_images
from ratescape.version import __version__

QUEUE = 64
"""Requests that wait for the model, at most."""

SHOWN = 200
"""Images of the test split in one answer, at most."""


class Explorer:
    """The routes over one landscape.

    One thread does all work on models, so that requests wait for one another and memory is bounded. Another one
    searches for the model that fits a use, by a network of its own: in the seconds that takes the page goes on to move.

    Args:
        family: the models.
        host: that the server listens on.
        token: whoever has it may ask.
        sessions: pages that are kept apart at most.
        framed: a notebook may show the page in a frame.
    """

    def __init__(
        self, family: Family, host: str = "127.0.0.1", token: str = "", sessions: int = 4, *, framed: bool = False
    ) -> None:
        self.family = family
        self.token = token or secrets.token_urlsafe(24)
        self.sessions = Sessions(sessions)
        self.framed = framed
        self.answers = answers()
        self.waiting = 0
        self.worker = ThreadPoolExecutor(1, "ratescape-explore")
        self.searcher = ThreadPoolExecutor(1, "ratescape-search")
        routes = [
            Route("/", self._page),
            Route("/api/landscape", self._answering(self._landscape)),
            Route("/api/test", self._answering(self._test)),
            Route("/api/images", self._answering(self._image), methods=["POST"]),
            Route("/api/drawn", self._answering(self._drawn), methods=["POST"]),
            Route("/api/bye", self._answering(self._bye), methods=["POST"]),
            Route("/api/{use}", self._answering(self._asked), methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {HTTPException: _not_there}
        app = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)
        app.router.redirect_slashes = False  # /api/view/ is nothing that is answered; the page never asks for it
        self.guard = Guard(app, host, self.token)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        for one in (self.worker, self.searcher):
            one.shutdown(wait=False, cancel_futures=True)

    async def _page(self, request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        allowed = self.guard.is_token(request.query_params.get("token", ""))
        text = (render(self.family.name) if allowed else FORBIDDEN).replace(NONCE, nonce)
        headers = {"Content-Security-Policy": policy(nonce, framed=self.framed)}
        return HTMLResponse(text, 200 if allowed else 403, headers)

    def _answering(
        self, handler: Callable[[Request, Session], Awaitable[dict[str, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A route that answers in JSON, whatever happens."""

        async def route(request: Request) -> Response:
            try:
                session = self.sessions.of(request.headers.get(SESSION, ""))
                return JSONResponse(await handler(request, session))
            except Refused as refused:
                return _error(str(refused), refused.status)
            except NoWinner as nobody:
                return _error(str(nobody), 409)
            except RatescapeError as error:
                return _error(str(error), 400)
            except Exception:  # the server lives on, and whoever started it is told
                traceback.print_exc(file=sys.stderr)
                return _error("something is wrong with the server: its terminal says what", 500)

        return route

    async def _in_turn(
        self, work: Callable[[], dict[str, Any]], by: ThreadPoolExecutor | None = None
    ) -> dict[str, Any]:
        """What some work on the models gives, once those asked before have been answered."""
        if self.waiting >= QUEUE:
            raise Refused(f"the server is busy with {QUEUE} requests: ask again", 503)
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(by or self.worker, work)
        finally:
            self.waiting -= 1

    async def _landscape(self, request: Request, session: Session) -> dict[str, Any]:
        return await self._in_turn(lambda: landscape(self.family, __version__, abilities(self.family)))

    async def _test(self, request: Request, session: Session) -> dict[str, Any]:
        begin, count = _number(request, "from", 0, 10**9), _number(request, "count", 40, SHOWN)
        return await self._in_turn(lambda: test_images(self.family, begin, max(1, count)))

    async def _image(self, request: Request, session: Session) -> dict[str, Any]:
        content = await body(request, UPLOAD)
        return await self._in_turn(lambda: self._kept(content, session))

    async def _drawn(self, request: Request, session: Session) -> dict[str, Any]:
        asked = Asked.read(await body(request, JSON))
        return await self._in_turn(lambda: self._kept(asked.data("pixels"), session))

    def _kept(self, content: bytes, session: Session) -> dict[str, Any]:
        """A user's picture as the models see it."""
        pixels = decoded(opened(content), self.family.shape)
        seen = as_taken(pixels[None], self.family.at(self.family.start).model)
        return {"id": session.add(pixels), "seen": sheet(seen)}

    async def _bye(self, request: Request, session: Session) -> dict[str, Any]:
        self.sessions.end(request.headers.get(SESSION, ""))
        return {}

    async def _asked(self, request: Request, session: Session) -> dict[str, Any]:
        use = request.path_params["use"]
        if use not in self.answers:
            raise Refused(f"there is no /api/{use[:40]}: there are {', '.join(sorted(self.answers))}", 404)
        asked = Asked.read(await body(request, JSON))
        by = self.searcher if use == "ask" else self.worker
        return await self._in_turn(lambda: self.answers[use](self.family, session, asked), by)


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise Refused(f"{name} must be a whole number, at least 0")
    return min(int(text), most)


def _error(message: str, status: int) -> Response:
    # What is left of a body is not read: the connection ends.
    headers = {"Connection": "close"} if status in (408, 413) else None
    return JSONResponse({"error": " ".join(message.split())}, status, headers)


async def _not_there(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _error(f"{request.method} {request.url.path[:60]} is nothing that this server answers", status)
