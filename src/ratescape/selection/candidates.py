"""What competes for a use: models, and for what is measured of layers, each layer of each model."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from ratescape.metrics import SUBSCRIPTS, Metric, layer_columns
from ratescape.records.table import paired_error
from ratescape.selection.collapse import have_collapsed
from ratescape.selection.errors import difference_error, standard_errors
from ratescape.selection.rows import betas_text


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """One model, or one layer of it, by the metric that decides."""

    row: pd.Series
    """Its row of the table."""
    metric: Metric
    """Of the layer, if of one."""
    error: float
    """Standard error of its value; NaN where it is not known."""
    error_on_test: float
    betas: tuple[float, ...]
    """Of the model, top layer first."""
    collapsed: bool
    """Whether it is of a layer that carries next to nothing."""
    parts: Sequence[float] = ()
    """Its means over groups of the images, if that is what it is; empty where there are several seeds."""

    @property
    def run(self) -> str:
        """Key of the model's run."""
        return str(self.row["run"])

    @property
    def layer(self) -> int | None:
        """The layer that it is of; L is the top one. None for a whole model."""
        return self.metric.layer

    @property
    def value(self) -> float:
        """The metric as it was when choosing."""
        return float(self.row[self.metric.column])

    @property
    def score(self) -> float:
        """The value with the sign that makes higher better."""
        return -self.value if self.metric.higher_is_better is False else self.value

    @property
    def rate(self) -> float:
        """Total rate of the model, nats per image."""
        return float(self.row["rate"])

    @property
    def sample(self) -> float | None:
        """For what is read off a layer's mean: what an RBF SVM reads off a sample of that layer, if it was measured."""
        value = self.row.get(f"accuracy_sample_{self.layer}") if self.metric.seen_from == "mean" else None
        return None if value is None or not math.isfinite(value) else float(value)

    def is_beyond(self, other: "Candidate", errors: float = 1.0) -> bool:
        """Whether it is better than another by more than so many standard errors of the difference."""
        paired = len(self.parts) == len(other.parts) > 1
        error = paired_error(self.parts, other.parts) if paired else difference_error(self.error, other.error)
        return self.score - other.score > errors * error

    @property
    def name(self) -> str:
        """Its betas, and its layer where it is of one: ``(0.1, 1) z₂``."""
        return betas_text(self.row) + ("" if self.layer is None else f" {layer_name(self.layer)}")


def layer_name(layer: int) -> str:
    """The latents of a layer, as ``z₂``."""
    return "z" + str(layer).translate(SUBSCRIPTS)


def candidates(
    rows: pd.DataFrame,
    metrics: Sequence[Metric],
    parts: Mapping[str, Mapping[str, Sequence[float]]] = MappingProxyType({}),
) -> list[Candidate]:
    """All that have the metric, best first; equal ones by the smaller total rate, then by run key.

    Args:
        rows: measured rows.
        metrics: one, or the same of every layer.
        parts: of the table.
    """
    found: list[Candidate] = []
    single = rows["seed"].nunique() == 1
    own = [parts.get(str(run), {}) if single else {} for run in rows["run"]]
    betas = rows[layer_columns(rows, "beta")].to_numpy().tolist()
    models = [row for _, row in rows.iterrows()]
    for metric in metrics:
        known = rows[metric.column].notna() & rows["rate"].notna()
        errors, on_test = (standard_errors(rows, metric, prefix).tolist() for prefix in ("", "test_"))
        dead = have_collapsed(rows, metric.layer).tolist()
        found += [
            Candidate(row, metric, errors[i], on_test[i], tuple(betas[i]), dead[i], own[i].get(metric.column, ()))
            for i, row in enumerate(models)
            if known.iloc[i]
        ]
    return sorted(found, key=lambda one: (-one.score, one.rate, one.run))


def nearest_to_vae(ranked: Sequence[Candidate]) -> Candidate:
    """The model whose betas are nearest to all one, by distance in log beta; by a layer that has not collapsed if any.

    Args:
        ranked: at least one, best first.
    """
    return min(ranked, key=lambda one: (float((np.log(one.betas) ** 2).sum()), one.collapsed))
