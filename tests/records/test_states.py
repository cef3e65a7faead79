"""How far the work in a folder is, from the disk alone."""

import threading
import time
from pathlib import Path

import pytest
from helpers.sweep_on_disk import sweep

from ratescape.errors import RecordError
from ratescape.records.attempts import Attempt, GroupRate, write_attempts
from ratescape.records.heartbeat import Heartbeat, is_held, path_of, read_heartbeat
from ratescape.records.locks import locked
from ratescape.records.states import contents_of, listed, status_of


def beat(state: str = "running", left: float | None = 140.0) -> Heartbeat:
    return Heartbeat("measuring", 3, 25, elapsed=61.0, left=left, beaten=time.time(), state=state)


def test_a_sign_of_life_is_whole_or_none(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path) is None
    written = beat()
    written.write(tmp_path)
    assert read_heartbeat(tmp_path) == written
    path_of(tmp_path).write_text('{"phase": "meas')
    assert read_heartbeat(tmp_path) is None
    beat().write(tmp_path / "progress.json" / "no folder")  # what cannot be written harms nobody


def test_work_that_goes_on_is_seen_without_disturbing_it(tmp_path: Path) -> None:
    folder = sweep(tmp_path, steps=3)
    beat().write(tmp_path)
    with locked(tmp_path):
        assert is_held(tmp_path)
        first, second = status_of(tmp_path)
    assert first.endswith("mnist-5k, dedicated, 8 of 9 models are done") and str(folder.path) in first
    assert second == "working: measuring 3 of 25, about 2 min left (60 s so far, last sign of life 1 s ago)"


def test_a_look_does_not_keep_a_map_from_beginning(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            is_held(tmp_path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(20):
            with locked(tmp_path):
                pass
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("state", "missing", "expected"),
    [
        ("running", None, "killed or stopped 1 s ago (measuring 3 of 25): give the same command again to go on"),
        ("stopped", None, "killed or stopped 1 s ago (measuring 3 of 25): give the same command again to go on"),
        ("done", 2, "killed or stopped 1 s ago (measuring 3 of 25): give the same command again to go on"),
        ("done", None, "done: the last call took 60 s, and ended 1 s ago"),
    ],
)
def test_what_ended_is_told_from_what_was_killed(
    tmp_path: Path, state: str, missing: int | None, expected: str
) -> None:
    sweep(tmp_path, steps=3, missing=missing)
    beat(state).write(tmp_path)
    assert status_of(tmp_path)[1] == expected


def test_a_landscape_of_old_without_a_sign_of_life_is_told_by_its_models(tmp_path: Path) -> None:
    sweep(tmp_path / "whole", steps=3, missing=None)
    sweep(tmp_path / "part", steps=3)
    assert status_of(tmp_path / "whole")[1] == "done"
    assert status_of(tmp_path / "part")[1] == "killed or stopped: give the same command again to go on"


def test_a_network_that_begins_again_is_told_of(tmp_path: Path) -> None:
    folder = sweep(tmp_path, steps=3, conditioned=True)
    (network,) = folder.spec().networks()
    own = folder.network(network)
    own.path.mkdir(parents=True)
    dead, alive = GroupRate((2,), (0.1, 10.0), 0.004), GroupRate((1,), (10.0, 0.1), 60.0)
    write_attempts(own.attempts, [Attempt(1e-3, (dead, alive)), Attempt(1e-3 / 3, (alive, alive))])
    beat().write(tmp_path)
    with locked(tmp_path):
        (*_, line) = status_of(tmp_path)
    assert line == "network, attempt 1 of 4 at most, learning rate 0.001: z₂ carried 0.00 nats at betas (0.1, 10)"
    assert status_of(tmp_path)[-1] == line  # after it was killed, too
    own.weights.touch()  # once it is done the report says what became of it
    assert "attempt" not in status_of(tmp_path)[-1]


def test_landscapes_and_models_below_a_folder_are_listed(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "a" / "digits", steps=3)
    run = folder.spec().runs()[0]
    alone = folder.run(run).path
    alone.rename(tmp_path / "model")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "spec.yaml").write_text("version: 1\n")  # of another format, or somebody else's
    digits, model = sorted(listed(tmp_path), key=lambda one: one.path)
    assert (digits.path, digits.data, digits.method) == (tmp_path / "a" / "digits", "mnist-5k", "dedicated")
    assert (digits.done, digits.models, digits.state) == (7, 9, "stopped")
    assert (model.path, model.method, model.done, model.state) == (tmp_path / "model", "one model", 1, "done")
    assert digits.row[3] == "7 of 9" and digits.row[5].endswith(" MB") and digits.row[6].startswith("20")


def test_a_damaged_one_among_them_hides_no_other(tmp_path: Path) -> None:
    sweep(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "spec.yaml").write_text("method: [", encoding="utf-8")
    assert [one.path for one in listed(tmp_path)] == [tmp_path / "good"]


@pytest.mark.parametrize("ask", [contents_of, listed])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(RecordError, match="nowhere is no folder: check the path"):
        ask(tmp_path / "nowhere")


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"is no landscape and no model \(it has no spec.yaml\): check the path"):
        contents_of(tmp_path)
