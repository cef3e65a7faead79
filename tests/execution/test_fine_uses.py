"""Anomalies and restoring over the fine landscape: measured as for the models of the grid, kept point by point."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from helpers.sweeps import HERE, LEAN, altered, small_sweep, swept

from ratescape.data.catalog import ImageData
from ratescape.errors import SpecError
from ratescape.evaluation import anomalies, restoration
from ratescape.evaluation.fine_uses import uses_at
from ratescape.evaluation.subject import Subject
from ratescape.execution import fine, timing
from ratescape.execution.progress.forecast import Load
from ratescape.execution.savings import Saving, savings
from ratescape.execution.sweep import resolved_sweep
from ratescape.execution.timing import Speeds
from ratescape.execution.workspace import Workspace
from ratescape.landscape import Landscape
from ratescape.records.fine import read_fine
from ratescape.records.folders import SweepFolder
from ratescape.specs.codec import to_dict
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.sweep import SweepSpec

USES = EvaluationSpec(samples=0, information=False, probes="none", outliers="self-made", restoration=("noise",))
IMAGES = 2


def conditioning(uses: int) -> ConditioningSpec:
    return ConditioningSpec(width=8, fine=2, fine_uses=uses, refine_recommended=0)


@pytest.fixture(scope="module")
def spec(data: ImageData) -> SweepSpec:
    return small_sweep(data, "conditioned", conditioning=conditioning(IMAGES), evaluation=USES)


@pytest.fixture(autouse=True, scope="module")
def few_steps() -> Iterator[None]:
    """Restoring and scoring take a moment: what is tested is what is measured where."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restoration, "STEPS", 2)
        patch.setattr(restoration, "IMAGES", 4)
        patch.setattr(anomalies, "ITEMS", 20)
        yield


@pytest.fixture(scope="module")
def folder(spec: SweepSpec, data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return swept(spec, data, tmp_path_factory.mktemp("uses"))


def columns(folder: SweepFolder) -> pd.DataFrame:
    found = read_fine(folder, uses=True)
    assert found is not None
    return found


def test_each_point_has_what_its_model_is_worth(folder: SweepFolder, spec: SweepSpec, data: ImageData) -> None:
    found, network = columns(folder), Landscape(folder.path).network()
    assert not folder.fine_uses.exists()
    points = spec.fine_points()
    each = [uses_at(network, data, betas, USES, IMAGES) for betas in points]
    for row, known in zip(found.to_dict("records"), each, strict=True):
        assert {name: row[name] for name in known} == pytest.approx(known)
        assert known["restoration_psnr"] == known["psnr_noise"]
    betas, known = points[-1], each[-1]
    split = next(iter(Subject(network.at(betas), data, betas, USES).splits.values()))
    scores = anomalies.scored(split.subject, split, items=10 * IMAGES)
    assert len(scores.normal["nelbo"]) == min(10 * IMAGES, len(split.split.pixels))
    assert known["auroc_llr_1"] == scores.separations["llr_1"].auroc
    assert known["anomaly_auroc"] == max(one.auroc for one in scores.separations.values())


def test_no_model_is_chosen_by_so_few_images(folder: SweepFolder) -> None:
    plain = read_fine(folder)
    assert plain is not None and "psnr_noise" not in plain and "auroc_auto" not in plain


def test_what_a_killed_session_measured_is_not_measured_again(
    folder: SweepFolder, spec: SweepSpec, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, points = columns(folder), spec.fine_points()
    stamp = folder.provenance()["fine"]
    assert stamp["uses"] == {"images": IMAGES, "evaluation": to_dict(USES)}
    lines = [{"stamp": stamp}, {"betas": points[0], "found": {"psnr_noise": 77.0}}]
    folder.fine_uses.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"betas": [0.')
    folder.fine.unlink()
    asked: list[tuple[float, ...]] = []

    def watched(network: object, data: object, betas: tuple[float, ...], *others: object) -> dict[str, float]:
        asked.append(betas)
        return {"psnr_noise": float(whole["psnr_noise"][points.index(betas)])}

    monkeypatch.setattr(fine, "uses_at", watched)
    swept(spec, data, folder.path)
    assert sorted(asked) == sorted(points[1:])
    assert columns(folder)["psnr_noise"].tolist() == pytest.approx([77.0, *whole["psnr_noise"][1:]])
    folder.fine_uses.write_text(json.dumps({"stamp": stamp | {"network": "another"}}) + "\n")
    folder.fine.unlink()
    swept(spec, data, folder.path)
    assert sorted(asked[3:]) == sorted(points)  # of another network nothing is taken over


def test_its_time_is_foretold(
    folder: SweepFolder, data: ImageData, spec: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[EvaluationSpec, int, int | None]] = []

    def slow(network: object, data: object, betas: object, how: EvaluationSpec, images: int, steps: Any = None) -> None:
        asked.append((how, images, steps))
        time.sleep(0.01 * (steps or 2))

    monkeypatch.setattr(timing, "uses_at", slow)
    workspace = Workspace(data, folder, USES, HERE)
    network, point = Landscape(folder.path).network(), spec.fine_points()[0]
    plain, whole = (timing.point_seconds(network, workspace, point, uses) for uses in (0, 40))
    assert [(how.outliers, how.restoration, images, steps) for how, images, steps in asked] == [
        *[("self-made", (), 40, None)] * 2,
        *((None, ("noise",), 40, steps) for steps in (1, 1, restoration.FEW_STEPS)),
    ]
    assert whole > plain and whole > 0.02 + 0.5 * 0.01 * restoration.STEPS
    speeds = Speeds(None, 0.01, None, {}, 1.0)
    loads: dict[Any, Load] = {"network": Load({"": 100}, 0.01), "fine landscape": Load({"": 441}, 1.0)}
    assert Saving("--conditioning.fine-uses 0", 441.0) in savings(spec, loads, speeds)


def test_it_must_be_said_what_to_measure(spec: SweepSpec, data: ImageData) -> None:
    with pytest.raises(SpecError, match=r"conditioning\.fine_uses is 2: it must be 0 where neither"):
        resolved_sweep(altered(spec, evaluation=LEAN), data)
    with pytest.raises(SpecError, match=r"conditioning\.fine_uses is 2: it must be 0 where conditioning\.fine is 0"):
        ConditioningSpec(fine=0, fine_uses=2)
    assert altered(spec, method="dedicated").method.fine_uses() == 0
