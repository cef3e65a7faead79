"""compress, decompress and info, end to end."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import SHORT, TINY, Run, refused
from helpers.images import in_class_folders
from PIL import Image

from ratescape.cli import commands
from ratescape.coding.container import Archive


@pytest.fixture(scope="module")
def trained(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model made by `ratescape train`; one that Adam has hardly trained takes more bits for noise."""
    out = tmp_path_factory.mktemp("trained")
    words = ["train", "--data.name", str(images_file), *SHORT, "--training.optimiser", "adam", "--betas", "0.1", "0.1"]
    words += ["--out", str(out), "--quiet"]
    assert commands.main(words) == 0
    return out


@pytest.fixture(scope="module")
def mapped(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditioned landscape of binary images, with enough in its layers."""
    out = tmp_path_factory.mktemp("mapped") / "blobs"
    words = ["map", "--data.name", str(images_file), "--data.binary", "True", *TINY, "--method", "conditioned"]
    words += ["--grid.steps", "2", "--conditioning.fine", "0", "--conditioning.refine-recommended", "0"]
    words += ["--grid.low", "0.01", "--grid.high", "0.1", "--training.epochs", "8"]
    assert commands.main([*words, "--execution.engine", "in-process", "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture(scope="module")
def folder(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 of the images as files, in two classes."""
    return in_class_folders(images[:30], tmp_path_factory.mktemp("pictures"))


def test_a_folder_goes_into_a_file_and_comes_back(run: Run, trained: Path, folder: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "a.rsc", tmp_path / "out"
    first = run("compress", trained, folder, "--out", path)
    assert (first.status, first.err) == (0, "")
    calibrated, size, named = first.out.splitlines()
    assert calibrated.startswith(f"calibrated a codec, kept in {trained / 'codecs'}")
    length = path.stat().st_size
    assert size.startswith(f"30 images in {length:,} bytes: {length / 30:.2f} bytes each (")
    fixed = re.search(r"\(([0-9,]+) of all bytes, header and codec, are about the same for any number", size)
    assert fixed and 0.1 * length <= int(fixed[1].replace(",", "")) < length
    assert named == str(path)
    refused(run("compress", trained, folder, "--out", path), "exists", "--force")
    again = run("compress", trained, folder, "--out", path, "--force")  # the codec is there
    assert again.status == 0 and len(again.out.splitlines()) == 2
    assert run("decompress", path, "--out", out).out == f"30 images in {out}\n"
    names = sorted(one.relative_to(out).as_posix() for one in out.rglob("*.png"))
    assert names == sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*.png"))
    with Image.open(out / "class-0" / "0.png") as image:
        assert (image.size, image.mode) == ((16, 16), "L")
    refused(run("decompress", path, "--out", out), "there already", "empty folder")


def test_a_file_that_is_cut_off_is_decoded_from_the_top(run: Run, trained: Path, folder: Path, tmp_path: Path) -> None:
    path, cut = tmp_path / "a.rsc", tmp_path / "cut.rsc"
    assert run("compress", trained, folder, "--out", path).status == 0
    cut.write_bytes(path.read_bytes()[:-1])
    outcome = run("decompress", cut, "--out", tmp_path / "cut")
    assert outcome.status == 0
    assert outcome.err == f"{cut} is cut off: decoding the top 1 of 2 layers\n"
    assert run("decompress", path, "--layers", "1", "--out", tmp_path / "coarse").status == 0
    one, other = (np.asarray(Image.open(tmp_path / name / "class-1" / "1.png")) for name in ("cut", "coarse"))
    assert np.array_equal(one, other)
    refused(run("decompress", path, "--layers", "3", "--out", tmp_path / "more"), "from 1 to 2")
    assert not (tmp_path / "more").exists()


def test_info_says_what_is_in_a_file_without_its_model(run: Run, trained: Path, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.rsc"
    assert run("compress", trained, folder, "--rates", "2=3", "1=4bits", "--out", path).status == 0
    outcome = run("info", path)
    lines = outcome.out.splitlines()
    assert lines[0] == "lossy archive of 30 8-bit images 1 x 16 x 16, 2 layers, blocks of 8,192"
    assert str(trained) in lines[1] and "constriction 0." in lines[2] and "torch " in lines[2]
    assert [line.split("  ")[0].strip() for line in lines[5:]] == [
        *("header", "codec", "names", "layer 2", "layer 1", "lengths of blocks"),
    ]
    assert "4.33 bits/image" in lines[8] and "4.00 bits/image" in lines[9]
    with Archive.opened(path) as archive:
        total = len(archive.header.to_bytes()) + sum(one.length for one in archive.header.sections)
    assert total == path.stat().st_size


def test_a_conditioned_landscape_compresses_by_betas_rates_and_bytes(
    run: Run, mapped: Path, folder: Path, tmp_path: Path
) -> None:
    (network,) = (mapped / "networks").iterdir()
    for index, words in enumerate((["--betas", "0.05", "0.02"], ["--rates", "total=8"], ["--bytes-per-image", "1.5"])):
        path = tmp_path / f"{index}.rsc"
        outcome = run("compress", mapped, folder, *words, "--out", path)
        assert outcome.status == 0, outcome
        with Archive.opened(path) as archive:
            assert len(archive.header.betas) == 2 and archive.header.where == str(network)
        assert run("decompress", path, "--out", tmp_path / f"out-{index}").status == 0
    assert run("compress", network, folder, "--betas", "0.05", "0.02", "--out", tmp_path / "n.rsc").status == 0
    assert (tmp_path / "n.rsc").read_bytes() == (tmp_path / "0.rsc").read_bytes()
    assert run("compress", mapped, folder, "--for", "nelbo", "--out", tmp_path / "best.rsc").status == 0
    refused(run("compress", mapped, folder, "--out", tmp_path / "x.rsc"), "is a landscape: say which model by --for")
    both = run("compress", mapped, folder, "--rates", "total=8", "--bytes-per-image", "2", "--out", tmp_path / "x.rsc")
    refused(both, "rates and bytes_per_image are both given")
    refused(run("compress", network, folder, "--out", tmp_path / "x.rsc"), "say which by --betas, or by --rates")


def test_without_loss_black_and_white_images_come_back_exactly(
    run: Run, mapped: Path, folder: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "a.rsc", tmp_path / "out"
    words = ["compress", mapped, folder, "--betas", "0.1", "--lossless"]  # one beta for all layers
    outcome = run(*words, "--out", path)
    assert outcome.status == 0
    grey = np.stack([np.asarray(Image.open(one)) for one in folder.rglob("*.png")])
    share = np.mean((grey > 0) & (grey < 255))
    assert share > 0 and f"black and white pixels, as which the images are written: {share:.1%} of" in outcome.out
    assert run("decompress", path, "--out", out).status == 0
    for one in folder.rglob("*.png"):
        levels = np.asarray(Image.open(one))
        assert np.array_equal(np.asarray(Image.open(out / one.relative_to(folder))), np.where(levels > 127, 255, 0))
    assert "of images: start of chains" in run("info", path).out


def test_images_of_another_kind_are_told_with_the_file_and_by_info(run: Run, trained: Path, tmp_path: Path) -> None:
    noise = (np.random.default_rng(0).random((40, 16, 16)) > 0.5).astype(np.uint8) * 255
    np.save(tmp_path / "noise.npy", noise)
    path = tmp_path / "noise.rsc"
    outcome = run("compress", trained, tmp_path / "noise.npy", "--out", path)
    assert outcome.status == 0
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("caution: the images take")]
    assert "more than the" in line and "of another kind than the model's" in line
    assert line in run("info", path).out.splitlines()


def test_a_search_makes_a_codec_of_its_own_and_recommend_tells_its_bytes(
    run: Run, mapped: Path, folder: Path, tmp_path: Path
) -> None:
    words = ["compress", mapped, folder, "--for", "psnr"]
    outcome = run(*words, "--effort", "3", "--out", tmp_path / "a.rsc")
    assert outcome.status == 0, outcome
    assert run(*words, "--out", tmp_path / "b.rsc").status == 0
    told = [line for line in run("recommend", mapped, "--for", "psnr").out.splitlines() if line.startswith("Files:")]
    assert len(told) == 2 and "(codec calibrated, effort 3)" in told[1] and " bytes an image" in told[0]
    assert run("decompress", tmp_path / "a.rsc", "--out", tmp_path / "out").status == 0
    refused(run(*words, "--effort", "3", "--lossless", "--out", tmp_path / "c.rsc"), "effort is 3", "lossless")


def test_bad_input_is_refused_in_one_line(run: Run, trained: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.rsc"
    refused(run("compress", trained, tmp_path / "none.png", "--out", out), "none.png does not exist")
    refused(
        run("compress", trained, folder, "--betas", "1", "1", "--out", out), "is one model: leave out for and betas"
    )
    refused(run("compress", trained, folder, "--lossless", "--out", out), "a Gaussian likelihood has no lossless size")
    refused(run("compress", trained, folder, "--rates", "2=999", "--out", out), "layer 2 cannot have 999 nats")
    Image.new("L", (20, 16)).save(tmp_path / "wide.png")
    codecs = sorted((trained / "codecs").glob("*"))
    words = ["compress", trained, tmp_path / "wide.png", "--rates", "2=2", "--out", out]
    refused(run(*words), "height 16 and width 16")
    assert sorted((trained / "codecs").glob("*")) == codecs  # none was calibrated first
    refused(run("info", folder / "class-0" / "0.png"), "is not an archive of ratescape")
    assert not out.exists()
    path = tmp_path / "a.rsc"
    assert run("compress", trained, folder, "--out", path).status == 0
    refused(run("decompress", path, "--model", tmp_path / "gone", "--out", tmp_path / "o"), "there is no checkpoint")
    refused(run("decompress", tmp_path / "no.rsc", "--out", tmp_path / "o"), "no.rsc cannot be read")


def test_bench_files_compares_with_other_formats(run: Run, trained: Path, images_file: Path, tmp_path: Path) -> None:
    outcome = run("bench-files", trained, images_file, "--limit", "8", "--out", tmp_path / "sizes.png")
    assert outcome.status == 0, outcome
    lines = outcome.out.splitlines()
    assert lines[0].startswith("no lossless files: a Gaussian likelihood") and lines[1] == "8 test images"
    named = {line.split("  ")[0] for line in lines}
    assert named >= {"ours", "ours, top 1 of 2 layers", "gzip of all", "PNG sheet", "JPEG single", "WebP sheet"}
    assert (tmp_path / "sizes.png").read_bytes().startswith(b"\x89PNG")
    refused(run("bench-files", trained, images_file, "--limit", "0"), "limit is 0")
