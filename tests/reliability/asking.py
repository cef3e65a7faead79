"""Requests to the explorer, right and hostile, put straight to its server: no socket, thousands in a minute."""

import asyncio
import base64
import functools
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from helpers.images import blobs
from PIL import Image

import ratescape as rs
from ratescape.errors import RatescapeError
from ratescape.explorer.app import Explorer
from ratescape.explorer.family import Family
from reliability.mutations import TEXTS, of_bytes, tree

STATUSES = (200, 400, 403, 404, 405, 408, 409, 413, 415, 421, 499, 503)
"""Answers that say what is wrong; 500 is none."""

HOST = "127.0.0.1:8000"

Recipe = dict[str, Any]
"""``method``, ``path``, ``query``, ``headers`` (pairs; the value TOKEN is the server's own), and a ``body``: JSON, or
``raw`` text of latin-1, sent so many ``times``; ``leaves`` where the client goes away in the midst of it."""


def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(blobs(1)[0]).save(file, "PNG")
    return file.getvalue()


def recipes() -> list[Recipe]:
    """A right request of each kind."""
    seen, mask = {"betas": [1.0, 1.0], "image": "t0"}, io.BytesIO()
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(mask, "PNG")
    posts: dict[str, Any] = {
        "view": {"betas": [1.0, 2.0], "images": ["t0", "t1"], "samples": 2, "seed": 1, "want": ["samples"]},
        "solve": {"rates": [0.5, 0.5]},
        "layers": {**seen, "what": "resample", "group": 1, "seed": 3},
        "interpolate": {"betas": [1.0, 1.0], "top": "t0", "bottom": "t1", "steps": 2, "split": 1},
        "ask": {"use": "reconstruction", "max_rate": 5.0, "demands": {"psnr": 1.0}},
        "keep": {"betas": [1.0, 1.0], "name": "kept"},
        "restore": {**seen, "mask": base64.b64encode(mask.getvalue()).decode(), "seed": 0},
        "drawn": {"pixels": "data:image/png;base64," + base64.b64encode(picture()).decode()},
        "bye": {},
    }
    found = [_recipe("POST", f"/api/{name}", body=body) for name, body in posts.items()]
    found.append(_recipe("POST", "/api/images", raw=picture().decode("latin-1")))
    found += [_recipe("GET", "/api/landscape"), _recipe("GET", "/api/test", query="from=0&count=3")]
    return [*found, _recipe("GET", "/", query="token=TOKEN")]


def _recipe(method: str, path: str, **more: Any) -> Recipe:
    headers = [["host", HOST], ["x-ratescape-token", "TOKEN"], ["x-ratescape-session", "one"]]
    return {"method": method, "path": path, "query": "", "headers": headers} | more


def odd_request(name: str, data: bytes, chance: random.Random) -> bytes:
    """One of the requests, with its fields, its bytes, its size, its headers or its address changed."""
    one: Recipe = chance.choice(json.loads(data))
    part = chance.random()
    if part < 0.5 and "body" in one:
        one["body"] = tree(one["body"], chance)
    elif part < 0.7:
        content = one.pop("raw", None) or json.dumps(one.pop("body", {}))
        one["raw"] = of_bytes(content.encode("latin-1"), chance).decode("latin-1")
    elif part < 0.75:
        big = [("[", 100_000), ('{"a":', 50_000), (" ", 5 << 20), ('{"betas": [1, 1]}', 1 << 19), ("\x00", 17 << 20)]
        one["raw"], one["times"] = chance.choice([*big, ("9" * 5000, 1), ('{"betas": [' + "1," * 5000 + "1]}", 1)])
    elif part < 0.9:
        _odd_headers(one["headers"], chance)
    elif part < 0.97:
        field = chance.choice(["method", "path", "query"])
        more = [
            "/api/bytes",
            "/api/../results/spec.yaml",
            "/api/view/",
            "//",
            "from=-1",
            "from=99999999999",
            "count=1e9",
        ]
        one[field] = chance.choice([*TEXTS, *more, "DELETE", "token=TOKEN", "from=" + "9" * 9])
    else:
        one["leaves"] = True
    return json.dumps(one).encode()


