"""PSNR of restored images as a metric and a use."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sweeps import LEAN

import ratescape as rs
from ratescape.data.catalog import ImageData, load_data
from ratescape.errors import SpecError
from ratescape.evaluation import restoration, suite
from ratescape.evaluation.comparable import is_current
from ratescape.evaluation.subject import Subject
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.identity import key
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec

SHAPE = (1, 16, 16)
ASKED = dataclasses.replace(LEAN, restoration=("half", "noise"))


@pytest.fixture(scope="module")
def data() -> ImageData:
    pixels = np.random.default_rng(0).integers(0, 256, (60, *SHAPE))
    return load_data(pixels.astype(np.uint8), validation=0.25, test=0.25)


@pytest.fixture(scope="module")
def model() -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=False), SHAPE).requires_grad_(
        False
    )


def test_it_is_the_psnr_of_what_the_model_restores(
    model: HVAE, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoration, "STEPS", 3)
    validation, test = suite.measure(Subject(model, data, (1.0, 1.0), ASKED))
    found = test["metrics"]
    assert {"restoration_psnr", "psnr_half", "psnr_noise"} <= found.keys() and "psnr_box" not in found
    images = data.test.pixels
    for name, damage in {"psnr_half": {"mask": "half"}, "psnr_noise": {"noise": 0.2}}.items():
        restored = model.restore(images, **damage, method="map", steps=3, degrade=True, seed=1)  # type: ignore[arg-type]
        assert found[name] == pytest.approx(restored.psnr(images), abs=1e-6)
    assert found["restoration_psnr"] == pytest.approx((found["psnr_half"] + found["psnr_noise"]) / 2)
    assert 0 < test["errors"]["restoration_psnr"] < 1 and len(test["parts"]["restoration_psnr"]) == 15
    assert validation["metrics"]["psnr_noise"] != found["psnr_noise"]


def test_nothing_is_measured_and_no_record_is_stale_unless_it_is_asked_for(model: HVAE, data: ImageData) -> None:
    records = suite.measure(Subject(model, data, (1.0, 1.0), LEAN))
    assert not {"restoration_psnr", "psnr_half"} & records[0]["metrics"].keys()
    assert "restoration" not in records[0]["settings"]  # as records were before there was such a setting
    assert is_current(records, LEAN, None) and not is_current(records, ASKED, None)
    assert key(SweepSpec(evaluation=LEAN)) == key(SweepSpec(evaluation=dataclasses.replace(LEAN, restoration=())))


def test_its_time_is_foretold_by_images_and_steps(
    model: HVAE, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock goes on by 1 s for one step and 6 s for six of one split, where two splits and 100 steps are to come."""
    asked: list[int] = []

    def counted(*arguments: Any) -> torch.Tensor:
        asked.append(arguments[-1])
        return torch.zeros(1)

    monkeypatch.setattr(restoration, "squared_errors", counted)
    clock = iter([10.0, 11.0, 17.0])
    seconds = restoration.foretold(Subject(model, data, (1.0, 1.0), ASKED), lambda: next(clock))
    first, second = (len(split.pixels) for split in data.held_out.values())
    assert first < restoration.IMAGES and seconds == pytest.approx(100 * (first + second) / first)
    assert asked == [1, 1, 1, 1, 6, 6]


def test_an_unknown_damage_is_refused() -> None:
    for wrong in (("scratches",), ("half", "half")):
        with pytest.raises(SpecError, match="restoration"):
            EvaluationSpec(restoration=wrong)  # type: ignore[arg-type]


def test_a_landscape_is_chosen_from_by_it(
    images_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unrendered: None
) -> None:
    monkeypatch.setattr(restoration, "STEPS", 2)
    landscape = rs.map_landscape(
        images_file,
        method=rs.Dedicated(grid=rs.BetaGrid(steps=2)),
        model={"channels": 4, "latents": (3, 2)},
        training={"epochs": 1, "batch": 32},
        evaluation=ASKED,
        execution={"engine": "in-process"},
        out=tmp_path / "out",
    )
    table = landscape.table
    assert table["restoration_psnr"].map(math.isfinite).all() and table["se_restoration_psnr"].map(math.isfinite).all()
    choice = landscape.best("restoration").choice
    assert choice.metric.column == "restoration_psnr"
    best = table.loc[table["restoration_psnr"].idxmax()]
    assert choice.row["restoration_psnr"] >= best["restoration_psnr"] - best["se_restoration_psnr"]
    assert "restoration" in (tmp_path / "out" / "report.html").read_text()
