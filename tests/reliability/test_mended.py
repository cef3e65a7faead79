"""What later campaigns found, once each."""

import errno
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from helpers.sweep_on_disk import sweep
from helpers.syncs import names_synced

from ratescape.cli import commands
from ratescape.errors import HubError, RecordError, SpecError
from ratescape.execution.workers import how_it_ended
from ratescape.hub.files import ABOUT, WEIGHTS, kind_of, listed
from ratescape.records.answers import Answer, Outcome, answers
from ratescape.records.files import Unreadable, read_json_lines, whole_folder, write_atomically
from ratescape.records.folders import read_spec
from ratescape.records.table import read_table
from ratescape.report.control import control_figure
from ratescape.restoring.masks import mask_of
from ratescape.specs.codec import from_dict
from ratescape.specs.rate_targets import RateTarget
from ratescape.specs.runs import RunSpec, TargetSpec


def test_a_folder_is_whole_synced_and_of_usual_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usual").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    synced = names_synced(monkeypatch)
    with whole_folder(tmp_path / "link") as begun:
        (begun / "inside").mkdir()
        (begun / "inside" / "file").write_text("content")
    assert (tmp_path / "there" / "inside" / "file").read_text() == "content" and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there", "usual"]
    assert (tmp_path / "there").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(synced[:2]) == ["file", "inside"] and synced[2:] == ["new", tmp_path.name]


def test_a_folder_that_cannot_take_its_place_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(tmp_path / "out" / "old", "content")
    before = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return before(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with (
        pytest.raises(RecordError, match=r"cannot write .*out \(Input/output error\)"),
        whole_folder(tmp_path / "out") as begun,
    ):
        (begun / "new").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]


def test_what_fails_in_a_folder_to_be_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), whole_folder(tmp_path / "out"):
        raise FileNotFoundError(errno.ENOENT, "missing", "elsewhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_records_that_cannot_be_read_now_are_not_called_damaged(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, **_: object) -> str:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_text", fails)
    with pytest.raises(Unreadable, match=r"records\.jsonl cannot be used \(.*\): see to its disk") as told:
        read_json_lines(tmp_path / "records.jsonl")
    assert "delete" not in str(told.value)


@pytest.mark.parametrize("name", ["evaluation", "training"])
def test_a_table_is_not_read_without_a_model_that_cannot_be_read_now(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, before = sweep(tmp_path, steps=2, missing=None, pictures=False), Path.read_text
    refused = getattr(folder.run(folder.spec().runs()[1]), name)

    def fails(path: Path, *given: str, **named: str) -> str:
        if path == refused:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return before(path, *given, **named)

    monkeypatch.setattr(Path, "read_text", fails)
    with pytest.raises(Unreadable, match="Too many open files"):
        read_table(folder)


@pytest.mark.parametrize(("field", "value"), [("absent", "x"), ("parts", {"rate": 1}), ("parts", {"rate": ["a"]})])
def test_a_record_of_other_types_is_left_out_and_told_of(field: str, value: object, tmp_path: Path) -> None:
    folder = sweep(tmp_path, steps=2, missing=None, pictures=False)
    one = folder.run(folder.spec().runs()[1])
    lines = [record | {field: value} for record in read_json_lines(one.evaluation)]
    one.evaluation.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = read_table(folder)
    assert len(table.rows) == 3 and any("evaluation.jsonl is damaged" in line for line in table.broken)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (-signal.SIGKILL, "was ended by SIGKILL, as a system does where memory runs out"),
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-200, "was ended by signal 200"),
        (3, "ended by itself, with status 3"),
        (None, "does not answer any more"),
    ],
)
def test_how_a_worker_ended_is_told_and_no_cause_guessed(status: int | None, told: str) -> None:
    assert how_it_ended(status).startswith(told)
    assert ("memory" in how_it_ended(status)) == (status == -signal.SIGKILL)