def _odd_headers(headers: list[list[str]], chance: random.Random) -> None:
    """As much as a server for HTTP lets through."""
    names = ["host", "origin", "content-length", "sec-fetch-site", "x-ratescape-token", "x-ratescape-session", "cookie"]
    name = chance.choice(names)
    values = [
        *TEXTS,
        "null",
        "http://evil",
        f"http://{HOST}",
        "cross-site",
        "[::1]:1",
        "127.0.0.1",
        "evil:8000",
        "a" * 60_000,
    ]
    value = chance.choice(["0", "1", "99999999999", "7"] if name == "content-length" else values)
    if chance.random() < 0.5:
        headers[:] = [pair for pair in headers if pair[0] != name]
    if chance.random() < 0.8:
        headers.append([name, value])


class Asker:
    """The server of one landscape, asked in this process.

    Args:
        results: of the landscape.
    """

    def __init__(self, results: Path) -> None:
        self.explorer = Explorer(Family(rs.Landscape(results)))
        self.loop = asyncio.new_event_loop()

    def ask(self, recipe: Recipe) -> None:
        """Send a request; raises :class:`RatescapeError` with the line of one that was refused as it should be."""
        status, headers, body = self.loop.run_until_complete(self._answer(recipe))
        if status not in STATUSES:
            raise AssertionError(f"status {status}: {body[:200]!r}")
        is_page = headers.get("content-type", "").startswith("text/html")
        if is_page and "<script>alert(1)" in body:
            raise AssertionError("the page holds what it was sent")
        if status == 200 or is_page:
            return
        (line,) = json.loads(body).values()
        raise RatescapeError(line if len(str(line).splitlines()) == 1 else f"two\\nlines {line!r}")

    async def _answer(self, recipe: Recipe) -> tuple[int, dict[str, str], str]:
        content = _content(recipe)
        cut = len(content) // 2
        waiting: list[dict[str, Any]] = [
            {"type": "http.request", "body": content[:cut], "more_body": True},
            {"type": "http.request", "body": content[cut:], "more_body": False},
        ]
        if recipe.get("leaves"):
            waiting[1:] = [{"type": "http.disconnect"}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.explorer.guard(self._scope(recipe), receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
        body = b"".join(one.get("body", b"") for one in sent[1:])
        return sent[0]["status"], headers, body.decode()

    def _scope(self, recipe: Recipe) -> dict[str, Any]:
        def sent(text: Any) -> bytes:
            kept = "".join(one for one in str(text) if one not in "\r\n\0")
            return kept.replace("TOKEN", self.explorer.token).encode("latin-1", "replace")

        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": str(recipe["method"]).encode("ascii", "ignore").decode(),
            "path": str(recipe["path"]).encode("utf-8", "replace").decode(),
            "raw_path": b"/",
            "root_path": "",
            "scheme": "http",
            "query_string": sent(recipe["query"]),
            "headers": [(name.encode(), sent(value)) for name, value in recipe["headers"]],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }


def _content(recipe: Recipe) -> bytes:
    if "raw" in recipe:
        return recipe["raw"].encode("latin-1", "replace") * recipe.get("times", 1)
    return json.dumps(recipe["body"]).encode() if "body" in recipe else b""


def asker() -> Callable[[Path], None]:
    """Reads a request, or a list of them, from a folder and sends it; the server is made with the first one."""
    server = functools.cache(Asker)

    def read(folder: Path) -> None:
        found = json.loads((folder / "request.json").read_text())
        for recipe in found if isinstance(found, list) else [found]:
            server(folder / "results").ask(recipe)

    return read
