"""The table of formats: what a path is, and how a new format joins."""

from pathlib import Path

import pytest
from helpers.toy_files import numbered, write_mnist_like

from ratescape.data.formats import Arrays, ImageSet, from_arrays, paths, read_path
from ratescape.data.formats.layout import Layout, find_files
from ratescape.errors import DataError


def test_paths_that_hold_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist: check the path"):
        read_path(tmp_path / "nowhere")
    (tmp_path / "data.txt").write_text("1,2")
    with pytest.raises(
        DataError, match=r"data\.txt is neither a folder of images nor a \.npz or \.npy or \.csv or \.parquet file"
    ):
        read_path(tmp_path / "data.txt")


def test_endings_are_told_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "DATA.NPY").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"cannot be read as a \.npy file"):
        read_path(tmp_path / "DATA.NPY")


def test_a_new_ending_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_toy(path: Path) -> ImageSet:
        return from_arrays(str(path), Arrays(numbered(int(path.read_text()))))

    monkeypatch.setitem(paths.ENDINGS, ".toy", read_toy)
    (tmp_path / "my.toy").write_text("3")
    assert len(read_path(tmp_path / "my.toy").train.pixels) == 3
    (tmp_path / "data.txt").write_text("1,2")
    with pytest.raises(DataError, match=r"nor a \.npz or \.npy or \.toy or \.csv or \.parquet file"):
        read_path(tmp_path / "data.txt")


def test_a_new_layout_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(folder: Path) -> tuple[Path, ...] | None:
        return find_files(folder, ("count",))

    def read(files: tuple[Path, ...]) -> ImageSet:
        return from_arrays("toys", Arrays(numbered(int(files[0].read_text()))))

    monkeypatch.setattr(paths, "LAYOUTS", (*paths.LAYOUTS, Layout(find, read)))
    (tmp_path / "count").write_text("3")
    assert len(read_path(tmp_path).train.pixels) == 3


def test_an_incomplete_layout_is_not_taken_for_it(tmp_path: Path) -> None:
    write_mnist_like(tmp_path)
    assert len(read_path(tmp_path).train.pixels) == 20
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="has no images in it"):
        read_path(tmp_path)
