"""Records: files are whole or as before, folders have one owner, the table is what the records say."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.sweeps import sweep_spec
from hypothesis import given
from hypothesis import strategies as st

from ratescape.errors import RecordError
from ratescape.metrics import layer_columns
from ratescape.records import files, locks
from ratescape.records.files import read_json_lines, to_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import read_table
from ratescape.specs.codec import to_yaml
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import FORMAT
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.training import TrainingSpec

# Writing


def test_a_write_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    files.write_atomically(path, "a long first content")
    files.write_atomically(path, b"\x00new")
    assert path.read_bytes() == b"\x00new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    path = tmp_path / "file"
    files.write_atomically(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), full)
    with pytest.raises(RecordError, match=r"^cannot write .*file \(No space left on device\): free some space or"):
        files.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_that_takes_no_more_leaves_the_old_file(tmp_path: Path) -> None:
    """A real refusal of the system, in the middle of a write."""
    code = """
import resource, sys
from pathlib import Path
from ratescape import errors
from ratescape.records import files
path = Path(sys.argv[1])
files.write_atomically(path, "old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.write_atomically(path, "new" * 1000)
except errors.RecordError as error:
    print(error)
"""
    path = tmp_path / "file"
    command = [sys.executable, "-c", code, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"cannot write {path} (File too large): raise the limit on the size of files")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"cannot write .*inside \(.*\): move away the file .* or choose another"):
        files.write_atomically(tmp_path / "file" / "inside", "x")
    with pytest.raises(RecordError, match=r"cannot write .*file .*Not a directory"), locks.locked(tmp_path / "file"):
        pass


# JSON lines

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=4))
def test_json_lines_read_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, lines: list[Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_text(to_json_lines(lines), encoding="utf-8")
    assert read_json_lines(path) == lines


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    text = to_json_lines([{"a": math.nan, "b": [math.inf, 1.0], "c": {"d": (-math.inf,)}}])
    assert text == '{"a": null, "b": [null, 1.0], "c": {"d": [null]}}\n'


@pytest.mark.parametrize("content", [b'{"a": 1}\n{"a":', b"[1]\n", b"\xff\xff\n", b"\n"])
def test_damaged_lines_name_the_file_and_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "evaluation.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"{path} .*: delete {tmp_path} to make it again"):
        read_json_lines(path)


def test_missing_lines_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"is missing or damaged .*No such file"):
        read_json_lines(tmp_path / "evaluation.jsonl")


# One owner

HOLDER = """
import sys
from pathlib import Path
from ratescape.records import locks
with locks.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_kept_out_until_the_first_ends_however_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(RecordError, match=rf"another ratescape is working in {folder}: wait"),
            locks.locked(folder),
        ):
            pass
        holder.kill()
    with locks.locked(folder):
        pass


def test_the_lock_is_let_go_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locks.locked(tmp_path):
        raise ZeroDivisionError
    with locks.locked(tmp_path):
        pass


def test_a_claim_names_the_fields_that_differ(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    spec = sweep_spec(grid=BetaGrid(steps=2))
    folder.claim(spec)
    folder.claim(spec)
    assert folder.spec() == spec
    other = sweep_spec(grid=BetaGrid(steps=3), training=TrainingSpec(epochs=7), evaluation=EvaluationSpec(draws=2))
    with pytest.raises(RecordError, match=r"another spec \(it differs in training\.epochs, grid\.steps\): choose"):
        folder.claim(other)
    assert folder.spec() == spec


def test_a_claim_may_change_the_settings_of_evaluation(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    folder.claim(sweep_spec())
    anew = sweep_spec(evaluation=EvaluationSpec(draws=3))
    folder.claim(anew)
    assert folder.spec() == anew


@pytest.mark.parametrize("version", [str(FORMAT + 1), "99"])
def test_a_newer_version_is_refused(tmp_path: Path, version: str) -> None:
    (tmp_path / "spec.yaml").write_text(f"version: {version}\nsomething: new\n")
    for use in (
        SweepFolder(tmp_path).spec,
        RunFolder(tmp_path).spec,
        lambda: SweepFolder(tmp_path).claim(sweep_spec()),
    ):
        with pytest.raises(RecordError, match=r"was made by a newer ratescape .*: upgrade ratescape"):
            use()


def test_an_older_format_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(f"version: {FORMAT - 1}\nsomething: old\n")
    for use in (SweepFolder(tmp_path).spec, RunFolder(tmp_path).spec):
        with pytest.raises(
            RecordError, match=rf"was made by an older ratescape \(format {FORMAT - 1}, this one reads {FORMAT}\)"
        ) as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["training: [", "nonsense: 1", "seeds: 3"])
def test_a_damaged_spec_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "spec.yaml").write_text(f"version: {FORMAT}\n{text}")
    with pytest.raises(RecordError, match=rf"{tmp_path}/spec\.yaml does not describe a landscape .*restore the file"):
        SweepFolder(tmp_path).spec()


def test_a_folder_without_a_spec_is_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is not a results folder"):
        SweepFolder(tmp_path).spec()


