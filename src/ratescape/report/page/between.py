"""The fine landscape of a conditioned network as the page shows it."""

from typing import Any

import pandas as pd

from ratescape.metrics import Metric, metric_at
from ratescape.records.folders import SweepFolder
from ratescape.report.fine import IMAGES, fine_of, over_grid
from ratescape.report.page.axes import extent, grid_axis, limits, rate_frame
from ratescape.report.page.names import layer_names, metric_data, numbers, short
from ratescape.report.page.planes import BETA_TITLES
from ratescape.report.plots.geometry import log_step

COLUMNS = ("psnr", "rate", "rate_2", "rate_1", "nelbo")
"""What the page offers of it."""


def fine_data(folder: SweepFolder, split: str) -> dict[str, Any] | None:
    """The fine landscape of two layers: for each number, a list over beta_1 of lists over beta_2, both ascending."""
    between = fine_of(folder)
    if between is None:
        return None
    betas = [sorted(float(beta) for beta in between[name].unique()) for name in ("beta_2", "beta_1")]
    equal = between[between["beta_2"] == between["beta_1"]].sort_values("beta_1")
    return {
        "betas": betas,
        "beta_texts": [[short(beta) for beta in axis] for axis in betas],
        "metrics": [metric_data(metric, 2, {}) for metric in map(_metric, COLUMNS)],
        "values": {name: [numbers(line) for line in over_grid(between, name)] for name in COLUMNS},
        "ranges": {name: extent(numbers(between[name])) for name in COLUMNS},
        "beta_plane": _beta_plane(between),
        "rate_plane": _rate_plane(between),
        "equal": {
            "betas": {"x": numbers(equal["beta_2"]), "y": numbers(equal["beta_1"])},
            "rates": {"x": numbers(equal["rate_2"]), "y": numbers(equal["rate_1"])},
        },
        "note": f"One network conditioned on betas gave these {len(between)} points at no further training, measured "
        f"on {IMAGES} of {split}; the numbers of the models above are the ones to report. Dashed: β-VAEs, β₂ = β₁. "
        "Thin lines: constant β₂, and constant β₁.",
    }


def _metric(column: str) -> Metric:
    metric = metric_at(column)
    assert metric is not None, column
    return metric


def _beta_plane(between: pd.DataFrame) -> dict[str, Any]:
    x, y = (grid_axis(between[name], log_step(between[name])) for name in ("beta_2", "beta_1"))
    return {"title": "Over the multipliers β", **BETA_TITLES, "x": x, "y": y}


def _rate_plane(between: pd.DataFrame) -> dict[str, Any]:
    x_name, y_name = layer_names(2)["rates"]
    x, y = (limits(numbers(between[name]), from_zero=True) for name in ("rate_2", "rate_1"))
    titles = {"x_title": f"{x_name}, nats per image", "y_title": f"{y_name}, nats per image"}
    return {"title": "Over the layer rates", **titles, **rate_frame(x, y)}
