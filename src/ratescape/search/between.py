"""A model between the grid points of a conditioned landscape that uses up a budget of rate."""

import dataclasses
from collections.abc import Mapping

import pandas as pd

from ratescape import selection
from ratescape.data.catalog import ImageData
from ratescape.evaluation import suite
from ratescape.evaluation.grid import seen_images
from ratescape.evaluation.subject import Subject
from ratescape.judges.cache import Judge
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.records.folders import SweepFolder
from ratescape.records.table import measured_columns, read_fine
from ratescape.search.by_rates import betas_for
from ratescape.selection import Choice
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.rate_targets import RateTarget

BUDGET = 0.005
"""Share of a budget of rate that is left unused, since rates are found to a tolerance."""

LEAST = 1e-3
"""Nats asked for in place of those of a collapsed layer."""


@dataclasses.dataclass(frozen=True)
class Between:
    """A model of a conditioned landscape between its grid points that is better for a use than they are."""

    choice: Choice
    """The best of the grid."""
    betas: tuple[float, ...]
    """Its own, top layer first."""
    row: pd.Series
    """Its measurements, as a row of the landscape."""
    model: HVAE

    def __str__(self) -> str:
        choice, betas = self.choice, ", ".join(f"{beta:.4g}" for beta in self.betas)
        unit = f" {choice.metric.unit}" if choice.metric.unit else ""
        numbers = f"{choice.metric.name} {choice.value(self.row):.4g}{unit}"
        tested = "" if choice.split == "test" else f" ({choice.reported(self.row):.4g} on test)"
        return (
            f"Between the grid points: betas ({betas}), {numbers}{tested} at {self.row['rate']:.4g} nats/image, not "
            f"{choice.value(choice.row):.4g}{unit} as at best on the grid."
        )


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a model is to keep to."""

    max_rate: float
    """Largest total rate, nats per image."""
    demands: Mapping[str, float]
    """For columns of metrics, the worst value accepted."""


def between(
    network: Conditioned,
    data: ImageData,
    judge: Judge | None,
    evaluation: EvaluationSpec,
    folder: SweepFolder,
    choice: Choice,
    budget: Budget,
) -> Between | None:
    """The model that uses up the budget, if it is better than the best of the grid; nothing is trained.

    Rates are divided among the layers as in the best of the grid, or of the fine landscape if it has measured what
    decides; the betas of a rate that uses up the budget, divided alike, are then found on the network.

    Args:
        network: of the choice's seed.
        judge: the landscape's own.
        choice: the best of the grid within the budget.
    """
    like = _finest(folder, choice, budget.max_rate)
    share = budget.max_rate * (1 - BUDGET) / like["rate"]
    layers = len(choice.betas)
    wanted = [RateTarget((n,), share * max(like[f"rate_{n}"], LEAST)) for n in range(layers, 0, -1)]
    betas = betas_for(network, seen_images(network, data), wanted, tolerance=BUDGET).betas
    model = network.at(betas)
    lines = suite.measure(Subject(model, data, betas, evaluation, judge))
    row = pd.Series(measured_columns({line["split"]: line for line in lines}, choice.split))
    better = choice.metric.score(pd.Series([choice.value(row), choice.value(choice.row)]))
    if better[0] <= better[1] or not selection.meets(row, budget.max_rate, budget.demands):
        return None
    return Between(choice, betas, row, model)


def _finest(folder: SweepFolder, choice: Choice, max_rate: float) -> pd.Series:
    """The best row within the budget that is known: of the fine landscape if it has the metric, else the choice."""
    fine = read_fine(folder)
    if fine is None or choice.metric.column not in fine:
        return choice.row
    within = fine[fine["rate"] <= max_rate]
    score = choice.metric.score(within[choice.metric.column])
    return choice.row if within.empty else within.loc[score.idxmax()]
