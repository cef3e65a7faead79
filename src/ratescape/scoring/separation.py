"""How well does a score tell outliers from in-distribution items?"""

import math
from typing import NamedTuple

import numpy as np

from ratescape.errors import DataError
from ratescape.records.scores import Numbers

TRUE_POSITIVES = 0.8
"""Share of outliers that are found where false positives are counted (Havtorn et al., 2021)."""

LARGEST = np.finfo(float).max


class Separation(NamedTuple):
    """Of N in-distribution items and M outliers by one score; all are fractions."""

    auroc: float
    """Chance that an outlier has a higher score than an in-distribution item, ties counting half."""
    auprc: float
    """Average precision, outliers being positive; chance gives M / (N + M)."""
    fpr80: float
    """Share of in-distribution items whose scores reach what 80 % of the outliers reach at least."""
    error: float
    """Standard error of ``auroc`` (Hanley & McNeil, 1982)."""


def separation(normal: Numbers, outliers: Numbers) -> Separation:
    """Of scores ``[N]`` and ``[M]``, higher being more anomalous; what is not a number is the most anomalous of all.

    Raises:
        DataError: one of them is empty.

    Example::

        separation(scores["llr_1"], of_outliers["llr_1"]).auroc
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # takes half a second

    if not (len(normal) and len(outliers)):
        raise DataError(f"{len(normal)} in-distribution items and {len(outliers)} outliers: give at least one of each")
    is_outlier = np.repeat([False, True], [len(normal), len(outliers)])
    both = np.concatenate([normal, outliers])
    values = np.nan_to_num(both, nan=LARGEST, posinf=LARGEST, neginf=-LARGEST)
    normal, outliers = values[: len(normal)], values[len(normal) :]
    auroc = float(roc_auc_score(is_outlier, values))
    reached = np.sort(outliers)[-math.ceil(round(TRUE_POSITIVES * len(outliers), 9))]
    return Separation(
        auroc,
        float(average_precision_score(is_outlier, values)),
        float((normal >= reached).mean()),
        _error(auroc, len(normal), len(outliers)),
    )


def _error(auroc: float, normal: int, outliers: int) -> float:
    both_outliers, both_normal = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = (
        auroc * (1 - auroc) + (outliers - 1) * (both_outliers - auroc**2) + (normal - 1) * (both_normal - auroc**2)
    )
    return math.sqrt(max(variance, 0.0) / (normal * outliers))