@pytest.mark.parametrize(
    "line",
    [
        {"betas": [1.0], "rates": [1.0, 2.0]},
        {"step": 1, "betas": [1.0, None], "rates": [1.0, [2.0]]},
        {"step": 1, "betas": [1.0], "rates": [2.0]},
        {"step": 10**400, "betas": ["a", "b"], "rates": [1, 2]},
    ],
)
def test_a_damaged_log_of_controlled_betas_is_one_line(line: dict[str, object], tmp_path: Path) -> None:
    folder = sweep(tmp_path, steps=2, missing=None, pictures=False)
    run = folder.run(folder.spec().runs()[0])
    target = TargetSpec((RateTarget((2,), 1.0), RateTarget((1,), 2.0)))
    run.control.write_text(json.dumps(line) + "\n")
    with pytest.raises(RecordError, match=r"control\.jsonl is damaged: delete"):
        control_figure([(target, run)])


@pytest.mark.parametrize(
    ("field", "value"), [("distortion", [1]), ("betas", "1"), ("rates", [10**400]), ("request", 5), ("outcomes", [{}])]
)
def test_a_damaged_answer_is_one_line(field: str, value: object, tmp_path: Path) -> None:
    folder, outcome = (
        sweep(tmp_path, steps=2, missing=None, pictures=False),
        Outcome((2,), 1.0, 1.0, 1.0, 0.0, "reached"),
    )
    answer = Answer("2=1", (1.0, 1.0), (1.0, 2.0), 3.0, None, (outcome,))
    folder.answers.write_text(json.dumps(answer.to_dict()) + "\n")
    assert answers(folder) == [answer]
    folder.answers.write_text(json.dumps(answer.to_dict() | {field: value}) + "\n")
    with pytest.raises(RecordError, match=r"answers\.jsonl is damaged: delete it, and ask"):
        answers(folder)


@pytest.mark.parametrize("kind", [["model"], {"a": 1}, None, 10**400])
def test_a_repository_of_no_kind_is_one_line(kind: object, tmp_path: Path) -> None:
    (tmp_path / ABOUT).write_text(json.dumps({"kind": kind, "format": 1}))
    with pytest.raises(HubError, match="which this ratescape does not read"):
        kind_of(tmp_path, tmp_path)
    (tmp_path / ABOUT).write_text("[" * 100_000)
    with pytest.raises(HubError, match="damaged: download it again"):
        kind_of(tmp_path, tmp_path)


def test_a_spec_that_the_system_refuses_for_a_moment_is_not_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refined model whose spec could not be read was left out, and the unrefined one handed over without a word."""
    (tmp_path / "spec.yaml").write_text("version: 3\nbetas: [1, 1, 1, 1, 1]\n")
    with pytest.raises(RecordError, match="does not describe a model") as damaged:
        read_spec(RunSpec, tmp_path)
    assert not isinstance(damaged.value, Unreadable)

    def refuses(path: Path, *given: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(Path, "open", refuses)
    with pytest.raises(Unreadable, match=r"spec.yaml cannot be used \(Too many open files\)"):
        read_spec(RunSpec, tmp_path)


def test_links_that_go_round_in_a_repository_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / WEIGHTS).symlink_to(tmp_path / "inside" / WEIGHTS)
    with pytest.raises(HubError, match="is no file inside"):
        listed(tmp_path / "inside", "model", tmp_path)


def test_a_mask_of_no_dimensions_is_one_line() -> None:
    with pytest.raises(SpecError, match=r"mask has shape \(\): give one of"):
        mask_of(np.array(True), 3, (16, 16), 0)


SHORT = "there is too little memory ("


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), SHORT),
        (RuntimeError("unable to mmap 78652 bytes from file <x>: Cannot allocate memory (12)"), SHORT),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), SHORT),
        (RuntimeError("could not create a primitive"), "a computation could not be set up (could"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
    ],
)
def test_too_little_memory_is_one_line_and_a_defect_is_not(
    error: Exception, told: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(words: list[str]) -> object:
        raise error

    monkeypatch.setattr(commands, "parse", fails)
    if told is None:
        with pytest.raises(RuntimeError):
            commands.main(["ls"])
        return
    assert commands.main(["ls"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"ratescape: {told}") and err.count("\n") == 1


@pytest.mark.parametrize(("values", "name"), [({"target": {}}, "target.rates"), ({"merged": {}}, "merged.network")])
def test_a_spec_that_lacks_what_has_no_default_is_one_line(values: dict[str, object], name: str) -> None:
    with pytest.raises(SpecError, match=f"{name} is missing: give it"):
        from_dict(RunSpec, values)
