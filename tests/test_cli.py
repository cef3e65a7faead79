"""The command line: every command end to end, and every bad input as one line that names it and the remedy."""

import gzip
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import TINY, blobs

from ratescape.cli import commands
from ratescape.compute import memory
from ratescape.landscape import Landscape
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.specs.identity import key
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process."""

    def run(*words: str | Path) -> Outcome:
        capsys.readouterr()
        try:
            status = commands.main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
        return Outcome(status, *capsys.readouterr())

    return run


def refused(outcome: Outcome, *parts: str) -> None:
    """One line on stderr with these parts, nothing on stdout, and a status that says so."""
    assert outcome.status in (1, 2), outcome
    assert outcome.out == ""
    assert outcome.err.startswith("ratescape: ") and outcome.err.count("\n") == 1 and outcome.err.endswith("\n")
    for part in parts:
        assert part in outcome.err


SHORT = [*TINY, "--training.epochs", "2"]
SMALL = [*SHORT, "--grid.steps", "2", "--execution.engine", "in-process"]


@pytest.fixture(scope="module")
def mapped(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """A landscape made by `ratescape map`."""
    out = tmp_path_factory.mktemp("mapped")
    assert commands.main(["map", "--data.name", str(images_file), *SMALL, "--out", str(out), "--quiet"]) == 0
    return SweepFolder(out)


@pytest.fixture(scope="module")
def trained(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A model made by `ratescape train`."""
    out = tmp_path_factory.mktemp("trained")
    words = ["train", "--data.name", str(images_file), *SHORT, "--betas", "0.1", "10", "--out", str(out), "--quiet"]
    assert commands.main(words) == 0
    return RunFolder(out)


# Help


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_help_shows_every_option(run: Run, command: str) -> None:
    outcome = run(command, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"usage: ratescape {command}")
    options = {"map": ["--grid.steps", "--data-folder", "--quiet"], "train": ["--betas", "--training.annealing"]}
    for option in options.get(command, []):
        assert option in outcome.out
    assert re.search(r"\(default: .*\)|\(required\)", outcome.out)


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_overall_help_lists_the_commands(run: Run, words: list[str]) -> None:
    outcome = run(*words)
    assert outcome.status == 0
    for command in commands.COMMANDS:
        assert re.search(rf"^  {command} +[A-Z]", outcome.out, re.MULTILINE)


def test_no_words_are_a_wrong_command_line_and_get_help(run: Run) -> None:
    assert run()[:2] == (2, run("--help").out)


def test_version(run: Run) -> None:
    assert re.fullmatch(r"ratescape \d+\.\d+\.\d+\n", run("--version").out)


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from ratescape.cli.commands import main\ntry: main(['map', '--help'])\nexcept SystemExit: pass\n"
    )
    code += "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


