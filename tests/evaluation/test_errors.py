"""Standard errors against closed forms, and against the spread over repeated draws."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.sweeps import LEAN, small_sweep, swept
from sklearn.linear_model import Ridge
from sklearn.metrics import normalized_mutual_info_score, r2_score

from ratescape.data.catalog import ImageData, load_data
from ratescape.evaluation import errors, suite
from ratescape.evaluation.generation import inception
from ratescape.evaluation.subject import Subject
from ratescape.judges.cache import Judge, cached_judge
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.records.table import paired_error, read_table
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


def test_of_a_mean_it_is_the_deviation_over_the_root_of_n() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    expected = math.sqrt(5 / 3) / 2
    assert errors.of_mean(values) == pytest.approx(expected)
    assert errors.of_mean(torch.stack([values, 2 * values], 1)) == pytest.approx([expected, 2 * expected])
    assert errors.of_mean(values[:1]) is None and errors.of_psnr(values[:1]) is None


def test_of_an_accuracy_it_is_binomial() -> None:
    assert errors.of_accuracy(0.8, 10_000) == pytest.approx(math.sqrt(0.8 * 0.2 / 10_000), rel=1e-3)
    assert errors.of_accuracy(1.0, 50) == pytest.approx(1 / 102)  # 50 right answers do not prove that all are
    assert errors.of_accuracy(None, 50) is None


def assert_is_the_spread(draw: Callable[[np.random.Generator], tuple[float, float | None]], repeats: int) -> None:
    """The mean of the errors of many draws is the spread of their values, which is known to 1 / sqrt(2 repeats)."""
    found = [draw(np.random.default_rng(seed)) for seed in range(repeats)]
    values, stated = np.array([value for value, _ in found]), np.array([error for _, error in found], float)
    assert stated.mean() == pytest.approx(values.std(ddof=1), rel=4 / math.sqrt(2 * repeats))


def test_of_psnr_it_is_the_spread_over_sets_of_images() -> None:
    def draw(generator: np.random.Generator) -> tuple[float, float | None]:
        squared = torch.from_numpy(generator.gamma(3.0, 0.01, 200))
        return -10 * math.log10(float(squared.mean())), errors.of_psnr(squared)

    assert_is_the_spread(draw, 1000)


def test_parts_know_how_alike_two_models_err() -> None:
    """Images differ far more than models: the error of the difference is that of the spread over sets of images."""

    def draw(generator: np.random.Generator) -> tuple[float, float | None]:
        images = generator.gamma(3.0, 0.01, 400)
        models = [torch.from_numpy(images * scale * generator.lognormal(0, 0.1, 400)) for scale in (1.0, 1.05)]
        psnr = [-10 * math.log10(float(squared.mean())) for squared in models]
        one, other = (errors.parts(errors.shares_of_psnr(squared)) for squared in models)
        alone = math.hypot(*(errors.of_psnr(squared) or 0.0 for squared in models))
        assert len(one) == errors.PARTS and paired_error(one, other) < 0.5 * alone
        return psnr[0] - psnr[1], paired_error(one, other)

    assert_is_the_spread(draw, 400)
    assert errors.parts(torch.arange(3.0)) == [0.0, 1.0, 2.0]
    assert errors.parts(torch.arange(40.0)) == [0.5 + 2 * part for part in range(20)]


def test_of_r2_it_is_the_spread_over_sets_of_images() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 3))
    probe = Ridge(1.0).fit(x, np.stack([x @ [1.0, 2.0, 0.0], x @ [0.0, 1.0, 1.0]], 1))

    def draw(generator: np.random.Generator) -> tuple[float, float | None]:
        features = generator.normal(size=(300, 3))
        truth = np.stack([features @ [1.0, 2.0, 0.0], features @ [0.0, 1.0, 1.0]], 1)
        truth += generator.standard_t(8, truth.shape)
        predicted = probe.predict(features)
        return float(r2_score(truth, predicted)), errors.of_r2(predicted, truth)

    assert_is_the_spread(draw, 600)


def clustered(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of three classes, and clusters that are right seven times in ten."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, 400)
    return labels, np.where(generator.random(400) < 0.7, labels, generator.integers(0, 3, 400))


def test_of_clusters_it_is_the_spread_over_sets_of_images() -> None:
    spread = np.std([normalized_mutual_info_score(*clustered(seed)) for seed in range(600)], ddof=1)
    stated = [errors.of_clustering(*reversed(clustered(seed))) for seed in range(10)]
    assert np.mean([error for error in stated if error is not None]) == pytest.approx(spread, rel=0.2)


def test_normalised_information_is_what_scikit_learn_says() -> None:
    pairs = [clustered(seed) for seed in range(5)] + [(np.zeros(400, int), np.zeros(400, int))]
    pairs += [(np.arange(400) % 3, np.zeros(400, int)), (np.arange(400) % 2, np.arange(400) // 2 % 2)]
    tables = np.zeros((len(pairs), 3, 3), int)
    for table, (labels, clusters) in zip(tables, pairs, strict=True):
        np.add.at(table, (labels, clusters), 1)
    expected = [normalized_mutual_info_score(*pair) for pair in pairs]
    np.testing.assert_allclose(errors.normalised_information(tables), expected, atol=1e-12)


def test_of_a_score_it_is_that_over_its_splits() -> None:
    rows = torch.tensor(np.random.default_rng(0).dirichlet(np.full(4, 0.3), 500))
    result = inception(rows, 5)
    expected = {
        "inception_score": float(result.scores.std()) / math.sqrt(5),
        "diversity": float(result.diversities.std()) / math.sqrt(5),
        "sharpness": float(result.sharpnesses.std()) / math.sqrt(5),
    }
    assert result.errors == pytest.approx(expected) and inception(rows, 1).errors == {}


@pytest.fixture(scope="module")
def data() -> ImageData:
    """160 images of three classes that differ in brightness, with brightness as a target."""
    labels = np.arange(160) % 4 % 3  # class 0 is half of them
    pixels = np.random.default_rng(0).integers(0, 90, (160, *SHAPE)) + 80 * labels[:, None, None, None]
    return load_data(pixels.astype(np.uint8), labels, pixels.mean((1, 2, 3)), binary=False, validation=0.25, test=0.25)


@pytest.fixture
def model() -> HVAE:
    torch.manual_seed(0)
    spec = resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=False)
    return build(spec, SHAPE).requires_grad_(False)


@pytest.fixture
def judge(data: ImageData, tmp_path: Path) -> Judge:
    return cached_judge(data, JudgeSpec(epochs=1), folder=tmp_path)


@pytest.mark.parametrize("protocol", ["heldout", "paper"])
def test_every_number_that_ranks_models_has_its_error(
    model: HVAE, data: ImageData, judge: Judge, protocol: str
) -> None:
    spec = EvaluationSpec(samples=50, probes=protocol)  # pyright: ignore[reportArgumentType]
    for line in suite.measure(Subject(model, data, (0.5, 2.0), spec, judge)):
        found, stated = line["metrics"], line["errors"]
        assert stated.keys() <= found.keys()
        described = {"active", "flag", "chance", "score_of_data", "ceiling_rate"}
        described |= {"train_loss"} & found.keys()  # of one split, and to tell overfitting alone
        assert found.keys() - stated.keys() == described | {"information_paper", "ceiling_information"}
        scored = line["images"] if protocol == "heldout" else math.ceil(line["images"] / 5)
        for name in ("accuracy_rbf", "accuracy_sample"):
            assert stated[name] == pytest.approx([errors.of_accuracy(a, scored) for a in found[name]])
        for name, error in stated.items():
            assert isinstance(error, list) == isinstance(found[name], list), name
            assert all(one is not None and one >= 0 for one in (error if isinstance(error, list) else [error])), name


def test_errors_of_means_are_over_images(model: HVAE, data: ImageData) -> None:
    subject = Subject(model, data, (0.5, 2.0), LEAN)
    line, view = suite.measure(subject)[1], subject.splits["test"]
    rates, distortion = view.rates.rates, view.rates.distortion
    loss = distortion + 0.5 * rates[:, 0] + 2.0 * rates[:, 1]
    for name, values in (("rate", rates.sum(1)), ("loss", loss), ("nelbo", distortion + rates.sum(1))):
        assert line["errors"][name] == pytest.approx(float(values.std()) / math.sqrt(len(values)))
    assert line["errors"]["rates"] == pytest.approx((rates.std(0) / math.sqrt(len(rates))).tolist())


def test_chance_and_what_the_images_themselves_get_are_recorded(
    model: HVAE, data: ImageData, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge is asked about the images once a split, not once a model."""
    asked: list[int] = []
    answer = Judge.probabilities
    monkeypatch.setattr(Judge, "probabilities", lambda self, images: asked.append(len(images)) or answer(self, images))
    spec = EvaluationSpec(samples=50, probes="none", information=False)
    lines = [suite.measure(Subject(model, data, (1.0, 1.0), spec, judge)) for _ in range(2)]
    assert asked == [50, 30, 50, 40, 50, 50]
    assert lines[0] == lines[1]
    for line, split in zip(lines[0], data.held_out.values(), strict=True):
        assert split.labels is not None
        assert line["metrics"]["chance"] == pytest.approx(np.bincount(split.labels).max() / len(split.labels))
        pixels = Subject(model, data, (1.0, 1.0), spec).images(split.pixels)
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
        count = len(pixels) // 10  # splits of ten, as the samples have
        expected = inception(answer(judge, pixels.take(order[: 10 * count])), count).score
        assert line["metrics"]["score_of_data"] == pytest.approx(expected)


