"""The transformer of scikit-learn: its rules, its layers, images, pickles, and models that are trained already."""

import io
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from helpers.rows import rows
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

import ratescape as rs
from ratescape.errors import CheckpointError, DataError, SpecError
from ratescape.estimators import RateTransformer, fitting
from ratescape.model.latents import PosteriorSample

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TINY: dict[str, Any] = {"latents": (2, 3), "width": 8, "epochs": 2, "random_state": 0}

SKIPPED = {"check_array_api_input": "other array libraries than NumPy: scikit-learn itself asks for SCIPY_ARRAY_API"}
"""Checks that need not be passed, and why; all others must be."""


def table(count: int = 60, columns: int = 4, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 2)) @ generator.normal(size=(2, columns)) + 5


def tiny(**changed: Any) -> RateTransformer:
    return RateTransformer(**TINY | changed)


def again(own: RateTransformer) -> tuple[RateTransformer, bytes]:
    """What its pickle gives back, and the pickle."""
    file = io.BytesIO()
    joblib.dump(own, file)
    file.seek(0)
    return joblib.load(file), file.getvalue()


@pytest.fixture(scope="module")
def fitted() -> RateTransformer:
    return tiny().fit(table())


def test_it_tells_how_far_it_is_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = tiny(epochs=30).fit(table())
    assert capsys.readouterr().out == ""
    told = tiny(epochs=30, verbose=True).fit(table())
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[1]) for line in lines] == [1, *range(3, 31, 3)]
    assert re.fullmatch(r"epoch 30 of 30, [^:]+: loss -?[\d.]+, rates [\d.]+, [\d.]+ nats", lines[-1])
    np.testing.assert_array_equal(told.transform(table()), quiet.transform(table()))


def test_it_passes_all_checks_of_scikit_learn() -> None:
    found = estimator_checks.check_estimator(tiny(), on_skip=None)
    others = {check["check_name"]: check["status"] for check in found if check["status"] != "passed"}
    assert others == dict.fromkeys(SKIPPED, "skipped") and len(found) > 40


@pytest.mark.parametrize(
    "check",
    [
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_dataframe_column_names_consistency",
    ],
)
@pytest.mark.filterwarnings(
    "ignore:X (does not have valid|has) feature names"
)  # the checks give both arrays and frames
def test_it_passes_checks_of_names_and_frames(check: str) -> None:
    getattr(estimator_checks, check)("RateTransformer", tiny())


def test_layers_stand_side_by_side_and_one_is_picked(fitted: RateTransformer) -> None:
    X = table()
    z2, z1 = fitted.model_.encode(X)
    both = fitted.transform(X)
    np.testing.assert_array_equal(both, np.hstack([z2, z1]))
    assert list(fitted.get_feature_names_out()) == ["z2_0", "z2_1", "z1_0", "z1_1", "z1_2"]
    lower = RateTransformer.of(fitted.model_).set_params(layer=1).set_output(transform="pandas")
    frame = lower.transform(X)
    assert isinstance(frame, pd.DataFrame) and list(frame.columns) == ["z1_0", "z1_1", "z1_2"]
    np.testing.assert_array_equal(frame.to_numpy(), both[:, 2:])
    with pytest.raises(SpecError, match=re.escape("layer is 3: give a number from 1 (the lowest) to 2 (the top)")):
        lower.set_params(layer=3).transform(X)


def test_what_it_gives_is_undone_in_the_units_of_the_data(fitted: RateTransformer) -> None:
    X = table()
    back = fitted.inverse_transform(fitted.transform(X))
    np.testing.assert_allclose(back, fitted.model_.reconstruct(X).numpy())
    top = RateTransformer.of(fitted.model_).set_params(layer=2)
    np.testing.assert_allclose(
        top.inverse_transform(top.transform(X)), fitted.model_.decode(fitted.model_.encode(X)[0]).numpy()
    )
    with pytest.raises(SpecError, match="X has 4 columns: give the 5 that transform gives"):
        fitted.inverse_transform(X)


