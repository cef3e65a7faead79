"""The registry of measurements, and a metric that comes from outside the package."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sweeps import LEAN

from ratescape import metrics, selection
from ratescape.data.catalog import ImageData, load_data
from ratescape.errors import SpecError
from ratescape.evaluation import restoration, subject, suite
from ratescape.evaluation.measurements import fidelity
from ratescape.evaluation.subject import Measured, Measurement, SplitView, Subject
from ratescape.judges.cache import cached_judge
from ratescape.metrics import LAYER_METRICS, METRICS, Metric
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.records.files import to_json_lines, write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.table import read_table
from ratescape.report.page import page_data
from ratescape.specs.evaluation import DAMAGE_KINDS, EvaluationSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.methods import Dedicated
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec

SHAPE = (1, 16, 16)


def network(seed: int = 0) -> HVAE:
    torch.manual_seed(seed)
    return build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True), SHAPE).requires_grad_(False)


@pytest.fixture(scope="module")
def data() -> ImageData:
    """80 images of two classes that differ in brightness, with their brightness as a target."""
    labels = np.arange(80) % 2
    pixels = np.random.default_rng(0).integers(0, 120, (80, *SHAPE)) + 100 * labels[:, None, None, None]
    targets = pixels.mean((1, 2, 3))
    return load_data(pixels.astype(np.uint8), labels, targets, binary=True, validation=0.25, test=0.25)


def worst_image(subject: Subject, split: SplitView) -> Measured:
    return Measured(
        {
            "worst_distortion": float(split.rates.distortion.max()),
            "spread": split.rates.rates.std(0).tolist(),
        },
        {"brightest": "nobody asked"},
    )


@pytest.fixture
def toy() -> Iterator[Measurement]:
    """Two metrics, of the model and of its layers."""
    before = list(suite.MEASUREMENTS)
    metrics.register(Metric("worst_distortion", "worst distortion", "nats", False, "of the image kept worst"))
    metrics.register(Metric("spread", "spread of the rate", "nats", None, "between images", of_layer=True))
    yield suite.register(Measurement(("worst_distortion", "spread"), worst_image))
    suite.MEASUREMENTS[:] = before
    del METRICS["worst_distortion"], LAYER_METRICS["spread"]


def landscape(root: Path, data: ImageData) -> SweepFolder:
    """A sweep of four models, untrained but measured."""
    model = ModelSpec(channels=4, latents=(3, 2))
    spec = SweepSpec(model=model, method=Dedicated(BetaGrid(steps=2)), evaluation=LEAN)
    folder = SweepFolder(root)
    folder.claim(spec)
    for seed, run in enumerate(spec.runs()):
        run_folder = folder.run(run)
        run_folder.write_spec(run)
        write_atomically(run_folder.training, to_json_lines([{"epoch": 1, "status": "ok"}]))
        write_atomically(
            run_folder.evaluation, to_json_lines(suite.measure(Subject(network(seed), data, run.betas, LEAN)))
        )
        run_folder.mark_done()
    return folder


def test_a_metric_from_outside_the_package_reaches_records_table_choice_and_page(
    toy: Measurement, data: ImageData, tmp_path: Path
) -> None:
    (_, test) = suite.measure(Subject(network(), data, (1.0, 1.0), LEAN))
    assert test["metrics"]["worst_distortion"] > test["metrics"]["distortion"]
    assert test["absent"]["brightest"] == "nobody asked"
    folder = landscape(tmp_path, data)
    table = read_table(folder)
    assert {"worst_distortion", "test_worst_distortion", "spread_2", "test_spread_1"} <= set(table.rows.columns)
    choice = selection.best(table, "worst_distortion")
    assert choice.value(choice.row) == table.rows["worst_distortion"].min()
    assert "by worst distortion in nats (lower is better)" in choice.explanation
    page = page_data(folder, table)
    assert {"worst_distortion", "spread_2", "spread_1"} <= {one["column"] for one in page["metrics"]}
    assert page["runs"][0]["values"]["test"]["worst_distortion"] == table.rows["test_worst_distortion"][0]
    assert "worst_distortion" in {pick["metric"] for pick in page["picks"]}


@pytest.mark.parametrize("probes", ["heldout", "paper"])
def test_every_metric_of_a_record_is_registered(
    data: ImageData, tmp_path: Path, probes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the flag, which is a text."""
    monkeypatch.setattr(restoration, "STEPS", 1)
    spec = EvaluationSpec(samples=50, probes=probes, outliers="self-made", restoration=DAMAGE_KINDS)
    judge = cached_judge(data, JudgeSpec(epochs=1), folder=tmp_path)
    of_vectors = ("r2", "mse")
    declared = [one for measurement in suite.MEASUREMENTS for one in measurement.columns if one not in of_vectors]
    for record in suite.measure(Subject(network(), data, (1.0, 1.0), spec, judge)):
        known = [name for name in declared if name != "train_loss" or record["split"] == "validation"]
        position = known.index("ridge_r2")
        assert list(record["metrics"]) == [*known[:position], suite.FLAG, *known[position:]]
        for name, value in record["metrics"].items():
            if name == suite.FLAG:
                assert value is None or isinstance(value, str)
            elif isinstance(value, list):
                assert name.removesuffix("s") in LAYER_METRICS and len(value) == 2
            else:
                assert name in METRICS and isinstance(value, float)


def test_a_column_is_a_registered_metric_and_measured_once() -> None:
    with pytest.raises(SpecError, match=r"unheard_of, which is no metric: give it to ratescape\.metrics\.register"):
        suite.register(Measurement(("unheard_of",), fidelity))
    with pytest.raises(SpecError, match="psnr is measured already"):
        suite.register(Measurement(("psnr",), fidelity))


def test_a_column_that_was_not_declared_is_an_error(toy: Measurement, data: ImageData) -> None:
    suite.MEASUREMENTS[-1] = Measurement(("spread",), worst_image)
    with pytest.raises(SpecError, match=r"^a measurement of spread gave worst_distortion too: declare all$"):
        suite.measure(Subject(network(), data, (1.0, 1.0), LEAN))


def test_what_measurements_share_is_computed_once(
    toy: Measurement, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reading of a split serves all measurements, and probes are fitted once for both splits."""
    calls: list[str] = []

    def counted(name: str) -> None:
        function = getattr(subject, name)

        def called(*given: Any, **options: Any) -> Any:
            calls.append(name)
            return function(*given, **options)

        monkeypatch.setattr(subject, name, called)

    for name in ("read", "features", "posterior_samples"):
        counted(name)
    suite.measure(Subject(network(), data, (1.0, 1.0), EvaluationSpec(samples=0)))
    assert {name: calls.count(name) for name in set(calls)} == {"read": 2, "features": 1, "posterior_samples": 1}
