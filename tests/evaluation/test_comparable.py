"""Which records stand in one table."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratescape.data.batches import STREAMS
from ratescape.data.catalog import ImageData, load_data
from ratescape.errors import DataError
from ratescape.evaluation import bounds, estimators, features, information, mixtures, rates, suite
from ratescape.evaluation.comparable import REVISION, is_current, settings_at, stamp
from ratescape.evaluation.subject import Subject
from ratescape.judges import cache, training
from ratescape.judges.cache import cached_judge
from ratescape.model import hierarchy
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.records.files import read_json_lines, to_json_lines, write_atomically
from ratescape.specs import evaluation as settings
from ratescape.specs.codec import to_dict
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)
SCORED = EvaluationSpec(samples=50, information=False, probes="none")


@pytest.fixture(scope="module")
def data() -> ImageData:
    """80 images of two classes that differ in brightness."""
    labels = np.arange(80) % 2
    pixels = np.random.default_rng(0).integers(0, 120, (80, *SHAPE)) + 100 * labels[:, None, None, None]
    return load_data(pixels.astype(np.uint8), labels, binary=True, validation=0.25, test=0.25)


@pytest.fixture(scope="module")
def model() -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True), SHAPE).requires_grad_(False)


def written(records: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Records as a table reads them, from disk."""
    path.write_text(to_json_lines(records))
    return read_json_lines(path)


def test_records_are_current_under_the_settings_and_revision_they_were_measured_by(
    model: HVAE, data: ImageData, tmp_path: Path
) -> None:
    lean = EvaluationSpec(samples=0, information=False, probes="none")
    records = written(suite.measure(Subject(model, data, (1.0, 1.0), lean)), tmp_path / "records")
    assert is_current(records, lean, None)
    assert not is_current(records, EvaluationSpec(samples=0, information=False, probes="none", seed=1), None)
    assert not is_current(records, lean, "a judge")  # there shall be a score
    older = [records[0], records[1] | {"revision": REVISION - 1}]
    assert not is_current(older, lean, None)
    unstamped = [{"split": "test", "metrics": {}, "settings": to_dict(lean)}]
    assert not is_current(unstamped, lean, None) and not is_current([], lean, None)


def test_scores_of_two_judges_by_one_recipe_are_told_apart(
    model: HVAE, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges = [cached_judge(data, JudgeSpec(epochs=1), folder=tmp_path / "one")]
    train = cache.train_judge
    monkeypatch.setattr(cache, "train_judge", lambda data, spec, *_: train(data, dataclasses.replace(spec, seed=1)))
    judges.append(cached_judge(data, JudgeSpec(epochs=1), folder=tmp_path / "another machine"))
    assert judges[0].key == judges[1].key and judges[0].digest != judges[1].digest
    for judge in judges:
        records = written(suite.measure(Subject(model, data, (1.0, 1.0), SCORED, judge)), tmp_path / "records")
        assert [is_current(records, SCORED, other.digest) for other in judges] == [other is judge for other in judges]
        assert not is_current(records, SCORED, None)
        for record in records:
            assert record["judge"] == judge.facts
            assert record["judge"]["accuracy"] == record["metrics"]["judge_accuracy"]


def test_a_judge_of_other_data_measures_nothing(model: HVAE, data: ImageData, tmp_path: Path) -> None:
    other = load_data(data.train.pixels, data.train.labels, binary=True)
    with pytest.raises(DataError, match="trained on other data"):
        Subject(model, data, (1.0, 1.0), SCORED, cached_judge(other, JudgeSpec(epochs=1), folder=tmp_path))


def test_a_model_that_diverged_has_no_score_by_any_judge(data: ImageData, tmp_path: Path) -> None:
    records = written(suite.blank(data, (1.0, 1.0), SCORED), tmp_path / "records")
    assert is_current(records, SCORED, "a judge") and is_current(records, SCORED, None)
    assert not is_current(records, EvaluationSpec(), "a judge")


def test_what_is_current_is_known_without_torch() -> None:
    code = "import sys, ratescape.evaluation.comparable, ratescape.specs.judge; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_constants_that_decide_numbers_change_with_the_revision() -> None:
    """Where this fails, raise REVISION, so that older records are measured anew; then write the new values here."""
    assert (3, {name: value() for name, value in CONSTANTS.items()}) == (REVISION, PINNED)


CONSTANTS = {
    "images that draw their noise together": lambda: hierarchy.CHUNK,
    "streams": lambda: {use: STREAMS[use] for use in ("evaluation", "samples", "probes")},
    "splits of a score": lambda: settings.SCORE_SPLITS,
    "active variance": lambda: rates.ACTIVE_VARIANCE,
    "fitting images": lambda: features.FITTING_IMAGES,
    "probes": lambda: [
        *(estimators.NEIGHBOURS, estimators.STARTS, estimators.RESOLUTION, estimators.THREADS),
        *(estimators.LOGISTIC_ITERATIONS, estimators.SVM_ITERATIONS),
    ],
    "information": lambda: [
        *(information.SMOOTHINGS, information.LARGEST_EXPONENT, information.TRIAL_SAMPLES, mixtures.ROWS)
    ],
    "ceilings": lambda: [bounds.HALVINGS, bounds.FLAGGED_ERRORS],
    "images that a judge sees together": lambda: training.CHUNK,
}

PINNED = {
    "images that draw their noise together": 1000,
    "streams": {"evaluation": 3, "samples": 4, "probes": 5},
    "splits of a score": 5,
    "active variance": 0.01,
    "fitting images": 5000,
    "probes": [5, 10, 1e-6, 1, {"heldout": 1000, "paper": 100}, {"heldout": 50_000, "paper": 1_000_000}],
    "information": [(0.0, *(4.0**k for k in range(-5, 3))), 100.0, 512, 256],
    "ceilings": [60, 3.0],
    "images that a judge sees together": 250,
}


def test_a_model_is_measured_again_as_it_was_before(tmp_path: Path) -> None:
    given = EvaluationSpec(samples=10, probes="none", draws=3)
    assert settings_at(tmp_path, False) == EvaluationSpec()
    write_atomically(tmp_path / "evaluation.jsonl", to_json_lines([{"split": "test"} | stamp(given, None)]))
    assert settings_at(tmp_path, False) == given
