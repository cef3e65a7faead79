"""How exact are the numbers that models are ranked by? Standard errors, and what of a difference they leave."""

import math

import numpy as np
import pandas as pd

from ratescape.metrics import Metric, layer_columns


def standard_errors(rows: pd.DataFrame, metric: Metric, prefix: str = "") -> pd.Series:
    """Standard error of a metric in each row, NaN where there is none.

    It is the one that was measured over images or samples (``se_...``). Where the landscape has several seeds, it is
    the spread over the S models of the same betas, sd / sqrt(S), if that is larger.

    Args:
        rows: measured rows.
        prefix: ``test_`` for the numbers on test.
    """
    missing = pd.Series(math.nan, rows.index)
    values, errors = rows.get(prefix + metric.column, missing), rows.get(f"{prefix}se_{metric.column}", missing)
    betas = rows[layer_columns(rows, "beta")].to_numpy()  # [N, L]
    alike = values.groupby(np.unique(betas, axis=0, return_inverse=True)[1].ravel())
    over_seeds = alike.transform("std") / np.sqrt(alike.transform("count"))  # NaN for a single seed
    return pd.Series(np.fmax(errors.astype(float), over_seeds.astype(float)), rows.index)


def difference_error(one: float, other: float) -> float:
    """Standard error of the difference of two numbers, sqrt(a^2 + b^2); an error that is not known counts as 0.

    Models of a landscape are measured on the same images, and err alike: their difference is more exact than that. So
    what differs by more than this does differ, and what differs by less may. Where means over groups of images were
    recorded, :func:`ratescape.records.table.paired_error` says more.
    """
    return math.hypot(*(error if math.isfinite(error) else 0.0 for error in (one, other)))