def test_a_run_is_no_landscape(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_spec(RunSpec())
    assert RunFolder(tmp_path).spec() == RunSpec()
    with pytest.raises(RecordError, match=r"does not describe a landscape \(unknown key betas"):
        SweepFolder(tmp_path).spec()


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_damaged_provenance_is_named_with_a_remedy(tmp_path: Path, content: str) -> None:
    folder = SweepFolder(tmp_path)
    folder.write_provenance({"seconds": math.nan})
    assert folder.provenance() == {"seconds": None}
    (tmp_path / "provenance.json").write_text(content)
    with pytest.raises(RecordError, match=r"provenance\.json is .*damaged: delete it"):
        folder.provenance()


# The table


def write_run(
    place: RunFolder, run: RunSpec, *, status: str = "ok", splits: tuple[str, ...] = ("validation", "test")
) -> None:
    """The records of a run whose numbers tell where they come from: layer k has rate 10 k, on test 0.5 more."""
    place.write_spec(run)
    place.training.write_text(to_json_lines([{"epoch": 1, "status": "ok"}, {"epoch": 2, "status": status}]))
    lines: list[dict[str, Any]] = []
    for split in splits:
        more = 0.5 if split == "test" else 0.0
        layers = len(run.betas)
        rates = [10.0 * (layers - index) + more for index in range(layers)]
        metrics: dict[str, Any] = {"rates": rates, "rate": sum(rates), "psnr": 20 + more, "active": [3] * layers}
        if status == "diverged":
            metrics = {name: [None] * layers if isinstance(v, list) else None for name, v in metrics.items()}
        lines.append({"split": split, "betas": run.betas, "metrics": metrics})
    place.evaluation.write_text(to_json_lines(lines))
    place.mark_done()


def a_sweep(path: Path, **fields: Any) -> tuple[SweepFolder, list[RunSpec]]:
    spec = sweep_spec(grid=BetaGrid(steps=2), **fields)
    folder = SweepFolder(path)
    folder.claim(spec)
    return folder, spec.runs()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_columns_run_from_the_top_layer_down(tmp_path: Path, layers: int) -> None:
    model = ModelSpec(family="residual", latents=(2,) * layers)
    folder, runs = a_sweep(tmp_path, model=model)
    for run in runs:
        write_run(folder.run(run), run)
    table = read_table(folder)
    numbers = range(layers, 0, -1)

    def measured(prefix: str) -> list[str]:
        active = [f"{prefix}active_{k}" for k in numbers]
        return [*(f"{prefix}rate_{k}" for k in numbers), f"{prefix}rate", f"{prefix}psnr", *active]

    betas = [f"beta_{k}" for k in numbers]
    assert list(table.rows) == ["run", "seed", "status", *betas, *measured(""), *measured("test_")]
    assert layer_columns(table.rows, "rate") == [f"rate_{k}" for k in numbers]
    assert layer_columns(table.rows, "test_rate") == [f"test_rate_{k}" for k in numbers]
    assert [tuple(row) for row in table.rows[betas].to_numpy()] == [run.betas for run in runs]
    for k in numbers:
        assert (table.rows[f"rate_{k}"] == 10 * k).all() and (table.rows[f"test_rate_{k}"] == 10 * k + 0.5).all()
    assert (table.missing, table.broken, table.split) == (0, (), "validation")


def test_missing_diverged_and_broken_runs_are_told_apart(tmp_path: Path) -> None:
    folder, runs = a_sweep(tmp_path, seeds=(0, 1))
    places = [folder.run(run) for run in runs]
    for run, place in zip(runs[1:], places[1:], strict=True):
        write_run(place, run, status="diverged" if run is runs[1] else "ok")
    places[2].evaluation.write_text("{")
    places[3].training.write_text("")
    write_run(places[4], runs[4], splits=("validation",))
    places[5].evaluation.write_text('{"split": "validation"}\n{"split": "test"}\n')
    table = read_table(folder)
    assert table.missing == 1
    assert list(table.rows["run"]) == [place.path.name for place in (places[1], places[6], places[7])]
    assert list(table.rows["status"]) == ["diverged", "ok", "ok"]
    assert pd.isna(table.rows.loc[0, ["rate_2", "rate_1", "rate", "psnr", "active_2", "test_psnr"]]).all()
    assert len(table.broken) == 4
    for place, line in zip(places[2:6], table.broken, strict=True):
        assert str(place.path) in line and "to make it again" in line


def test_the_papers_protocol_has_test_alone(tmp_path: Path) -> None:
    folder, runs = a_sweep(tmp_path, data=DataSpec(validation=0.0))
    for run in runs:
        write_run(folder.run(run), run, splits=("test",))
    table = read_table(folder)
    assert table.split == "test"
    assert (table.rows["rate_2"] == 20.5).all()
    assert not [column for column in table.rows if column.startswith("test_")]


def test_a_sweep_without_finished_runs_has_an_empty_table(tmp_path: Path) -> None:
    folder, runs = a_sweep(tmp_path)
    table = read_table(folder)
    assert table.rows.empty and table.missing == len(runs)


def test_the_spec_on_disk_carries_its_version(tmp_path: Path) -> None:
    folder, _ = a_sweep(tmp_path)
    assert (tmp_path / "spec.yaml").read_text() == f"version: {FORMAT}\n" + to_yaml(folder.spec())
    assert json.loads(to_json_lines([{"betas": (1.0, 2.0)}])) == {"betas": [1.0, 2.0]}
