"""The server: in this process until it is interrupted, or in a thread behind a notebook."""

import contextlib
import html
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratescape.errors import ResourceError
from ratescape.explorer.family import Explored, Family

if TYPE_CHECKING:
    import uvicorn

    from ratescape.explorer.app import Explorer

CONNECTIONS = 256
"""At once; more are told that the server is busy."""

GRACE = 2
"""Seconds that answers under way have at the end."""

STARTING = 60.0
"""Seconds that a server in a thread has to begin."""


class Served:
    """A page that is being served, as :meth:`ratescape.Landscape.explore` gives it: a notebook shows it in a frame.

    Example::

        shown = landscape.explore()
        print(shown.address)
        shown.close()
    """

    def __init__(self, explorer: "Explorer", listening: socket.socket, host: str, height: int = 760) -> None:
        self.explorer = explorer
        self.height = height
        self.port: int = listening.getsockname()[1]
        self._listening = listening
        self._server = _server(explorer)
        self._thread: threading.Thread | None = None
        self.address = f"http://{_written(host)}:{self.port}/?token={explorer.token}"
        """What to open; whoever has it may ask."""

    def run(self) -> None:
        """Serve until the process is interrupted."""
        self._server.run([self._listening])

    def start(self) -> "Served":
        """Serve in a thread that ends with the process.

        Raises:
            ResourceError: the server does not begin.
        """
        self._thread = threading.Thread(target=self.run, name="ratescape-explore", daemon=True)
        self._thread.start()
        end = time.monotonic() + STARTING
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise ResourceError(f"the server at port {self.port} does not begin: try again")
            time.sleep(0.01)
        return self

    def close(self) -> None:
        """End the server of a thread, and wait until it has ended."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STARTING)

    def __repr__(self) -> str:
        return f"Served({self.address!r})"

    def _repr_html_(self) -> str:
        address = html.escape(self.address, quote=True)
        frame = f'<iframe src="{address}" width="100%" height="{self.height}" style="border:0" title="ratescape">'
        return f'{frame}</iframe><p><a href="{address}" target="_blank" rel="noreferrer">In a window of its own</a></p>'


def served(
    landscape: Explored,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    data_folder: str | Path | None = None,
    sessions: int = 4,
    device: str = "cpu",
    framed: bool = False,
) -> Served:
    """A server that is ready to begin.

    Args:
        landscape: of images.
        host: to listen on; anything but 127.0.0.1 can be reached from other machines.
        port: 0 for a free one.
        data_folder: where to look for the landscape's images first.
        sessions: pages whose pictures are kept at once.
        device: cpu, cuda, ...
        framed: a notebook may show the page in a frame.

    Raises:
        ResourceError: Starlette or uvicorn is not installed, or the port is taken.
        RatescapeError: as of :class:`ratescape.explorer.family.Family`.

    Example::

        served(rs.Landscape("digits"), port=8000).run()
    """
    try:
        from ratescape.explorer.app import Explorer
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "h11", "anyio"):
            raise
        raise ResourceError(
            f'explore needs the package {error.name}, which is not installed: pip install "ratescape[explore]"'
        ) from error
    listening = _listening(host, port)
    try:
        explorer = Explorer(Family(landscape, data_folder, device), host, sessions=sessions, framed=framed)
    except BaseException:
        listening.close()
        raise
    return Served(explorer, listening, host)


def explore(landscape: Explored, *, height: int = 760, **how: Any) -> Served:
    """Serve a landscape's page from a thread: see :meth:`ratescape.Landscape.explore`."""
    shown = served(landscape, framed=True, **how)
    shown.height = height
    return shown.start()


def run(shown: Served, say: Callable[[str], object], *, browser: bool) -> None:
    """Serve until Ctrl-C, which is no error: it is how one leaves.

    Args:
        say: is told the address, and that the server has ended.
        browser: open the page.
    """
    say(f"{shown.explorer.family.name}: {shown.address}")
    if browser:
        threading.Timer(0.5, webbrowser.open, (shown.address,)).start()
    with contextlib.suppress(KeyboardInterrupt):
        shown.run()  # returns as well, where a shell that starts it in the background has it ignore Ctrl-C
    say("ended")


def _server(explorer: "Explorer") -> "uvicorn.Server":
    import uvicorn

    from ratescape.explorer.waiting import Impatient

    config = uvicorn.Config(
        explorer.guard,
        http=Impatient,
        ws="none",
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=CONNECTIONS,
    )
    return uvicorn.Server(config)


def _listening(host: str, port: int) -> socket.socket:
    found: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen()  # whoever reads the address may come at once, and waits until the server is there
    except OSError as error:
        if found is not None:
            found.close()
        where = f"{host}, port {port}"
        raise ResourceError(f"cannot listen on {where} ({error}): choose others by --host and --port") from error
    return found


def _written(host: str) -> str:
    """A host as it stands in an address; one that means all of this machine's is reached by its own."""
    if host in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
