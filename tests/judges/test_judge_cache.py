"""Where judges are kept."""

import dataclasses
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import torch
from helpers.stripes import CLASSES, QUICK, Steps, judge, stripes
from torch import nn

from ratescape import checkpoint
from ratescape.data.catalog import ImageData, load_data
from ratescape.errors import CheckpointError, DataError, RecordError
from ratescape.judges import cache
from ratescape.judges.cache import cache_path, cached_judge, load_judge, obtain, own_judge
from ratescape.specs.codec import to_dict
from ratescape.specs.judge import JudgeSpec


def test_a_judge_is_trained_once(data: ImageData, tmp_path: Path) -> None:
    first, second = Steps(), Steps()
    one = judge(data, tmp_path, QUICK, 1, progress=first)
    two = judge(data, tmp_path, QUICK, 1, progress=second)
    assert (first.count, second.count) == (11, 0)  # 173 images in batches of 16
    images = torch.rand(300, 1, 16, 16)
    torch.testing.assert_close(one.probabilities(images), two.probabilities(images), rtol=0, atol=0)
    assert (one.accuracy, one.digest) == (two.accuracy, two.digest)


def test_another_split_or_recipe_is_another_judge(data: ImageData, tmp_path: Path) -> None:
    pixels, labels = stripes(240)
    for other in (data, load_data(pixels, labels, limit=50), load_data(pixels, labels, binary=True)):
        judge(other, tmp_path, QUICK, 1)
    judge(data, tmp_path, QUICK, 2)
    assert len(list(tmp_path.glob("*.safetensors"))) == 4


def test_the_same_images_under_another_name_share_a_judge(data: ImageData, tmp_path: Path) -> None:
    pixels, labels = stripes(240)
    np.savez(tmp_path / "stripes.npz", images=pixels, labels=labels)
    again = Steps()
    judge(data, tmp_path, QUICK, 1)
    judge(load_data(tmp_path / "stripes.npz"), tmp_path, QUICK, 1, progress=again)
    assert again.count == 0


