"""A hub in a folder: what ratescape calls of huggingface_hub, without a network."""

import dataclasses
import shutil
import types
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from ratescape.hub import remote


@dataclasses.dataclass
class Hub:
    """Repositories are folders by their names; downloads go to a cache laid out as the library's, with links."""

    place: Path
    token: str | None = "secret"
    offline: bool = False
    calls: list[tuple[str, Any]] = dataclasses.field(default_factory=list[tuple[str, Any]])

    def folder(self, name: str) -> Path:
        return self.place / "repositories" / name

    def as_library(self) -> Any:
        """A module as far as ratescape looks into it; errors are the library's own."""
        return types.SimpleNamespace(
            HfApi=lambda **given: _Api(self, given.get("token")),
            snapshot_download=self.download,
            get_token=lambda: self.token,
        )

    def download(self, name: str, **given: Any) -> str:
        self.calls.append(("download", given))
        if self.offline:
            raise LocalEntryNotFoundError("nothing is cached")
        source, cache = self.folder(name), self.place / "cache" / f"models--{name.replace('/', '--')}"
        snapshot = cache / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
        for number, path in enumerate(sorted(one for one in source.rglob("*") if one.is_file())):
            blob = cache / "blobs" / f"{number}"
            blob.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, blob)
            link = snapshot / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(blob)
        return str(snapshot)


class _Api:
    def __init__(self, hub: Hub, token: str | None) -> None:
        self.hub, self.token = hub, token

    def whoami(self) -> dict[str, str]:
        return {"name": "me"}

    def create_repo(self, name: str, **given: Any) -> Any:
        self.hub.calls.append(("create", {"token": self.token, **given}))
        self.hub.folder(name).mkdir(parents=True, exist_ok=True)
        return _Address(name)

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        shutil.copytree(folder_path, self.hub.folder(repo_id), dirs_exist_ok=True)


class _Address(str):
    @property
    def repo_id(self) -> str:
        return str(self)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub of this test alone, in place of the library."""
    made = Hub(tmp_path / "hub")
    monkeypatch.setattr(remote, "library", made.as_library)
    monkeypatch.setattr(remote, "is_offline", lambda: made.offline)
    return made