def test_samples_repeat_by_their_seed_and_the_score_is_the_elbo(fitted: RateTransformer) -> None:
    drawn = fitted.sample(7, random_state=1)
    assert drawn.shape == (7, 4)
    np.testing.assert_array_equal(drawn, fitted.sample(7, random_state=1))
    assert not np.array_equal(drawn, fitted.sample(7, random_state=2))
    X = table(2000, seed=3)
    stretched = tiny().fit(table() * 10)
    # The same rows in units of a tenth: log 10 nats fewer a column.
    assert fitted.score(X) - stretched.score(X * 10) == pytest.approx(4 * np.log(10), abs=1e-4)
    assert fitted.score(X) == fitted.score(X)


def test_training_is_for_its_betas_or_rates() -> None:
    X = table(400)
    long: dict[str, Any] = {"epochs": 50, "batch_size": 100, "learning_rate": 0.01}
    wide, narrow = (RateTransformer(betas, **long).fit(X) for betas in ((0.1, 0.1), (0.1, 10)))
    assert narrow.betas_ == (0.1, 10.0)
    with torch.no_grad():
        passes = [one.model_(PosteriorSample(one.model_.noise(400)), one.model_.inputs(X)) for one in (wide, narrow)]
    rates = [float(result.rates[:, 1].mean()) for result in passes]  # of z1, nats
    assert rates[1] < 0.5 * rates[0]  # it carries less where it costs more
    asked = tiny(rates={2: 0.5, 1: 0.2}, **long).fit(X)
    assert asked.betas_ != (1.0, 1.0) and len(asked.betas_) == 2
    with torch.no_grad():
        own = asked.model_(PosteriorSample(asked.model_.noise(400)), asked.model_.inputs(X)).rates.mean(0)
    np.testing.assert_allclose(asked.rates_, own, rtol=0.2, atol=0.05)


def test_random_states_decide() -> None:
    X = table()
    first, same, other = (tiny(random_state=seed).fit_transform(X) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    drawn = [tiny(random_state=np.random.RandomState(5)).fit_transform(X) for _ in range(2)]
    np.testing.assert_array_equal(*drawn)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny().fit(table())
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_holds_a_file_of_safetensors_and_damage_is_found(fitted: RateTransformer) -> None:
    read, content = again(fitted)
    kept = fitted.__getstate__()["model_"]
    assert isinstance(kept, bytes) and kept in content and b"torch" not in content.replace(kept, b"")
    np.testing.assert_array_equal(read.transform(table()), fitted.transform(table()))
    assert read.betas_ == fitted.betas_ and read.get_params() == fitted.get_params()
    broken = kept[:-1] + bytes([kept[-1] ^ 1])
    for damaged in (broken, kept[:50], b"{}"):
        with pytest.raises(CheckpointError, match="the model"):
            RateTransformer().__setstate__(fitted.__getstate__() | {"model_": damaged})
    with pytest.raises(NotFittedError):
        again(RateTransformer())[0].transform(table())


def test_betas_are_searched_in_a_pipeline() -> None:
    X, y = load_digits(return_X_y=True)
    pipe = make_pipeline(tiny(), LogisticRegression(max_iter=50))
    choices = {"ratetransformer__betas": [(1, 1), (0.1, 1)], "ratetransformer__layer": [None, 2]}
    search = GridSearchCV(pipe, choices, cv=2, error_score="raise").fit(X[:120], y[:120])
    assert len(search.cv_results_["params"]) == 4 and np.isfinite(search.cv_results_["mean_test_score"]).all()
    names = search.best_estimator_[:-1].get_feature_names_out()
    assert set(names) <= {"z2_0", "z2_1", "z1_0", "z1_1", "z1_2"}


SMALL: dict[str, Any] = {"latents": (2, 1), "width": 4, "epochs": 1, "random_state": 0}


@pytest.mark.parametrize("axes", [(16, 20), (16, 20, 3), (3, 16, 20)])
def test_images_as_rows_or_as_arrays_of_four_axes(axes: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, *axes)).astype(np.uint8)
    flat = pixels.reshape(20, -1)
    by_rows = RateTransformer(image_shape=axes, **SMALL).fit(flat)
    z = by_rows.transform(flat)
    back = by_rows.inverse_transform(z)
    assert back.shape == flat.shape and by_rows.n_features_in_ == flat.shape[1]
    if len(axes) == 3:
        whole = RateTransformer(**SMALL).fit(pixels)
        np.testing.assert_array_equal(whole.transform(pixels), z)
        np.testing.assert_array_equal(whole.inverse_transform(z), back.reshape(pixels.shape))
        assert whole.sample(2).shape == (2, *axes)
    assert np.isfinite(by_rows.score(flat)) and len(by_rows.get_feature_names_out()) == z.shape[1]
    np.testing.assert_array_equal(again(by_rows)[0].inverse_transform(z), back)


