"""A hub on this machine: as much of its protocol as huggingface_hub needs to upload and to download."""

import base64
import dataclasses
import hashlib
import http.server
import importlib
import json
import os
import re
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

TOKEN = "hf_of_me"
OWNER = "me"
INVALID = "Invalid credentials in Authorization header"
"""What the hub says of a token that it does not know, in ``X-Error-Message``."""


@dataclasses.dataclass
class Repository:
    """Files by path, those of each commit; a new one has a first commit without any."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = dataclasses.field(default_factory=dict[str, dict[str, bytes]])

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit with these files besides those of the newest; returns its hash."""
        content = (self.files if self.commits else {}) | files
        digest = hashlib.sha1(repr([len(self.commits), sorted(content.items())]).encode()).hexdigest()
        self.commits[digest] = content
        return digest

    @property
    def newest(self) -> str:
        return next(reversed(self.commits))

    @property
    def files(self) -> dict[str, bytes]:
        """Those of the newest commit."""
        return self.commits[self.newest]


class HubServer(http.server.ThreadingHTTPServer):
    """Repositories by their names, what was asked for, and what shall go wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        """Content of large files by their sha256."""
        self.asked: list[tuple[str, str, str | None]] = []
        """Verb, path and token of each request."""
        self.status: int | None = None
        """What is answered to all that is asked."""
        self.cut: str | None = None
        """A request whose path holds this text breaks off."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def store(self) -> str:
        """Where large files lie: on a host of another name, as the hub's do."""
        return f"http://localhost:{self.server_port}/store"

    def environment(self, home: Path) -> dict[str, str]:
        """What a process of its own needs to take this server for the hub."""
        source = str(Path(__file__).parents[2] / "src")
        own = {"HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}
        return {**os.environ, "PYTHONPATH": source, **own}


def is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".png"))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.path = unquote(urlsplit(self.path).path)
        if self._goes_wrong():
            return
        if self.path == "/api/whoami-v2":
            self._whoami()
        elif found := re.fullmatch(r"/store/([0-9a-f]{64})", self.path):
            self._send(self.hub.large[found[1]])
        elif found := re.fullmatch(r"/api/models/(\w+/[\w-]+)(?:/revision/([\w-]+))?", self.path):
            self._revision(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/api/models/(\w+/[\w-]+)/tree/(\w+)", self.path):
            self._tree(found[1], found[2])
        elif found := re.fullmatch(r"/(\w+/[\w-]+)/resolve/(\w+)/(.+)", self.path):
            self._resolve(found[1], found[2], found[3])
        else:
            self._refuse(404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._goes_wrong():
            return
        if self.path == "/api/validate-yaml":
            yaml.safe_load(json.loads(body)["content"].split("---\n")[1])
            self._json({"errors": [], "warnings": []})
        elif self._token != TOKEN:
            self._refuse(401)
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif found := re.fullmatch(r"/api/models/(\w+/[\w-]+)/preupload/main", self.path):
            modes = {one["path"]: "lfs" if is_large(one["path"]) else "regular" for one in json.loads(body)["files"]}
            files = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]
            self._json({"files": files})
        elif re.fullmatch(r"/\w+/[\w-]+\.git/info/lfs/objects/batch", self.path):
            self._json({"transfer": "basic", "objects": [self._batched(one) for one in json.loads(body)["objects"]]})
        elif found := re.fullmatch(r"/api/models/(\w+/[\w-]+)/commit/main", self.path):
            self._commit(found[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._refuse(404)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self._goes_wrong():
            return
        self.hub.large[hashlib.sha256(content).hexdigest()] = content
        self._send(b"")

    @property
    def hub(self) -> HubServer:
        assert isinstance(self.server, HubServer)
        return self.server

    # What is asked

    def _whoami(self) -> None:
        if self._token == TOKEN:
            self._json({"type": "user", "name": OWNER})
        else:
            self._refuse(401)

    def _create(self, wanted: dict[str, Any]) -> None:
        owner, name = wanted.get("organization") or OWNER, wanted["name"]
        if owner != OWNER:
            self._refuse(403, f"You don't have the rights to create a model under the namespace {owner}")
            return
        if is_new := f"{owner}/{name}" not in self.hub.repositories:
            made = Repository(wanted.get("visibility") == "private" or wanted.get("private") is True)  # by version
            self.hub.repositories[f"{owner}/{name}"] = made
            made.commit({})
        self._json({"url": f"{self.hub.address}/{owner}/{name}"}, 200 if is_new else 409)

    def _batched(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in self.hub.large:
            return wanted
        return wanted | {"actions": {"upload": {"href": f"{self.hub.store}/{wanted['oid']}"}}}

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        files: dict[str, bytes] = {}
        for value in (line["value"] for line in lines if line["key"] == "file"):
            files[value["path"]] = base64.b64decode(value["content"])
        for value in (line["value"] for line in lines if line["key"] == "lfsFile"):
            files[value["path"]] = self.hub.large[value["oid"]]
        commit = self.hub.repositories[name].commit(files)
        self._json({"commitOid": commit, "commitUrl": f"{self.hub.address}/{name}/commit/{commit}"})

    def _revision(self, name: str, revision: str) -> None:
        repository, commit = self._readable(name, revision)
        if repository is None:
            return
        siblings = [{"rfilename": path} for path in repository.commits[commit]]
        self._json({"id": name, "sha": commit, "siblings": siblings})

    def _tree(self, name: str, commit: str) -> None:
        repository, commit = self._readable(name, commit)
        if repository is None:
            return
        entries: list[dict[str, Any]] = []
        for path, content in repository.commits[commit].items():
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob(content)}
            if is_large(path):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
            entries.append(entry)
        self._json(entries)

    def _resolve(self, name: str, commit: str, path: str) -> None:
        repository, commit = self._readable(name, commit)
        if repository is None:
            return
        content = repository.commits[commit][path]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob(content)}"'}
        if is_large(path):
            digest = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            self._send(b"", 302, headers | {"Location": f"{self.hub.store}/{digest}"})
        else:
            self._send(content, 200, headers)

    # What is answered

    @property
    def _token(self) -> str | None:
        given = self.headers.get("Authorization")
        return given.removeprefix("Bearer ") if given else None

    def _goes_wrong(self) -> bool:
        """Keep what is asked, and answer at once where that is to fail."""
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self._token))
        if self.hub.status is not None:
            self._refuse(self.hub.status)
            return True
        if self.command != "HEAD" and self.hub.cut is not None and self.hub.cut in path:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            return True
        return False

    def _readable(self, name: str, revision: str) -> tuple[Repository | None, str]:
        """A repository that may be read with this token, and the commit; else an error is answered as by the hub."""
        found = self.hub.repositories.get(name)
        if self._token not in (None, TOKEN):
            self._refuse(401)
        elif found is None or (found.private and self._token is None):
            self._refuse(404 if self._token else 401, "Repository not found", "RepoNotFound")
        elif (commit := found.newest if revision == "main" else revision) not in found.commits:
            self._refuse(404, code="RevisionNotFound")
        else:
            return found, commit
        return None, revision

    def _refuse(self, status: int, message: str = "", code: str | None = None) -> None:
        headers = {"X-Error-Message": message or (INVALID if status == 401 else f"status {status}")}
        self._json({"error": message}, status, headers | ({"X-Error-Code": code} if code else {}))

    def _json(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(content).encode(), status, {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def blob(content: bytes) -> str:
    """What git calls this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A server that huggingface_hub takes for the hub, with a cache of this test alone, and the right token.

    The library reads its environment once, when it is imported, which may have been in another test: so its constants
    are set in place of its environment.
    """
    constants = importlib.import_module("huggingface_hub.constants")
    http_calls = importlib.import_module("huggingface_hub.utils._http")
    download = importlib.import_module("huggingface_hub.file_download")
    with HubServer() as server:
        own = {
            "ENDPOINT": server.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub" / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "hub" / "token"),
            "AGENT_HARNESSES_PATH": str(tmp_path / "hub" / "harnesses.json"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
        }
        for name, value in own.items():
            monkeypatch.setattr(constants, name, value, raising=False)  # not all versions have all of them
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        for waiting in (http_calls, download):  # between attempts
            monkeypatch.setattr(waiting, "time", types.SimpleNamespace(sleep=lambda seconds: None, time=time.time))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        http_calls.close_session()
        server.shutdown()
        thread.join()
