"""The detector of anomalies: PyOD's words and signs, over rows and images, fitted or given, kept and read again."""

import io
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from helpers.small_networks import inputs, plain
from safetensors.torch import load_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from ratescape.errors import CheckpointError, DataError, SpecError
from ratescape.estimators import RateDetector, RateTransformer
from ratescape.scoring.combined import score_names

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TINY: dict[str, Any] = {"model": {"latents": (2, 3), "channels": 16}, "epochs": 100, "random_state": 0}


def table(count: int, seed: int = 0) -> np.ndarray:
    """Rows of six columns that follow from two."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(2, 6))
    return generator.normal(size=(count, 2)) @ mixing + 0.1 * generator.normal(size=(count, 6)) + 5


def broken(count: int) -> np.ndarray:
    """Rows whose columns have nothing to do with each other."""
    return 5 + 3 * np.random.default_rng(3).normal(size=(count, 6))


@pytest.fixture(scope="module")
def fitted() -> RateDetector:
    return RateDetector(**TINY).fit(table(500))


def test_it_finds_rows_that_do_not_hang_together(fitted: RateDetector) -> None:
    normal, abnormal = table(300, 1), broken(300)
    scores = np.concatenate([fitted.decision_function(normal), fitted.decision_function(abnormal)])
    assert roc_auc_score(np.repeat([0, 1], 300), scores) > 0.9  # high is abnormal
    assert set(fitted.predict(abnormal)) <= {0, 1} and fitted.predict(abnormal).mean() > 0.5


def test_it_tells_how_far_its_training_is_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    short: dict[str, Any] = {**TINY, "epochs": 2}
    RateDetector(**short, verbose=True).fit(table(40))
    assert [line[:12] for line in capsys.readouterr().out.splitlines()] == ["epoch 1 of 2", "epoch 2 of 2"]


def test_the_threshold_is_that_of_items_it_was_not_trained_on(fitted: RateDetector) -> None:
    assert fitted.decision_scores_.shape == fitted.labels_.shape == (500,)
    np.testing.assert_array_equal(fitted.labels_, fitted.decision_scores_ > fitted.threshold_)
    held = np.random.default_rng(0).permutation(500)[:100]
    assert fitted.labels_[held].mean() == pytest.approx(0.1, abs=0.011)
    error = np.sqrt(0.1 * 0.9 * (1 / 100 + 1 / 2000))  # of the quantile and of the new rows
    assert abs(fitted.predict(table(2000, 5)).mean() - 0.1) < 4 * error


def test_probabilities_follow_the_scores(fitted: RateDetector) -> None:
    rows = np.concatenate([table(50, 1), broken(50)])
    order = fitted.decision_function(rows).argsort()
    for method in ("linear", "unify"):
        found = fitted.predict_proba(rows, method=method)
        assert found.shape == (100, 2) and np.allclose(found.sum(1), 1) and (found >= 0).all()
        assert (np.diff(found[order, 1]) >= 0).all() and np.ptp(found[:, 1]) > 0.3
    with pytest.raises(SpecError, match="linear or unify"):
        fitted.predict_proba(rows, method="softmax")  # type: ignore[arg-type]


def test_a_subset_has_the_scores_that_it_has_in_the_whole(fitted: RateDetector) -> None:
    rows = table(40, 1)
    np.testing.assert_allclose(fitted.decision_function(rows)[7:9], fitted.decision_function(rows[7:9]), rtol=1e-9)


@pytest.mark.parametrize("name", ["nelbo", "llr_1", "mahalanobis", "rate_2"])
def test_a_single_score_may_decide(name: str, fitted: RateDetector) -> None:
    own = RateDetector(name, model=fitted.model_, random_state=1).fit(table(100, 1))
    rows = broken(20)
    expected = fitted.model_.score(rows, seed=1, reference=own.reference_)[name]
    np.testing.assert_allclose(own.decision_function(rows), expected, rtol=1e-6)


def test_a_file_keeps_it(fitted: RateDetector, tmp_path: Path) -> None:
    rows, path = broken(30), tmp_path / "detector.safetensors"
    fitted.save(path)
    again = RateDetector.load(path)
    np.testing.assert_array_equal(again.decision_function(rows), fitted.decision_function(rows))
    np.testing.assert_array_equal(again.labels_, fitted.labels_)
    assert again.threshold_ == fitted.threshold_ and again.contamination == 0.1
    assert {"model", "decision_scores", "calibration.nelbo"} <= set(load_file(path))
    assert again.fit(table(60)) is again  # parameters are there, too
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="damaged"):
        RateDetector.load(path)
    plain_model = tmp_path / "model.safetensors"
    from ratescape import save

    save(fitted.model_, plain_model)
    with pytest.raises(CheckpointError, match="is no detector"):
        RateDetector.load(plain_model)


def test_copies_and_clones(fitted: RateDetector) -> None:
    rows = broken(10)
    kept = io.BytesIO()
    joblib.dump(fitted, kept)
    again = joblib.load(io.BytesIO(kept.getvalue()))
    np.testing.assert_array_equal(again.decision_function(rows), fitted.decision_function(rows))
    fresh = clone(fitted)
    assert fresh.get_params()["epochs"] == 100
    with pytest.raises(NotFittedError):
        fresh.predict(rows)


def test_images_in_all_forms_by_a_model_that_is_given() -> None:
    model = plain("residual of 4").float()
    images = inputs(model, 40)[0].numpy().astype(np.float32)
    four = RateDetector(model=model, contamination=0.25, random_state=0).fit(images)
    flat = RateDetector(model=model, contamination=0.25, random_state=0).fit(images.reshape(40, -1))
    np.testing.assert_allclose(four.decision_scores_, flat.decision_scores_)
    assert four.labels_.sum() == 10 and four.n_features_in_ == 256
    assert {"llr_3", "corrected", "mahalanobis"} <= set(four.scores(images).columns)
    assert not next(model.parameters()).requires_grad or torch.is_floating_point(next(model.parameters()))


def test_it_trains_on_images(images: np.ndarray) -> None:
    rows = images.reshape(len(images), -1)
    spec = {"channels": 4, "latents": (2, 2)}
    own = RateDetector(model=spec, image_shape=(16, 16), epochs=1, random_state=0).fit(rows)
    assert own.model_.image_shape == (1, 16, 16) and own.decision_function(rows).shape == (96,)


@pytest.mark.parametrize("is_image", [False, True])
def test_the_scores_that_may_decide_are_those_that_it_has(is_image: bool, fitted: RateDetector) -> None:
    if is_image:
        model = plain("residual of 4").float()
        own = RateDetector(model=model, random_state=0).fit(inputs(model, 16)[0].numpy())
    else:
        own = fitted
    assert set(score_names(len(own.model_.latent_shapes), is_image)) == {"auto", *own.calibration_.values}


def test_items_of_another_width_are_one_line(fitted: RateDetector) -> None:
    for width in (5, 12):  # twelve columns could be read as twice as many rows
        with pytest.raises(SpecError, match=f"^X has {width} columns, but the model takes 6$"):
            fitted.decision_function(np.zeros((4, width)))


def test_bad_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Any] = []
    monkeypatch.setattr("ratescape.estimators.detector.fitted", lambda *given: trained.append(given))
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"contamination": 0.7}, "contamination is 0.7: give a share"),
        ({"contamination": "auto"}, "contamination is 'auto'"),
        ({"score": "llr_7"}, "score is 'llr_7': this model has auto, rate_2, rate_1, nelbo, nll, llr_1, mahalanobis$"),
        ({"score": "foo"}, "score is 'foo'"),
        ({"samples": 0}, "samples is 0"),
        ({"contamination": np.float32(0)}, "contamination is "),
    )
    for parameters, part in wrong:
        with pytest.raises(SpecError, match=part):
            RateDetector(**TINY).set_params(epochs=1, **parameters).fit(table(40))
    assert not trained
    for rows, part in ((table(15), "X has 15 items: give 16 at least"), (table(40)[:, 0], "Expected 2D")):
        with pytest.raises(ValueError, match=part):
            RateDetector(**TINY).fit(rows)
    assert not trained
    with pytest.raises(ValueError, match="NaN"):
        RateDetector(**TINY).fit(np.full((20, 3), np.nan))


def test_columns_are_found_by_name(fitted: RateDetector, tmp_path: Path) -> None:
    named = pd.DataFrame(table(40), columns=list("abcdef"))
    detector = RateDetector(model=fitted.model_, random_state=0).fit(named)
    expected, turned = detector.decision_function(named), named[list("fedcba")]
    detector.save(tmp_path / "detector.safetensors")
    for one in (detector, RateDetector.load(tmp_path / "detector.safetensors")):
        np.testing.assert_allclose(one.decision_function(turned), expected)
    np.testing.assert_allclose(detector.decision_function(named.to_numpy()), expected)
    with pytest.raises(DataError, match="X lacks a and has unknown z"):
        detector.predict(named.rename(columns={"a": "z"}))
    transformer = RateTransformer.of(detector.model_)
    assert list(transformer.feature_names_in_) == list("abcdef")
    np.testing.assert_allclose(transformer.transform(turned), transformer.transform(named))
