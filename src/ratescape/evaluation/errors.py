"""How exact is a measured number? Standard errors over the images it was measured on.

What is a mean over N images has the error sd / sqrt(N); of a function of such a mean it follows by the delta method.
Models of a landscape are measured on the same images, so that differences between them are more exact than the errors
of two of them say.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from torch import Tensor

from ratescape.evaluation.bounds import sampling_error

RESAMPLED = 100
"""Bootstrap samples of the error of a clustering: it is known to 1 / sqrt(2 x 100), some 7 %."""

PARTS = 20
"""Groups of images whose means are kept beside each number that is a mean over images: 20 of them know an error of a
difference to 1 / sqrt(2 x 19), some 16 %."""

DECIBELS = 10 / math.log(10)
"""PSNR changes by so many dB where the mean squared error changes by its own size, to first order."""


def of_mean(values: Tensor) -> float | list[float] | None:
    """Standard error of the mean over the first axis; None for one image.

    Args:
        values: of every image, ``[N]`` for one number, ``[N, L]`` for a list over the layers.
    """
    if len(values) < 2:
        return None
    return (values.double().std(0) / math.sqrt(len(values))).tolist()


def parts(values: Tensor) -> list[float]:
    """Means over :data:`PARTS` groups of consecutive images, or over single ones if there are not so many.

    The error of the difference of two models on the same images is sd / sqrt(G) of the differences of their G parts,
    which knows how alike the two err: see :func:`ratescape.selection.errors.paired_error`.

    Args:
        values: what each image adds to a mean, ``[N]``.
    """
    return [float(part.double().mean()) for part in values.tensor_split(min(PARTS, len(values)))]


def shares_of_psnr(squared_errors: Tensor) -> Tensor:
    """What each image adds to the PSNR, dB ``[N]``, to first order in its mean squared error ``[N]``."""
    return -DECIBELS * squared_errors / squared_errors.mean()


def of_psnr(squared_errors: Tensor) -> float | None:
    """Standard error of the PSNR, dB: 10 / ln 10 times that of the mean squared error, relative to it.

    Args:
        squared_errors: mean squared error of every image ``[N]``.
    """
    error, mean = of_mean(squared_errors), float(squared_errors.double().mean())
    return None if error is None or isinstance(error, list) or mean == 0 else DECIBELS * error / mean


def shares_of_r2(squared_errors: Tensor, varied: Tensor) -> Tensor:
    """What each vector adds to R^2 = 1 - mean e / mean d, to first order, ``[N]``.

    Args:
        squared_errors: e, of every vector ``[N]``.
        varied: d, its squared distance from the mean of all, ``[N]``.
    """
    share = squared_errors.mean() / varied.mean()
    return (share * varied - squared_errors) / varied.mean()


def of_accuracy(accuracy: float | None, scored: int) -> float | None:
    """Standard error of a share of right answers on so many images, binomial: see :func:`.bounds.sampling_error`."""
    return None if accuracy is None else float(sampling_error(accuracy, scored))


def of_r2(predicted: npt.NDArray[np.floating[Any]], truth: npt.NDArray[np.floating[Any]]) -> float | None:
    """Standard error of R^2 = 1 - sum e^2 / sum d^2, the mean over the targets, by the delta method.

    Image i, with its error e_i and its distance d_i from the mean, moves R^2 by (s d_i^2 - e_i^2) / mean d^2, with
    s = mean e^2 / mean d^2.

    Args:
        predicted: ``[N, T]`` or ``[N]`` for one target.
        truth: the same shape.
    """
    y, p = (np.asarray(values, np.float64).reshape(len(truth), -1) for values in (truth, predicted))
    if len(y) < 2:
        return None
    e, d = (y - p) ** 2, (y - y.mean(0)) ** 2
    moves = (e.mean(0) / d.mean(0) * d - e) / d.mean(0)  # [N, T]
    return float(moves.mean(1).std(ddof=1) / math.sqrt(len(y)))


def of_clustering(clusters: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float | None:
    """Standard error of the normalised mutual information of clusters and labels ``[N]``: a bootstrap, seed 0."""
    if len(labels) < 2:
        return None
    (classes, label), (groups, cluster) = (np.unique(one, return_inverse=True) for one in (labels, clusters))
    shape = len(classes), len(groups)
    cell = label * shape[1] + cluster
    generator = np.random.default_rng(0)
    drawn = (generator.integers(0, len(labels), len(labels)) for _ in range(RESAMPLED))
    tables = [np.bincount(cell[rows], minlength=shape[0] * shape[1]).reshape(shape) for rows in drawn]
    return float(np.std(normalised_information(np.stack(tables)), ddof=1))


def normalised_information(counts: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """Normalised mutual information 2 I(U; V) / (H(U) + H(V)) of tables of counts ``[R, U, V]``, as ``[R]``.

    As ``sklearn.metrics.normalized_mutual_info_score``, whose checks of its arguments take a hundred times as long. It
    is 1 where both have one value alone.

    Example::

        normalised_information(np.array([[[5, 0], [0, 5]]]))  # [1.0]
    """
    joint = counts / counts.sum((1, 2), keepdims=True)
    both, rows, columns = (
        -xlogy(p, p).sum((1, 2)) for p in (joint, joint.sum(2, keepdims=True), joint.sum(1, keepdims=True))
    )
    total = rows + columns
    return np.where(total > 0, 2 * np.maximum(total - both, 0) / np.where(total > 0, total, 1), 1.0)