def test_a_damaged_judge_is_named_and_made_anew_when_deleted(data: ImageData, tmp_path: Path) -> None:
    judge(data, tmp_path / "judges", QUICK, 1)
    (path,) = tmp_path.glob("judges/*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"damaged.*delete it and run the same command again.*{path.name}"):
        judge(data, tmp_path / "judges", QUICK, 1)
    path.unlink()
    assert judge(data, tmp_path / "judges", QUICK, 1).classes == CLASSES


def test_a_file_that_holds_no_judge_is_refused(data: ImageData, tmp_path: Path) -> None:
    judge(data, tmp_path, QUICK, 1)
    (path,) = tmp_path.glob("*.safetensors")
    tensors, header = checkpoint.load(path)
    for broken in ({"accuracy": 1.0}, header | {"classes": ["one", "two"]}):
        checkpoint.save(path, tensors, broken)
        with pytest.raises(CheckpointError, match="holds no judge"):
            judge(data, tmp_path, QUICK, 1)


def test_an_interrupted_training_leaves_nothing_behind(data: ImageData, tmp_path: Path) -> None:
    def interrupt(step: int, steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(data, tmp_path, QUICK, 1, progress=interrupt)
    assert not list(tmp_path.glob("*.safetensors"))
    assert judge(data, tmp_path, QUICK, 1).spec.epochs == 1


def test_two_that_want_the_same_judge_train_it_once(data: ImageData, tmp_path: Path) -> None:
    """The second comes while the first trains; it waits, and takes what the first made."""
    second = Steps()
    other = threading.Thread(target=judge, args=(data, tmp_path, QUICK, 1), kwargs={"progress": second})

    def first(step: int, steps: int) -> None:
        if step == 1:
            other.start()
            other.join(0.2)
        assert other.is_alive()

    judge(data, tmp_path, QUICK, 1, progress=first)
    other.join(10)
    assert not other.is_alive() and second.count == 0
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_a_cache_that_cannot_be_written_is_an_error(data: ImageData, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot write"):
        judge(data, tmp_path / "file" / "judges", QUICK, 1)


# Data that cannot be judged


def test_data_without_labels_have_no_judge(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no labels"):
        judge(load_data(stripes(20)[0]), tmp_path)


def test_data_of_one_class_have_no_judge(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one class only"):
        judge(load_data(stripes(20)[0], np.zeros(20, int)), tmp_path)


def test_a_judge_of_other_data_is_refused(data: ImageData, tmp_path: Path) -> None:
    learned = judge(data, tmp_path, QUICK, 1)
    learned.check(data)
    same_classes = load_data(*stripes(240, seed=1))
    with pytest.raises(DataError, match=f"trained on other data than {same_classes.spec.name}"):
        learned.check(same_classes)
    with pytest.raises(DataError, match=r"trained on \(1, 16, 16\)"):
        learned.probabilities(torch.rand(2, 1, 20, 20))


# The judge of a landscape


ONE_EPOCH = dataclasses.replace(QUICK, epochs=1)


@pytest.fixture
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, of this test alone."""
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file inside a results folder that is still to be made."""
    return tmp_path / "landscape" / "judges" / "0123456789ab.safetensors"


def test_digests_tell_judges_apart_and_keys_tell_recipes_apart(data: ImageData, tmp_path: Path) -> None:
    one = judge(data, tmp_path / "one", ONE_EPOCH)
    copied = load_judge(next(tmp_path.glob("one/*.safetensors")))
    again, other = (judge(data, tmp_path / "two", dataclasses.replace(ONE_EPOCH, seed=seed)) for seed in (0, 1))
    assert one.digest == copied.digest == again.digest != other.digest  # the same weights give the same scores
    assert one.key == again.key != other.key
    assert one.facts == {"digest": one.digest, "accuracy": one.accuracy, "recipe": to_dict(ONE_EPOCH)}
    assert cache_path(data, ONE_EPOCH, tmp_path).name == f"{one.key}.safetensors"


def test_a_landscape_gets_a_copy_of_the_cached_judge(data: ImageData, path: Path, user_cache: Path) -> None:
    steps = Steps()
    first = obtain(path, data, ONE_EPOCH, "cpu", steps)
    (cached,) = user_cache.rglob("*.safetensors")
    assert steps.count == 11 and path.read_bytes() == cached.read_bytes()
    another = obtain(path.with_name("another.safetensors"), data, ONE_EPOCH, "cpu", steps)
    assert steps.count == 11 and another.digest == first.digest


def test_a_landscape_resumed_on_another_device_keeps_its_judge(
    data: ImageData, path: Path, user_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user's cache holds there: nothing, or a judge by the same recipe that was trained elsewhere."""
    first = obtain(path, data, ONE_EPOCH, "cpu")
    shutil.rmtree(user_cache)
    resumed = obtain(path, data, ONE_EPOCH, "meta")
    assert next(resumed.network.parameters()).device.type == "meta" and not user_cache.exists()
    train = cache.train_judge

    def elsewhere(images: ImageData, recipe: JudgeSpec, *rest: Any) -> nn.Module:
        return train(images, dataclasses.replace(recipe, seed=9), *rest)

    monkeypatch.setattr(cache, "train_judge", elsewhere)
    theirs = cached_judge(data, ONE_EPOCH)
    assert resumed.digest == obtain(path, data, ONE_EPOCH, "cpu").digest == first.digest != theirs.digest


def test_a_landscapes_judge_of_another_recipe_is_replaced(data: ImageData, path: Path, user_cache: Path) -> None:
    first = obtain(path, data, ONE_EPOCH, "cpu")
    longer = dataclasses.replace(ONE_EPOCH, epochs=2)
    assert own_judge(path, data, longer, "cpu") is None
    second = obtain(path, data, longer, "cpu")
    assert second.spec == longer and second.digest != first.digest == cached_judge(data, ONE_EPOCH).digest
    own = own_judge(path, data, longer, "cpu")
    assert own is not None and own.digest == second.digest


def test_a_landscapes_judge_that_is_damaged_or_of_other_data_is_an_error(
    data: ImageData, path: Path, user_cache: Path
) -> None:
    other = load_data(*stripes(240, seed=1))
    obtain(path, other, ONE_EPOCH, "cpu")
    with pytest.raises(DataError, match="trained on other data"):
        obtain(path, data, ONE_EPOCH, "cpu")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=f"damaged.*delete it.*{path.name}"):
        obtain(path, other, ONE_EPOCH, "cpu")


def test_two_that_want_a_landscapes_judge_make_it_once(data: ImageData, path: Path, user_cache: Path) -> None:
    second = Steps()
    other = threading.Thread(target=obtain, args=(path, data, ONE_EPOCH, "cpu", second))

    def first(step: int, steps: int) -> None:
        if step == 1:
            other.start()
            other.join(0.2)
        assert other.is_alive()

    made = obtain(path, data, ONE_EPOCH, "cpu", first)
    other.join(10)
    assert not other.is_alive() and second.count == 0
    assert obtain(path, data, ONE_EPOCH, "cpu").digest == made.digest