# Wrong words


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["mapp"], ["unknown command 'mapp'", "map, train, evaluate, report, recommend, solve, data"]),
        (["map", "--nonsense", "3"], ["--nonsense", "ratescape map --help"]),
        (["map", "--training.epoch", "3"], ["--training.epoch", "did you mean --training.epochs?"]),
        (["map", "--training.epochs", "three"], ["--training.epochs", "three"]),
        (["map", "--training.epochs", "-1"], ["ratescape: training.epochs is -1: it must be positive"]),
        (["map", "--model.family", "vae"], ["'vae'", "--model.family", "'ghvae'"]),
        (["map", "--grid.low", "0"], ["ratescape: grid.low is 0.0: it must be above 0"]),
        (["map", "--grid.low", "-1"], ["grid.low is -1.0: it must be above 0"]),
        (["map", "--seeds", "-1"], ["seeds is (-1,): it must be distinct numbers, at least 0"]),
        (
            ["map", "--training.epochs", "3", "--training.annealing", "4"],
            ["training.annealing is 4.0", "outlasts training"],
        ),
        (["map", "--model.family", "bottom-up"], ["groups", "Sec. 3.1"]),
        (["map", "--out"], ["--out"]),
        (["train", "--betas", "1", "0"], ["betas is (1.0, 0.0): it must be all above 0"]),
        (["train", "--betas", "1", "-2"], ["betas is (1.0, -2.0): it must be all above 0"]),
        (["train", "--betas", "1"], ["betas is (1.0,)", "one number for each of the 2 layers"]),
        (["train", "--model.family", "bottom-up", "--betas", "1", "2"], ["betas", "Sec. 3.1", "use ghvae or lvae"]),
        (["train", "--seed", "-3"], ["seed is -3: it must be at least 0"]),
        (["evaluate"], ["Missing", "PATH"]),
        (["evaluate", "/missing/run"], ["/missing/run", "is not a results folder", "check the path"]),
        (["report", "/missing/sweep"], ["/missing/sweep", "is not a results folder"]),
        (["recommend", "/missing/sweep"], ["/missing/sweep", "is not a results folder"]),
        (["report", "somewhere", "--config", "x.yaml"], ["--config goes with map and train"]),
        (["map", "--config"], ["--config takes one FILE.yaml"]),
        (["map", "--config", "a.yaml", "--config=b.yaml"], ["--config takes one FILE.yaml"]),
        (["map", "--config", "/missing.yaml"], ["/missing.yaml cannot be read", "check the path"]),
        (["data", "explode"], ["'explode'", "'list'"]),
        (["data", "show"], ["data show needs a name"]),
        (["data", "fetch", "nonsense"], ["unknown data set 'nonsense'", "mnist-5k"]),
    ],
)
def test_wrong_words_get_one_line(run: Run, words: list[str], parts: list[str]) -> None:
    refused(run(*words), *parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("traning: {epochs: 3}", ["unknown key traning; did you mean training?", "config.yaml"]),
        ("training: {epoch: 3}", ["unknown key training.epoch; did you mean training.epochs?", "config.yaml"]),
        ("training: {epochs: many}", ["training.epochs is 'many': it must be a whole number", "config.yaml"]),
        ("execution: {pack: 0}", ["execution.pack is 0: it must be positive", "config.yaml"]),
        ("grid: {low: -1.0}", ["grid.low is -1.0: it must be above 0", "config.yaml"]),
        ("training: [", ["config.yaml is not valid YAML", "mend the file"]),
        ("- 3", ["config.yaml holds no table of fields"]),
        ("version: 99\nnew: 3", ["config.yaml was made by a newer ratescape", "upgrade"]),
    ],
)
def test_a_wrong_config_gets_one_line(run: Run, tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    refused(run("map", "--config", path), *parts)


# Bad images


def idx(images: np.ndarray, magic: int = 2051) -> bytes:
    return struct.pack(">4I", magic, *images.shape) + images.tobytes()


def mnist_folder(place: Path, content: bytes) -> Path:
    """A folder of MNIST whose training images are ``content``."""
    (place / "mnist").mkdir()
    labels = struct.pack(">2I", 2049, 20) + bytes(range(10)) * 2
    for name, data in (("train-images-idx3", content), ("t10k-images-idx3", idx(blobs(20)))):
        (place / "mnist" / f"{name}-ubyte.gz").write_bytes(gzip.compress(data))
    for name in ("train-labels-idx1", "t10k-labels-idx1"):
        (place / "mnist" / f"{name}-ubyte.gz").write_bytes(gzip.compress(labels))
    return place


def test_a_sound_idx_folder_is_taken(run: Run, tmp_path: Path) -> None:
    folder = mnist_folder(tmp_path, idx(blobs(20)))
    outcome = run(
        "train", "--data.name", "mnist", "--data-folder", folder, *SHORT, "--out", tmp_path / "out", "--quiet"
    )
    assert (outcome.status, outcome.err) == (0, "")


@pytest.mark.parametrize(
    ("content", "part"),
    [(idx(blobs(20), magic=0xDEADBEEF), "is not an IDX file"), (idx(blobs(20))[:-100], "is truncated")],
)
def test_damaged_idx_files_are_refused(run: Run, tmp_path: Path, content: bytes, part: str) -> None:
    folder = mnist_folder(tmp_path, content)
    refused(run("map", "--data.name", "mnist", "--data-folder", folder), "train-images-idx3-ubyte.gz", part)


def test_bad_images_are_refused(run: Run, tmp_path: Path) -> None:
    def saved(name: str, **arrays: np.ndarray) -> Path:
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    images = blobs(20)
    floats = (images / 255).astype(np.float32)
    floats[3, 2, 1] = np.nan
    (tmp_path / "garbage.npz").write_bytes(b"garbage")
    (tmp_path / "empty").mkdir()
    cases: list[tuple[str | Path, *tuple[str, ...]]] = [
        ("nonsense", "unknown data set 'nonsense'", "known name"),
        ("mnist5k", "unknown data set 'mnist5k'", "did you mean mnist-5k?"),
        (tmp_path / "missing.npz", "missing.npz does not exist", "check the path"),
        (tmp_path / "garbage.npz", "garbage.npz", "cannot be read"),
        (tmp_path / "empty", "empty has no images in it", "put files"),
        (saved("flat.npz", images=images.reshape(20, -1)), "flat.npz", "(20, 256)"),
        (saved("names.npz", pictures=images), "'pictures'", "name its arrays"),
        (saved("nan.npz", images=floats), "nan.npz", "NaN"),
        (saved("odd.npz", images=images[:, :15, :15]), "15 x 15", "multiples of 4"),
        (saved("small.npz", images=images[:, :12, :12]), "12 x 12", "at least 16"),
        (saved("labels.npz", images=images, labels=np.zeros(7, np.int64)), "labels.npz", "one label for each image"),
        (saved("count.npz", images=images, targets=np.zeros(7)), "count.npz", "(7,)", "one number for each image"),
        (saved("hole.npz", images=images, targets=np.full(20, np.nan)), "hole.npz", "20 targets that are NaN"),
        (saved("text.npz", images=images, targets=np.full(20, "red")), "text.npz", "<U3", "give numbers"),
        (
            saved("one.npz", x_train=images, x_test=images, targets_test=np.zeros(20)),
            "one.npz has targets for only one of train and test",
            "give both or neither",
        ),
    ]
    for source, *parts in cases:
        refused(run("map", "--data.name", source, "--out", tmp_path / "out"), *parts)
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_an_unreadable_file_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "secret.npz"
    np.savez(path, images=blobs(20))
    path.chmod(0)
    refused(run("map", "--data.name", path), "secret.npz", "Permission denied")


def test_a_path_that_cannot_be_read_at_all_is_refused(run: Run, tmp_path: Path) -> None:
    """As root sees it: a file the system refuses to open."""
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    refused(run("map", "--data.name", tmp_path / "loop.npz"), "loop.npz", "check the path")
    refused(run("map", "--config", tmp_path), str(tmp_path), "cannot be read", "check the path")


# Whole commands


def test_map_writes_a_landscape_and_says_where(run: Run, mapped: SweepFolder, images_file: Path) -> None:
    assert {"landscape.csv", "report.html", "spec.yaml", "provenance.json", "runs"} <= {
        path.name for path in mapped.path.iterdir()
    }
    resolved = mapped.spec()
    assert (resolved.model.channels, resolved.model.likelihood, resolved.data.binary) == (4, "gaussian", False)
    assert resolved.training.annealing == pytest.approx(0.6)
    weights = {path: path.stat().st_mtime_ns for path in mapped.path.rglob("weights.safetensors")}
    outcome = run("map", "--data.name", images_file, *SMALL, "--out", mapped.path)
    assert outcome.status == 0 and outcome.err == "" and "\x1b" not in outcome.out
    lines = outcome.out.splitlines()
    assert lines[0] == f"4 models; table: {mapped.table}"
    assert any(line.startswith("For reconstruction: betas (") for line in lines)
    assert lines[-1] == str(mapped.report)
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


def test_map_quietly_prints_the_report_alone(run: Run, mapped: SweepFolder, images_file: Path) -> None:
    outcome = run("map", "--data.name", images_file, *SMALL, "--out", mapped.path, "--quiet")
    assert outcome == Outcome(0, f"{mapped.report}\n", "")


def test_a_results_spec_is_a_config_of_the_same_identity(
    run: Run, mapped: SweepFolder, trained: RunFolder, tmp_path: Path
) -> None:
    command = commands.parse(["map", "--config", str(mapped.path / "spec.yaml")])
    assert isinstance(command, commands.Map) and key(command.sweep) == key(mapped.spec())
    alone = commands.parse(["train", f"--config={trained.path / 'spec.yaml'}"])
    assert isinstance(alone, commands.Train) and key(alone.spec) == key(trained.spec())
    again = ["map", "--config", mapped.path / "spec.yaml", "--out", mapped.path, "--quiet"]
    assert run(*again).status == 0


def test_options_override_a_config(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    values = {"training": {"epochs": 7, "batch": 64}, "grid": {"steps": 3}, "execution": {"pack": 3}, "quiet": True}
    path.write_text(yaml.safe_dump(values | {"out": "somewhere"}))
    command = commands.parse(["map", "--training.epochs", "9", "--config", str(path), "--grid.high", "20"])
    assert isinstance(command, commands.Map)
    assert (command.sweep.training.epochs, command.sweep.training.batch) == (9, 64)
    assert (command.sweep.grid.steps, command.sweep.grid.high) == (3, 20.0)
    assert (command.execution.pack, command.quiet, command.out) == (3, True, Path("somewhere"))


def test_no_options_are_the_defaults() -> None:
    command, alone = commands.parse(["map"]), commands.parse(["train"])
    assert isinstance(command, commands.Map) and command.sweep == SweepSpec()
    assert isinstance(alone, commands.Train) and alone.spec == RunSpec()


def test_train_and_evaluate_print_json_lines_into_a_pipe(run: Run, trained: RunFolder, images_file: Path) -> None:
    outcome = run("train", "--config", trained.path / "spec.yaml", "--out", trained.path)
    *lines, last = outcome.out.splitlines()
    assert (outcome.status, outcome.err, last) == (0, "", str(trained.path))
    measured = run("evaluate", trained.path)
    assert (measured.status, measured.err) == (0, "")
    for told in (lines, measured.out.splitlines()):
        records = [json.loads(line) for line in told]
        assert [record["split"] for record in records] == ["validation", "test"]
        assert {"rates", "rate", "distortion", "nelbo", "psnr"} <= set(records[0]["metrics"])
        assert records[0]["betas"] == [0.1, 10.0]


def test_report_is_drawn_again(run: Run, mapped: SweepFolder) -> None:
    mapped.report.unlink()
    assert run("report", mapped.path) == Outcome(0, f"{mapped.report}\n", "")
    assert mapped.report.exists()


def test_recommend_names_a_model_that_can_be_used(run: Run, mapped: SweepFolder) -> None:
    outcome = run("recommend", mapped.path, "--for", "nelbo")
    assert (outcome.status, outcome.err) == (0, "")
    why, use, _ = outcome.out.splitlines()
    assert why.startswith("For nelbo: betas (")
    assert run(*use.removeprefix("Use it:  ratescape ").split()).status == 0
    refused(run("recommend", mapped.path, "--max-rate", "-1"), "max_rate is -1")
    refused(run("recommend", mapped.path, "--for", "nelbo", "--demand", "psnr=99"), "demand psnr 99 is not met")
    refused(run("recommend", mapped.path, "--demand", "psnr=loud"), "psnr=loud", "COLUMN=NUMBER")
    refused(run("recommend", mapped.path, "--demand", "max_rate=3"), "unknown use 'max_rate'")
    refused(run("recommend", mapped.path, "--for", "beauty"), "unknown use 'beauty'")


def test_targets_are_measured_shown_and_chosen_by(run: Run, tmp_path: Path) -> None:
    images = blobs(96)
    np.savez(tmp_path / "sizes.npz", images=images, targets=images.mean((1, 2)))
    assert "targets  1 for each image" in run("data", "show", tmp_path / "sizes.npz").out
    out = tmp_path / "out"
    told = run("map", "--data.name", tmp_path / "sizes.npz", *SMALL, "--evaluation.probes", "heldout", "--out", out)
    assert (told.status, told.err) == (0, "")
    assert "For representation: betas" in told.out and "highest ridge R² on μ₂" in told.out
    rows = pd.read_csv(out / "landscape.csv")
    numbers = rows[[f"{split}ridge_r2_{layer}" for split in ("", "test_") for layer in (2, 1)]]
    assert len(rows) == 4 and (numbers <= 1).all(axis=None)
    best = Landscape(out).best("ridge_r2_1")
    assert best.choice.value(best.choice.row) == rows["ridge_r2_1"].max()
    assert "highest ridge R² on μ₁ on validation" in run("recommend", out, "--for", "ridge_r2_1").out
    assert "ridge_r2_1" in (out / "report.html").read_text(encoding="utf-8")


def test_data_lists_and_shows(run: Run, images_file: Path) -> None:
    listed = run("data", "list")
    assert listed.status == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        "mnist-5k",
        "mnist",
        "fashion-mnist",
        "svhn",
        "cifar10",
    ]
    shown = run("data", "show", images_file)
    assert shown.status == 0 and "16x16 grey" in shown.out
    assert "licence" in run("data", "show", "svhn").out


# Folders that cannot be used


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_of_others_stay_untouched(
    run: Run,
    mapped: SweepFolder,
    trained: RunFolder,
    images_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer, damaged, run_newer = tmp_path / "newer", tmp_path / "damaged", tmp_path / "run-newer"
    shutil.copytree(mapped.path, newer)
    (newer / "spec.yaml").write_text("version: 2\nnew: {}\n")
    shutil.copytree(trained.path, damaged)
    weights = RunFolder(damaged).weights
    weights.write_bytes(weights.read_bytes()[:-50])
    shutil.copytree(trained.path, run_newer)
    (run_newer / "spec.yaml").write_text("version: 2\nnew: {}\n")
    source = ["--data.name", images_file]
    upgrade = "was made by a newer ratescape"
    cases: list[tuple[Path, list[str | Path], list[str]]] = [
        (mapped.path, ["map", *source, *SMALL, "--seeds", "3", "--out"], ["another spec", "seeds", "--out"]),
        (trained.path, ["train", *source, *SHORT, "--betas", "3", "3", "--out"], ["another spec", "betas", "--out"]),
        (newer, ["map", *source, *SMALL, "--out"], [upgrade, "upgrade ratescape"]),
        (newer, ["report"], [upgrade]),
        (newer, ["recommend"], [upgrade]),
        (run_newer, ["evaluate"], [upgrade]),
        (damaged, ["evaluate"], ["the checkpoint is damaged", str(weights), "delete it"]),
        (trained.path, ["report"], ["does not describe a landscape", "check the path"]),
        (mapped.path, ["evaluate"], ["does not describe a model", "check the path"]),
    ]
    for folder, words, parts in cases:
        before = snapshot(folder)
        refused(run(*words, folder), *parts)
        assert snapshot(folder) == before
    monkeypatch.setattr(memory, "free_bytes", lambda _: 10_000)
    words = ["map", *source, *SMALL, "--execution.pack", "4", "--out", tmp_path / "new"]
    refused(run(*words), "a pack of 4 needs about", "GiB", "smaller training.batch")
    (tmp_path / "file").touch()
    refused(run("map", *source, *SMALL, "--out", tmp_path / "file"), "cannot write", "choose another folder")


def test_an_unfinished_landscape_is_told_as_such(run: Run, mapped: SweepFolder, tmp_path: Path) -> None:
    """Nothing done yet: there is nothing to recommend, and that is no traceback."""
    (tmp_path / "spec.yaml").write_bytes((mapped.path / "spec.yaml").read_bytes())
    refused(run("recommend", tmp_path), "no finished model", "run the sweep's command again")


# Real processes

FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))"


