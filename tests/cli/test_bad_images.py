"""Images that cannot be used are refused in one line that names the file and the remedy."""

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import SHORT, Run, refused
from helpers.images import blobs


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
    def saved(name: str, **arrays: Any) -> Path:
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
