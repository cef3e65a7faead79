"""A choice in words: a small table, and sentences under it."""

import math
from collections.abc import Collection, Sequence

import pandas as pd

from ratescape.metrics import Metric
from ratescape.records.lines import aligned
from ratescape.selection.candidates import Candidate, layer_name
from ratescape.selection.chance import written
from ratescape.selection.collapse import dead_layers, how
from ratescape.selection.rows import betas_text

NAMED = 5
"""Ties named one by one; the rest are counted."""

GOOD_JUDGE = 0.8
"""Accuracy on test images below which a judge's scores of samples are called rough."""

ALL_ALIKE = (
    "No model reconstructs yet: every layer of each has collapsed, so that all images come out alike, at best as their "
    "mean. Train for more epochs before using this one."
)
"""Of the best of models that make the same of all images."""

WORSE_THAN_MEAN = (
    "No model reconstructs yet: the mean of all items would come nearer to each (R² is below 0). Train for more epochs "
    "before using this one."
)
"""Of the best of models of vectors where none is of use."""

FEW_IMAGES = 500
"""Of fewer images than this, an accuracy of 0.8 is known to 0.018 at best."""


def table(entries: Sequence[tuple[str, Candidate]], split: str) -> list[str]:
    """Candidates side by side, aligned, with a heading: betas, layer if any, value and error on each split, rate.

    Args:
        entries: what each is, and the candidate.
        split: what they were chosen on.

    Example::

                   betas    layer  validation     test           total rate, nats (validation)
        best       (0.1, 1)    z₁  0.772 ± 0.031  0.765 ± 0.013              32.1
    """
    metric = entries[0][1].metric
    tested = [] if split == "test" else ["other draws" if metric.of_samples else "test"]
    lines = [["", "betas", *(["layer"] if metric.layer else []), "one draw" if metric.of_samples else split]]
    lines[0] += [*tested, f"total rate, nats ({split})"]
    for label, one in entries:
        layer = [] if one.layer is None else [layer_name(one.layer) + ("*" if one.collapsed else "")]
        again = [written(reported(one), one.error_on_test)] if tested else []
        lines.append([label, betas_text(one.row), *layer, written(one.value, one.error), *again, f"{one.rate:.4g}"])
    starred = [f"* {collapse_note(one)}" for _, one in entries if one.collapsed]
    return [*aligned(lines), *dict.fromkeys(starred)]


def again(metric: Metric) -> str:
    """Where numbers are from that were not chosen by: test images, or, for samples, other draws of them."""
    return "of other draws" if metric.of_samples else "on test"


def reported(one: Candidate) -> float:
    """The metric as it is to be reported: on test, or of other draws."""
    return float(one.row.get(f"test_{one.metric.column}", one.value))


def collapse_note(one: Candidate) -> str:
    """What is wrong with a layer that has collapsed, and what its mean and a sample of it read."""
    (dead,) = [dead for dead in dead_layers(one.row) if dead.layer == one.layer]
    text = f"{layer_name(dead.layer)} has collapsed at betas {betas_text(one.row)} ({how([dead])})"
    if one.metric.seen_from != "mean":
        return text
    text += f": its mean reads {one.value:.3g}"
    chance = one.row.get("chance")
    if one.sample is None or chance is None:
        return text
    if one.sample <= chance + 2 * float(one.row.get(f"se_accuracy_sample_{one.layer}", 0.0)):
        return f"{text}, a sample of it nothing ({one.sample:.3g}, chance {chance:.3g})"
    return f"{text}, a sample of it {one.sample:.3g}"


CLEARLY = 0.02
"""By so much the AUROC of another score must be better than that of the usual one to be named in its place."""

SCORES = {
    "auto": "all scores together (auto)",
    "nelbo": "-ELBO",
    "mahalanobis": "the Mahalanobis distance of its rates",
    "corrected": "-ELBO less the complexity of the image",
}
"""Scores by which outliers are told, in words; of each layer there are also LLR>k and its rate."""


def best_score(row: pd.Series) -> str | None:
    """Name of the score that tells outliers best where the model was chosen, such as ``llr_1``; None without any."""
    found = {str(name).removeprefix("auroc_"): row[name] for name in row.index if str(name).startswith("auroc_")}
    known = {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}
    return max(known, key=lambda name: known[name]) if known else None


def deciding_score(names: Collection[str], row: pd.Series | None) -> str:
    """The score to sort items by among those that there are, and why, in words; see docs/anomalies.md.

    Args:
        row: what a landscape measured of the model, if anything: its outliers may be told clearly better by another
            score than the usual one.

    Example::

        deciding_score(["nelbo", "auto"], None)  # auto
    """
    usual = next(name for name in ("auto", "corrected", "nelbo") if name in names)
    best = None if row is None else best_score(row)
    if row is None or best is None or best not in names or f"auroc_{usual}" not in row:
        return usual
    value, other = float(row[f"auroc_{best}"]), float(row[f"auroc_{usual}"])
    if not value > other + CLEARLY:
        return usual
    return f"{best} (AUROC {value:.3g} of the landscape's outliers, {usual} {other:.3g})"


def outlier_sentences(row: pd.Series) -> list[str]:
    """By which score outliers are told, how well by others, and what the outliers are."""
    best = best_score(row)
    if best is None:
        return []
    kind, _, layer = best.rpartition("_")
    of_layer = {"llr": f"LLR>{layer}", "rate": f"the rate of {layer_name(int(layer))}" if layer.isdigit() else ""}
    others = ", ".join(
        f"{words} {row[f'auroc_{name}']:.3g}" for name, words in SCORES.items() if f"auroc_{name}" in row
    )
    lines = [f"The outliers are told by {SCORES.get(best) or of_layer[kind]}, chosen on one half of them ({others})."]
    if row.get("outliers_self_made") == 1:
        lines.append(
            "These outliers are made of the data (pairs blended, patches permuted): others may be told otherwise."
        )
    return lines


def tie_sentence(winner: Candidate, ties: Sequence[Candidate]) -> str:
    """Which are as good as the best value within one error, and why the winner is chosen among them."""
    names = ", ".join(one.name for one in ties[:NAMED])
    more = f" and {len(ties) - NAMED} more" if len(ties) > NAMED else ""
    paired = all(len(one.parts) == len(winner.parts) > 1 for one in ties)
    error = "one standard error of the difference on the same items" if paired else "one error"
    equal = f"Within {error} of the best value: {winner.name}, {names}{more}"
    if winner.sample is None:
        return f"{equal}; {winner.name} has the smallest rate of these."
    told = f"labels are read best off samples of {winner.name}, too ({winner.sample:.3g}), not off means alone"
    return f"{equal}; of the nearest to it, {told}."
