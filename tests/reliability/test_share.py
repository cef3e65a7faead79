"""A share of the campaigns, another one on every run: `make campaign-reliability` runs them all.

The seed of the share is printed and, given as RATESCAPE_SEED, repeated.
"""

import os
import random
import time
from pathlib import Path

import pytest

from ratescape.cli import commands
from reliability import crashing, doors, hostile, lines
from reliability.campaign import CAMPAIGNS, share
from reliability.commands import Cases, forked
from reliability.disk import KEEPS, Disk
from reliability.door import files_of
from reliability.faults import Operation

SEED = int(os.environ.get("RATESCAPE_SEED", time.time_ns() % 100_000))

PATIENCE = 4
"""Seconds after which no further case of a campaign is begun."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    print(f"RATESCAPE_SEED={SEED} repeats this share")
    return Cases(tmp_path_factory.mktemp("reliability"))


@pytest.fixture(scope="module")
def chosen() -> str:
    """The command that this run is about."""
    return random.Random(SEED).choice(["train", "compress", "decompress"])


@pytest.mark.parametrize("campaign", ["crash", "failure", "power"])
def test_whatever_is_broken_off_is_taken_up(campaign: str, cases: Cases, chosen: str) -> None:
    begun = time.monotonic()
    for number, trial in enumerate(share(list(CAMPAIGNS[campaign](cases, (chosen,))), 8, SEED)):
        if number and time.monotonic() - begun > PATIENCE:
            break
        assert trial.wrong() == [], f"{campaign} {trial.name}, RATESCAPE_SEED={SEED}"


def test_a_sweep_whose_processes_are_killed_at_random_moments_is_taken_up(cases: Cases) -> None:
    (trial,) = share(list(CAMPAIGNS["kills"](cases, ("workers", "workers targeted"))), 1, SEED)
    assert trial.wrong() == [], f"kills {trial.name}, RATESCAPE_SEED={SEED}"


def test_what_is_said_to_be_done_outlives_a_power_cut(cases: Cases, chosen: str) -> None:
    for keeps in KEEPS:
        assert crashing.after_the_end(cases, chosen, keeps, SEED) == []


def test_the_simulated_disk_loses_what_nobody_synced(tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "old").write_text("old")
    made = [
        Operation("mkdir", "new"),
        Operation("create", "new/a", 7),
        Operation("write", "new/a", 7, "", b"abc", True),
    ]

    def left(operations: list[Operation], keeps: str) -> dict[str, bytes]:
        disk = Disk(tmp_path / "start")
        for operation in operations:
            disk.follow(operation)
        disk.cut(keeps, random.Random(0), tmp_path / "left")
        return files_of(tmp_path / "left")

    old = {"old": b"old"}
    synced = [*made, Operation("fsync", "new/a", 7)]
    assert left(made, "everything") == old | {"new/a": b"abc"}
    assert left(made, "names") == old | {"new/a": b""}
    assert left(synced, "names") == old | {"new/a": b"abc"}
    assert left([*synced, Operation("fsync", "new")], "nothing") == old  # the name of the folder itself is lost
    assert left([*synced, Operation("fsync", "new"), Operation("fsync", ".")], "nothing") == old | {"new/a": b"abc"}
    renamed = [*made, Operation("rename", "new/a", 7, "old"), Operation("fsync", "new/a", 7)]
    assert left(renamed, "nothing") == old
    elsewhere = [
        *synced,
        *(Operation("mkdir", "other"), Operation("fsync", "new"), Operation("fsync", ".")),
        Operation("rename", "new/a", 7, "other/a"),
    ]
    assert left(elsewhere, "nothing") == old | {"new/a": b"abc"}
    assert left([*elsewhere, Operation("fsync", "other")], "nothing") == old | {"new/a": b"abc", "other/a": b"abc"}


@pytest.mark.parametrize("name", ["idx", "idx.gz", "mat", "cifar", "cifar.tar.gz", "npz", "npy", "csv", "images"])
def test_hostile_images(name: str, cases: Cases) -> None:
    assert_harmless(name, cases, 40)


@pytest.mark.parametrize("name", ["config", "model", "run", "archive", "info", "codec"])
def test_hostile_models_and_specs(name: str, cases: Cases) -> None:
    assert_harmless(name, cases, 25)


@pytest.mark.parametrize("name", ["parquet", "masks", "prepared", "hub model"])
def test_hostile_files_from_elsewhere(name: str, cases: Cases) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    assert_harmless(name, cases, 20)


def assert_harmless(name: str, cases: Cases, count: int) -> None:
    found = list(hostile.crowd(doors.door(cases, name), cases.folder / "hostile" / name, range(SEED, SEED + count)))
    assert len(found) == count
    assert [one for one in found if one["wrong"]] == [], name
    assert any(one["outcome"] == "refused" for one in found), "no damage was seen: the test tests nothing"


def test_strange_command_lines(tmp_path: Path) -> None:
    for seed in range(SEED, SEED + 8):
        words = lines.command_line(seed)
        ended = forked(lambda words=words: commands.main(words), tmp_path, seconds=20)
        if "\ntraining (" in ended.err:  # a right command, at work when its time was over
            continue
        assert ended.status in (0, 2) or ended.is_one_line, (words, ended)
        assert "Traceback" not in ended.err, (words, ended)
