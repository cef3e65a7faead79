"""What the campaigns found, once each: defects that were mended, and what must stay out of reach."""

import contextlib
import errno
import fcntl
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests
from helpers.commands import SMALL, TINY, Run, refused
from helpers.images import blobs

import ratescape as rs
from ratescape import checkpoint
from ratescape.cli import commands
from ratescape.coding.codec import Codec
from ratescape.data import fetching
from ratescape.data.formats import read_path
from ratescape.data.sources import SOURCES
from ratescape.errors import DataError, RatescapeError, RecordError
from ratescape.records import files
from ratescape.records.files import write_atomically
from ratescape.records.heartbeat import is_held
from ratescape.records.locks import clear_leftovers, locked
from ratescape.records.ownership import MARK, is_ours
from reliability.commands import forked

ONE = [*TINY, "--training.epochs", "1", "--execution.engine", "in-process", "--quiet"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "images.npy"
    np.save(path, blobs(24))
    return path


def test_folders_are_synced_so_that_names_outlive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    before = os.fsync

    def seen(number: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{number}").readlink().relative_to(tmp_path)))
        before(number)

    monkeypatch.setattr(os, "fsync", seen)
    write_atomically(tmp_path / "a" / "b" / "file", "content")
    temporary = f"a/b/.file.{os.getpid()}.tmp"
    assert synced == [".", "a", temporary, "a/b"]


def test_a_file_system_that_cannot_sync_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.fsync

    def fails(number: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{number}"):  # noqa: PTH112 (a link to what has no name of its own)
            raise OSError(failure, os.strerror(failure))
        before(number)

    monkeypatch.setattr(os, "fsync", fails)
    failure = errno.EINVAL
    write_atomically(tmp_path / "file", "content")
    failure = errno.EIO
    with pytest.raises(RecordError, match=r"cannot write .*see to its disk or choose another folder"):
        write_atomically(tmp_path / "other", "content")


def test_a_file_system_without_locks_is_refused(
    run: Run, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fails)
    out = tmp_path / "out"
    refused(run("train", "--data.name", images, *ONE, "--out", out), "cannot lock", "choose a folder on a local disk")
    assert not is_held(out)


def test_half_a_mark_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("version: 1\n")
    (tmp_path / "lock").write_text(MARK[:10])
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == MARK
    assert is_ours(tmp_path)


def test_leftovers_of_the_dead_are_cleared_and_none_of_the_living(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    (tmp_path / "runs" / "x").mkdir(parents=True)
    left = [tmp_path / f".a.{dead.pid}.tmp", tmp_path / "runs" / "x" / f".b.{dead.pid}.tmp"]
    kept = [tmp_path / f".c.{os.getpid()}.tmp", tmp_path / "d.tmp", tmp_path / ".mine.tmp"]
    for path in (*left, *kept):
        path.touch()
    clear_leftovers(tmp_path)
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)


def test_a_dead_process_that_nobody_waited_for_writes_no_more(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        (tmp_path / f".a.{child.pid}.tmp").touch()
        clear_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["unlink", "rmdir"])
def test_what_cannot_be_removed_at_the_end_harms_nobody(
    failing: str, run: Run, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unrendered: None
) -> None:
    before = getattr(os, failing)

    def fails(path: str, **named: object) -> None:
        if ("results" in str(path) and "checkpoint" in str(path)) or "packs" in str(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        before(path, **named)

    monkeypatch.setattr(os, failing, fails)
    out = tmp_path / "results"
    ended = run("map", "--data.name", images, *SMALL, "--training.epochs", "1", "--out", out, "--quiet")
    assert ended.status == 0, ended
    assert (out / "landscape.csv").exists()


def test_whatever_the_system_refuses_is_one_line(
    run: Run, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))

    out = tmp_path / "out"
    assert run("train", "--data.name", images, *ONE, "--out", out).status == 0
    monkeypatch.setattr("ratescape.records.states.contents_of", fails)
    refused(run("status", out), str(out), "Input/output error", "run the same command again")


def test_a_codec_that_could_not_be_kept_is_calibrated_again(
    run: Run, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, file = tmp_path / "out", tmp_path / "a.rsc"
    assert run("train", "--data.name", images, *ONE, "--out", out).status == 0

    def fails(codec: Codec, path: Path) -> None:
        raise files.unwritable(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    compress = ("compress", out, images, "--out", file, "--quiet")
    with monkeypatch.context() as patched:
        patched.setattr(Codec, "save", fails)
        refused(run(*compress), "No space left")
    assert run(*compress).status == 0
    (codec,) = (out / "codecs").glob("*.codec")
    assert codec.with_suffix(".json").exists()


def test_a_member_of_an_archive_that_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", b"no array")
    with pytest.raises(DataError, match="'images' that is no array: save plain arrays"):
        read_path(path)


def test_json_that_is_nested_too_deep(run: Run, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("train", "--data.name", images, *ONE, "--out", out).status == 0
    (out / "evaluation.jsonl").write_text("[" * 100_000 + "\n")
    refused(run("train", "--data.name", images, *ONE, "--out", out), "evaluation.jsonl", "damaged", "nested too deep")


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2Jgone", "\udcff", "left\u202eright", "\x00"])
def test_errors_are_one_line_that_does_nothing_to_a_terminal(text: str) -> None:
    shown = str(RatescapeError(f"there is no {text}: choose another"))
    assert shown.isprintable() and shown.startswith("there is no ") and shown.endswith(": choose another")


@pytest.mark.parametrize("name", ["line\nbreak", "\x1b[31mred", os.fsdecode(b"not-\xff-utf-8"), "<b>&amp;'\"", "-x"])
def test_strange_names_of_folders(name: str, images: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    words = ["train", "--data.name", str(images), *ONE, f"--out={out}"]
    ended = forked(lambda: commands.main(words), tmp_path / "told")
    assert (ended.status, ended.err) == (0, "")
    assert os.fsencode(out) in (tmp_path / "told" / "1").read_bytes()
    assert (out / "done").exists()


def test_downloads_come_by_tls_alone() -> None:
    assert all(mirror.startswith("https://") for source in SOURCES.values() for mirror in source.mirrors)
    assert all(source.mirrors for source in SOURCES.values() if source.files)


def test_a_redirect_to_an_address_without_tls_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer(contextlib.nullcontext[Any]):
        status_code, url, headers = 200, "http://elsewhere/file", dict[str, str]()

        def __enter__(self) -> "Answer":
            return self

        def raise_for_status(self) -> None: ...

    monkeypatch.setattr(requests, "get", lambda *given, **named: Answer())
    with pytest.raises(Exception, match="without TLS"):
        fetching._receive_rest("https://here/file", tmp_path / "part", lambda done, total: None)
    assert not (tmp_path / "part").exists()


def test_what_a_file_names_is_never_imported(run: Run, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("train", "--data.name", images, *ONE, "--out", out).status == 0
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'evil')!r}, 'w')\ndef run(*_): pass\n")
    tensors, header = checkpoint.load(out / "weights.safetensors")
    header["model"] = {"factory": "evil_module:run", "source": "0" * 64}
    checkpoint.save(out / "weights.safetensors", tensors, header)
    imported: list[str] = []

    def load() -> int:
        sys.addaudithook(lambda event, given: imported.append(str(given[0])) if event == "import" else None)
        sys.path.insert(0, str(tmp_path))
        with pytest.raises(RatescapeError, match="evil_module:run"):
            rs.load(out)
        return int(any("evil" in name for name in imported))

    ended = forked(load, tmp_path / "told")
    assert ended.status == 0, ended
    assert not (tmp_path / "evil").exists()


def test_a_moved_folder_is_taken_up(run: Run, images: Path, tmp_path: Path, unrendered: None) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    command = ("map", "--data.name", images, *SMALL, "--training.epochs", "1", "--quiet", "--out")
    assert run(*command, one).status == 0
    table = (one / "landscape.csv").read_bytes()
    one.rename(other)
    weights = {path: path.stat().st_mtime_ns for path in other.rglob("weights.safetensors")}
    (other / "landscape.csv").unlink()
    assert run(*command, other).status == 0
    assert (other / "landscape.csv").read_bytes() == table
    assert {path: path.stat().st_mtime_ns for path in other.rglob("weights.safetensors")} == weights


def test_a_report_during_a_sweep(run: Run, images: Path, tmp_path: Path, unrendered: None) -> None:
    out = tmp_path / "out"
    command = ("map", "--data.name", images, *SMALL, "--training.epochs", "1", "--quiet", "--out", out)
    assert run(*command).status == 0
    with locked(out):
        assert run("report", out).status == 0
        assert run("status", out).status == 0
        refused(run(*command), "another ratescape is working in")


def test_saving_is_plain_bytes_that_load_again(tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.savez(whole, images=blobs(24), labels=np.array([json.dumps({"a": 1})] * 24, dtype=object))
    (tmp_path / "images.npz").write_bytes(whole.getvalue())
    with pytest.raises(DataError, match="pickled objects are refused"):
        rs.load_data(tmp_path / "images.npz")
