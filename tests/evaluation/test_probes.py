"""Probes against scikit-learn called by hand, data with known answers, and invariances."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ratescape.data.batches import Images, stream
from ratescape.data.catalog import load_data
from ratescape.errors import DataError
from ratescape.evaluation import probes
from ratescape.evaluation.estimators import LABEL_MEASURES, SVM_ITERATIONS, Protocol
from ratescape.evaluation.features import FITTING_IMAGES, features, fitting_images, paper_split
from ratescape.evaluation.probes import LayerScores, fit_probes, paper_probes
from ratescape.evaluation.rates import rates
from ratescape.model.hierarchy import HVAE, Given, PosteriorMode, PosteriorSample
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)
ACCURACIES = LABEL_MEASURES[:4]


def network(family: str = "ghvae", seed: int = 0, latents: tuple[int, ...] = (3, 2)) -> HVAE:
    torch.manual_seed(seed)
    spec = ModelSpec(family=family, channels=4, latents=latents)
    return build(resolved_model(spec, SHAPE, binary=True), SHAPE).requires_grad_(False)


@pytest.fixture(scope="module")
def pictures() -> Images:
    """More images than pass through a network at once."""
    return Images(np.random.default_rng(0).integers(0, 256, (1100, *SHAPE), dtype=np.uint8), binary=True)


def clouds(count: int, distance: float, seed: int, size: int = 3, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Features ``[count, size]`` of unequal scales and offset, and labels: unit Gaussians ``distance`` off the origin
    along one axis a class.
    """
    generator = np.random.default_rng(seed)
    labels = generator.permutation(count) % classes
    x = generator.normal(size=(count, size)) + distance * np.eye(classes, size)[labels]
    return (x * np.linspace(1, 4, size) + 2).astype(np.float32), labels


def scores(fit: tuple[np.ndarray, np.ndarray], score: tuple[np.ndarray, np.ndarray], **options: Any) -> LayerScores:
    return fit_probes([fit[0]], fit[1], **options).score([score[0]], score[1])


def only(scored: LayerScores) -> dict[str, float | None]:
    """The measures of the one layer there is."""
    return {name: value for name, (value,) in scored.metrics.items()}


def numbers(scored: LayerScores) -> dict[str, float]:
    """The same, all of which must be numbers."""
    found = {name: value for name, value in only(scored).items() if value is not None}
    assert found.keys() == scored.metrics.keys()
    return found


# Features


@pytest.mark.parametrize("sampled", [False, True])
def test_features_are_posterior_means_given_the_layers_above(pictures: Images, sampled: bool) -> None:
    model = network("residual", latents=(3, 2, 1))
    everything = pictures.take(torch.arange(len(pictures)))
    measured = features(model, pictures, seed=3, sampled=sampled)
    assert [x.shape for x in measured] == [(1100, 3), (1100, 8), (1100, 4)]
    assert all(x.dtype == np.float32 for x in measured)
    top = [mean.flatten(1).numpy() for mean in model.encode(everything)]
    np.testing.assert_allclose(measured[0], top[0], atol=1e-6)  # nothing lies above it
    if not sampled:
        np.testing.assert_allclose(measured[1], top[1], atol=1e-6)
        np.testing.assert_allclose(measured[2], top[2], atol=1e-6)
    else:
        assert np.abs(measured[1] - top[1]).max() > 1e-3


def test_sampled_features_are_at_the_sample_of_the_measured_rates(pictures: Images) -> None:
    """The KL of z_1 at these means is the rate that is measured with the same seed."""
    model = network()
    first = Images(pictures.pixels[:200].numpy(), binary=True)
    images = first.take(torch.arange(200))
    generator = torch.Generator().manual_seed(stream(5, "evaluation"))
    drawn = model(PosteriorSample(model.noise(200, generator)), images)
    torch.testing.assert_close(rates(model, first, seed=5).rates, drawn.rates.double())
    given = model(Given(drawn.latents[:1], PosteriorMode()), images)
    np.testing.assert_allclose(features(model, first, 5, sampled=True)[1], given.latents[1].flatten(1), atol=1e-6)


