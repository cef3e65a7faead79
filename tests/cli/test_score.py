"""score, end to end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import SHORT, Run, refused
from helpers.rows import frame
from PIL import Image

import ratescape as rs
from ratescape.cli import commands
from ratescape.cli.opening import Wanted, open_model
from ratescape.metrics import USES
from ratescape.scoring.combined import Calibration


@pytest.fixture(scope="module")
def trained(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of images made by `ratescape train`."""
    out = tmp_path_factory.mktemp("trained")
    assert commands.main(["train", "--data.name", str(images_file), *SHORT, "--out", str(out), "--quiet"]) == 0
    return out


def test_every_image_of_a_folder_has_a_line(run: Run, trained: Path, images: np.ndarray, tmp_path: Path) -> None:
    folder, path = tmp_path / "pictures", tmp_path / "scores.csv"
    (folder / "b").mkdir(parents=True)
    for name, image in zip(("1.png", "b/2.png", "b/3.png"), images, strict=False):
        Image.fromarray(image).save(folder / name)
    outcome = run("score", trained, folder, "--out", path, "--samples", "3", "--quiet")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0].startswith("3 items: rate_2, rate_1, rate, distortion, nelbo, nll, llr_1")
    table = pd.read_csv(path)
    assert list(table["item"]) == ["1.png", "b/2.png", "b/3.png"] and "mahalanobis" in table
    assert outcome.out.splitlines()[1] == "sort by auto: the highest are the most anomalous"
    refused(run("score", trained, folder, "--out", path), "exists", "--force")
    np.save(tmp_path / "same.npy", images[:3])
    again = run("score", trained, tmp_path / "same.npy", "--out", path, "--samples", "3", "--force")
    assert again.status == 0
    np.testing.assert_allclose(pd.read_csv(path)["nll"], table["nll"], rtol=1e-6)


def test_without_the_training_images_there_are_no_distances(
    run: Run, trained: Path, images: np.ndarray, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((trained / "weights.safetensors").read_bytes().replace(b"blobs.npz", b"gone!.npz"))
    np.save(tmp_path / "x.npy", images[:2])
    refused(run("score", alone, tmp_path / "x.npy", "--out", tmp_path / "a.csv"), "damaged")  # its digest says so
    from ratescape import load, save

    save(load(trained), alone)
    outcome = run("score", alone, tmp_path / "x.npy", "--out", tmp_path / "a.csv")
    assert outcome.status == 0 and outcome.err.startswith("no Mahalanobis distances: ")
    assert not {"mahalanobis", "auto"} & set(pd.read_csv(tmp_path / "a.csv")) and "sort by corrected" in outcome.out


@pytest.mark.parametrize("command", ["score", "restore", "compress", "recommend"])
def test_help_names_every_use(run: Run, command: str) -> None:
    told = " ".join(run(command, "--help").out.replace("│", " ").split())
    assert ", ".join(USES) in told


def test_auto_is_how_improbable_an_item_is_among_the_validation_images(
    run: Run, trained: Path, images: np.ndarray, tmp_path: Path
) -> None:
    model = rs.load(trained)
    held = open_model(Wanted(trained)).images().unseen
    known = Calibration.of(model.score(held, reference=held))
    np.save(tmp_path / "x.npy", images[:6])
    assert run("score", trained, tmp_path / "x.npy", "--out", tmp_path / "a.csv").status == 0
    expected = known.combined(model.score(images[:6], reference=held))
    np.testing.assert_allclose(pd.read_csv(tmp_path / "a.csv")["auto"], expected, rtol=1e-5)


def test_rows_of_a_table_are_scored_without_their_target(run: Run, tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "model"
    frame(120).drop(columns="amount").to_csv(rows, index=False)
    words = ["--data.name", rows, "--data.target", "kind", "--model.family", "vector", *SHORT]
    assert run("train", *words, "--out", out, "--quiet").status == 0
    outcome = run("score", out, rows, "--target", "kind", "--out", tmp_path / "a.csv")
    assert outcome.status == 0, outcome
    table = pd.read_csv(tmp_path / "a.csv")
    assert len(table) == 120 and "complexity" not in table and "mahalanobis" in table
    turned, wide = tmp_path / "turned.csv", tmp_path / "wide.npy"
    frame(120)[["kind", "constant", "above", "small", "far"]].to_csv(turned, index=False)
    assert run("score", out, turned, "--target", "kind", "--out", tmp_path / "c.csv").status == 0
    np.testing.assert_allclose(pd.read_csv(tmp_path / "c.csv")["nelbo"], table["nelbo"])
    np.save(wide, np.zeros((600, 5)))
    told = f"{wide}: rows has 5 columns, but this model takes 4 columns (far, small, above, constant)"
    refused(run("score", out, wide, "--out", tmp_path / "b.csv"), told)
    refused(run("score", out, rows, "--out", tmp_path / "b.csv"), "kind")
    refused(run("score", out, tmp_path / "x.npy", "--target", "kind", "--out", tmp_path / "b.csv"), "does not exist")


def test_bad_words_are_one_line(run: Run, trained: Path, images: np.ndarray, tmp_path: Path) -> None:
    wrong, right, out = tmp_path / "wrong.npy", tmp_path / "right.npy", tmp_path / "a.csv"
    np.save(wrong, np.zeros((600, 8, 8), np.uint8))  # more than are scored at once
    np.save(right, images[:2])
    refused(run("score", trained, wrong, "--out", out), "shape (600, 8, 8): ", "height 16 and width 16")
    refused(run("score", trained, right, "--out", out, "--samples", "0"), "samples is 0")
    refused(run("score", trained, "minst", "--out", out), "did you mean mnist")
    refused(run("score", trained, right, "--out", out, "--target", "kind"), "is no table")
    refused(run("score", trained, right, "--out", out, "--betas", "1"), "leave out for and betas")
    refused(run("score", trained, right, "--out", tmp_path), "name a file in it")
    refused(run("score", "nothere", right, "--for", "reconstruction", "--out", out), "nothere does not exist")
    refused(run("compress", "nothere", right, "--for", "psnr", "--out", tmp_path / "a.rsc"), "nothere does not exist")
    words = ("--mask", "half", "--degrade", "--betas", "1", "--out", tmp_path / "restored")
    refused(run("restore", "nothere", right, *words), "nothere does not exist")
    assert not out.exists()
