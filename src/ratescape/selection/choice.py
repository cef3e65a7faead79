"""The model that fits a use, and how sure that is."""

import dataclasses
from collections.abc import Mapping, Sequence

import pandas as pd

from ratescape.errors import NoWinner
from ratescape.metrics import ACTIVE_RATE, LAYER_METRICS, Metric
from ratescape.records.table import Table
from ratescape.selection import told
from ratescape.selection.candidates import Candidate, candidates, nearest_to_vae
from ratescape.selection.chance import credible, written
from ratescape.selection.collapse import collapsed_layers
from ratescape.selection.demands import check_demands, meeting
from ratescape.selection.errors import difference_error
from ratescape.selection.rows import finished
from ratescape.selection.uses import metrics_for

OF_IMAGES = ("psnr", "r2", "mse", "distortion")
"""Metrics that say how much of an image is kept. A model whose layers have all collapsed makes the same of all images:
it is at most as good as their mean, whatever it measures beside others of its kind."""

NEAR = 0.5
"""Standard errors of the difference within which a sample decides between layers. Among all that tie, it chose layers
whose means read markedly less on images that the choice had not seen (docs/results/verdicts.md)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """The model that fits a use best, beside what simpler tuning would have given."""

    use: str
    split: str
    """The split it was chosen on; the ``test_`` columns of the rows, if there are any, are what to report."""
    images: int | None
    """Images of that split, where that is known."""
    winner: Candidate
    """The model, and the layer of it where layers compete."""
    ties: tuple[Candidate, ...]
    """Others that keep to the same demands and are as good within one standard error of the difference, best first."""
    runner_up: Candidate | None
    """The best other one under the same demands; it may measure better than the winner, within the error."""
    vae: Candidate
    """The plain VAE (all betas 1), or the model nearest to it; it need not keep to the demands."""
    beta_vae: Candidate | None
    """The best model with all betas equal, under the same demands."""
    passed_over: Candidate | None
    """A collapsed layer whose mean would have won."""

    @property
    def metric(self) -> Metric:
        """What decides; of the winner's layer, if of a layer."""
        return self.winner.metric

    @property
    def row(self) -> pd.Series:
        """Row of the chosen run."""
        return self.winner.row

    @property
    def run(self) -> str:
        """Key of the chosen run."""
        return self.winner.run

    @property
    def betas(self) -> tuple[float, ...]:
        """Betas of the chosen run, top layer first."""
        return self.winner.betas

    @property
    def layer(self) -> int | None:
        """The layer that is best, L being the top one; None where whole models compete."""
        return self.winner.layer

    @property
    def error(self) -> float:
        """Standard error of the winner's value; NaN where it is not known."""
        return self.winner.error

    @property
    def vae_is_exact(self) -> bool:
        """Whether :attr:`vae` has all betas 1."""
        return all(beta == 1 for beta in self.vae.betas)

    def value(self, row: pd.Series) -> float:
        """The metric of a row as it was when choosing."""
        return float(row[self.metric.column])

    def reported(self, row: pd.Series) -> float:
        """The metric of a row as it is to be reported: on test."""
        return float(row.get("test_" + self.metric.column, row[self.metric.column]))

    def error_of(self, row: pd.Series, prefix: str = "") -> float:
        """Standard error of :meth:`value` of any row, as it was measured; NaN where it is not known."""
        return float(row.get(f"{prefix}se_{self.metric.column}", float("nan")))

    def carries(self, row: pd.Series) -> bool:
        """Whether the chosen layer has not collapsed in another model; not asked where it has in the winner itself."""
        return self.winner.collapsed or self.layer not in collapsed_layers(row)

    def told(self, row: pd.Series, *, before: bool = False) -> str:
        """The metric of another model in words: its name, and its value with its error on each split.

        Args:
            row: measurements, as a row of the landscape's table.
            before: tell also what it was before refining, from the ``before_...`` columns.
        """
        column, unit = self.metric.column, f" {self.metric.unit}" if self.metric.unit else ""

        def values(split: str) -> str:
            found = [f"{when}{split}" for when in (("before_", "") if before else ("",))]
            return " -> ".join(written(float(row[one + column]), self.error_of(row, one)) for one in found)

        again = "" if self.split == "test" else f" ({values('test_')} {told.again(self.metric)})"
        return f"{self.metric.name} {values('')}{unit}{again}"

    @property
    def explanation(self) -> str:
        """Why this model: a heading, a table, and sentences on how sure it is."""
        kind = self.metric.column.removesuffix(f"_{self.layer}")
        name = LAYER_METRICS[kind].name if self.layer is not None else self.metric.name
        unit = f" in {self.metric.unit}" if self.metric.unit else ""
        direction = "higher" if self.metric.higher_is_better else "lower"
        heading = f"For {self.use}: betas {self.winner.name}, by {name}{unit} ({direction} is better)"
        return "\n".join([heading, *told.table(self._entries(), self.split), *self.verdict])

    def _entries(self) -> list[tuple[str, Candidate]]:
        """What the table shows."""
        found = [("best", self.winner)]
        if self.runner_up is not None:
            first = "highest" if self.metric.higher_is_better else "lowest"
            found.append((first if self.runner_up.score > self.winner.score else "next best", self.runner_up))
        found.append(("plain VAE" if self.vae_is_exact else "nearest to VAE", self.vae))
        return found if self.beta_vae is None else [*found, ("best beta-VAE", self.beta_vae)]

    @property
    def verdict(self) -> list[str]:
        """How sure the choice is, in sentences, and what else must be known."""
        if self.metric.column == "r2" and self.winner.value <= 0:
            lines = [told.WORSE_THAN_MEAN]
        elif _carries(self.winner) or self.metric.layer:
            name = self.winner.name
            lines = [told.tie_sentence(self.winner, self.ties) if self.ties else f"{name} {self._alone()}."]
        else:
            lines = [told.ALL_ALIKE]  # who is the best of them would say nothing
        if self.passed_over is not None:
            lines.append(f"Left out: {told.collapse_note(self.passed_over)}.")
        if self.images is not None and self.images < told.FEW_IMAGES and not self.metric.of_samples:
            lines.append(f"Measured on {self.images} items of {self.split}: errors are large.")
        if self.metric.column == "anomaly_auroc":
            lines += told.outlier_sentences(self.row)
        judge = self.row.get("judge_accuracy")
        if self.metric.of_samples and judge is not None and float(judge) < told.GOOD_JUDGE:
            lines.append(f"The judge names only {float(judge):.0%} of the test images rightly: its scores are rough.")
        real = self.row.get("score_of_data")
        if self.metric.column == "inception_score" and real is not None:
            lines.append(f"The images themselves get {float(real):.3g}, samples that show nothing 1.")
        if self.split == "test":
            lines.append("Chosen on the test split itself, as the paper does, so the number is optimistic.")
        return lines

    def _alone(self) -> str:
        if self.runner_up is None:
            return "is the only one to choose from"
        if len(self.winner.parts) == len(self.runner_up.parts) > 1:
            return "is the best by more than one standard error of the difference on the same items"
        known = difference_error(self.error, self.runner_up.error) > 0
        return "is the best by more than one standard error" if known else "is the best"


