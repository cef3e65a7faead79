"""The explorer as a process: it starts, is hung upon, flooded and sent too much, lives on, and ends by Ctrl-C."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from helpers.commands import Run, refused
from helpers.images import blobs
from helpers.sweeps import HERE, LEAN, MODEL

import ratescape as rs
from ratescape.explorer import serving, waiting

PATIENCE = 1.0
"""Seconds that the process of these tests waits for a request."""


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("served") / "blobs"
    method = {"kind": "conditioned", "conditioning": {"width": 8, "fine": 0, "restarts": 0, "refine_recommended": 0}}
    usual: dict[str, Any] = {"model": MODEL, "training": {"epochs": 1, "batch": 32}, "evaluation": LEAN}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rs.Landscape, "report", lambda self: self.folder.report)
        rs.map_landscape(blobs(96), method=method, grid={"steps": 2}, execution=HERE, out=out, **usual)
    return out


class Process:
    """A server in a process of its own."""

    def __init__(self, started: subprocess.Popen[str]) -> None:
        self.process = started
        assert started.stdout is not None
        self.address = started.stdout.readline().split()[-1]
        parts = urlsplit(self.address)
        self.port = parts.port or 0
        self.sockets: list[socket.socket] = []
        self.head = {"X-Ratescape-Token": parse_qs(parts.query)["token"][0]}

    def ask(self, path: str = "/api/view", fields: Any = None) -> tuple[int, dict[str, Any]]:
        content = json.dumps({"betas": [1, 1], "samples": 1} if fields is None else fields)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("POST", path, content, self.head)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def send(self, text: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.sockets.append(connection)
        connection.sendall(text)
        return connection

    @property
    def memory(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss


@pytest.fixture(scope="module")
def process(landscape: Path, start: Callable[..., subprocess.Popen[str]]) -> Iterator[Process]:
    before = f"from ratescape.explorer import guard, waiting\nguard.PATIENCE = waiting.Impatient.patience = {PATIENCE}"
    started = start("explore", landscape, "--no-open", before=before)
    try:
        yield Process(started)
    finally:
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
        assert (started.returncode, out, err) == (0, "ended\n", "")  # whatever the tests did


@pytest.fixture
def server(process: Process) -> Iterator[Process]:
    """The same; what a test leaves open is closed behind it."""
    yield process
    for one in process.sockets:
        one.close()
    process.sockets.clear()


def post(server: Process, length: int) -> bytes:
    token = server.head["X-Ratescape-Token"]
    head = f"POST /api/images HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Ratescape-Token: {token}\r\nContent-Length: {length}\r\n"
    return head.encode() + b"\r\n"


def test_clients_that_hang_are_left(server: Process) -> None:
    hanging = [server.send(b"") for _ in range(10)]
    hanging += [server.send(b"GET / HTTP/1.1\r\nHost: 127") for _ in range(10)]
    hanging += [server.send(post(server, 1000) + b"a little") for _ in range(10)]
    assert server.ask()[0] == 200  # meanwhile
    begun = time.monotonic()
    answers = [one.recv(4096) for one in hanging]  # until the server ends them
    assert time.monotonic() - begun < 20 * PATIENCE
    assert set(answers[:20]) == {b""} and all(b" 408 " in answer for answer in answers[20:])
    assert server.ask()[0] == 200


def test_a_head_that_drips_is_left(server: Process) -> None:
    connection = server.send(b"GET / HTTP/1.1\r\n")

    def drip() -> None:
        for _ in range(100):
            connection.sendall(b"X: y\r\n")
            time.sleep(PATIENCE / 5)

    with pytest.raises(OSError):
        drip()


def test_two_hundred_requests_at_once_are_answered(server: Process) -> None:
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: server.ask(), range(200)))
    statuses = {status for status, _ in answers}
    assert 200 in statuses <= {200, 503}
    assert all("busy" in fields["error"] for status, fields in answers if status == 503)
    assert server.ask()[0] == 200


def test_a_gigabyte_is_refused(server: Process) -> None:
    before = server.memory
    told = server.send(post(server, 1 << 30))
    assert b" 413 " in told.recv(4096)
    chunked = post(server, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    connection, part = server.send(chunked), b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    sent = 0
    try:
        for _ in range(1 << 10):
            connection.sendall(part)
            sent += 1
    except OSError:
        pass  # the server has closed the connection
    assert sent < 200 and server.memory - before < 100 << 20
    assert server.ask()[0] == 200


def test_what_is_no_http_is_refused(server: Process) -> None:
    for text in (b"\x16\x03\x01" + bytes(200), b"GET\r\n\r\n", b"A" * 100_000 + b"\r\n\r\n"):
        assert b"400" in server.send(text).recv(4096)
    upgrade = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b" 403 " in server.send(upgrade).recv(4096)  # a page without its token
    assert server.ask()[0] == 200


def test_a_notebook_shows_the_page_in_a_frame(landscape: Path) -> None:
    shown = rs.Landscape(landscape).explore(height=500)
    try:
        parts = urlsplit(shown.address)
        assert parts.hostname == "127.0.0.1" and 'height="500"' in shown._repr_html_()
        assert shown.address in shown._repr_html_()
        connection = http.client.HTTPConnection("127.0.0.1", shown.port, timeout=60)
        connection.request("GET", f"/?{parts.query}")
        answer = connection.getresponse()
        assert answer.status == 200 and "frame-ancestors" not in (answer.getheader("Content-Security-Policy") or "")
        connection.close()
    finally:
        shown.close()
    assert all(thread.name != "ratescape-explore" for thread in threading.enumerate())
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", shown.port), timeout=5)


def test_the_end_is_told_where_ctrl_c_is_ignored(landscape: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    """As in the background of a shell."""
    before = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"
    started = start("explore", landscape, "--no-open", before=before)
    server = Process(started)
    assert server.ask()[0] == 200
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (0, "ended\n", "")


def test_bad_options_are_told_in_one_line(run: Run, landscape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(run("explore", landscape, "--port", "70000"), "port is 70000")
    refused(run("explore", landscape, "--sessions", "0"), "sessions is 0")
    refused(run("explore", landscape.parent / "nothing", "--no-open"), "nothing")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(run("explore", landscape, "--no-open", "--port", str(port)), f"port {port}", "--port")
    refused(run("explore", landscape, "--no-open", "--host", "256.0.0.1"), "--host")


def test_the_extra_is_named_where_it_is_missing(landscape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = __import__

    def without(name: str, *given: Any, **more: Any) -> Any:
        if name == "ratescape.explorer.app":
            raise ModuleNotFoundError("no starlette", name="starlette")
        return real(name, *given, **more)

    monkeypatch.setattr("builtins.__import__", without)
    with pytest.raises(rs.RatescapeError, match=r'pip install "ratescape\[explore\]"'):
        serving.served(rs.Landscape(landscape))
    assert waiting.Impatient.patience == 15
