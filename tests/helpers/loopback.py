"""A mirror on this machine that answers well, badly, partly, or not at all."""

import http.server


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files`` by path; keeps what was asked. A path in ``cuts`` loses its connection after so many bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cuts: dict[str, list[int]] = {}
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []
        self.encodings: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        wanted = self.headers.get("Range")
        server.asked.append((self.path, wanted))
        server.encodings.append(self.headers.get("Accept-Encoding"))
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if self.path.endswith(".gz"):
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        cuts = server.cuts.get(self.path)
        end = cuts.pop(0) if cuts else len(content)
        self.wfile.write(content[start : max(start, end)])

    def log_message(self, format: str, *args: object) -> None:
        pass