def best(
    table: Table, use: str, *, max_rate: float | None = None, demands: Mapping[str, float] | None = None
) -> Choice:
    """The best model of a landscape for a use, and for what is measured of layers, the best layer.

    Collapsed layers do not compete, unless the use is the column of one layer. Nor does what is not better than chance
    (:mod:`ratescape.selection.chance`). All that are within one standard error of the highest score tie: of the
    difference, sqrt(a^2 + b^2), or, where groups of images were recorded, as measured on the same images. Of those, the
    one with the smallest total rate wins; but for what is read off a layer's mean, of the near equals (within
    :data:`NEAR` of that error) the one whose *sample* tells most (``accuracy_sample``).

    Args:
        table: the landscape.
        use: ``reconstruction``, ``representation``, ``generation``, or the column of a metric that ranks models.
        max_rate: largest total rate accepted, in nats per image.
        demands: for columns of metrics, the worst value accepted, such as ``{"psnr": 18}``.

    Raises:
        NoWinner: no model is better than chance, or all layers have collapsed.
        SpecError: the landscape cannot answer (names what it has measured), or nothing meets the demands
            (names the smallest rate, or the best value, that there is).

    Example::

        choice = best(read_table(folder), "representation")
        choice.betas, choice.layer, choice.value(choice.row), choice.error, [tie.name for tie in choice.ties]
    """
    check_demands(max_rate, demands)
    rows = finished(table)
    metrics = metrics_for(rows, use, table.absent)
    everything = candidates(rows, metrics, table.parts)
    known = rows[rows["run"].isin([one.run for one in everything])]
    accepted = {*meeting(known, max_rate, demands or {})["run"]}
    within = [one for one in everything if one.run in accepted]
    alive = within if metrics[0].column == use and metrics[0].layer else [one for one in within if _carries(one)]
    if not alive and metrics[0].column in OF_IMAGES:
        alive = within  # the best of them is named, and what it is worth is said
    if not alive:
        raise NoWinner(
            f"no layer of any model carries enough for {use}: all have collapsed (less than {ACTIVE_RATE:g} nats, or "
            "no active unit); train for more epochs"
        )
    ranked = credible(alive, table.split)
    winner, ties = _decided(ranked)
    return Choice(
        use=use,
        split=table.split,
        images=table.images,
        winner=winner,
        ties=ties,
        runner_up=next((one for one in ranked if one is not winner), None),
        vae=nearest_to_vae(everything),
        beta_vae=next((one for one in alive if len(set(one.betas)) == 1), None),
        passed_over=next(
            (one for one in within if one.layer and one not in alive and one.score > ranked[0].score), None
        ),
    )


def _carries(candidate: Candidate) -> bool:
    """Whether the layer carries something of an image; of a model that is chosen by its reconstructions, any layer."""
    if candidate.metric.column in OF_IMAGES:
        return len(collapsed_layers(candidate.row)) < len(candidate.betas)
    return not candidate.collapsed


def _decided(ranked: Sequence[Candidate]) -> tuple[Candidate, tuple[Candidate, ...]]:
    """The winner among those that tie with the highest score, and the others that do."""
    highest = ranked[0]
    equal = [one for one in ranked if not highest.is_beyond(one)]
    near = equal if highest.sample is None else [one for one in equal if not highest.is_beyond(one, NEAR)]
    winner = min(near, key=lambda one: (-(one.sample or 0.0), one.rate))
    return winner, tuple(one for one in equal if one is not winner)
