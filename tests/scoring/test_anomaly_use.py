"""The use `anomaly`: outliers in settings, columns of the table, the choice, and the report."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.rows import frame
from helpers.sweeps import HERE, LEAN, MODEL
from PIL import Image

import ratescape as rs
from ratescape import selection
from ratescape.data.catalog import load_data
from ratescape.errors import DataError, NoWinner
from ratescape.evaluation import anomalies
from ratescape.evaluation.comparable import is_current, stamp
from ratescape.evaluation.subject import Subject
from ratescape.landscape import Landscape
from ratescape.records.files import read_json_lines
from ratescape.records.scores import Scores
from ratescape.report.anomalies import save_anomalies
from ratescape.scoring.combined import Calibration
from ratescape.scoring.outliers import fitted_to, outliers_for, self_made
from ratescape.scoring.separation import separation
from ratescape.selection.told import best_score, deciding_score, outlier_sentences


def mapped(data: Any, out: Path, outliers: str | None, **fields: Any) -> Landscape:
    usual: dict[str, Any] = {"model": MODEL, "training": {"epochs": 3, "batch": 32}}
    evaluation = dataclasses.replace(LEAN, outliers=outliers)
    usual["method"] = rs.Dedicated(grid=rs.BetaGrid(0.1, 1.0, 2))
    return rs.map_landscape(data, evaluation=evaluation, execution=HERE, out=out, **usual | fields)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour noise of another size than the images have."""
    path = tmp_path_factory.mktemp("noise") / "noise.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (60, 20, 20, 3), np.uint8))
    return path


@pytest.fixture(scope="module")
def landscape(images: np.ndarray, noise: Path, tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return mapped(images, tmp_path_factory.mktemp("anomaly") / "blobs", str(noise))


def test_outliers_are_columns_by_which_a_model_is_chosen(landscape: Landscape) -> None:
    table = landscape.table
    assert {"anomaly_auroc", "test_anomaly_auprc", "anomaly_fpr80", "se_anomaly_auroc", "auroc_auto"} <= set(table)
    assert {"auroc_llr_1", "auroc_rate_2", "auroc_rate_1"} <= set(table) and (table["outliers_self_made"] == 0).all()
    single = [name for name in table if str(name).startswith("auroc_")]
    assert np.allclose(table[single].max(axis=1), table["anomaly_auroc"])  # the best was chosen on these very numbers
    best = landscape.best("anomaly")
    assert best.choice.value(best.row) > 0.9  # noise is easy
    assert "The outliers are told by" in str(best) and "made of the data" not in str(best)
    with Image.open(landscape.folder.path / "figures" / "anomalies.png") as figure:
        assert figure.size[0] > 1000
    page = landscape.folder.report.read_text(encoding="utf-8")
    assert '"anomalies": "data:image/png' in page or '"anomalies":"data:image/png' in page
    with Image.open(landscape.folder.run(landscape.folder.spec().runs()[0]).path / "anomalies.png") as picture:
        assert picture.size == (8 * 16, 2 * 16)


@pytest.mark.parametrize(
    ("mahalanobis", "expected"),
    [
        (0.797, "mahalanobis (AUROC 0.797 of the landscape's outliers, auto 0.565)"),
        (0.58, "auto"),  # not clearly better
        (float("nan"), "auto"),
    ],
)
def test_items_are_sorted_by_the_score_that_told_the_outliers_best(mahalanobis: float, expected: str) -> None:
    row = pd.Series({"auroc_auto": 0.565, "auroc_mahalanobis": mahalanobis, "auroc_llr_2": 0.1})
    assert deciding_score(["nelbo", "mahalanobis", "auto"], row) == expected
    assert deciding_score(["nelbo", "auto"], row) == deciding_score(["nelbo", "auto"], None) == "auto"
    assert deciding_score(["nelbo", "mahalanobis"], row) == deciding_score(["nelbo"], None) == "nelbo"


def test_what_is_chosen_on_one_half_is_reported_on_the_other(landscape: Landscape, images: np.ndarray) -> None:
    data, model = load_data(images), landscape.best("anomaly").load()
    subject = Subject(model, data, (1.0, 1.0), landscape.folder.spec().evaluation)
    first, test = (anomalies.scored(subject, split) for split in subject.splits.values())
    name = max(first.separations, key=lambda one: first.separations[one].auroc)
    assert anomalies.chosen(subject) == name
    test_row = anomalies.anomalies(subject, list(subject.splits.values())[1]).metrics
    assert test_row["anomaly_auroc"] == test.separations[name].auroc
    assert len(first.outliers[name]) == len(test.outliers[name]) == 30
    assert not set(first.outliers["nelbo"]) & set(test.outliers["nelbo"])


def test_the_best_model_scores_items(landscape: Landscape, images: np.ndarray) -> None:
    found = landscape.best("anomaly").score(images[:10])
    assert len(found) == 10 and "mahalanobis" in found and np.isfinite(found.table.drop(columns="item")).all().all()


def test_rows_have_outliers_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Landscape, "report", lambda self: None)
    model = {"family": "vector", "channels": 8, "latents": (2, 2)}
    method = rs.Dedicated(grid=rs.BetaGrid(1.0, 1.0, 1))
    data = frame(200).drop(columns=["kind", "amount"])
    found = mapped(data, tmp_path / "rows", "self-made", model=model, method=method)
    assert (found.table["outliers_self_made"] == 1).all() and "auroc_corrected" not in found.table
    assert not list(found.folder.path.glob("runs/*/anomalies.png"))
    assert len(list(found.folder.path.glob("runs/*/anomalies.json"))) == 1
    drawn = save_anomalies(found.folder, found.records)
    assert [path.name for path in drawn] == (["anomalies.png"] if has_winner(found) else [])


