"""Judges: their networks, what they learn from, and their cache."""

import dataclasses
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ratescape import checkpoint
from ratescape.data.batches import unit
from ratescape.data.catalog import ImageData, load_data
from ratescape.data.formats import Split
from ratescape.errors import CheckpointError, DataError, RecordError, SpecError
from ratescape.judges.cache import Judge, cached_judge
from ratescape.judges.networks import network
from ratescape.judges.recipes import paper_recipe
from ratescape.judges.training import crop_and_flip, learning_rate, train_judge
from ratescape.specs.judge import JudgeSpec

QUICK = JudgeSpec(epochs=6, batch=16)
CLASSES = ("left", "none", "right")


def stripes(count: int, seed: int = 0, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise ``[N, side, side]`` with a bright stripe on the left, on the right, or none: easy to tell apart."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    pixels = generator.integers(0, 150, (count, side, side))
    for image, label in zip(pixels, labels, strict=True):
        column = generator.integers(1, side // 2 - 3)
        if label != 1:
            image[:, (column if label == 0 else -column - 3) :][:, :3] += 100
    return pixels.astype(np.uint8), np.array(CLASSES)[labels]


@pytest.fixture(scope="module")
def data() -> ImageData:
    """240 images in three classes: 173 to train on, 19 to validate, 48 to test."""
    return load_data(*stripes(240))


def judge(data: ImageData, folder: Path, spec: JudgeSpec = QUICK, epochs: int | None = None, **options: Any) -> Judge:
    """The judge of a cache in ``folder``."""
    return cached_judge(data, dataclasses.replace(spec, epochs=epochs or spec.epochs), folder=folder, **options)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


# Networks


@pytest.mark.parametrize(
    ("architecture", "shape", "total"),
    [
        ("resnet-18", (3, 32, 32), 11_173_962),
        ("densenet-121", (3, 32, 32), 6_956_298),
        ("small-cnn", (1, 28, 28), 1_199_882),
    ],
)
def test_networks_have_the_papers_numbers_of_parameters(architecture, shape, total) -> None:
    assert sum(parameter.numel() for parameter in network(architecture, shape, 10).parameters()) == total


@pytest.mark.parametrize("architecture", ["small-cnn", "resnet-18", "densenet-121"])
@pytest.mark.parametrize("shape", [(3, 12, 20), (1, 8, 8)])
def test_every_weight_learns_from_images_of_any_size(architecture, shape) -> None:
    torch.manual_seed(0)
    learner = network(architecture, shape, 4).eval()  # without dropout, and for one pixel of a map too
    logits = learner(torch.rand(5, *shape))
    assert logits.shape == (5, 4)
    nn.functional.cross_entropy(logits, torch.arange(5) % 4).backward()
    assert all(bool((p.grad != 0).any()) for p in learner.parameters())


def test_the_small_network_is_the_one_of_the_protocol() -> None:
    """Layer by layer as the paper's, though pooling comes before the rectifier here."""
    torch.manual_seed(0)
    learner = network("small-cnn", (1, 28, 28), 10).eval()
    weights = list(learner.parameters())
    images = torch.rand(3, 1, 28, 28)
    maps = torch.relu(nn.functional.conv2d(images, weights[0], weights[1]))
    maps = torch.relu(nn.functional.conv2d(maps, weights[2], weights[3]))
    features = nn.functional.max_pool2d(maps, 2).flatten(1)
    hidden = torch.relu(features @ weights[4].T + weights[5])
    torch.testing.assert_close(learner(images), hidden @ weights[6].T + weights[7])
    assert [module.p for module in learner if isinstance(module, nn.Dropout)] == [0.25, 0.5]


def test_the_small_network_does_not_grow_with_the_images() -> None:
    totals = {sum(p.numel() for p in network("small-cnn", (3, s, s), 10).parameters()) for s in (32, 64, 256)}
    assert len(totals) == 1


def test_images_too_small_are_refused() -> None:
    with pytest.raises(SpecError, match="7 x 28: a judge takes 8 x 8"):
        network("small-cnn", (1, 7, 28), 10)


# Recipes


def test_recipes_are_the_papers_where_it_has_one(data: ImageData) -> None:
    def named(name: str) -> ImageData:
        return dataclasses.replace(data, spec=dataclasses.replace(data.spec, name=name))

    svhn, cifar10 = paper_recipe(named("svhn")), paper_recipe(named("cifar10"))
    assert (svhn.architecture, svhn.augment) == ("resnet-18", False)
    assert (cifar10.architecture, cifar10.augment, cifar10.schedule) == ("densenet-121", True, "cosine")
    for spec in (svhn, cifar10):
        assert (spec.optimiser, spec.learning_rate, spec.momentum) == ("sgd", 0.01, 0.9)
        assert (spec.weight_decay, spec.batch) == (5e-4, 256)
    many = load_data(np.full((4000, 28, 28), 9, np.uint8), np.arange(4000) % 10)
    assert paper_recipe(many) == JudgeSpec("small-cnn", 14, 64, "adadelta", 1.0, schedule="exponential", decay=0.7)


def test_few_images_are_seen_more_often(data: ImageData) -> None:
    """At least 600 steps, over which the learning rate falls as far as it does in the paper's 14 epochs."""
    spec = paper_recipe(data)
    assert spec.epochs == 200 and math.ceil(len(data.train.pixels) / spec.batch) == 3
    assert spec.decay**spec.epochs == pytest.approx(0.7**14)


def test_learning_rates() -> None:
    assert [learning_rate(JudgeSpec(), step, 2) for step in range(5)] == pytest.approx([1, 1, 0.7, 0.7, 0.49])
    cosine = JudgeSpec(epochs=2, learning_rate=0.01, schedule="cosine")
    rates = [learning_rate(cosine, step, 2) for step in range(5)]
    assert rates == pytest.approx([0.01, 0.01 * (2 + 2**0.5) / 4, 0.005, 0.01 * (2 - 2**0.5) / 4, 0])


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch", -1), ("learning_rate", math.nan), ("decay", 0.0), ("momentum", -0.1), ("seed", -1)],
)
def test_a_recipe_out_of_range_is_refused(field, value) -> None:
    with pytest.raises(SpecError, match=f"judge.{field} is {value}"):
        JudgeSpec(**{field: value})


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


# Learning


def test_a_judge_learns_what_can_be_told_apart(data: ImageData, tmp_path: Path) -> None:
    learned = judge(data, tmp_path, QUICK)
    assert learned.accuracy >= 0.95 and learned.validation_accuracy is not None
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


# The cache


class Steps:
    """Counts the steps of a training."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, step: int, steps: int) -> None:
        self.count += 1
        assert step == self.count <= steps


def test_a_judge_is_trained_once(data: ImageData, tmp_path: Path) -> None:
    first, second = Steps(), Steps()
    one = judge(data, tmp_path, QUICK, 1, progress=first)
    two = judge(data, tmp_path, QUICK, 1, progress=second)
    assert (first.count, second.count) == (11, 0)  # 173 images in batches of 16
    images = torch.rand(300, 1, 16, 16)
    torch.testing.assert_close(one.probabilities(images), two.probabilities(images), rtol=0, atol=0)
    assert (one.accuracy, one.seconds) == (two.accuracy, two.seconds)


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
    judge(data, tmp_path, QUICK, 1)
    (path,) = tmp_path.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"damaged.*delete it and run the same command again.*{path.name}"):
        judge(data, tmp_path, QUICK, 1)
    path.unlink()
    assert judge(data, tmp_path, QUICK, 1).classes == CLASSES


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
