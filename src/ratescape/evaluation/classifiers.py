"""Classifiers by matrix products: an RBF SVM, a linear SVM and nearest neighbours that say what scikit-learn's say.

scikit-learn evaluates kernels pair by pair; here all pairs of a block of images are one product of matrices in
float32, |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, of features that are centred first. Each class has ``fit(x, y)`` and
``score(x, y)`` for features ``x [N, D]`` and labels ``y [N]``, as scikit-learn's estimators do.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

BLOCK = 500
"""Images that are compared with all others at once: their kernel values, 10 MB for 5,000 others, are made and used up
while most of them are still in the cache."""

GRAM_IMAGES = 8192
"""Fitting images whose kernel matrix is held, 0.5 GB in the float64 that libsvm takes; of more, libsvm evaluates the
kernel itself."""

LEAST_EXPONENT = -60.0
"""Kernel values below exp(-60), some 1e-26, count as that: nothing beside the solver's tolerance of 1e-3, and numbers
below 1e-38 would slow float32 down twentyfold."""

CACHE_MB = 500
"""Of kernel rows, for libsvm."""

ROUNDING = 32 * float(np.finfo(np.float32).eps)
"""Two squared distances closer than this times |a|^2 + |b|^2 are compared again in float64. A dot product of D numbers
in float32 errs by some sqrt(D) eps / 2 of the lengths' product: 8 eps for D = 256, and four times that is safe."""


class Frame(NamedTuple):
    """Where features are seen from in float32: less a centre ``[D]``, times a scale."""

    centre: Floats
    scale: float

    def __call__(self, x: Floats) -> Floats:
        """Features ``[N, D]`` in this frame."""
        return ((x - self.centre) * self.scale).astype(np.float32)

    def blocks(self, x: Floats) -> Iterator[Floats]:
        """Features ``[N, D]`` in this frame, so many images at a time."""
        for start in range(0, len(x), BLOCK):
            yield self(x[start : start + BLOCK])


def frame_of(x: Floats) -> Frame:
    """The frame in which features ``[N, D]`` have mean 0, and their N D numbers a variance of 1 / D in all.

    There exp(-|a - b|^2) is the RBF kernel of ``gamma="scale"``; features of one value all stay as they are.
    """
    variance = float(x.var(dtype=np.float64))
    return Frame(x.mean(0, dtype=np.float64), 1 / math.sqrt(x.shape[1] * variance) if variance > 0 else 1.0)


class RadialSVM:
    """``SVC(kernel="rbf", C=1, gamma="scale")``, one class against one.

    Kernel values in float32 are off by some 1e-6, far less than the tolerance of 1e-3 that libsvm stops at: an image
    within that of a border may change sides.

    Example::

        RadialSVM().fit(x, y).score(others, labels)
    """

    def fit(self, x: Floats, y: Labels) -> "RadialSVM":
        """Fit to features ``[N, D]`` and labels ``[N]`` of two classes or more."""
        from sklearn.svm import SVC  # takes a second

        self._frame = frame_of(x)
        if len(x) <= GRAM_IMAGES:
            svc = SVC(C=1.0, kernel="precomputed", cache_size=CACHE_MB).fit(self._gram(x), y)
        else:
            svc = SVC(C=1.0, kernel="rbf", gamma="scale", cache_size=CACHE_MB).fit(x, y)
        self._classes, self._intercept = svc.classes_, svc.intercept_
        self._support = self._frame(x[svc.support_])  # [S, D], class by class
        self._weights = np.asarray(svc.dual_coef_, np.float32)  # [M - 1, S]
        self._borders = np.cumsum(svc.n_support_)[:-1]
        return self

    def score(self, x: Floats, y: Labels) -> float:
        """Share of labels right."""
        return float(np.mean(self.predict(x) == y))

    def predict(self, x: Floats) -> Labels:
        """Classes ``[N]`` of features ``[N, D]``."""
        blocks = [one_against_one(self._decisions(kernel), self._classes) for kernel in self._kernels(x, self._support)]
        return np.concatenate(blocks)

    def _decisions(self, kernel: Floats) -> Floats:
        """Decision values of all pairs of classes ``[B, M (M - 1) / 2]`` from kernel values ``[B, S]``."""
        if len(self._classes) == 2:
            return -(kernel @ self._weights.T + self._intercept)  # the sign of scikit-learn's pair is the other one
        # Weights of class i have a row for each other class: its own share in the decisions between the two.
        kernels, weights = (np.split(part, self._borders, axis=1) for part in (kernel, self._weights))
        shares = [k @ w.T for k, w in zip(kernels, weights, strict=True)]
        first, second = np.triu_indices(len(self._classes), 1)
        both = [shares[i][:, j - 1] + shares[j][:, i] for i, j in zip(first, second, strict=True)]
        return np.stack(both, 1) + self._intercept

    def _gram(self, x: Floats) -> Floats:
        """Kernel values of all pairs, float64 ``[N, N]``."""
        gram = np.empty((len(x), len(x)))
        start = 0
        for kernel in self._kernels(x, self._frame(x)):
            gram[start : start + len(kernel)] = kernel
            start += len(kernel)
        return gram

    def _kernels(self, x: Floats, others: Floats) -> Iterator[Floats]:
        """Kernel values ``[B, S]`` of ``x [N, D]`` and others ``[S, D]`` that are in the frame, block by block."""
        lengths = (others**2).sum(1)
        for block in self._frame.blocks(x):
            kernel = (2 * block) @ others.T  # [B, S]
            kernel -= lengths
            kernel -= (block**2).sum(1, keepdims=True)  # -|a - b|^2, which rounding may lift above 0
            np.clip(kernel, LEAST_EXPONENT, 0, out=kernel)
            yield np.exp(kernel, out=kernel)


