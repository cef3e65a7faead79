"""What a name stands for, and where the files of known sets are looked for; fetching is tested in test_fetching."""

from pathlib import Path

import pytest
from helpers.toy_files import change_source, without_data, write_mnist_like

from ratescape.data.catalog import load_data
from ratescape.data.locating import fetch
from ratescape.errors import DataError


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has no data."""
    return without_data(tmp_path, monkeypatch)


def test_unknown_name(nowhere: Path) -> None:
    nor = "nor is there such a path"
    near = rf"unknown data set 'fashon-mnist', {nor}: did you mean fashion-mnist.*svhn, cifar10"
    with pytest.raises(DataError, match=near):
        load_data("fashon-mnist")
    with pytest.raises(DataError, match=rf"unknown data set 'qqq', {nor}: give the path .* mnist-5k, mnist"):
        fetch("qqq")


@pytest.mark.parametrize("path", ["no/such/folder", "digits.npz"])
def test_missing_path(path: str) -> None:
    with pytest.raises(DataError, match=f"{path} does not exist: check the path"):
        load_data(path)


def test_a_path_is_no_name(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nowhere)
    write_mnist_like(nowhere / "mnist")
    data = load_data(Path("mnist"))
    assert data.spec.name == "./mnist"
    assert data.spec.binary is False
    assert load_data(data.spec).fingerprint == data.fingerprint
    with pytest.raises(DataError, match="mnist is not on this machine"):
        load_data("mnist", fetch=False)


def test_folders_are_searched_in_order(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, cache, named, folder = (nowhere / name for name in ("system", "cache", "named", "folder"))
    change_source(monkeypatch, "mnist", folders=(system,))

    def found(asked: Path | None = None) -> int:
        """The lowest training pixel of the set that is found, in twenties."""
        return int(load_data("mnist", folder=asked, fetch=False).train.pixels.min()) // 20

    for filled, pixel in ((system, 20), (cache / "ratescape" / "mnist", 60), (named / "mnist", 100), (folder, 140)):
        write_mnist_like(filled, pixel)
    assert found() == 3
    monkeypatch.setenv("RATESCAPE_DATA", str(named))
    assert found() == 5
    assert found(folder) == 7
    write_mnist_like(folder / "mnist", 180)
    assert found(folder) == 9
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


def test_mnist_5k_without_its_package(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_package(_name: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", no_package)
    with pytest.raises(DataError, match=r'pip install "ratescape\[demo\]"'):
        load_data("mnist-5k")


def test_a_path_may_begin_at_home(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(nowhere))
    write_mnist_like(nowhere / "mine")
    assert load_data("~/mine").spec.name == "~/mine"
