"""What judges learn from, and how."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.stripes import CLASSES, QUICK, judge, same_weights, stripes
from torch import nn

from ratescape.data.batches import unit
from ratescape.data.catalog import ImageData, load_data
from ratescape.data.formats import Split
from ratescape.errors import CheckpointError, SpecError
from ratescape.judges.resuming import Kept
from ratescape.judges.training import crop_and_flip, learning_rate, train_judge
from ratescape.specs.judge import JudgeSpec


def test_learning_rates() -> None:
    assert [learning_rate(JudgeSpec(), step, 2) for step in range(5)] == pytest.approx([1, 1, 0.7, 0.7, 0.49])
    cosine = JudgeSpec(epochs=2, learning_rate=0.01, schedule="cosine")
    rates = [learning_rate(cosine, step, 2) for step in range(5)]
    assert rates == pytest.approx([0.01, 0.01 * (2 + 2**0.5) / 4, 0.005, 0.01 * (2 - 2**0.5) / 4, 0])


def test_crops_and_flips_are_all_equally_frequent() -> None:
    """Every result is one of 9 x 9 crops, mirrored or not; a chi-square statistic five deviations off would fail."""
    image = torch.arange(1.0, 129).reshape(2, 8, 8)
    padded = nn.functional.pad(image, (4, 4, 4, 4))
    crops = [padded[:, y : y + 8, x : x + 8] for y in range(9) for x in range(9)]
    candidates = torch.stack(crops + [crop.flip(2) for crop in crops])  # [162, 2, 8, 8]
    each = 100
    results = crop_and_flip(image.expand(each * 162, 2, 8, 8), torch.Generator().manual_seed(0))
    rows, kinds = torch.cat([candidates, results]).flatten(1).unique(dim=0, return_inverse=True)
    assert len(rows) == 162
    counts = torch.bincount(kinds) - 1
    assert float(((counts - each) ** 2 / each).sum()) < 161 + 5 * (2 * 161) ** 0.5
    again = crop_and_flip(image.expand(each * 162, 2, 8, 8), torch.Generator().manual_seed(0))
    assert torch.equal(results, again)


def test_a_judge_learns_what_can_be_told_apart(data: ImageData, tmp_path: Path) -> None:
    learned = judge(data, tmp_path, QUICK)
    assert learned.accuracy >= 0.95 and data.validation is not None
    assert learned.validation_accuracy is not None
    assert learned.spec == QUICK and learned.classes == CLASSES and learned.fingerprint == data.fingerprint
    for split, expected in ((data.test, learned.accuracy), (data.validation, learned.validation_accuracy)):
        probabilities = learned.probabilities(unit(torch.tensor(split.pixels), binary=False))
        assert probabilities.dtype == torch.float64
        torch.testing.assert_close(probabilities.sum(1), torch.ones(len(split.pixels), dtype=torch.float64))
        assert float((probabilities.argmax(1) == torch.tensor(split.labels)).double().mean()) == expected


def test_the_papers_other_recipe_learns_too(tmp_path: Path) -> None:
    """SGD along a cosine, with crops and flips: a bright half above or below is told apart through them."""
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(0, 100, (80, 16, 16)), np.arange(80) % 2
    pixels[labels == 0, :8] += 150
    pixels[labels == 1, 8:] += 150
    data = load_data(pixels.astype(np.uint8), labels)
    spec = JudgeSpec("small-cnn", 15, 16, "sgd", 0.02, momentum=0.9, schedule="cosine", augment=True)
    assert judge(data, tmp_path, spec).accuracy == 1


def test_batch_statistics_are_kept_with_the_weights(tmp_path: Path) -> None:
    data = load_data(*stripes(30), limit=16)
    spec = JudgeSpec("resnet-18", 1, 8, "sgd", 0.01, momentum=0.9, schedule="cosine", augment=True)
    images = unit(torch.tensor(data.test.pixels), binary=False)
    kept = judge(data, tmp_path, spec).probabilities(images)
    trained = train_judge(data, spec)
    torch.testing.assert_close(kept, trained(images).double().softmax(1))
    means = [buffer for name, buffer in trained.named_buffers() if name.endswith("running_mean")]
    assert len(means) == 20 and all(bool((mean != 0).any()) for mean in means)


def test_a_training_repeats_and_leaves_random_numbers_alone(data: ImageData, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    one, two = (judge(data, tmp_path / name, QUICK, epochs=2) for name in ("one", "two"))
    other = judge(data, tmp_path, dataclasses.replace(QUICK, seed=1), epochs=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert one.spec.epochs == 2
    assert same_weights(one.network, two.network) and not same_weights(one.network, other.network)


@pytest.mark.parametrize(
    "spec",
    [
        dataclasses.replace(QUICK, epochs=2),
        JudgeSpec("small-cnn", 2, 16, "sgd", 0.01, momentum=0.9, schedule="cosine", augment=True),
    ],
    ids=lambda spec: spec.optimiser,
)
def test_a_training_that_is_broken_off_goes_on_to_the_very_same_judge(spec: JudgeSpec, tmp_path: Path) -> None:
    data, path = load_data(*stripes(150), limit=100), tmp_path / "kept"
    begun: list[int] = []

    def interrupted(step: int, steps: int) -> None:
        begun.append(step)
        if len(begun) == 3:
            raise KeyboardInterrupt

    whole = train_judge(data, spec)
    for _ in range(2):
        begun.clear()
        with pytest.raises(KeyboardInterrupt):
            train_judge(data, spec, progress=interrupted, kept=Kept(path, "me", 0.0))
    assert begun == [4, 5, 6]  # whatever was drawn in between, by whomever
    torch.rand(7)
    assert same_weights(train_judge(data, spec, kept=Kept(path, "me")), whole)
    begun.clear()
    with pytest.raises(KeyboardInterrupt):
        train_judge(data, spec, progress=interrupted, kept=Kept(path, "somebody else"))
    assert begun == [1, 2, 3]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="kept"):
        train_judge(data, spec, kept=Kept(path, "me"))


def test_nothing_is_learned_from_validation_and_test(data: ImageData, tmp_path: Path) -> None:
    blank = Split(np.zeros_like(data.test.pixels), np.zeros_like(data.test.labels))
    unseen = dataclasses.replace(data, test=blank, validation=None)
    one, two = judge(data, tmp_path / "one", QUICK, 1), judge(unseen, tmp_path / "two", QUICK, 1)
    assert two.validation_accuracy is None and two.accuracy in (0, 1)
    assert same_weights(one.network, two.network)


def test_a_judge_of_binary_data_learns_from_thresholded_pixels() -> None:
    pixels, labels = stripes(60)
    greys = train_judge(load_data(pixels, labels, binary=True), QUICK)
    for other, same in ((load_data(pixels > 127, labels), True), (load_data(pixels, labels), False)):
        assert same_weights(greys, train_judge(other, QUICK)) == same


def test_accuracy_is_of_thresholded_pixels_where_data_are_binary(tmp_path: Path) -> None:
    """Two shades of grey that thresholding makes one: told apart only where the data are not binary."""
    labels = np.arange(80) % 2
    pixels = np.where(labels[:, None, None] == 0, 40, 110) * np.ones((1, 16, 16))
    shades = {binary: load_data(pixels.astype(np.uint8), labels, binary=binary) for binary in (False, True)}
    assert judge(shades[False], tmp_path, QUICK).accuracy == 1
    assert judge(shades[True], tmp_path, QUICK).accuracy == pytest.approx(0.5, abs=0.01)


def test_the_learning_rate_falls_by_the_recipes_factor(data: ImageData) -> None:
    """With a factor of next to nothing, a second epoch changes nothing."""
    one, two = (train_judge(data, JudgeSpec(epochs=epochs, batch=32, decay=1e-30)) for epochs in (1, 2))
    assert same_weights(one, two)
    assert not same_weights(one, train_judge(data, JudgeSpec(epochs=2, batch=32)))


def test_augmentation_changes_what_is_learned(data: ImageData) -> None:
    plain, moved = (train_judge(data, JudgeSpec(epochs=1, batch=64, augment=augment)) for augment in (False, True))
    assert not same_weights(plain, moved)


def test_a_training_that_diverges_is_an_error(data: ImageData, tmp_path: Path) -> None:
    wild = JudgeSpec(epochs=1, batch=16, optimiser="sgd", learning_rate=1e30)
    with pytest.raises(SpecError, match=r"diverged.*smaller judge.learning_rate"):
        judge(data, tmp_path, wild)
    assert not list(tmp_path.glob("*.safetensors"))