class LinearSVM:
    """``SVC(kernel="linear", C=1)``, one class against one, scored by its weights instead of its support vectors.

    Example::

        LinearSVM(limit=50_000).fit(x, y).score(others, labels)

    Args:
        limit: iterations of the solver for each pair of classes.
    """

    def __init__(self, limit: int) -> None:
        from sklearn.svm import SVC  # takes a second

        self._svc = SVC(C=1.0, kernel="linear", max_iter=limit, cache_size=CACHE_MB)

    def fit(self, x: Floats, y: Labels) -> "LinearSVM":
        """Fit to features ``[N, D]`` and labels ``[N]`` of two classes or more."""
        self._svc.fit(x, y)
        return self

    def score(self, x: Floats, y: Labels) -> float:
        """Share of labels right."""
        return float(np.mean(self.predict(x) == y))

    def predict(self, x: Floats) -> Labels:
        """The class ``[N]`` that wins most of its duels."""
        decisions = x @ self._svc.coef_.T + self._svc.intercept_
        classes = self._svc.classes_
        return one_against_one(-decisions if len(classes) == 2 else decisions, classes)


class NearestNeighbours:
    """``KNeighborsClassifier(k)``: the most frequent class among the k nearest, the first of those equally frequent.

    Example::

        NearestNeighbours(5).fit(x, y).score(others, labels)
    """

    def __init__(self, neighbours: int) -> None:
        self._neighbours = neighbours

    def fit(self, x: Floats, y: Labels) -> "NearestNeighbours":
        """Keep features ``[N, D]`` and labels ``[N]`` of at least k images."""
        self._classes, self._codes = np.unique(y, return_inverse=True)
        self._frame = frame_of(x)
        self._x = x
        return self

    def score(self, x: Floats, y: Labels) -> float:
        """Share of labels right."""
        return float(np.mean(self.predict(x) == y))

    def predict(self, x: Floats) -> Labels:
        """Classes ``[N]`` of features ``[N, D]``."""
        single = self._frame(self._x)
        lengths = (single**2).sum(1)  # [K]
        classes: list[Labels] = []
        for start in range(0, len(x), BLOCK):
            block = x[start : start + BLOCK]
            near, doubtful = self._nearest(block, single, lengths)
            if doubtful.any():
                near[doubtful] = self._nearest_exactly(block[doubtful])
            votes = (self._codes[near][:, :, None] == np.arange(len(self._classes))).sum(1)  # [B, M]
            classes.append(self._classes[votes.argmax(1)])
        return np.concatenate(classes)

    def _nearest(
        self, x: Floats, single: Floats, lengths: Floats
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The nearest by float32 ``[B, k]``, and where rounding may have swapped the last with the next ``[B]``."""
        block = self._frame(x)
        closeness = block @ single.T  # [B, K]
        closeness -= 0.5 * lengths  # (|b|^2 - |a - b|^2) / 2
        count = min(self._neighbours + 1, len(single))
        found, near = (part.numpy() for part in torch.from_numpy(closeness).topk(count, 1))
        if count == self._neighbours:
            return near, np.zeros(len(x), np.bool_)
        gap = 2 * (found[:, -2] - found[:, -1])
        scale = (block**2).sum(1) + lengths[near].max(1)
        return near[:, :-1].copy(), gap <= ROUNDING * scale

    def _nearest_exactly(self, x: Floats) -> npt.NDArray[np.int64]:
        """The nearest by float64 ``[B, k]``; of those equally near, the first."""
        found = [((self._x - one) ** 2).sum(1) for one in x.astype(np.float64)]
        return np.stack([np.argsort(row, kind="stable")[: self._neighbours] for row in found])


def one_against_one(decisions: Floats, classes: Labels) -> Labels:
    """The class ``[B]`` that wins most of its duels, the first of those that win equally many.

    Args:
        decisions: ``[B, M (M - 1) / 2]`` of the pairs (0, 1), (0, 2), ..., (1, 2), ...: above 0 where the first wins.
        classes: ``[M]``.
    """
    first, second = np.triu_indices(len(classes), 1)
    wins = np.zeros((len(decisions), len(classes)), np.int64)
    for pair, (i, j) in enumerate(zip(first, second, strict=True)):
        won = decisions[:, pair] > 0
        wins[:, i] += won
        wins[:, j] += ~won
    return classes[wins.argmax(1)]
