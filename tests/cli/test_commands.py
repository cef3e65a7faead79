"""Every command end to end, and folders that cannot be used."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import SHORT, SMALL, Outcome, Run, refused
from helpers.images import blobs
from helpers.sweep_on_disk import sweep

from ratescape.cli import commands
from ratescape.compute import memory
from ratescape.errors import SpecError
from ratescape.landscape import Landscape
from ratescape.models import save
from ratescape.records.files import read_json_lines, to_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.selection import difference_error
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
    assert (outcome.status, outcome.err) == (0, "") and "\x1b" not in outcome.out  # nothing is left to do
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


def test_a_finished_map_draws_its_report_again_only_where_something_is_new(
    run: Run, mapped: SweepFolder, images_file: Path
) -> None:
    words = ["map", "--data.name", images_file, *SMALL, "--out", mapped.path, "--quiet"]
    assert run(*words).status == 0
    drawn = mapped.report.stat().st_mtime_ns
    assert run(*words).status == 0
    assert mapped.report.stat().st_mtime_ns == drawn
    next(mapped.path.glob("runs/*/evaluation.jsonl")).touch()
    assert run(*words).status == 0
    assert mapped.report.stat().st_mtime_ns > drawn


def test_what_is_wrong_with_the_model_that_a_use_stands_for_is_said(
    run: Run, mapped: SweepFolder, images_file: Path, tmp_path: Path
) -> None:
    begin = ("restore", mapped.path, images_file, "--mask", "half", "--samples", "1", "--steps", "1")
    outcome = run(*begin, "--for", "psnr", "--out", tmp_path / "out", "--quiet")
    cautions = [f"caution: {line}" for line in Landscape(mapped.path).best("psnr").cautions]
    assert outcome.status == 0 and cautions and outcome.err.splitlines() == cautions


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
    assert measured.status == 0 and all(line.startswith("measuring") for line in measured.err.splitlines())
    assert run("evaluate", trained.path, "--quiet").err == ""
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
    assert (outcome.status, outcome.err) == (0, "")
    caution, dead, why, *_, use, _ = outcome.out.splitlines()
    assert caution.startswith("caution: far from trained: ") and why.startswith("For nelbo: ")
    assert dead == "caution: z₂ and z₁ of the model at betas (10, 10) have collapsed"
    assert run(*use.removeprefix("Use it:  ratescape ").split()).status == 0
    refused(run("recommend", mapped.path, "--max-rate", "-1"), "max_rate is -1: give a positive number")
    refused(run("recommend", mapped.path, "--for", "nelbo", "--demand", "psnr=99"), "demand psnr 99 is not met")
    refused(run("recommend", mapped.path, "--demand", "psnr=loud"), "psnr=loud", "COLUMN=NUMBER")
    refused(run("recommend", mapped.path, "--demand", "max_rate=3"), "unknown use 'max_rate'")
    refused(run("recommend", mapped.path, "--for", "beauty"), "unknown use 'beauty'")


def test_where_nothing_is_better_than_chance_recommend_says_so_and_fails(run: Run, tmp_path: Path) -> None:
    folder = sweep(tmp_path / "sweep", labels=True, pictures=False)
    for path in folder.path.glob("runs/*/evaluation.jsonl"):
        records = read_json_lines(path)
        for record in records:
            record["metrics"] |= {"inception_score": 1.01, "score_of_data": 9.0}
        path.write_text(to_json_lines(records))
    outcome = run("recommend", folder.path, "--for", "generation")
    assert (outcome.status, outcome.out) == (1, "") and outcome.err.startswith("ratescape: no model generates yet")


def test_a_recommendation_takes_no_torch(tmp_path: Path) -> None:
    """Nor what takes as long to import: it is two thirds of the time."""
    folder = sweep(tmp_path / "sweep", steps=3, conditioned=True, diverged=None, missing=None, labels=True)
    code = (
        "import sys; from ratescape.cli.commands import main; "
        f"assert main(['recommend', {str(folder.path)!r}, '--for', 'representation']) == 0; "
        "assert not {'torch', 'sklearn', 'matplotlib'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_targets_are_measured_shown_and_chosen_by(run: Run, tmp_path: Path) -> None:
    images = blobs(96)
    np.savez(tmp_path / "sizes.npz", images=images, targets=images.mean((1, 2)))
    assert "targets  1 for each image" in run("data", "show", tmp_path / "sizes.npz").out
    out = tmp_path / "out"
    outcome = run("map", "--data.name", tmp_path / "sizes.npz", *SMALL, "--evaluation.probes", "heldout", "--out", out)
    assert outcome.status == 0 and "ratescape:" not in outcome.err
    assert "For representation: no layer of any model carries enough" in outcome.out  # two epochs teach nothing
    rows = pd.read_csv(out / "landscape.csv")
    numbers = rows[[f"{split}ridge_r2_{layer}" for split in ("", "test_") for layer in (2, 1)]]
    assert len(rows) == 4 and (numbers <= 1).all(axis=None)
    best = Landscape(out).best("ridge_r2_1")
    highest = rows.loc[rows["ridge_r2_1"].idxmax()]
    error = difference_error(best.choice.error, highest["se_ridge_r2_1"])
    assert best.choice.value(best.choice.row) + error >= highest["ridge_r2_1"]
    assert "by ridge R² (higher is better)" in run("recommend", out, "--for", "ridge_r2_1").out
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
    assert "map" not in shown.out and "licence" in run("data", "show", "svhn").out


def test_data_shows_a_table_with_its_classes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,kind\n1,2,x\n3,4,y\n5,6,x\n")
    refused(run("data", "show", tmp_path / "rows.csv"), "kind", "data show --target")
    shown = run("data", "show", tmp_path / "rows.csv", "--target", "kind")
    assert shown.status == 0 and "columns  2, of which 0 booleans" in shown.out and "classes  2: x, y" in shown.out


def test_a_network_that_is_not_finished_is_no_damage(run: Run, conditioned: SweepFolder, tmp_path: Path) -> None:
    part = shutil.copytree(conditioned.path, tmp_path / "part")
    for weights in part.glob("networks/*/weights.safetensors"):
        weights.unlink()
    outcome = run("solve", part, "--rates", "total=1")
    assert outcome.status == 1 and "has no finished network: run the same map command again" in outcome.err


def test_data_show_tells_what_map_refuses(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "odd.npy", np.full((4, 30, 30), 7, np.uint8))
    shown = run("data", "show", tmp_path / "odd.npy")
    assert shown.status == 0 and "map      refuses them: images are 30 x 30" in shown.out
    assert "--model.family deep" in shown.out


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
        (damaged, ["evaluate"], ["the file of weights is damaged", str(weights), "delete it"]),
        (trained.path, ["report"], ["does not describe a landscape", "check the path"]),
        (mapped.path, ["evaluate"], ["is a landscape: name one of its models", "runs/KEY", "--betas"]),
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
    refused(run("recommend", tmp_path), "no finished model", "run the same map command again")


# Files, and images that have moved


@pytest.fixture(scope="module")
def conditioned(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """A landscape of one network, of images that are a file of its own."""
    folder = tmp_path_factory.mktemp("conditioned")
    shutil.copy(images_file, folder / "mine.npz")
    short = ["--method", "conditioned", "--conditioning.fine", "2", "--conditioning.refine-recommended", "0"]
    words = ["map", "--data.name", str(folder / "mine.npz"), *SHORT, *short, "--grid.steps", "2", "--quiet"]
    words += ["--execution.engine", "in-process", "--out", str(folder / "out")]
    assert commands.main(words) == 0
    return SweepFolder(folder / "out")


def test_files_are_overwritten_only_by_force(run: Run, conditioned: SweepFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    for words in (
        ["recommend", conditioned.path, "--for", "nelbo", "--out"],
        ["solve", conditioned.path, "--rates", "total=1", "--out"],
    ):
        refused(run(*words, mine), "mine.txt exists", "--force")
        refused(run(*words, tmp_path), "a folder: name a file in it")
        assert mine.read_text() == "precious"
    assert run("recommend", conditioned.path, "--for", "nelbo", "--out", mine, "--force").status == 0
    assert mine.read_bytes() != b"precious"
    assert not conditioned.answers.exists()  # it was refused before anything was solved


def test_what_was_recommended_is_measured_from_its_file(run: Run, conditioned: SweepFolder, tmp_path: Path) -> None:
    mine, alone = tmp_path / "mine.safetensors", tmp_path / "alone.safetensors"
    landscape = Landscape(conditioned.path)
    best = landscape.best("nelbo")
    assert run("recommend", conditioned.path, "--for", "nelbo", "--out", mine).status == 0
    validation, _ = (json.loads(line) for line in run("evaluate", mine).out.splitlines())
    assert validation["metrics"]["nelbo"] == pytest.approx(best.choice.value(best.choice.row), rel=1e-5)
    assert validation["betas"] == list(best.betas)
    save(best.load(), alone)
    refused(run("evaluate", alone), "does not say which images it belongs to", "--data.name")
    lean = ["--evaluation.samples", "0", "--evaluation.probes", "none", "--evaluation.no-information"]
    named = run("evaluate", alone, "--data.name", conditioned.path.parent / "mine.npz", *lean)
    nelbo = json.loads(named.out.splitlines()[0])["metrics"]["nelbo"]
    assert nelbo == pytest.approx(validation["metrics"]["nelbo"], rel=0.05)  # of other images: the split is the usual
    np.savez(tmp_path / "wide.npz", images=np.arange(40 * 16 * 20).reshape(40, 16, 20).astype(np.uint8))
    refused(run("evaluate", alone, "--data.name", tmp_path / "wide.npz"), "(1, 16, 16)", "(1, 16, 20)")
    refused(run("evaluate", mine, "--betas", "1,1"), "is a model of its own betas")


def test_rates_are_solved_for_with_the_landscape_s_cautions(run: Run, conditioned: SweepFolder, tmp_path: Path) -> None:
    landscape = Landscape(shutil.copytree(conditioned.path, tmp_path / "copy"))
    solved = run("solve", landscape.folder.path, "--rates", "total=1")
    assert solved.status == 0 and landscape.warnings
    lines = solved.out.splitlines()
    assert lines[0].startswith("2+1=1: betas") and lines[-1].startswith("`ratescape report")  # the answer comes first
    assert [f"caution: {line}" for line in landscape.warnings] == lines[-1 - len(landscape.warnings) : -1]


def test_images_that_have_moved_are_found_by_data_folder(run: Run, conditioned: SweepFolder, tmp_path: Path) -> None:
    images, moved = conditioned.path.parent / "mine.npz", tmp_path / "mine.npz"
    network = next(conditioned.path.glob("networks/*"))
    words = ["evaluate", network, "--betas", "1,1"]
    before = run(*words)
    images.rename(moved)
    try:
        refused(run(*words), "mine.npz does not exist", "--data-folder")
        for now in (tmp_path, moved):
            assert run(*words, "--data-folder", now).out == before.out
    finally:
        moved.rename(images)


def test_wrong_arguments_are_refused_before_torch_is_imported(
    conditioned: SweepFolder, mapped: SweepFolder, tmp_path: Path
) -> None:
    (tmp_path / "mine").touch()
    for words in (
        ["solve", conditioned.path, "--rates", "3=20"],
        ["solve", conditioned.path, "--rates", "2=1", "--out", tmp_path / "mine"],
        ["solve", mapped.path, "--rates", "2=1"],
        ["recommend", conditioned.path, "--demand", "psnr=loud"],
        ["recommend", conditioned.path, "--for", "psrn"],
        ["recommend", conditioned.path, "--for", "nelbo", "--demand", "rate=0.0001"],
        ["recommend", mapped.path, "--refine", "2"],
        ["recommend", tmp_path],
    ):
        code = f"import sys; from ratescape.cli.commands import main; status = main({list(map(str, words))!r})\n"
        code += "sys.exit(10 * status + ('torch' in sys.modules))"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 10, words


def test_a_format_that_no_ratescape_has_is_refused(run: Run, mapped: SweepFolder, tmp_path: Path) -> None:
    shutil.copytree(mapped.path, tmp_path / "out")
    for version in ("mine", "3.5", "-1", "true"):
        (tmp_path / "out" / "spec.yaml").write_text(f"version: {version}\n")
        refused(run("recommend", tmp_path / "out"), "has no format that ratescape knows")
        refused(run("map", "--config", tmp_path / "out" / "spec.yaml"), "it must be 3, the format of configs")


def test_a_seed_that_is_not_there_names_the_remedy(conditioned: SweepFolder) -> None:
    with pytest.raises(SpecError, match=r"seed is 5: the landscape has 0; choose among these.*--seeds 0 5"):
        Landscape(conditioned.path).network(5)


def test_refining_less_than_before_says_what_is_offered(run: Run, conditioned: SweepFolder) -> None:
    for epochs in ("4", "1"):
        outcome = run("recommend", conditioned.path, "--for", "nelbo", "--refine", epochs)
        assert outcome.status == 0
    said = outcome.out
    kept = {int(epochs) for epochs in Landscape(conditioned.path).refined.rows["epochs"]}
    assert kept == {1, 4}
    offered = Landscape(conditioned.path).best("nelbo").refined
    assert offered is not None and offered.row["epochs"] == 4  # more epochs are better here
    assert re.search(
        r"Refined for 1 epoch: .* nats; kept, but of the refined ones another is the best:\nFor nelbo", said
    )


def test_models_that_did_not_compete_are_told(run: Run, mapped: SweepFolder, tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "copy")
    shutil.copytree(mapped.path, folder.path)
    damaged, undone, *_ = sorted(path.parent for path in folder.path.glob("runs/*/evaluation.jsonl"))
    (damaged / "evaluation.jsonl").write_bytes(b"{")
    (undone / "done").unlink()
    lines = [f"not among the models: {damaged}", "1 of 4 models are not done: run the same map command again"]
    recommended, reported = run("recommend", folder.path, "--for", "reconstruction"), run("report", folder.path)
    for line in lines:
        assert f"caution: {line}" in recommended.out and f"caution: {line}" in reported.err
    assert (recommended.status, reported.status, reported.out.strip()) == (0, 0, str(folder.report))
