"""The estimators of the probes: which, with what limits, how they are fitted and scored.

scikit-learn takes a second to import, so that is done where something is fitted.
"""

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ratescape.evaluation import errors
from ratescape.evaluation.classifiers import Floats, LinearSVM, NearestNeighbours, RadialSVM

Protocol = Literal["heldout", "paper"]

LABEL_MEASURES = ("accuracy_logistic", "accuracy_linear_svm", "accuracy_rbf", "accuracy_knn", "clustering_nmi")
MEASURE_OF = dict(zip(("logistic", "linear_svm", "rbf", "knn", "clustering"), LABEL_MEASURES, strict=True))
"""Measures by the names that :attr:`ratescape.specs.evaluation.EvaluationSpec.probe_kinds` has for them."""

NUMBER_MEASURES = ("ridge_r2",)

THREADS = 1
"""SVMs use one in any case. The matrices of the others are so small that two threads gain nothing, lose minutes in
waiting for each other on a busy machine, and change last digits."""

NEIGHBOURS = 5
"""k of kNN, as in the paper."""

STARTS = 10
"""Starts of k-means, of which the tightest clustering counts."""

LOGISTIC_ITERATIONS: dict[Protocol, int] = {"heldout": 1000, "paper": 100}
"""Standardised features need some 200; the paper names no limit, which makes it scikit-learn's own."""

SVM_ITERATIONS: dict[Protocol, int] = {"heldout": 50_000, "paper": 1_000_000}
"""Limit of the linear SVM, for each pair of classes. 5,000 standardised images of MNIST need some 50,000 where a layer
carries something, and up to 300,000 where it is nearly collapsed; stopping there moved accuracies by at most 0.0002.
On pure noise, which no margin separates, there is next to no end without a limit."""

RESOLUTION = 1e-6
"""A feature varies if its deviation is above this, relative to its largest magnitude or to 1, the scale of activations
and of the prior: below lies the rounding of a float32 network, which differs from machine to machine."""


def unfitted(classes: int, protocol: Protocol, seed: int) -> dict[str, Any]:
    """Estimators by measure, unfitted."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression, Ridge

    return {
        "accuracy_logistic": LogisticRegression(C=1.0, max_iter=LOGISTIC_ITERATIONS[protocol]),
        "accuracy_linear_svm": LinearSVM(SVM_ITERATIONS[protocol]),
        "accuracy_rbf": RadialSVM(),
        "accuracy_knn": NearestNeighbours(NEIGHBOURS),
        "clustering_nmi": KMeans(max(classes, 1), n_init=STARTS, random_state=seed % 2**32),
        "ridge_r2": Ridge(alpha=1.0),
    }


def converges(estimator: Any, x: Floats, y: Any) -> bool:
    """Fit, and tell whether the solver reached its tolerance; its own warning about that is taken in."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(x, y)
    others = [warning for warning in caught if not issubclass(warning.category, ConvergenceWarning)]
    for warning in others:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return len(others) == len(caught)


class Scored(NamedTuple):
    """The score of a probe, and its standard error."""

    value: float
    error: float | None
    parts: list[float] = []  # noqa: RUF012 (never changed)
    """Of a fraction right, those of groups of images; empty for anything else."""


def score_of(name: str, estimator: Any, x: Floats, y: Any) -> Scored:
    """Score of a fitted estimator on features ``x [N, D]`` with labels ``y [N]`` or numbers ``y [N, T]``."""
    if name == "clustering_nmi":
        from sklearn.metrics import normalized_mutual_info_score

        clusters = estimator.predict(x)
        return Scored(float(normalized_mutual_info_score(y, clusters)), errors.of_clustering(clusters, y))
    if name in NUMBER_MEASURES:
        return Scored(float(estimator.score(x, y)), errors.of_r2(estimator.predict(x), y))
    right = estimator.predict(x) == y  # [N]
    share = float(np.mean(right))
    return Scored(share, errors.of_accuracy(share, len(y)), errors.parts(torch.from_numpy(right)))


class LayerScores(NamedTuple):
    """How the probes of every layer did. Lists run over the layers, top first."""

    metrics: dict[str, list[float | None]]
    """Measures by name: fractions right, NMI, R^2; None where undefined.

    NMI of independent labels is not 0 but some (M - 1)^2 / (2 N H(y)) for M classes and N scored images. R^2 is
    negative where predictions are worse than the mean.
    """
    errors: dict[str, list[float | None]]
    """Their standard errors over the scored images."""
    parts: dict[str, list[float]]
    """Of fractions right, by name and layer (``accuracy_rbf_2``), those of groups of images: see
    :func:`ratescape.evaluation.errors.parts`."""
    reasons: list[dict[str, str]]
    """Why a measure is None, by name."""
    unconverged: list[tuple[str, ...]]
    """Measures whose estimator stopped at its limit of iterations; their numbers are kept."""
    fitted: int
    """Images that probes were fitted to."""
    scored: int
    """Images that probes were scored on."""


class Scaling(NamedTuple):
    """Standardisation by the fitting images: mean and deviation ``[D]``, and which of the D features vary."""

    mean: Floats
    deviation: Floats
    varying: npt.NDArray[np.bool_]

    def __call__(self, x: Floats) -> Floats:
        return ((x - self.mean) / self.deviation)[:, self.varying]


def scaling_of(x: Floats) -> Scaling:
    """The standardisation that features ``x [N, D]`` of fitting images give."""
    exact = x.astype(np.float64)
    deviation = exact.std(0)
    varying = deviation > RESOLUTION * np.maximum(1.0, np.abs(exact).max(0))
    return Scaling(exact.mean(0), np.where(varying, deviation, 1.0), varying)
