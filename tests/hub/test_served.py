"""The hub's own library against a server on this machine: what goes up comes back, and what fails is one line."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.commands import Run, refused
from helpers.hub import TOKEN, HubServer
from helpers.hub import hub as hub  # a fixture
from helpers.small_networks import plain

import ratescape as rs
from ratescape import checkpoint
from ratescape.errors import HubError
from ratescape.hub import files

# What the library does to its own HTTP client when it uploads without xet.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def said(call: Callable[[], object]) -> str:
    """What an error of ours says, in one line."""
    with pytest.raises(HubError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    return text


def set_constant(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    monkeypatch.setattr(importlib.import_module("huggingface_hub.constants"), name, value)


def opened(name: str = "me/digits", revision: str | None = None, token: str | None = None) -> rs.HVAE:
    model = rs.from_hub(name, revision=revision, token=token)
    assert isinstance(model, rs.HVAE)
    return model


def equal(one: rs.HVAE, other: rs.HVAE) -> bool:
    """Whether all parameters and buffers are, bit for bit."""
    own = one.state_dict()
    return all(torch.equal(value, own[name]) for name, value in other.state_dict().items())


def test_a_model_goes_up_and_comes_back_bit_for_bit(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = plain()
    assert model.push_to_hub("digits", betas=(0.5, 2), private=True) == f"{hub.address}/me/digits"
    repository = hub.repositories["me/digits"]
    assert repository.private and set(repository.files) == {"README.md", files.WEIGHTS, files.ABOUT, "samples.png"}
    assert repository.files[files.WEIGHTS] == checkpoint.to_bytes(model)
    assert equal(opened(), model)
    stored = [token for _, path, token in hub.asked if path.startswith("/store/")]
    assert stored and not any(stored), "the token stays with the hub"
    asked = len(hub.asked)
    set_constant(monkeypatch, "HF_HUB_OFFLINE", True)
    assert equal(opened(), model) and len(hub.asked) == asked


def test_a_revision_is_a_commit(hub: HubServer) -> None:
    first, second = plain(), plain()
    with torch.no_grad():
        next(second.parameters()).add_(1)
    for model in (first, second):
        model.push_to_hub("me/digits")
    _, old, _ = hub.repositories["me/digits"].commits  # the first has no files
    assert equal(opened(revision=old), first) and equal(opened(), second)
    unknown = {said(lambda revision=revision: opened(revision=revision)) for revision in ("0" * 40, "v2")}
    assert unknown == {"me/digits has no such revision: check revision"}


def test_a_landscape_goes_up_and_comes_back(
    hub: HubServer, landscape: rs.Landscape, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = run("push", landscape.folder.path, "me/land", "--licence", "mit", "--data", "Blobs")
    assert (pushed.status, pushed.out) == (0, f"{hub.address}/me/land\n"), pushed.err
    repository = hub.repositories["me/land"]
    assert not {"lock", "report.html"} & set(repository.files) and b"landscape.best" in repository.files["README.md"]
    anybody = {"setup.py": b"raise SystemExit", "report.html": b"<script>"}
    repository.commit(anybody)
    out = tmp_path / "again"
    pulled = run("pull", "me/land", "--out", out)
    assert (pulled.status, pulled.out) == (0, f"landscape: {out}\n"), pulled.err
    assert not {*anybody, "README.md"} & {path.name for path in out.iterdir()}
    assert not any(path.is_symlink() for path in out.rglob("*"))
    again = rs.Landscape(out)
    assert again.table.equals(landscape.table)
    assert equal(again.best("nelbo").load(), landscape.best("nelbo").load())
    assert "not empty" in said(lambda: rs.from_hub("me/land", out=out))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = rs.from_hub("me/land"), rs.from_hub("me/land")
    assert isinstance(first, rs.Landscape) and isinstance(second, rs.Landscape)
    assert first.folder.path == second.folder.path and first.folder.path.is_relative_to(tmp_path / "cache")


def test_what_may_not_be_uploaded(hub: HubServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    rs.save(plain(), path)
    refused(run("push", path, "someone/digits"), "refuses the token for someone/digits (403): give one that may write")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    refused(run("push", path, "me/digits"), "refuses the token for me/digits (401): give one that may write")
    assert "refuses the token for digits (401)" in said(lambda: plain().push_to_hub("digits"))
    monkeypatch.delenv("HF_TOKEN")
    asked = len(hub.asked)
    refused(run("push", path, "me/digits"), "there is no token for the hub")
    set_constant(monkeypatch, "HF_HUB_OFFLINE", True)
    refused(run("push", path, "me/digits"), "HF_HUB_OFFLINE is set")
    assert len(hub.asked) == asked and not hub.repositories


def test_what_may_not_be_downloaded(hub: HubServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain().push_to_hub("me/secret", private=True)

    def pulled(name: str = "me/secret") -> str:
        outcome = run("pull", name, "--out", tmp_path / "out")
        refused(outcome)
        return outcome.err

    assert "there is no repository me/nothing" in pulled("me/nothing")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    assert "refuses the token for me/secret (401): give one that may read" in pulled()
    monkeypatch.delenv("HF_TOKEN")
    assert "there is no repository me/secret, or it is private" in pulled()
    with monkeypatch.context() as patch:
        set_constant(patch, "HF_HUB_OFFLINE", True)
        assert "me/secret cannot be reached, and has not been downloaded before" in pulled()
    assert not (tmp_path / "out").exists()
    opened("me/secret", token=TOKEN)


@pytest.mark.parametrize("path", ["/api/repos/create", "/preupload/", "/objects/batch", "/store/", "/commit/"])
def test_an_upload_that_breaks_off_is_done_again(hub: HubServer, path: str) -> None:
    hub.cut = path
    assert re_said(plain().push_to_hub)
    hub.cut = None
    plain().push_to_hub("me/digits")
    assert equal(opened(), plain())


@pytest.mark.parametrize("path", ["/revision/", "/resolve/", "/store/"])
def test_a_download_that_breaks_off_is_done_again(hub: HubServer, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain().push_to_hub("me/digits")
    hub.cut = path
    assert re_said(rs.from_hub)
    with monkeypatch.context() as patch:
        set_constant(patch, "HF_HUB_OFFLINE", True)
        assert said(opened), "what is there in part only is not opened"
    hub.cut = None
    assert equal(opened(), plain())


def re_said(call: Callable[[str], object]) -> bool:
    """Whether an error names the repository, the reason and the remedy."""
    text = said(lambda: call("me/digits"))
    return text.startswith("the hub failed on me/digits (") and "peer closed connection" in text and "try again" in text


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_is_down_is_one_line(hub: HubServer, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain().push_to_hub("me/digits")
    hub.status = status
    expected = f"the hub answers {status} for me/digits: try again later"
    assert said(opened) == said(lambda: plain().push_to_hub("me/digits")) == expected
    hub.status = None
    opened()
    hub.status = status
    assert equal(opened(), plain()), "what was downloaded before is opened"
    set_constant(monkeypatch, "ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    assert "me/letters cannot be reached, and has not been downloaded" in said(lambda: opened("me/letters"))
    assert said(lambda: plain().push_to_hub("me/digits")).startswith("the hub failed on me/digits ([Errno 111]")


@pytest.mark.campaign
def test_the_environment_names_the_hub(hub: HubServer, tmp_path: Path) -> None:
    """Processes of their own, which no constant was set in."""
    rs.save(plain(), tmp_path / "model.safetensors")
    environment = hub.environment(tmp_path / "home")
    for words in (["push", "model.safetensors", "me/digits"], ["pull", "me/digits", "--out", "again"]):
        command = [sys.executable, "-m", "ratescape", *words]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert equal(rs.load(tmp_path / "again" / files.WEIGHTS), plain())
