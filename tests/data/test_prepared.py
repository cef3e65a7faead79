"""Prepared images: what is written is mapped back unchanged, and a damaged folder is one line with its remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from helpers.toy_files import numbered, random_images

from ratescape.data.catalog import ImageData, load_data
from ratescape.data.prepared import read_prepared, write_prepared
from ratescape.errors import DataError, RecordError


@pytest.fixture
def data() -> ImageData:
    """Images with everything: validation images, labels and targets."""
    return load_data(random_images(40, 6, 5), np.arange(40) % 3, np.arange(40.0), validation=0.2, limit=20)


def assert_equal(one: ImageData, other: ImageData) -> None:
    assert (one.spec, one.classes, one.fingerprint) == (other.spec, other.classes, other.fingerprint)
    splits, others = {"train": one.train, **one.held_out}, {"train": other.train, **other.held_out}
    assert list(splits) == list(others)
    for name, split in splits.items():
        for what in ("pixels", "labels", "targets"):
            array, expected = getattr(split, what), getattr(others[name], what)
            assert (array is None) == (expected is None)
            if array is not None:
                assert array.dtype == expected.dtype
                np.testing.assert_array_equal(array, expected)


def test_what_is_written_is_read_back(data: ImageData, tmp_path: Path) -> None:
    write_prepared(data, tmp_path / "new" / "data")
    assert_equal(read_prepared(tmp_path / "new" / "data"), data)


def test_bare_images_are_read_back(tmp_path: Path) -> None:
    data = load_data(numbered(10), validation=0)
    write_prepared(data, tmp_path)
    assert_equal(read_prepared(tmp_path), data)
    assert {path.name for path in tmp_path.iterdir()} == {"train.npy", "test.npy", "facts.json"}


def test_pixels_are_mapped_read_only(data: ImageData, tmp_path: Path) -> None:
    write_prepared(data, tmp_path)
    for split in (read_prepared(tmp_path).train, *read_prepared(tmp_path).held_out.values()):
        assert isinstance(split.pixels, np.memmap)
        assert not split.pixels.flags.writeable


def test_facts_are_written_last(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder whose writing was cut short has no facts, so that nobody takes it for whole."""
    saved: list[str] = []

    def full_disk(file: IO[bytes], _array: object) -> None:
        assert not (tmp_path / "facts.json").exists()
        saved.append(Path(file.name).name.split(".")[1])  # of .NAME.npy.PID.tmp
        if len(saved) == 9:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(RecordError, match=r"cannot write .*No space left on device"):
        write_prepared(data, tmp_path)
    assert set(saved) == {
        f"{split}{what}" for split in ("train", "validation", "test") for what in ("", "-labels", "-targets")
    }
    assert not (tmp_path / "facts.json").exists()


def without(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()

    return damage


def with_content(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-1])

    return damage


def without_fact(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        del facts[name]
        (folder / "facts.json").write_text(json.dumps(facts))

    return damage


def pickled(folder: Path) -> None:
    np.save(folder / "train-labels.npy", np.array([{"a": 1}] * 20, dtype=object))


def short(folder: Path) -> None:
    np.save(folder / "test-labels.npy", np.zeros(3, np.int64))


def unknown_field(folder: Path) -> None:
    facts = json.loads((folder / "facts.json").read_text())
    facts["spec"]["colour"] = "red"
    (folder / "facts.json").write_text(json.dumps(facts))


FILES = ("train.npy", "validation.npy", "test.npy", "facts.json", "train-labels.npy", "validation-targets.npy")


@pytest.mark.parametrize(
    "damage",
    [
        *map(without, FILES),
        *map(cut, FILES),
        *(with_content("facts.json", content) for content in (b"", b"[]", b"{}", b"null", b"\xff")),
        *(with_content("test.npy", content) for content in (b"", b"PK\x03\x04", b"no array\n")),
        *map(without_fact, ("spec", "classes", "fingerprint")),
        *(pickled, short, unknown_field),
    ],
)
def test_damage_is_one_line_with_its_remedy(data: ImageData, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write_prepared(data, tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError) as caught:
        read_prepared(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path} holds no prepared images, or damaged ones (")
    assert message.endswith("): delete it and run the sweep again")
    assert "\n" not in message


def test_a_missing_folder_is_one_line_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone holds no prepared images.*: delete it and run the sweep again$"):
        read_prepared(tmp_path / "gone")
