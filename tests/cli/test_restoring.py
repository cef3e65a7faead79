"""restore, end to end."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import SHORT, Run, refused
from helpers.images import in_class_folders
from PIL import Image

import ratescape as rs
from ratescape.cli import commands


@pytest.fixture(scope="module")
def trained(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    words = ["train", "--data.name", str(images_file), *SHORT, "--out", str(out), "--quiet"]
    assert commands.main(words) == 0
    return out


@pytest.fixture(scope="module")
def folder(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five of the images as files, in two classes."""
    return in_class_folders(images[:5], tmp_path_factory.mktemp("pictures"))


def in_order(folder: Path) -> np.ndarray:
    """The images of a folder, uint8 ``[N, H, W]``, by their names."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))])


def test_whole_images_are_damaged_and_restored(run: Run, trained: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--mask", "random:0.5", "--noise", "0.1", "--upscale", "2", "--degrade", "--samples", "3", "--steps", "2")
    outcome = run("restore", trained, folder, *words, "--sheet", "2", "--out", out)
    assert (outcome.status, outcome.err) == (0, "")
    whole = in_order(folder)
    expected = rs.load(trained).restore(
        whole, mask="random:0.5", noise=0.1, downscale=2, degrade=True, samples=3, steps=2
    )
    errors, count = expected.plain_squared_errors(whole)
    first, *middle, last = outcome.out.splitlines()
    assert first == (
        f"100.0% of the pixels had to be restored; PSNR on them: {expected.psnr(whole):.2f} dB "
        f"({-10 * math.log10(errors / count):.2f} dB without the model)"
    )
    is_worse = expected.squared_errors(whole)[0] > errors
    assert [line.startswith("caution: the model is no help with these images") for line in middle] == [True] * is_worse
    assert [last] == [
        f"5 images in {out / 'images'}; contact sheet: {out / 'sheet.png'}",
    ]
    names = [path.relative_to(out / "images") for path in sorted((out / "images").rglob("*.png"))]
    assert names == [path.relative_to(folder) for path in sorted(folder.rglob("*.png"))]
    levels = (expected.mean.clamp(0, 1) * 255).round().byte().squeeze(1).numpy()
    np.testing.assert_array_equal(in_order(out / "images"), levels)
    with Image.open(out / "sheet.png") as sheet:  # damaged, 3 samples, mean, spread, original; 2 images
        assert sheet.size == (7 * 100 + 4, 2 * 100 + 20)


def test_the_order_and_number_of_blocks_change_nothing(
    run: Run, trained: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratescape.restoring.restore.CHUNK", 6)  # two images of three chains each
    masks = np.random.default_rng(0).random((5, 16, 16)) < 0.5
    np.save(tmp_path / "masks.npy", masks)
    words = ("--mask", tmp_path / "masks.npy", "--samples", "3", "--steps", "2", "--seed", "4")
    outcome = run("restore", trained, folder, *words, "--out", tmp_path / "out")
    assert outcome.out.startswith(f"{masks.mean():.1%} of the pixels had to be restored\n")
    whole = in_order(folder)
    expected = rs.load(trained).restore(whole, mask=masks, samples=3, steps=2, seed=4).mean
    levels = (expected.clamp(0, 1) * 255).round().byte().squeeze(1).numpy()
    np.testing.assert_array_equal(in_order(tmp_path / "out" / "images"), levels)


def test_small_images_are_enlarged(run: Run, trained: Path, tmp_path: Path) -> None:
    """Damaged images as a user has them: of half the sides, some pixels NaN."""
    small = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    small[0, :2] = np.nan
    np.save(tmp_path / "small.npy", small)
    words = ("--upscale", "2", "--method", "map", "--steps", "3")
    outcome = run("restore", trained, tmp_path / "small.npy", *words, "--out", tmp_path / "out")
    assert outcome.status == 0 and "PSNR" not in outcome.out
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == ["1.png", "2.png", "3.png"]
    expected = rs.load(trained).restore(small, downscale=2, method="map", steps=3).mean
    pooled = torch.nn.functional.avg_pool2d(expected, 2).squeeze(1).numpy()
    known = ~np.isnan(small)
    np.testing.assert_allclose(pooled[known], small[known], atol=1e-5)
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:  # damaged and restored alone
        assert sheet.size == (2 * 100 + 4, 3 * 100 + 20)


def test_bad_input_is_one_line(run: Run, trained: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin = ("restore", trained, folder, "--out", out)
    refused(run(*begin), "nothing is said to be wrong with the images: give --mask, --noise or --upscale")
    refused(run(*begin, "--mask", "hlaf"), "mask is hlaf, which is no file: give half, box, random:0.5")
    refused(run(*begin, "--noise", "-1"), "noise is -1.0")
    refused(run(*begin, "--upscale", "2"), "height 8 and width 8")
    refused(run(*begin, "--upscale", "3", "--degrade"), "no multiple")
    refused(run(*begin, "--mask", "half", "--method", "map", "--samples", "3"), "map gives one guess")
    refused(run(*begin, "--mask", "half", "--sheet", "0"), "sheet is 0")
    refused(run(*begin, "--mask", "half", "--for", "psnr"), "is one model: leave out for and betas")
    refused(run("restore", tmp_path / "none", folder, "--mask", "half", "--out", out), "none")
    refused(run("restore", trained, tmp_path / "none", "--mask", "half", "--out", out), "none")
    assert not out.exists() and not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    refused(run("restore", trained, folder, "--mask", "half", "--out", folder), "there already")


def test_a_known_set_is_found_by_name(run: Run, trained: Path, tmp_path: Path) -> None:
    refused(run("restore", trained, "mnist-5k", "--mask", "half", "--degrade", "--out", tmp_path / "a"), "height 16")
    refused(run("restore", trained, "mnist-5", "--mask", "half", "--degrade", "--out", tmp_path / "a"), "mnist-5k")


def test_errors_name_the_option_upscale(run: Run, trained: Path, folder: Path, tmp_path: Path) -> None:
    for factor, told in (("3", "upscale is 3, of which images of height 16"), ("0", "upscale is 0: give")):
        outcome = run("restore", trained, folder, "--upscale", factor, "--degrade", "--out", tmp_path / "a")
        refused(outcome, told)
        assert "downscale" not in outcome.err
