"""Scores of several kinds as one: how improbable each is among in-distribution items, all together.

No score is the best for all outliers: -ELBO misses what is simple, LLR>k what differs in all layers alike, and the
complexity-corrected -ELBO what is as complex as it is unlikely (docs/anomalies.md has figures). Which one is best
cannot be told without outliers, and those that one makes oneself are told by scores that miss others. So ``auto`` asks
all of them. By each score an item has a p-value: the share of in-distribution items that are at least as anomalous.
They are combined as Fisher did, by the mean of their negative logarithms: one that finds an item extreme is
enough. Only in-distribution items decide what a score is worth.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from ratescape.records.scores import Numbers, Scores

AUTO = "auto"
"""The name of the combined score."""

SINGLE = ("nelbo", "nll", "corrected", "mahalanobis")
"""Scores that a model has one of; of LLR>k and of rates there is one for each layer."""


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """In-distribution values of every score, in ascending order ``[N]``, by name.

    Example::

        calibration = Calibration.of(model.score(held_out, reference=held_out))
        calibration.combined(model.score(items, reference=held_out))  # [M], higher is more anomalous
    """

    values: Mapping[str, Numbers]

    @staticmethod
    def of(scores: Scores) -> "Calibration":
        """From in-distribution items that the model was not trained on."""
        return Calibration({name: np.sort(scores[name]) for name in anomaly_scores(scores.columns)})

    def share(self, name: str, values: Numbers) -> Numbers:
        """Share of in-distribution items that are less anomalous, ``[M]``, above 0 and below 1.

        Ties count half. Beyond the largest value the last step is divided by the distance from it, so that the order of
        what is far away is kept.
        """
        known = self.values[name]
        below, upto = (np.searchsorted(known, values, side) for side in ("left", "right"))
        ranks = (below + upto + 1) / 2
        beyond = np.maximum(values - known[-1], 0) / max(known[-1] - known[len(known) // 2], np.finfo(float).tiny)
        return (ranks + np.where(values > known[-1], beyond / (1 + beyond) / 2, 0.0)) / (len(known) + 1)

    def combined(self, scores: Scores) -> Numbers:
        """``auto`` of every item, nats ``[M]``: the mean of -log p by -ELBO, LLR>k (the mean share over k), Mahalanobis
        distance and complexity-corrected -ELBO, as far as there are these.
        """
        ratios = [name for name in self.values if name.startswith("llr_")]
        single = [name for name in ("nelbo", "mahalanobis", "corrected") if name in self.values]
        votes = [self.share(name, scores[name]) for name in single]
        if ratios:
            votes.append(np.mean([self.share(name, scores[name]) for name in ratios], 0))
        return -np.log1p(-np.stack(votes)).mean(0)

    def all_of(self, scores: Scores) -> dict[str, Numbers]:
        """Every score that ranks items, ``auto`` first."""
        return {AUTO: self.combined(scores)} | {name: scores[name] for name in self.values}


def score_names(layers: int, is_image: bool) -> tuple[str, ...]:
    """What may decide of a model of so many layers, ``auto`` first: what :meth:`Calibration.all_of` has."""
    rates = [f"rate_{layer}" for layer in range(layers, 0, -1)]
    ratios = [f"llr_{layer}" for layer in range(layers - 1, 0, -1)]
    return (AUTO, *rates, "nelbo", "nll", *ratios, "mahalanobis", *(["corrected"] if is_image else []))


def anomaly_scores(names: Iterable[str]) -> list[str]:
    """Those of some scores by which higher is more anomalous, in their order: all but distortion and complexity."""
    return [name for name in names if name in SINGLE or name.startswith(("llr_", "rate_"))]