def test_a_model_of_a_landscape_is_fitted_already(tmp_path: Path) -> None:
    data = rows()
    lean = {"samples": 0, "information": False, "probes": "none"}
    landscape = rs.map_landscape(
        data,
        method="dedicated",
        grid={"steps": 2},
        model={"latents": (2, 2), "channels": 6},
        training={"epochs": 1},
        evaluation=lean,
        out=tmp_path / "out",
        execution={"engine": "in-process"},
    )
    best = landscape.best("reconstruction")
    own = best.transformer()
    assert data.columns is not None and tuple(own.feature_names_in_) == data.columns.names
    X, model = pd.DataFrame(data.test.pixels, columns=list(data.columns.names)), best.load()
    np.testing.assert_allclose(own.transform(X[X.columns[::-1]]), own.transform(X))
    np.testing.assert_allclose(own.transform(X)[:, :2], model.encode(X)[0].numpy(), rtol=1e-3, atol=1e-4)
    assert own.betas_ == best.betas and own.n_features_in_ == 4
    assert next(own.model_.parameters()).dtype == torch.float64 != next(model.parameters()).dtype
    retrained = clone(own).set_params(epochs=1).fit(X)
    assert retrained.model_.latent_shapes == own.model_.latent_shapes and retrained.betas_ == own.betas_


@pytest.mark.parametrize(
    ("changed", "X", "message"),
    [
        ({"betas": (1, 1, 1)}, table(), "betas is [1, 1, 1]: give one positive number for each of the 2 layers"),
        ({"rates": "3=1"}, table(), "there is no layer 3"),
        ({"rates": "total=3", "betas": (5, 5)}, table(), "betas are (5, 5) beside rates, which find them: leave"),
        ({"latents": (0, 2)}, table(), "model.latents"),
        ({"model": {"family": "ghvae2"}}, table(), "ghvae2"),
        ({"epochs": 0}, table(), "training.epochs is 0"),
        ({"image_shape": (3, 3)}, table(), "image_shape is (3, 3), but X has 4 columns"),
        ({"image_shape": (9, 9, 3)}, np.zeros((4, 8, 8, 3)), "image_shape is (9, 9, 3), but X has shape"),
        ({"learning_rate": 1e30, "epochs": 80}, table(), "the training diverged at a learning_rate of 1e+30"),
    ],
)
def test_bad_parameters_are_named_by_fit(changed: dict[str, Any], X: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        tiny(**changed).fit(X)


def test_a_layer_that_there_is_not_is_told_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratescape.estimators.transformer.fitted", lambda *given: pytest.fail("it was trained"))
    with pytest.raises(SpecError, match=re.escape("layer is 7: give a number from 1 (the lowest) to 2 (the top)")):
        tiny(layer=7).fit(table())


def test_rows_that_are_all_alike_and_other_pixels_are_refused() -> None:
    with pytest.raises(DataError, match="rows that are all alike"):
        tiny().fit(np.ones((30, 3)))
    with pytest.raises(DataError, match=re.escape("scale them to [0, 1]")):
        RateTransformer(image_shape=(16, 16), **SMALL).fit(np.random.default_rng(0).normal(size=(20, 256)))


def test_too_short_a_training_is_told_with_what_to_try() -> None:
    with pytest.warns(ConvergenceWarning, match=re.escape("2 steps (2 epochs): try epochs=1000 or more")):
        tiny().fit(table())


def test_the_default_is_as_many_steps_as_train_it() -> None:
    X = table(24, 2)
    own = RateTransformer(latents=(1,), betas=1, width=2, batch_size=24)
    steps: list[int] = []

    def count(spec: Any, *args: Any, **kwargs: Any) -> Any:
        steps.append(spec.epochs)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "train", count)
        with pytest.raises(KeyboardInterrupt):
            own.fit(X)
    assert steps == [2000]