def has_winner(landscape: Landscape) -> bool:
    try:
        return landscape.best("anomaly").choice is not None
    except NoWinner:
        return False


def test_records_without_outliers_stay_as_they_were(landscape: Landscape) -> None:
    record = read_json_lines(landscape.folder.run(landscape.folder.spec().runs()[0]).evaluation)[0]
    assert "outliers" in record["settings"] and "outliers" not in stamp(LEAN, None)["settings"]
    assert is_current([stamp(LEAN, None) | {"images": 5}], LEAN, None)
    assert not is_current([record], LEAN, None)  # measured with outliers: another measurement


def test_outliers_that_cannot_be_used_stop_before_anything_is_trained(images: np.ndarray, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,b\n1,2\n3,4\n5,6\n")
    for name, part in ((tmp_path / "none.npz", "does not exist"), (table, "items of shape")):
        with pytest.raises(DataError, match=part):
            mapped(images, tmp_path / "out", str(name))
    assert not (tmp_path / "out").exists()


def test_outliers_of_a_table_leave_out_its_target(tmp_path: Path) -> None:
    data, path = load_data(frame().drop(columns="amount"), target="kind"), tmp_path / "others.csv"
    others = frame(6, seed=1).drop(columns="amount")
    others[others.columns[::-1]].to_csv(path, index=False)
    found = outliers_for(data, str(path), 6)
    assert sorted(found[:, 0]) == sorted(others["far"])
    others.drop(columns=["kind", "small"]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"evaluation\.outliers: .*others\.csv lacks small"):
        outliers_for(data, str(path), 6)


def test_self_made_outliers_are_made_of_the_data(images: np.ndarray) -> None:
    data = load_data(images, binary=True, validation=0.5)
    made = self_made(data, 20, np.random.default_rng(0))
    held = data.unseen.pixels
    assert made.shape == (20, 1, 16, 16) and made.dtype == np.uint8
    kept = [any((image == other).all() for other in held) for image in made]
    assert sum(kept) <= 2
    histograms = {tuple(np.bincount(image.ravel(), minlength=256)) for image in held}
    assert sum(tuple(np.bincount(image.ravel(), minlength=256)) in histograms for image in made) == 10  # patches moved
    rows = load_data(frame(400).drop(columns=["kind", "amount"]))
    mixed = outliers_for(rows, "self-made", 16)
    assert mixed.shape == (16, 4) and set(np.unique(mixed[:, 2])) <= {0.0, 1.0}


def test_other_images_are_made_to_fit() -> None:
    colour = np.zeros((2, 3, 8, 8), np.uint8)
    colour[:, 1] = 255
    grey = fitted_to(colour, (1, 16, 16), "green")
    assert grey.shape == (2, 1, 16, 16) and set(grey.ravel()) == {150}  # luma of green
    assert fitted_to(grey, (3, 8, 8), "grey").shape == (2, 3, 8, 8)
    with pytest.raises(DataError, match="rows has items of shape"):
        fitted_to(np.zeros((2, 5)), (1, 16, 16), "rows")


def test_separation_is_that_of_pairs() -> None:
    normal, outliers = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.5, 4.0, 5.0, 6.0])
    found = separation(normal, outliers)
    pairs = np.sign(outliers[:, None] - normal) / 2 + 0.5
    assert found.auroc == pytest.approx(pairs.mean())
    assert found.fpr80 == 0.25  # 80 % of the outliers reach 2.5, as does one of four items
    assert separation(normal, np.array([np.nan, np.inf])).auroc == 1
    with pytest.raises(DataError, match="at least one of each"):
        separation(normal, outliers[:0])


def test_the_combined_score_is_fishers() -> None:
    values = np.arange(1.0, 100.0)  # ranks are values over 100
    calibration = Calibration.of(Scores({"nelbo": values, "llr_2": values, "llr_1": values[::-1], "rate": values}))
    found = calibration.combined(Scores({"nelbo": values[[49]], "llr_2": values[[19]], "llr_1": values[[79]]}))
    assert found[0] == pytest.approx(-np.log(0.5))  # p-values are 0.5 and 1 - (0.2 + 0.8) / 2
    extreme = calibration.combined(Scores({"nelbo": values[[98]], "llr_2": values[[19]], "llr_1": values[[79]]}))
    assert extreme[0] == pytest.approx(-(np.log(0.01) + np.log(0.5)) / 2)
    far = calibration.share("nelbo", np.array([99.0, 120.0, 1e6]))
    assert (np.diff(far) > 0).all() and far[-1] < 1


def test_models_that_tell_no_outliers_do_not_win() -> None:
    row = pd.Series({"auroc_auto": 0.6, "auroc_nelbo": 0.4, "auroc_llr_1": 0.8, "outliers_self_made": 1.0})
    assert best_score(row) == "llr_1"
    first, second = outlier_sentences(row)
    assert "LLR>1" in first and "-ELBO 0.4" in first and "made of the data (" in second


def test_chance_has_no_winner(landscape: Landscape) -> None:
    records = landscape.records
    rows = records.rows.assign(anomaly_auroc=0.53, se_anomaly_auroc=0.02)
    with pytest.raises(NoWinner, match=r"tells the outliers.*chance gives 0.5"):
        selection.best(dataclasses.replace(records, rows=rows), "anomaly")