@pytest.mark.parametrize("engine", ["in-process", "workers"])
def test_a_full_disk_is_one_line_and_nothing_is_lost(
    run: Run, start: Callable[..., subprocess.Popen[str]], images_file: Path, tmp_path: Path, engine: str
) -> None:
    """Files may not grow beyond 9,000 bytes: the system refuses the first checkpoint."""
    np.savez(tmp_path / "few.npz", images=blobs(30))
    words = [
        "map",
        "--data.name",
        tmp_path / "few.npz",
        *SMALL,
        "--execution.engine",
        engine,
        "--out",
        tmp_path / "out",
    ]
    process = start(*words, before=FULL)
    out, err = process.communicate(timeout=120)
    refused(Outcome(process.returncode, out, err), "cannot write", "File too large", "run the same command again")
    assert run(*words, "--quiet", "--execution.engine", "in-process").status == 0


@pytest.mark.parametrize("engine", ["in-process", "workers"])
def test_ctrl_c_is_one_line_and_resumes(
    start: Callable[..., subprocess.Popen[str]], images_file: Path, tmp_path: Path, engine: str
) -> None:
    """As a terminal does it: the signal goes to every process of the group."""
    out = tmp_path / "out"
    words = ["map", "--data.name", images_file, *SMALL, "--training.epochs", "3000", "--execution.engine", engine]
    process = start(*words, "--execution.workers", "2", "--execution.checkpoint-seconds", "0", "--out", out)
    end = time.monotonic() + 120
    while not list(out.glob("packs/*.safetensors")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    told = process.communicate(timeout=60)
    assert (process.returncode, *told) == (130, "", "ratescape: interrupted; the same command takes it up again\n")
    assert list(out.glob("packs/*.safetensors"))


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m ratescape data list | true"
    outcome = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")


PRESETS = ["cifar10-ghvae", "mnist-ghvae", "svhn-ghvae", "svhn-lvae"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_the_papers_grids(name: str) -> None:
    data, family = name.split("-")
    sweep = commands.parse(["map", "--config", name]).sweep  # type: ignore[union-attr]
    assert (sweep.data.name, sweep.model.family, sweep.data.validation) == (data, family, 0)
    assert len(sweep.runs()) == 441 and sweep.points()[220] == (1.0, 1.0)
    training = sweep.training
    assert (training.epochs, training.batch, training.learning_rate, training.schedule) == (500, 256, 3e-4, "constant")
    assert (training.annealing, training.annealing_path if training.annealing else None) == (
        (100, "linear") if family == "lvae" else (0, None)
    )
    small = commands.parse(["map", "--config", f"{name}-small", "--grid.steps", "4"]).sweep  # type: ignore[union-attr]
    assert (small.data.name, small.model.family, len(small.runs())) == (data, family, 16)
    assert small.data.validation > 0


def test_an_unknown_preset_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["map", "--config", "mnist"]) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in PRESETS)
