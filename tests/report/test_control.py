"""The figure of controlled betas: its curves are the log, its dashed lines the rates asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.sweep_on_disk import sweep

from ratescape.records.files import to_json_lines, write_atomically
from ratescape.records.folders import RunFolder
from ratescape.report.control import SHOWN, control_figure, save_control
from ratescape.specs.control import ControlSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget
from ratescape.specs.runs import RunSpec, TargetSpec

LOG: list[dict[str, Any]] = [
    {"step": 10 * i, "betas": [1 + i, 1 / i], "rates": [5 + 1 / i, 20 - 1 / i]} for i in range(1, 9)
]


def controlled(folder: Path, *targets: RateTarget) -> Any:
    """A model that was asked for rates, and the folder with its log, in the figure's eyes."""
    run = RunFolder(folder)
    write_atomically(run.control, to_json_lines(LOG))
    run.write_spec(RunSpec(model=ModelSpec(latents=(3, 2))))
    return TargetSpec(targets, ControlSpec(frozen=0.25)), run


def curves(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line.get_xydata() for line in axes.lines if not line.get_label().startswith("_")}


def test_curves_are_the_log_and_dashes_the_rates_asked_for(tmp_path: Path) -> None:
    figure = control_figure([controlled(tmp_path, RateTarget((2,), 5.0), RateTarget((1,), 20.0))])
    betas, rates = figure.axes
    steps = [line["step"] for line in LOG]
    for index, name in enumerate(("z₂", "z₁")):
        np.testing.assert_allclose(curves(betas)[name], np.transpose([steps, [line["betas"][index] for line in LOG]]))
    drawn = curves(rates)
    for index, name in enumerate(("z₂: 5 asked for", "z₁: 20 asked for")):
        np.testing.assert_allclose(drawn[name], np.transpose([steps, [line["rates"][index] for line in LOG]]))
    assert [np.asarray(line.get_ydata())[0] for line in rates.lines if line.get_linestyle() == "--"] == [5, 20]
    frozen = betas.patches[0].get_window_extent().transformed(betas.transData.inverted())
    assert (frozen.x0, frozen.x1) == pytest.approx((60, 80))


def test_layers_asked_for_together_are_one_curve(tmp_path: Path) -> None:
    figure = control_figure([controlled(tmp_path, RateTarget((2, 1), 25.0))])
    (curve,) = curves(figure.axes[1]).values()
    np.testing.assert_allclose(curve[:, 1], 25)


def test_of_many_models_the_first_are_drawn_and_the_title_says_so(tmp_path: Path) -> None:
    figure = control_figure([controlled(tmp_path, RateTarget((2,), 5.0))] * (SHOWN + 2))
    assert len(figure.axes) == 2 * SHOWN
    assert figure.get_suptitle() == "Betas controlled towards rates (the first 6 of 8)"


def test_a_sweep_over_betas_has_no_such_figure(tmp_path: Path) -> None:
    assert save_control(sweep(tmp_path, steps=2, pictures=False)) == []