def test_features_of_a_bottom_up_model(pictures: Images) -> None:
    """There z_1 comes first: its mean is exact, and that of z_2 is given z_1."""
    model = network("bottom-up")
    modes, samples = (features(model, pictures, 0, sampled) for sampled in (False, True))
    np.testing.assert_allclose(modes[1], samples[1], atol=1e-6)
    assert np.abs(modes[0] - samples[0]).max() > 1e-3


# Splits


def test_the_same_split_for_every_model(pictures: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that go in to fit and to score are the same images for models of other weights and structure."""
    seen: list[Any] = []
    original = probes.fit_probes

    def watched(layers: list[np.ndarray], labels: np.ndarray, numbers: np.ndarray, **options: Any) -> probes.Probes:
        seen.append(numbers)
        return original(layers, labels, numbers, **options)

    monkeypatch.setattr(probes, "fit_probes", watched)
    first = Images(pictures.pixels[:40].numpy(), binary=True)
    for model in (network(), network(seed=1), network("residual", latents=(3, 2, 1))):
        paper_probes(features(model, first, 0, sampled=True), np.arange(40) % 2, np.arange(40), seed=4)
    fit, score = paper_split(40, 4)
    assert len(seen) == 3 and all(np.array_equal(numbers.ravel(), fit) for numbers in seen)
    assert sorted([*fit, *score]) == list(range(40)) and len(fit) == 32
    order = np.random.default_rng(4).permutation(9000)
    np.testing.assert_array_equal(fitting_images(9000, 4), sorted(order[:FITTING_IMAGES]))


def test_splits_depend_on_their_seed_and_take_all_images_where_there_are_few() -> None:
    some = fitting_images(9000, 0)
    assert len(set(some)) == len(some) == FITTING_IMAGES and some.max() < 9000
    assert not np.array_equal(some, fitting_images(9000, 1))
    np.testing.assert_array_equal(fitting_images(70, 0), np.arange(70))
    assert not np.array_equal(paper_split(100, 0)[1], paper_split(100, 1)[1])
    assert [len(part) for part in paper_split(26032, 0)] == [20825, 5207]
    with pytest.raises(DataError, match="1 images: two are needed"):
        paper_split(1, 0)


# Against scikit-learn


def by_hand(fit: np.ndarray, y: np.ndarray, score: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, float]:
    classifiers = {
        "accuracy_logistic": LogisticRegression(max_iter=1000),
        "accuracy_linear_svm": SVC(kernel="linear"),
        "accuracy_rbf": SVC(),
        "accuracy_knn": KNeighborsClassifier(),
    }
    values = {name: float(np.mean(one.fit(fit, y).predict(score) == truth)) for name, one in classifiers.items()}
    clusters = KMeans(len(set(y)), n_init=10, random_state=seed).fit(fit).predict(score)
    return values | {"clustering_nmi": float(normalized_mutual_info_score(truth, clusters))}


def test_heldout_probes_equal_scikit_learn_by_hand() -> None:
    data = load_data("mnist-5k")
    fit, score = data.train, data.test
    x, y = fit.pixels[:400, 0, 4:24:3, 4:24:3].reshape(400, -1), fit.labels
    other, truth = score.pixels[:300, 0, 4:24:3, 4:24:3].reshape(300, -1), score.labels
    assert y is not None and truth is not None
    measured = scores((x.astype(np.float32), y[:400]), (other.astype(np.float32), truth[:300]), seed=2)
    scaler = StandardScaler().fit(x.astype(np.float64))
    expected = by_hand(scaler.transform(x), y[:400], scaler.transform(other), truth[:300], seed=2)
    assert 0.2 < min(expected.values()) < max(expected.values()) < 0.95  # neither trivial nor hopeless
    assert only(measured) == pytest.approx(expected, abs=1e-12)
    assert measured.reasons == [{}] and measured.unconverged == [()] and measured[-2:] == (400, 300)


def test_paper_probes_equal_scikit_learn_by_hand() -> None:
    """Without scaling: scales matter to all but ridge regression, here to every accuracy of some layer."""
    layers = [clouds(400, 1.5, seed=0)[0] * 0.3, clouds(400, 1.5, seed=0, size=6)[0] * 0.1]
    labels = clouds(400, 1.5, seed=0)[1]
    measured = paper_probes(layers, labels, seed=1)
    fit, score = np.split(np.random.default_rng(1).permutation(400), [320])
    for index, layer in enumerate(layers):
        x = layer.astype(np.float64)
        expected = by_hand(x[fit], labels[fit], x[score], labels[score], seed=1)
        assert {name: values[index] for name, values in measured.metrics.items()} == pytest.approx(expected, abs=1e-12)
    assert (measured.fitted, measured.scored) == (320, 80)


def test_five_seeds_of_logistic_regression_are_one() -> None:
    """The paper's mean over five seeds is the one fit that is made: the solver draws nothing."""
    x, labels = clouds(300, 1.0, seed=0)
    weights = [LogisticRegression(random_state=seed).fit(x, labels).coef_ for seed in range(5)]
    assert all(np.array_equal(weights[0], other) for other in weights)


def test_ridge_regression_equals_scikit_learn_by_hand() -> None:
    x = clouds(200, 1.0, seed=0)[0].astype(np.float64)
    generator = np.random.default_rng(1)
    numbers = x @ generator.normal(size=(3, 2)) + generator.normal(size=(200, 2))
    measured = fit_probes([x[:150]], numbers=numbers[:150]).score([x[150:]], numbers=numbers[150:])
    scaler = StandardScaler().fit(x[:150])
    ridge = Ridge().fit(scaler.transform(x[:150]), numbers[:150])
    errors = (ridge.predict(scaler.transform(x[150:])) - numbers[150:]) ** 2
    expected = np.mean(1 - errors.mean(0) / numbers[150:].var(0))
    assert only(measured) == {"ridge_r2": pytest.approx(expected, abs=1e-9)} and 0.5 < expected < 0.99


def test_labels_and_numbers_together_and_many_splits_of_one_fit() -> None:
    x, labels = clouds(300, 3.0, seed=0)
    first = x[:, 0]
    fitted = fit_probes([x, x[:, :2]], labels, first)
    again = fitted.score([x[:90], x[:90, :2]], labels[:90], first[:90])
    rest = fitted.score([x[90:], x[90:, :2]], labels[90:], first[90:])
    both = fitted.score([x, x[:, :2]], labels, first)
    assert list(both.metrics) == [*LABEL_MEASURES, "ridge_r2"]
    explained = both.metrics["ridge_r2"][0]
    assert explained is not None and explained > 0.9999
    for name in ACCURACIES:
        for one, two, all_ in zip(again.metrics[name], rest.metrics[name], both.metrics[name], strict=True):
            assert one is not None and two is not None
            assert 0.3 * one + 0.7 * two == pytest.approx(all_)


# Known answers


def test_accuracies_come_near_the_best_possible() -> None:
    """Two unit Gaussians d apart: no classifier is right more often than Phi(d / 2), and all four come near it.

    Tolerances are five binomial errors of 4,000 images above; below, kNN with k = 5 loses some 4 points.
    """
    fit, score = (clouds(count, math.sqrt(2), seed, size=2, classes=2) for count, seed in ((1000, 0), (4000, 1)))
    best = 0.5 * (1 + math.erf(1 / math.sqrt(2)))  # d = 2
    error = math.sqrt(best * (1 - best) / 4000)
    measured = numbers(scores(fit, score))
    for name in ACCURACIES:
        slack = 0.05 if name == "accuracy_knn" else 0.015
        assert best - slack - 5 * error < measured[name] < best + 5 * error, name


@pytest.mark.parametrize("protocol", ["heldout", "paper"])
def test_linear_probes_fail_where_classes_are_not_linear(protocol: Protocol) -> None:
    """A disc within a ring: half right by a line (or a little more), all right by the others."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(1000) % 2
    angles, radii = generator.uniform(0, 2 * np.pi, 1000), np.where(labels == 1, 3.0, 1.0)
    x = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1).astype(np.float32)
    measured = numbers(scores((x[:500], labels[:500]), (x[500:], labels[500:]), protocol=protocol))
    assert measured["accuracy_logistic"] < 0.7 and measured["accuracy_linear_svm"] < 0.75
    assert measured["accuracy_rbf"] > 0.99 and measured["accuracy_knn"] > 0.99


def test_separate_clusters_agree_with_the_labels_and_noise_does_not() -> None:
    fit, score = clouds(300, 30.0, seed=0), clouds(900, 30.0, seed=1)
    measured = numbers(scores(fit, score))
    assert measured["clustering_nmi"] == pytest.approx(1.0) and measured["accuracy_rbf"] == 1.0
    noise = numbers(scores(clouds(300, 0.0, seed=0), clouds(900, 0.0, seed=1)))
    # 2 N x mutual information of independent labels is chi^2 with (M - 1)^2 = 4 degrees: 5 deviations above its mean.
    assert noise["clustering_nmi"] < (4 + 5 * math.sqrt(8)) / (2 * 900 * math.log(3))


def test_clusters_are_found_without_labels() -> None:
    """Clusters that cut across the classes stay as they are: agreement is nought though labels could be learned."""
    generator = np.random.default_rng(0)
    labels, sides = generator.permutation(800) % 2, generator.permutation(800) % 2
    x = np.stack([20.0 * sides + generator.normal(size=800), 4.0 * labels + 0.1 * generator.normal(size=800)], 1)
    fit, score = slice(0, 400), slice(400, 800)
    unscaled = numbers(scores((x[fit], labels[fit]), (x[score], labels[score]), protocol="paper"))
    assert unscaled["clustering_nmi"] < 0.03 and unscaled["accuracy_linear_svm"] == 1.0


def test_permuted_labels_give_chance() -> None:
    """Within five binomial errors of 1 / M, labels being equally frequent."""
    fit, score = clouds(600, 4.0, seed=0), clouds(1500, 4.0, seed=1)
    shuffled = (fit[0], np.random.default_rng(2).permutation(fit[1]))
    random_truth = np.random.default_rng(3).permutation(score[1])
    measured = numbers(scores(shuffled, (score[0], random_truth)))
    for name in ACCURACIES:
        assert abs(measured[name] - 1 / 3) < 5 * math.sqrt((1 / 3) * (2 / 3) / 1500), name
    assert min(numbers(scores(fit, score))[name] for name in ACCURACIES) > 0.95


# Invariances


def test_order_of_features_does_not_matter() -> None:
    fit, score = clouds(300, 1.0, seed=0, size=8), clouds(400, 1.0, seed=1, size=8)
    order = np.random.default_rng(0).permutation(8)
    one = only(scores(fit, score))
    other = only(scores((fit[0][:, order], fit[1]), (score[0][:, order], score[1])))
    for name in ("accuracy_rbf", "accuracy_knn", "accuracy_linear_svm"):
        assert one[name] == pytest.approx(other[name], abs=1 / 400)  # one image may lie on a border


def test_heldout_is_invariant_to_scale_and_offset_and_the_paper_is_not() -> None:
    fit, score = clouds(300, 1.0, seed=0), clouds(400, 1.0, seed=1)
    scale, offset = np.array([0.01, 1, 30], np.float32), np.array([-5, 3, 100], np.float32)
    moved = [(x * scale + offset, y) for x, y in (fit, score)]
    heldout = [numbers(scores(*pair)) for pair in ((fit, score), moved)]
    paper = [numbers(scores(*pair, protocol="paper")) for pair in ((fit, score), moved)]
    for name in LABEL_MEASURES:
        # k-means and borders: standardised features differ by the rounding of float32.
        assert heldout[0][name] == pytest.approx(heldout[1][name], abs=0.01), name
    assert abs(paper[0]["accuracy_knn"] - paper[1]["accuracy_knn"]) > 0.03


def test_a_feature_that_never_varies_changes_nothing() -> None:
    fit, score = clouds(300, 1.0, seed=0), clouds(400, 1.0, seed=1)
    wider = [(np.pad(x, ((0, 0), (1, 1)), constant_values=7), y) for x, y in (fit, score)]
    assert only(scores(fit, score)) == only(scores(*wider))


# What is not defined


def test_a_layer_without_variance_or_not_finite_has_no_measures() -> None:
    """And leaves the other layers alone."""
    (fit, labels), (score, truth) = clouds(90, 3.0, seed=0), clouds(60, 3.0, seed=1)
    rounding = 5 + 1e-6 * np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    broken = fit.copy()
    broken[7, 1] = np.nan
    fitted = fit_probes([np.ones((90, 2), np.float32), rounding, broken, fit], labels)
    measured = fitted.score([np.ones((60, 2), np.float32), np.full((60, 4), 5.0), score, score], truth)
    for name in LABEL_MEASURES:
        assert measured.metrics[name][:3] == [None] * 3 and measured.metrics[name][3] is not None
        assert [reasons.get(name) for reasons in measured.reasons] == [
            "the layer has no variance",
            "the layer has no variance",
            "features are not finite",
            None,
        ]
    infinite = score.copy()
    infinite[0, 0] = np.inf
    assert set(only(scores((fit, labels), (infinite, truth))).values()) == {None}
    assert paper_probes([rounding], labels, fit[:, 0]).metrics["ridge_r2"] == [None]


def test_one_class_or_an_unseen_class_is_no_accuracy() -> None:
    (fit, labels), (score, truth) = clouds(90, 3.0, seed=0), clouds(60, 3.0, seed=1)
    cases = {
        "the fitting images are all of one class": (np.zeros(90, int), np.zeros(60, int)),
        "the scored images are all of one class": (labels, np.zeros(60, int)),
        "class 2 is scored but not among the fitting images": (labels % 2, truth),
        "46 classes among 90 fitting images: two of each are needed on average": (np.arange(90) % 46, truth),
    }
    for reason, (y, z) in cases.items():
        measured = scores((fit, y), (score, z))
        assert only(measured) == dict.fromkeys(LABEL_MEASURES), reason
        assert measured.reasons == [dict.fromkeys(LABEL_MEASURES, reason)]
    fewer = only(scores((fit, labels), (score[truth < 2], truth[truth < 2])))
    assert None not in fewer.values()  # a class that is not scored takes nothing away


def test_fewer_images_than_neighbours_leave_out_knn_alone() -> None:
    fit = np.array([[0, 0], [0, 1], [5, 0], [5, 1]], np.float32), np.array([0, 0, 1, 1])
    measured = scores(fit, fit)
    assert measured.metrics["accuracy_knn"] == [None]
    assert measured.reasons == [{"accuracy_knn": "4 fitting images are fewer than k = 5"}]
    assert only(measured)["accuracy_rbf"] == 1.0


def test_fewer_distinct_features_than_clusters() -> None:
    x = np.repeat(np.array([[0], [1]], np.float32), 30, 0)
    labels = np.arange(60) % 3
    measured = scores((x, labels), (x, labels))
    assert measured.reasons == [{"clustering_nmi": "fewer distinct feature vectors than clusters"}]
    assert measured.metrics["clustering_nmi"] == [None] and only(measured)["accuracy_rbf"] is not None


def test_numbers_that_never_vary() -> None:
    x, _ = clouds(50, 1.0, seed=0)
    same, varying = np.ones(50), x[:, 0]
    for y, z, part in ((same, varying, "fitting"), (varying, same, "scored")):
        measured = fit_probes([x], numbers=y).score([x], numbers=z)
        assert only(measured) == {"ridge_r2": None}
        assert measured.reasons == [{"ridge_r2": f"a number is the same for all {part} images"}]


def test_wrong_arguments_are_named() -> None:
    x, labels = clouds(30, 1.0, seed=0)
    cases: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("no labels: probes cannot be fitted; give labels", [[x]], {}),
        (r"labels float64 \(30,\) of 30 images", [[x], labels * 1.0], {}),
        (r"labels int64 \(20,\) of 30 images", [[x], labels[:20]], {}),
        (r"shapes \[\(30, 3\), \(20, 3\)\]", [[x, x[:20]], labels], {}),
        (r"shapes \[\(30,\)\]", [[x[:, 0]], labels], {}),
        (r"shapes \[\(0, 3\)\]", [[x[:0]], labels[:0]], {}),
        (r"shapes \[\]", [[], labels], {}),
        ("numbers of shape", [[x]], {"numbers": np.full(30, np.nan)}),
        ("numbers of shape", [[x]], {"numbers": np.ones(20)}),
        ("numbers of shape", [[x]], {"numbers": 3.0}),
    ]
    for message, arguments, options in cases:
        with pytest.raises(DataError, match=message):
            fit_probes(*arguments, **options)
    fitted = fit_probes([x], labels)
    with pytest.raises(DataError, match="other targets or layers"):
        fitted.score([x[:, :2]], labels)
    with pytest.raises(DataError, match="other targets or layers"):
        fitted.score([x], numbers=x)


# Solvers


def test_a_probe_that_stops_early_is_kept_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unscaled features under the paper's protocol: logistic regression does not converge within its iterations."""
    monkeypatch.setitem(SVM_ITERATIONS, "paper", 20_000)
    x, labels = clouds(400, 1.0, seed=0, size=20)
    wild = x * np.logspace(-3, 3, 20, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured = paper_probes([x, wild], labels)
    assert ["accuracy_logistic" in names for names in measured.unconverged] == [False, True]
    assert measured.metrics["accuracy_logistic"][1] is not None
    assert scores((wild, labels), (wild, labels)).unconverged == [()]  # standardised, all converge
    fit, _ = paper_split(400, 0)
    with pytest.warns(ConvergenceWarning):
        LogisticRegression().fit(wild[fit].astype(np.float64), labels[fit])


def test_noise_that_no_margin_separates_takes_no_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SVM_ITERATIONS, "heldout", 200)
    measured = scores(clouds(300, 0.0, seed=0, size=60), clouds(300, 0.0, seed=1, size=60))
    assert measured.unconverged == [("accuracy_linear_svm",)]
    assert measured.metrics["accuracy_linear_svm"][0] == pytest.approx(1 / 3, abs=5 * math.sqrt(2 / 9 / 300))


def test_other_warnings_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(self: Ridge, x: np.ndarray, y: np.ndarray) -> None:
        warnings.warn("something else", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(Ridge, "fit", fit)
    with pytest.warns(RuntimeWarning, match="something else"):
        fit_probes([clouds(20, 1.0, seed=0)[0]], numbers=np.arange(20.0))


@pytest.mark.parametrize("scale", [1e-5, 1e10])
def test_extreme_magnitudes_give_finite_numbers_without_warnings(scale: float) -> None:
    x, labels = clouds(200, 3.0, seed=0)
    measured = [only(scores((x * scale, labels), (x * scale, labels), protocol=p)) for p in ("heldout", "paper")]
    for values in measured:
        assert all(value is not None and 0 <= value <= 1 for value in values.values())
    plain = only(scores((x, labels), (x, labels)))
    assert measured[0]["accuracy_logistic"] == pytest.approx(plain["accuracy_logistic"])
