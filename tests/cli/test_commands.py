"""Every command end to end, and folders that cannot be used."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import SHORT, SMALL, Outcome, Run, refused
from helpers.images import blobs

from ratescape.cli import commands
from ratescape.compute import memory
from ratescape.landscape import Landscape
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.specs.identity import FORMAT, key


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
    assert outcome.status == 0 and outcome.err.startswith("figures (") and "\x1b" not in outcome.out
    lines = outcome.out.splitlines()
    assert lines[0] == f"4 models; table: {mapped.table}"
    assert any(line.startswith("For reconstruction: betas (") for line in lines)
    assert lines[-1] == str(mapped.report)
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


def test_map_says_which_method_it_takes_where_none_is_asked_for(run: Run, images_file: Path, tmp_path: Path) -> None:
    given = [word for word in SMALL if word not in ("--method", "dedicated")]
    words = ["map", "--data.name", images_file, *given, "--conditioning.fine", "2", "--out", tmp_path / "out"]
    first, second, *_ = run(*words).out.splitlines()
    assert first.startswith("method conditioned: ") and second.startswith("4 models; table: ")
    assert SweepFolder(tmp_path / "out").spec().method.kind == "conditioned"
    again = run("map", "--config", tmp_path / "out" / "spec.yaml", "--out", tmp_path / "out")
    assert again.out.startswith("4 models; table: ") and "\nRefined for 4 epochs: PSNR " in again.out


def test_map_quietly_prints_the_report_alone(run: Run, mapped: SweepFolder, images_file: Path) -> None:
    outcome = run("map", "--data.name", images_file, *SMALL, "--out", mapped.path, "--quiet")
    assert outcome == Outcome(0, f"{mapped.report}\n", "")


def test_a_results_spec_takes_its_folder_up_again(run: Run, mapped: SweepFolder, trained: RunFolder) -> None:
    command = commands.parse(["map", "--config", str(mapped.path / "spec.yaml")])
    assert isinstance(command, commands.Map) and key(command.sweep) == key(mapped.spec())
    alone = commands.parse(["train", f"--config={trained.path / 'spec.yaml'}"])
    assert isinstance(alone, commands.Train) and key(alone.spec) == key(trained.spec())
    again = ["map", "--config", mapped.path / "spec.yaml", "--out", mapped.path, "--quiet"]
    assert run(*again).status == 0


def test_train_and_evaluate_print_json_lines_into_a_pipe(run: Run, trained: RunFolder, images_file: Path) -> None:
    outcome = run("train", "--config", trained.path / "spec.yaml", "--out", trained.path)
    *lines, last = outcome.out.splitlines()
    assert (outcome.status, last) == (0, str(trained.path))
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
    landscape = mapped.path / "figures" / "landscape.pdf"
    assert not landscape.exists()
    assert run("report", mapped.path, "--pdf").status == 0
    assert landscape.exists()


def test_recommend_names_a_model_that_can_be_used(run: Run, mapped: SweepFolder) -> None:
    outcome = run("recommend", mapped.path, "--for", "nelbo")
    assert outcome.status == 0 and "ratescape:" not in outcome.err
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
    outcome = run("map", "--data.name", tmp_path / "sizes.npz", *SMALL, "--evaluation.probes", "heldout", "--out", out)
    assert outcome.status == 0 and "ratescape:" not in outcome.err
    assert "For representation: betas" in outcome.out and "highest ridge R² on μ₂" in outcome.out
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
    newer, older, damaged, run_newer = (tmp_path / name for name in ("newer", "older", "damaged", "run-newer"))
    shutil.copytree(mapped.path, newer)
    (newer / "spec.yaml").write_text(f"version: {FORMAT + 1}\nnew: {{}}\n")
    shutil.copytree(mapped.path, older)
    (older / "spec.yaml").write_text("version: 1\nmethod: dedicated\n")
    shutil.copytree(trained.path, damaged)
    weights = RunFolder(damaged).weights
    weights.write_bytes(weights.read_bytes()[:-50])
    shutil.copytree(trained.path, run_newer)
    (run_newer / "spec.yaml").write_text(f"version: {FORMAT + 1}\nnew: {{}}\n")
    source = ["--data.name", images_file]
    upgrade, outdated = "was made by a newer ratescape", "was made by an older ratescape (format 1"
    cases: list[tuple[Path, list[str | Path], list[str]]] = [
        (mapped.path, ["map", *source, *SMALL, "--seeds", "3", "--out"], ["another spec", "seeds", "--out"]),
        (trained.path, ["train", *source, *SHORT, "--betas", "3", "3", "--out"], ["another spec", "betas", "--out"]),
        (newer, ["map", *source, *SMALL, "--out"], [upgrade, "upgrade ratescape"]),
        (newer, ["report"], [upgrade]),
        (older, ["map", *source, *SMALL, "--out"], [outdated]),
        (older, ["recommend"], [outdated]),
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


def test_an_unfinished_landscape_has_nothing_to_recommend(run: Run, mapped: SweepFolder, tmp_path: Path) -> None:
    """No model is finished yet; that is one line, and no traceback."""
    (tmp_path / "spec.yaml").write_bytes((mapped.path / "spec.yaml").read_bytes())
    refused(run("recommend", tmp_path), "no finished model", "run the sweep's command again")
