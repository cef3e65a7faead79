"""Classifiers by matrix products against scikit-learn's, image by image."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from ratescape.evaluation import classifiers
from ratescape.evaluation.classifiers import LinearSVM, NearestNeighbours, RadialSVM, one_against_one


def clouds(count: int, classes: int, seed: int, size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping unit Gaussians: features ``[count, size]`` and labels 3, 5, 7, ... of them."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, classes, count)
    return generator.normal(size=(count, size)) + 1.2 * np.eye(classes, size)[codes], 2 * codes + 3


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("held", [True, False], ids=["gram", "large"])
def test_svms_predict_what_scikit_learn_predicts(classes: int, held: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 moves a decision by some 1e-6: of 600 images hardly one lies so near a border."""
    if not held:
        monkeypatch.setattr(classifiers, "GRAM_IMAGES", 10)
    (x, y), (others, truth) = clouds(500, classes, 0), clouds(600, classes, 1)
    radial, reference = RadialSVM().fit(x, y), SVC(tol=1e-3).fit(x, y)
    assert (radial.predict(others) != reference.predict(others)).sum() <= 1
    assert radial.score(others, truth) == pytest.approx(reference.score(others, truth), abs=1.01 / 600)
    assert 1.2 / classes < radial.score(others, truth) < 0.98
    linear = LinearSVM(50_000).fit(x, y)
    assert linear.score(others, truth) == SVC(kernel="linear").fit(x, y).score(others, truth)


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1e4, 1e-2), (0, 1e-12), (-1e12, 1e11)])
def test_frames_take_any_offset_and_scale(offset: float, scale: float) -> None:
    """Features without standardisation, as the paper's protocol has them, lose nothing by float32."""
    (x, y), (others, _) = (
        (features * scale + offset, labels) for features, labels in (clouds(300, 3, 0), clouds(300, 3, 1))
    )
    assert (RadialSVM().fit(x, y).predict(others) != SVC().fit(x, y).predict(others)).sum() <= 1
    brute = KNeighborsClassifier(5, algorithm="kd_tree").fit(x, y)  # exact differences, not an expanded square
    np.testing.assert_array_equal(NearestNeighbours(5).fit(x, y).predict(others), brute.predict(others))


def test_neighbours_nearer_to_each_other_than_float32_can_tell_are_told_apart() -> None:
    """Two far groups, within each of which distances are 1e-6 of that between them."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 6)) * 1e-6 + np.repeat([[0.0], [1.0]], 200, 0)
    y, others = generator.integers(0, 4, 400), x[::4] + 1e-6 * generator.normal(size=(100, 6))
    probe = NearestNeighbours(5).fit(x, y)
    reference = KNeighborsClassifier(5, algorithm="kd_tree").fit(x, y)
    np.testing.assert_array_equal(probe.predict(others), reference.predict(others))
    _, doubtful = probe._nearest(others, probe._frame(x), (probe._frame(x) ** 2).sum(1))
    assert doubtful.mean() > 0.5  # the test is about what float32 cannot do


def test_few_images_and_equal_votes() -> None:
    x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([9, 9, 4, 4])
    assert NearestNeighbours(4).fit(x, y).predict(np.array([[0.1]])) == [4]  # two votes each: the smaller label
    assert NearestNeighbours(3).fit(x, y).predict(np.array([[0.1], [2.6]])).tolist() == [9, 4]


def test_features_of_one_value_all_are_one_class() -> None:
    x, y = np.ones((20, 3)), np.arange(20) % 2
    reference = SVC().fit(x, y)
    assert RadialSVM().fit(x, y).predict(x).tolist() == reference.predict(x).tolist()


def test_the_first_of_those_that_win_equally_many_duels() -> None:
    circle = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])  # 0 > 1 > 2 > 0, the reverse, 2 wins
    assert one_against_one(circle, np.array([5, 6, 7])).tolist() == [5, 5, 7]
