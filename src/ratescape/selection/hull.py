"""The upper convex hull of a metric over the total rate (Sec. 5.3 of the paper)."""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from ratescape.metrics import Metric


def upper_hull(rate: npt.ArrayLike, score: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Vertices of the upper convex hull of the points (total rate, score), Sec. 5.3 of the paper, as far as it rises.

    Beyond the highest point more rate is worse than less, so that the hull ends there.

    Args:
        rate: total rates, shape [N].
        score: performance, higher is better, shape [N]; the negative of a lower-is-better metric.

    Returns:
        Indices into the points by ascending rate. Points inside an edge are no vertices; of equal points the
        first counts; points that are not finite are ignored.
    """
    x, y = np.asarray(rate, dtype=float), np.asarray(score, dtype=float)
    hull: list[int] = []
    for point in np.lexsort((np.arange(len(x)), -y, x)):  # by rate, the best first, then the earliest
        if not (math.isfinite(x[point]) and math.isfinite(y[point])):
            continue
        if hull and x[point] == x[hull[-1]]:
            continue
        while len(hull) > 1 and not _turns_right(x, y, hull[-2], hull[-1], int(point)):
            hull.pop()
        hull.append(int(point))
    highest = max(range(len(hull)), key=lambda index: y[hull[index]], default=-1)
    return np.array(hull[: highest + 1], dtype=np.intp)


def _turns_right(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], a: int, b: int, c: int) -> bool:
    """Whether the way from point a over b to c bends to the right, so that b lies above the line from a to c."""
    return bool((x[b] - x[a]) * (y[c] - y[a]) < (y[b] - y[a]) * (x[c] - x[a]))


def hull_of(rows: pd.DataFrame, metric: Metric, prefix: str = "") -> list[int]:
    """Positions of the rows on the upper hull of a metric over the total rate, by ascending rate.

    Args:
        rows: measured rows.
        metric: one that does not rank models has no hull.
        prefix: ``test_`` for the hull by the numbers on test.
    """
    if metric.higher_is_better is None:
        return []
    return upper_hull(rows[prefix + "rate"], metric.score(rows[prefix + metric.column])).tolist()
