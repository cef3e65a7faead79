"""How well are outliers told from held-out items? Every score's separation, and that of the best.

Which score is the best is chosen on validation items and one half of the outliers, and reported on test items and the
other half. What scores are compared with, rates and ranks of in-distribution items, is measured on validation.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import torch

from ratescape.data.batches import black_and_white
from ratescape.data.catalog import ImageData
from ratescape.evaluation.pictures import strip_png
from ratescape.evaluation.subject import Measured, SplitView, Subject
from ratescape.records.scores import Numbers
from ratescape.scoring.combined import AUTO, Calibration
from ratescape.scoring.outliers import SELF_MADE, Pixels, outliers_for
from ratescape.scoring.reference import Reference
from ratescape.scoring.scores import calibrating, score
from ratescape.scoring.separation import Separation, separation
from ratescape.specs.evaluation import EvaluationSpec

ITEMS = 1000
"""Items of each split, and outliers of each half, at most: an AUROC of 0.9 is then known to 0.007."""

COLUMNS = ("anomaly_auroc", "anomaly_auprc", "anomaly_fpr80", "outliers_self_made")
OF_SCORES = ("auroc_auto", "auroc_nelbo", "auroc_mahalanobis", "auroc_corrected", "auroc_llr", "auroc_rate")


class Scored(NamedTuple):
    """Every score of one split's items and of its half of the outliers, by name."""

    normal: dict[str, Numbers]
    outliers: dict[str, Numbers]

    @property
    def separations(self) -> dict[str, Separation]:
        return {name: separation(values, self.outliers[name]) for name, values in self.normal.items()}


def anomalies(subject: Subject, split: SplitView) -> Measured:
    """Separation of outliers, where there are settings for them."""
    if subject.settings.outliers is None:
        return Measured({})
    found = scored(subject, split).separations
    best = found[chosen(subject)]
    single = {f"auroc_{name}": one.auroc for name, one in found.items()}
    return Measured(
        {"anomaly_auroc": best.auroc, "anomaly_auprc": best.auprc, "anomaly_fpr80": best.fpr80}
        | {"outliers_self_made": float(subject.settings.outliers == SELF_MADE)}
        | {name: single[name] for name in OF_SCORES if name in single}
        | {f"auroc_{kind}": _of_layers(found, kind, len(subject.betas)) for kind in ("llr", "rate")},
        errors={"anomaly_auroc": best.error, "auroc_auto": found[AUTO].error},
    )


def chosen(subject: Subject) -> str:
    """The score that tells one half of the outliers best from the items that models are chosen on."""
    found = _scored(subject, next(iter(subject.splits.values())), half=0).separations
    return max(found, key=lambda name: found[name].auroc)


def scored(subject: Subject, split: SplitView, items: int = ITEMS) -> Scored:
    """All scores of a split's items, and of the outliers that it is compared with: of test the half kept for it.

    Args:
        items: of the split, and outliers, at most; twice as many are what they are compared with.
    """
    return _scored(subject, split, int(split.position == len(subject.data.held_out) - 1), items)


def check_outliers(settings: EvaluationSpec, data: ImageData) -> None:
    """Load the outliers that are asked for; raises :class:`~ratescape.errors.DataError` if they cannot be used."""
    if settings.outliers is not None:
        _outliers(data, settings.outliers, settings.seed)


def shown(subject: Subject) -> tuple[dict[str, Any], bytes | None]:
    """What is drawn of a model's anomalies: scores of test items and of outliers, and a picture of images.

    Returns:
        JSON-able facts: the chosen ``score``, its values of ``items`` and ``outliers``, and whether these are
        ``self_made``; and, of images, a PNG of the most anomalous items above the least anomalous outliers.
    """
    name, split = chosen(subject), list(subject.splits.values())[-1]
    found, half = scored(subject, split), _half(subject, 1)
    normal, outliers = found.normal[name], found.outliers[name]
    facts = {
        "score": name,
        "items": [float(f"{value:.6g}") for value in normal],
        "outliers": [float(f"{value:.6g}") for value in outliers],
        "self_made": subject.settings.outliers == SELF_MADE,
    }
    if subject.data.columns is not None:
        return facts, None
    count = min(subject.settings.pictures, len(normal), len(outliers))
    rows = [split.split.pixels[np.argsort(-normal)[:count]], half[np.argsort(outliers)[:count]]]
    return facts, strip_png([torch.from_numpy(_items(subject.data, row)) / 255 for row in rows])


def _of_layers(found: dict[str, Separation], kind: str, layers: int) -> list[float | None]:
    """AUROC of a score of each layer, top first; None where there is none."""
    names = [f"{kind}_{layer}" for layer in range(layers, 0, -1)]
    return [found[name].auroc if name in found else None for name in names]


def _scored(subject: Subject, split: SplitView, half: int, count: int = ITEMS) -> Scored:
    """Scores of a split's items and of one half of the outliers, computed once."""
    key = ("anomalies", split.position, half, count)
    if key not in subject.known:
        reference, calibration = _calibrated(subject, 2 * count)
        parts = (_items(subject.data, split.split.pixels[:count]), _half(subject, half)[:count])
        seed = subject.settings.seed
        found = [score(subject.model, part, seed=seed, reference=reference) for part in parts]
        subject.known[key] = Scored(*map(calibration.all_of, found))
    return subject.known[key]


def _half(subject: Subject, half: int) -> Pixels:
    """One half of the outliers: 0 to choose a score by, 1 to report it on."""
    outliers = _outliers(subject.data, str(subject.settings.outliers), subject.settings.seed)
    return _items(subject.data, outliers[half::2])


def _calibrated(subject: Subject, count: int) -> tuple[Reference, Calibration]:
    """What scores are compared with, of so many items that were held out; computed once."""
    key = ("calibrated", count)
    if key not in subject.known:
        items, seed = _items(subject.data, subject.data.unseen.pixels[:count]), subject.settings.seed
        reference, known = calibrating(subject.model, items, seed=seed)
        subject.known[key] = reference, Calibration.of(known)
    return subject.known[key]


def _items(data: ImageData, pixels: Pixels) -> Pixels:
    """As the model was shown them: thresholded where the data are."""
    return black_and_white(pixels) if data.spec.binary else pixels


@functools.lru_cache(maxsize=2)  # the same for all models of a landscape
def _outliers(data: ImageData, name: str, seed: int) -> Pixels:
    return outliers_for(data, name, 2 * ITEMS, seed)
