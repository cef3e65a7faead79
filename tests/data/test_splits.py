"""How images are divided: nothing is lost, doubled or mixed, every class gets its share, and seeds decide alone."""

from pathlib import Path

import numpy as np
import pytest
from helpers.toy_files import numbered, numbers
from hypothesis import assume, given
from hypothesis import strategies as st

from ratescape.data.catalog import load_data
from ratescape.data.formats import Arrays, from_arrays
from ratescape.data.splits import divide
from ratescape.errors import DataError
from ratescape.specs.data import DataSpec


@pytest.mark.parametrize("count", [3, 4, 17, 200])
def test_splits_share_out_all_images(count: int) -> None:
    data = load_data(numbered(count), validation=0.3, test=0.25)
    parts = numbers(data)
    assert sorted(number for part in parts.values() for number in part) == list(range(count))
    assert len(parts["test"]) == max(1, round(0.25 * count))
    assert len(parts["validation"]) == max(1, round(0.3 * (count - len(parts["test"]))))


def test_labels_stay_with_their_images() -> None:
    data = load_data(numbered(50), np.arange(50) * 3, validation=0.3)
    assert data.classes is not None
    for split in (data.train, data.validation, data.test):
        assert split is not None
        assert split.labels is not None
        names = [int(data.classes[code]) for code in split.labels]
        assert names == [3 * (int(image[0, 0, 0]) - 2) for image in split.pixels]


def test_targets_stay_with_their_images() -> None:
    targets = np.stack([np.arange(50) * 3, -np.arange(50)], axis=1)
    for labels in (None, np.arange(50) % 2):
        data = load_data(numbered(50), labels, targets, validation=0.3, limit=20)
        parts = numbers(data)
        for name, split in {"train": data.train, **data.held_out}.items():
            assert split.targets is not None
            assert split.targets.tolist() == [[3 * number, -number] for number in parts[name]]
        assert len(data.train.pixels) == 20
        assert parts == numbers(load_data(numbered(50), labels, validation=0.3, limit=20))


def test_test_split_is_stratified_and_shuffled() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    data = load_data(numbered(100), labels, test=0.2)
    assert data.test.labels is not None
    assert np.bincount(data.test.labels).tolist() == [12, 6, 2]
    assert np.any(np.diff(data.test.labels) < 0)


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8), share=st.floats(0.2, 0.8), seed=st.integers(0, 99))
def test_every_class_is_held_out_by_its_share(sizes: list[int], share: float, seed: int) -> None:
    """Within the bound of rounding: see the docstring of the function that holds images out."""
    labels, count = np.repeat(np.arange(len(sizes)), sizes), sum(sizes)
    assume(1 <= round(share * count) < count)
    images = from_arrays("x", Arrays(np.full((count, 2, 2), 9, np.uint8), labels))
    _, _, test = divide(images, DataSpec(test=share, validation=0, split_seed=seed))
    assert test.labels is not None
    held = np.bincount(test.labels, minlength=len(sizes))
    assert held.sum() == round(share * count)
    bound = 0.5 + np.array(sizes) * (len(sizes) + 1) / (2 * count)
    assert np.all(np.abs(held - share * np.array(sizes)) <= bound + 1e-9)


def test_splits_depend_on_the_split_seed_alone() -> None:
    first = numbers(load_data(numbered(100)))
    assert numbers(load_data(numbered(100))) == first
    other = numbers(load_data(numbered(100), split_seed=1))
    assert set(other["test"]) != set(first["test"])
    assert set(other["validation"]) != set(first["validation"])
    assert numbers(load_data(numbered(100), validation=0.3))["test"] == first["test"]


def test_limit_takes_training_images_only() -> None:
    whole = numbers(load_data(numbered(100)))
    few = numbers(load_data(numbered(100), limit=10))
    assert len(few["train"]) == 10
    assert set(few["train"]) <= set(whole["train"])
    assert (few["validation"], few["test"]) == (whole["validation"], whole["test"])
    assert numbers(load_data(numbered(100), limit=1000)) == whole


def test_no_validation() -> None:
    data = load_data(numbered(10), validation=0)
    assert data.validation is None
    assert len(numbers(data)["train"]) == 8


@pytest.mark.parametrize("count", [3, 4])
def test_large_shares_leave_an_image_for_every_part(count: int) -> None:
    parts = numbers(load_data(numbered(count), validation=0.99, test=0.99))
    assert {name: len(part) for name, part in parts.items()} == {"train": 1, "validation": 1, "test": count - 2}


@pytest.mark.parametrize(("count", "validation", "parts"), [(2, 0.1, 3), (1, 0.0, 2)])
def test_too_few_images_to_split(count: int, validation: float, parts: int) -> None:
    with pytest.raises(DataError, match=f"has {count} images to split into {parts} parts: add"):
        load_data(numbered(count), validation=validation)


def test_own_test_split_is_left_as_it_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", x_train=numbered(30)[:20], x_test=numbered(30)[20:])
    data = load_data(tmp_path / "my.npz", test=0.5, split_seed=7)
    parts = numbers(data)
    assert parts["test"] == list(range(20, 30))
    assert sorted(parts["train"] + parts["validation"]) == list(range(20))
    other = numbers(load_data(tmp_path / "my.npz", split_seed=8))
    assert set(other["validation"]) != set(parts["validation"])
