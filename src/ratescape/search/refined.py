"""Which refined model of a landscape is better than the best that was not refined."""

import dataclasses
import math

import pandas as pd

from ratescape import selection
from ratescape.records.lines import betas_text, with_error
from ratescape.records.table import Table
from ratescape.search.limits import Limits
from ratescape.selection import Choice, difference_error


@dataclasses.dataclass(frozen=True, repr=False)
class Refined:
    """A model that was trained on at its own betas, beside what it was before.

    Example::

        refined = landscape.best("generation").refine(4).refined
        print(refined.is_better, refined)
    """

    choice: Choice
    """The best of the grid, which decides by the same metric."""
    row: pd.Series
    """Its row of :func:`ratescape.records.refined.read_refined`."""
    of_choice: bool
    """Whether it is the refined form of the model it is compared with."""
    is_better: bool
    """Whether it is better than that model by more than the error of their difference, and keeps to the limits."""
    keeps: bool
    """Whether it keeps to the limits."""
    carries: bool
    """Whether the layer that was chosen carries something in it."""

    @property
    def run(self) -> str:
        """Key of the refined run."""
        return str(self.row["run"])

    @property
    def betas(self) -> tuple[float, ...]:
        """Its betas, top layer first."""
        return selection.betas_of(self.row)

    def __repr__(self) -> str:
        verdict = "better" if self.is_better else "no better"
        return f"Refined(betas {betas_text(self.betas)}, {self._spent()}: {verdict})"

    def __str__(self) -> str:
        if self.is_better:
            return f"{self.told}{self._paired()}: the one to use."
        return f"{self.told}: {self._fault()}, so the unrefined model is kept."

    @property
    def told(self) -> str:
        """What it was and what it is, without a verdict."""
        return f"{self._whose()}: {self.choice.told(self.row, before=True)} at {self.row['rate']:.4g} nats"

    def _paired(self) -> str:
        """By how much it is better than before, and the error of that, which the same items make small."""
        column = self.choice.metric.column
        error = _error_of_gain(self.row, column)
        if not (self.of_choice and math.isfinite(error)):
            return ""
        gain = abs(float(self.row[column] - self.row[f"before_{column}"]))
        return f" (better by {with_error(gain, error)} on the same items)"

    def _fault(self) -> str:
        """Why it is not taken."""
        if not self.keeps:
            return "beyond what was demanded"
        if not self.carries:
            return "the layer that counts carries next to nothing in it"
        before, after = (self.row[f"{when}{self.choice.metric.column}"] for when in ("before_", ""))
        gain = self.choice.metric.score(pd.Series([after - before])).iloc[0]
        errors = [self.choice.error_of(self.row, when) for when in ("before_", "")]
        if -gain > difference_error(*errors) > 0:
            return "worse"
        return "better only within its error" if gain > 0 and f"{after:.4g}" != f"{before:.4g}" else "no better"

    def _spent(self) -> str:
        epochs = int(self.row["epochs"])
        return f"{epochs} epoch{'' if epochs == 1 else 's'}"

    def _whose(self) -> str:
        spent = f"for {self._spent()}"
        if self.of_choice:
            return f"Refined {spent}"
        return f"Better still: betas {betas_text(self.betas)}, refined {spent}"


def compared(refined: Table, choice: Choice, base: pd.Series, limits: Limits) -> list[Refined]:
    """All refined models beside the best unrefined one; arguments as of :func:`offered`."""
    rows, column = selection.measured(refined), choice.metric.column
    if rows.empty or column not in rows:
        return []
    rows = rows[rows[column].notna() & rows[f"before_{column}"].notna()]
    return [_compared(row, choice, base, limits) for _, row in rows.iterrows()]


def offered(refined: Table, choice: Choice, base: pd.Series, limits: Limits) -> Refined | None:
    """The refined model to offer beside the best unrefined one: the best of those that are better, or its own form.

    Args:
        refined: table of the refined models.
        choice: what decides.
        base: row of the best unrefined model, with ``beta_L .. beta_1``.
        limits: what a model is to keep to.

    Returns:
        None if no refined model is better, and the best unrefined one has not been refined.
    """
    found = compared(refined, choice, base, limits)
    better = [one for one in found if one.is_better]
    own = [one for one in found if one.of_choice]
    among = better or own
    return max(among, key=lambda one: choice.metric.score(pd.Series([choice.value(one.row)])).iloc[0], default=None)


def _error_of_gain(row: pd.Series, column: str) -> float:
    """Of a metric, by the same items before and after; NaN where it was not measured."""
    return float(row.get(f"se_gain_{column}", math.nan))


def _compared(row: pd.Series, choice: Choice, base: pd.Series, limits: Limits) -> Refined:
    keeps, carries = limits.met_by(row), choice.carries(row)
    scores = choice.metric.score(pd.Series([choice.value(row), choice.value(base)]))
    own = row["seed"] == base.get("seed", choice.row["seed"]) and selection.betas_of(row) == selection.betas_of(base)
    # A gain within the error is none, nor is one that four digits do not show: it is what is printed.
    shows = f"{choice.value(row):.4g}" != f"{choice.value(base):.4g}"
    paired = _error_of_gain(row, choice.metric.column) if own else math.nan
    error = paired if math.isfinite(paired) else difference_error(choice.error_of(row), choice.error_of(base))
    exceeds = bool(scores[0] - scores[1] > error)
    return Refined(choice, row, bool(own), keeps and carries and shows and exceeds, keeps, carries)