def test_images_without_labels_are_told_of_in_one_reason(model: HVAE, data: ImageData) -> None:
    plain = load_data(data.train.pixels, binary=False)
    for line in suite.measure(Subject(model, plain, (1.0, 1.0), EvaluationSpec())):
        assert set(line["absent"].values()) == {"the images have no labels"}


def test_the_table_has_a_column_of_errors_for_every_split(data: ImageData, tmp_path: Path) -> None:
    folder = swept(small_sweep(data), data, tmp_path)
    table = read_table(folder)
    count = len(data.held_out["validation"].pixels)
    assert table.images == count
    assert all(parts.keys() == {"psnr", "nelbo", "distortion"} for parts in table.parts.values())
    assert {len(part) for parts in table.parts.values() for part in parts.values()} == {min(errors.PARTS, count)}
    for name in ("psnr", "nelbo", "rate_2", "rate_1", "distortion"):
        for prefix in ("", "test_"):
            assert (table.rows[f"{prefix}se_{name}"] > 0).all()


def test_two_probes_are_compared_image_by_image(model: HVAE, data: ImageData, judge: Judge) -> None:
    """Their fractions right have parts, of groups of the same images, whose means they are."""
    spec = EvaluationSpec(samples=0, probe_kinds=("rbf", "linear_svm", "knn", "logistic"))
    for line in suite.measure(Subject(model, data, (0.5, 2.0), spec, None)):
        for kind in ("rbf", "linear_svm", "knn", "logistic"):
            for layer, share in zip((2, 1), line["metrics"][f"accuracy_{kind}"], strict=True):
                parts = line["parts"][f"accuracy_{kind}_{layer}"]
                sizes = [len(one) for one in np.array_split(np.arange(line["images"]), len(parts))]
                assert np.average(parts, weights=sizes) == pytest.approx(share)
