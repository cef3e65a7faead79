"""The fine landscape of a conditioned network as the page shows it: the surface that the models of the grid lie on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ratescape.metrics import Metric, metric_at
from ratescape.records.fine import is_of_use
from ratescape.report.fine import IMAGES, over_grid
from ratescape.report.page.names import metric_data, numbers, short

_COLUMNS = ("psnr", "r2", "nelbo", "distortion", "rate", "loss", "rate_2", "rate_1")
"""What the surface can be coloured by in any case; by all other metrics, the models of the grid alone are."""

_SAME = 1e-6
"""Distance of log betas within which two points are one: both come from grids with the same ends."""


def with_loss(between: pd.DataFrame) -> pd.DataFrame:
    """The fine landscape of two layers with the training loss at its betas, nats per image."""
    weighted = between["beta_2"] * between["rate_2"] + between["beta_1"] * between["rate_1"]
    return between.assign(loss=between["distortion"] + weighted)


def layer_rates() -> list[Metric]:
    """The rates of two layers, top first: colours of the surface that single models have no need of."""
    return [metric for column in ("rate_2", "rate_1") if (metric := metric_at(column)) is not None]


def fine_data(
    between: pd.DataFrame, rows: pd.DataFrame, metrics: Sequence[Metric], split: str, uses: int = 0, refined: int = 0
) -> dict[str, Any]:
    """The fine landscape of two layers: for each number, a list over beta_1 of lists over beta_2, both ascending.

    Args:
        between: as :func:`with_loss` gives it.
        rows: the models of the grid.
        metrics: those of the page; the surface has some of them.
        split: what it was measured on.
        uses: images by which it was measured for anomalies and restoring.
        refined: epochs for which every model of the grid was trained on, as the surface was not.
    """
    columns = [name for name in between if name in _COLUMNS or is_of_use(str(name))]
    fewer = f" Of anomalies it tells by {10 * uses} items and as many outliers, of restoring by {uses} images."
    off = f", each trained on for {refined} epoch{'s' * (refined > 1)}, so that they lie off it"
    betas = [sorted(float(beta) for beta in between[name].unique()) for name in ("beta_2", "beta_1")]
    equal = between[between["beta_2"] == between["beta_1"]].sort_values("beta_1")
    return {
        "betas": betas,
        "beta_texts": [[short(beta) for beta in axis] for axis in betas],
        "metrics": [metric_data(metric, 2, {}) for metric in metrics if metric.column in columns],
        "values": {name: [numbers(line) for line in over_grid(between, name)] for name in columns},
        **_models_near(between, rows),
        "equal": {
            "betas": {"x": numbers(equal["beta_2"]), "y": numbers(equal["beta_1"])},
            "rates": {"x": numbers(equal["rate_2"]), "y": numbers(equal["rate_1"])},
        },
        "note": f"The surface is one network conditioned on betas, at {len(between)} of them, on {IMAGES} of {split}."
        f"{fewer if uses else ''} "
        f"Circles are the models of the grid{off if refined else ''}, with all that was measured: click one, or the "
        "surface near it. "
        "Thin lines: constant β₂, and constant β₁. Dashed: β-VAEs, β₂ = β₁.",
        "grid_only": "This was measured on the models of the grid only: they have its colours, the surface has none.",
    }


def _models_near(between: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """For each point, the position of the model whose betas are nearest in log, and whether they are the same."""
    points, models = (np.log(table[["beta_2", "beta_1"]].to_numpy()) for table in (between, rows))
    distances = np.linalg.norm(points[:, None] - models[None], axis=2)  # [point, model]
    nearest = between.assign(model=distances.argmin(axis=1), same=distances.min(axis=1) < _SAME)
    return {
        "nearest": over_grid(nearest, "model").astype(int).tolist(),
        "on_grid": over_grid(nearest, "same").astype(bool).tolist(),
    }
