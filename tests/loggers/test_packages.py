"""Weights & Biases (offline) and trackio themselves: what they wrote, read back, is the log of the run.

Where a package is not installed its test is skipped: both bring dozens of others, so that development does without.
"""

import importlib
import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.commands import SHORT, Run
from helpers.logged import expected

from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder
from ratescape.specs.identity import key as key_of

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.filterwarnings("default"),  # what the packages and theirs warn of says nothing about this code
]


def trained(run: Run, images: Path, name: str, out: Path) -> tuple[str, dict[int, dict[str, float]]]:
    """The key of a training with this logger, and what the log of the run has of each epoch."""
    words = ("train", "--data.name", images, "--betas", "0.5", "2", *SHORT, "--execution.log", name)
    outcome = run(*words, "--out", out)
    assert outcome.status == 0, outcome.err
    *lines, last = outcome.out.splitlines()
    assert all("metrics" in json.loads(line) for line in lines) and last == str(out), "the package prints nothing there"
    folder = RunFolder(out)
    return key_of(folder.spec()), {line["epoch"]: expected(line) for line in read_json_lines(folder.training)}


def numbers(logged: list[dict[str, Any]], key: str) -> dict[int, dict[str, float]]:
    """What was logged of each epoch of a training, pictures left out; names without the training's."""
    found: dict[int, dict[str, float]] = {}
    for one in logged:
        series = {name.removeprefix(f"{key}/"): value for name, value in one.items() if name.startswith(f"{key}/")}
        if "loss" in series:
            found[int(series.pop("epoch"))] = series
    return found


def pictures(logged: list[dict[str, Any]], key: str) -> list[str]:
    return [name for one in logged for name in (f"{key}/reconstructions", f"{key}/samples") if name in one]


def records(path: Path) -> Iterator[bytes]:
    """Those of a file of wandb: 7 bytes, then blocks of 32 KiB of pieces (checksum, length, kind), as of LevelDB."""
    content, at, begun = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        left = 2**15 - at % 2**15
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        begun += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or a last piece
            yield begun
            begun = b""


def test_wandb_holds_the_log(run: Run, images_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    messages = importlib.import_module("wandb.proto.wandb_internal_pb2")
    key, log = trained(run, images_file, "wandb", tmp_path / "model")
    wandb.teardown()  # a process of its own writes, which is waited for where this one ends
    (path,) = tmp_path.glob("model/logs/wandb/offline-run-*/*.wandb")
    found = [messages.Record.FromString(one) for one in records(path)]
    logged: list[dict[str, Any]] = []
    for record in (one.history for one in found if one.WhichOneof("record_type") == "history"):
        items = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.item}
        logged.append({name.removesuffix("/path"): value for name, value in items.items()})
    assert numbers(logged, key) == log and len(log) == 2
    assert pictures(logged, key) == [f"{key}/reconstructions", f"{key}/samples"] * 2
    axes = {one.metric.glob_name: one.metric.step_metric for one in found if one.metric.glob_name}
    assert axes.keys() == {f"{key}/*"}
    assert [one.exit.exit_code for one in found if one.WhichOneof("record_type") == "exit"] == [0]


def test_trackio_holds_the_log(run: Run, images_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # before its import, which reads it
    pytest.importorskip("trackio", reason="trackio is not installed")
    key, log = trained(run, images_file, "trackio", tmp_path / "model")
    with sqlite3.connect(tmp_path / "trackio" / "ratescape.db") as store:
        rows = store.execute("SELECT metrics FROM metrics WHERE run_name = 'model' ORDER BY step").fetchall()
        watched = store.execute("SELECT count(*) FROM system_metrics").fetchone()
    store.close()
    logged = [json.loads(text) for (text,) in rows]
    assert numbers(logged, key) == log and len(log) == 2
    assert pictures(logged, key) == [f"{key}/reconstructions", f"{key}/samples"] * 2
    assert watched == (0,), "the load of the machine is not logged"
