"""What can be read off each layer? Classifiers, clustering and regression on the posterior means mu_l (Sec. 5.6).

A probe is a scikit-learn estimator that is fitted to the features mu_l of some images and scored on those of others:

======================  =================================================================  ====================
measure                 estimator                                                          score
======================  =================================================================  ====================
``accuracy_logistic``   ``LogisticRegression(C=1)``                                        share of labels right
``accuracy_linear_svm`` ``SVC(kernel="linear", C=1)``                                      share of labels right
``accuracy_rbf``        ``SVC(kernel="rbf", C=1, gamma="scale")``                          share of labels right
``accuracy_knn``        ``KNeighborsClassifier(5)``                                        share of labels right
``clustering_nmi``      ``KMeans`` with as many clusters as classes, best of 10 starts,    normalised mutual
                        which sees no labels                                               information
``ridge_r2``            ``Ridge(1)`` to numbers; the mean over their columns               R^2
======================  =================================================================  ====================

Two protocols:

- ``heldout``: fitted to training images, features standardised by their mean and deviation, scored on validation or
  test; features at the modes of the layers above. At most :data:`FITTING_IMAGES` training images are used: SVMs cost
  some N^2 D, and twice as many images take more than twice the time and raise accuracies by about a hundredth.
- ``paper``: fitted to 80 % of the split that is measured, scored on the other 20 %, features as they are, at a sample
  of the layers above (``features(..., sampled=True)``). Without scaling, logistic regression often stops at its limit
  of iterations: the accuracy is kept, and the probe listed as not converged.

The paper averages logistic regression over five seeds. Its solver (L-BFGS on a convex loss, from 0) draws nothing, so
that on one split all seeds give one number, which is also their mean: it is fitted once.

Splits are functions of a number of images and a seed, so that all models of a sweep are probed on the same images.
A measure that is undefined is None, with a reason; never a number.

Means are not samples: they may tell much of the label although z_l, a mean buried in noise, tells nothing. Both
protocols see such means, since RBF and kNN look at relative distances alone: on MNIST, the means of a layer of
0.02 nats gave RBF accuracies of 0.75. The ceilings of Eq. 11 bound what can be read off samples.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from ratescape.data.batches import Images, stream
from ratescape.errors import DataError
from ratescape.model.hierarchy import CHUNK, HVAE, PosteriorMode, PosteriorSample

Protocol = Literal["heldout", "paper"]
Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]

LABEL_MEASURES = ("accuracy_logistic", "accuracy_linear_svm", "accuracy_rbf", "accuracy_knn", "clustering_nmi")
NUMBER_MEASURES = ("ridge_r2",)

FITTING_IMAGES = 5000
"""Training images that probes are fitted to, at most (``benchmarks/evaluation.py`` measures what they cost)."""

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


def features(model: HVAE, images: Images, seed: int, sampled: bool = False) -> list[npt.NDArray[np.float32]]:
    """Posterior means mu_l of every layer, top first, each ``[N, D_l]``.

    Args:
        sampled: condition each mean on a sample of the layers above (for a bottom-up model, on that of the layer it
            is inferred from), the one at which rates are measured with this seed, as the paper does; otherwise on
            their means.
    """
    generator = torch.Generator(images.device).manual_seed(stream(seed, "evaluation"))
    batches: list[list[torch.Tensor]] = []
    with torch.no_grad():
        for chunk in images.in_order(CHUNK):
            source = PosteriorSample(model.noise(len(chunk), generator)) if sampled else PosteriorMode()
            batches.append([q.mean.flatten(1) for q in model(source, chunk).posteriors])
    return [torch.cat(layer).float().cpu().numpy() for layer in zip(*batches, strict=True)]


def fitting_images(count: int, seed: int, limit: int = FITTING_IMAGES) -> Indices:
    """Indices of the training images that probes are fitted to: ``limit`` out of ``count``, or all; ascending."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:limit])


def paper_split(count: int, seed: int) -> tuple[Indices, Indices]:
    """Indices of the 80 % of ``count`` images that the paper's protocol fits to, and of the 20 % that it scores.

    Raises:
        DataError: fewer than two images.
    """
    if count < 2:
        raise DataError(f"probes under the paper's protocol on {count} images: two are needed at least")
    order = np.random.default_rng(seed).permutation(count)
    return order[: count * 4 // 5], order[count * 4 // 5 :]


class LayerScores(NamedTuple):
    """How the probes of every layer did. Lists run over the layers, top first."""

    metrics: dict[str, list[float | None]]
    """Measures by name: fractions right, NMI, R^2; None where undefined.

    NMI of independent labels is not 0 but some (M - 1)^2 / (2 N H(y)) for M classes and N scored images. R^2 is
    negative where predictions are worse than the mean.
    """
    reasons: list[dict[str, str]]
    """Why a measure is None, by name."""
    unconverged: list[tuple[str, ...]]
    """Measures whose estimator stopped at its limit of iterations; their numbers are kept."""
    fitted: int
    """Images that probes were fitted to."""
    scored: int
    """Images that probes were scored on: accuracies have a binomial error of sqrt(a (1 - a) / scored)."""


class _Targets(NamedTuple):
    """What probes predict: labels int ``[N]`` and numbers ``[N, T]``, either or both."""

    labels: npt.NDArray[np.integer[Any]] | None
    numbers: Floats | None

    @property
    def measures(self) -> tuple[str, ...]:
        return (() if self.labels is None else LABEL_MEASURES) + (() if self.numbers is None else NUMBER_MEASURES)

    def of(self, measure: str) -> Any:
        return self.numbers if measure in NUMBER_MEASURES else self.labels


class _Scaling(NamedTuple):
    """Standardisation by the fitting images: mean and deviation ``[D]``, and which of the D features vary."""

    mean: Floats
    deviation: Floats
    varying: npt.NDArray[np.bool_]

    def __call__(self, x: Floats) -> Floats:
        return ((x - self.mean) / self.deviation)[:, self.varying]


@dataclass(frozen=True, eq=False)
class _Layer:
    """The fitted probes of one layer."""

    size: int
    scaling: _Scaling | None
    estimators: dict[str, Any]
    reasons: dict[str, str]
    unconverged: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Probes:
    """Fitted probes of every layer of one model: fit once, score on any split (see :func:`fit_probes`)."""

    layers: list[_Layer]
    measures: tuple[str, ...]
    classes: npt.NDArray[np.integer[Any]]
    images: int

    def score(
        self, layers: Sequence[Floats], labels: npt.ArrayLike | None = None, numbers: npt.ArrayLike | None = None
    ) -> LayerScores:
        """Score the probes; arguments as of :func:`fit_probes`.

        Raises:
            DataError: the arguments do not fit together, or not what the probes were fitted to.
        """
        targets = _checked(layers, labels, numbers)
        if targets.measures != self.measures or [x.shape[1] for x in layers] != [layer.size for layer in self.layers]:
            raise DataError("the probes were fitted to other targets or layers: score them on features of one model")
        missing = _score_reasons(targets, self.classes)
        with threadpool_limits(THREADS):
            results = [_score(layer, x, targets, missing) for layer, x in zip(self.layers, layers, strict=True)]
        return LayerScores(
            metrics={name: [values.get(name) for values, _ in results] for name in self.measures},
            reasons=[reasons for _, reasons in results],
            unconverged=[layer.unconverged for layer in self.layers],
            fitted=self.images,
            scored=len(layers[0]),
        )


def fit_probes(
    layers: Sequence[Floats],
    labels: npt.ArrayLike | None = None,
    numbers: npt.ArrayLike | None = None,
    *,
    protocol: Protocol = "heldout",
    seed: int = 0,
) -> Probes:
    """Fit the probes of every layer.

    Args:
        layers: features of each layer, top first, ``[N, D_l]``.
        labels: classes, whole numbers ``[N]``.
        numbers: targets of ridge regression ``[N]`` or ``[N, T]``.
        protocol: whether features are standardised, and the limits of iterations.
        seed: of the starts of k-means.

    Raises:
        DataError: neither labels nor numbers, or arrays that do not fit together.
    """
    targets = _checked(layers, labels, numbers)
    classes = np.unique(np.zeros(0, np.intp) if targets.labels is None else targets.labels)
    missing = _fit_reasons(targets, classes)
    with threadpool_limits(THREADS):
        probes = [_fit(x, targets, missing, protocol, _estimators(len(classes), protocol, seed)) for x in layers]
    return Probes(probes, targets.measures, classes, len(layers[0]))


def paper_probes(
    layers: Sequence[Floats],
    labels: npt.ArrayLike | None = None,
    numbers: npt.ArrayLike | None = None,
    *,
    seed: int = 0,
) -> LayerScores:
    """The paper's protocol on the features of one split; arguments as of :func:`fit_probes`.

    Args:
        layers: ``features(..., sampled=True)`` of the images of the split.
        seed: of the permutation that divides the images, and of the starts of k-means.

    Raises:
        DataError: as :func:`fit_probes`, or fewer than two images.
    """
    targets = _checked(layers, labels, numbers)
    parts = [
        ([x[part] for x in layers], *(None if values is None else values[part] for values in targets))
        for part in paper_split(len(layers[0]), seed)
    ]
    return fit_probes(*parts[0], protocol="paper", seed=seed).score(*parts[1])


def _checked(layers: Sequence[Floats], labels: npt.ArrayLike | None, numbers: npt.ArrayLike | None) -> _Targets:
    """The targets, if they and the features are what they should be."""
    counts = {len(x) for x in layers}
    if len(counts) != 1 or counts == {0} or any(x.ndim != 2 for x in layers):
        raise DataError(f"features of shapes {[x.shape for x in layers]}: give one array [N, D] of each layer")
    if labels is None and numbers is None:
        raise DataError("the images have no labels: probes cannot be fitted; give labels, or numbers to regress on")
    (count,) = counts
    classes = None if labels is None else np.asarray(labels)
    if classes is not None and (classes.shape != (count,) or not np.issubdtype(classes.dtype, np.integer)):
        raise DataError(f"labels {classes.dtype} {classes.shape} of {count} images: give a whole number for each")
    values = None if numbers is None else np.asarray(numbers, np.float64)
    if values is None:
        return _Targets(classes, None)
    if values.shape[:1] != (count,) or values.ndim > 2 or values.size == 0 or not np.isfinite(values).all():
        raise DataError(f"numbers of shape {values.shape} of {count} images: give finite ones for each image")
    return _Targets(classes, values.reshape(count, -1))


def _fit_reasons(targets: _Targets, classes: npt.NDArray[np.integer[Any]]) -> dict[str, str]:
    """Why measures are undefined, whatever the features: from what the probes are fitted to."""
    reasons: dict[str, str] = {}
    if targets.labels is not None:
        if len(targets.labels) < NEIGHBOURS:
            reasons["accuracy_knn"] = f"{len(targets.labels)} fitting images are fewer than k = {NEIGHBOURS}"
        if len(classes) < 2:
            reasons |= dict.fromkeys(LABEL_MEASURES, "the fitting images are all of one class")
        elif len(targets.labels) < 2 * len(classes):
            few = (
                f"{len(classes)} classes among {len(targets.labels)} fitting images: two of each are needed on average"
            )
            reasons |= dict.fromkeys(LABEL_MEASURES, few)
    if targets.numbers is not None and np.ptp(targets.numbers, axis=0).min() == 0:
        reasons["ridge_r2"] = "a number is the same for all fitting images"
    return reasons


def _score_reasons(targets: _Targets, classes: npt.NDArray[np.integer[Any]]) -> dict[str, str]:
    """Why measures are undefined, whatever the features: from what the probes are scored on."""
    reasons: dict[str, str] = {}
    if targets.labels is not None:
        unseen = np.setdiff1d(targets.labels, classes)
        if len(unseen):
            reasons = dict.fromkeys(LABEL_MEASURES, f"class {unseen[0]} is scored but not among the fitting images")
        elif len(np.unique(targets.labels)) < 2:
            reasons = dict.fromkeys(LABEL_MEASURES, "the scored images are all of one class")
    if targets.numbers is not None and np.ptp(targets.numbers, axis=0).min() == 0:
        reasons["ridge_r2"] = "a number is the same for all scored images"
    return reasons


def _estimators(classes: int, protocol: Protocol, seed: int) -> dict[str, Any]:
    """Estimators by measure, unfitted."""
    return {
        "accuracy_logistic": LogisticRegression(C=1.0, max_iter=LOGISTIC_ITERATIONS[protocol]),
        "accuracy_linear_svm": SVC(kernel="linear", C=1.0, max_iter=SVM_ITERATIONS[protocol]),
        "accuracy_rbf": SVC(kernel="rbf", C=1.0, gamma="scale"),
        "accuracy_knn": KNeighborsClassifier(NEIGHBOURS),
        "clustering_nmi": KMeans(max(classes, 1), n_init=STARTS, random_state=seed % 2**32),
        "ridge_r2": Ridge(alpha=1.0),
    }


def _fit(
    x: Floats, targets: _Targets, missing: dict[str, str], protocol: Protocol, estimators: dict[str, Any]
) -> _Layer:
    """Fit the probes of one layer, but for those that are undefined anyway (``missing``)."""
    if not np.isfinite(x).all():
        return _Layer(x.shape[1], None, {}, dict.fromkeys(targets.measures, "features are not finite"), ())
    scaling = _scaling(x)
    if not scaling.varying.any():
        return _Layer(x.shape[1], None, {}, dict.fromkeys(targets.measures, "the layer has no variance"), ())
    scaled = scaling(x) if protocol == "heldout" else x.astype(np.float64)
    reasons = dict(missing)
    unconverged: list[str] = []
    fitted: dict[str, Any] = {}
    for name in targets.measures:
        if name in reasons:
            continue
        converged = _converges(estimators[name], scaled, None if name == "clustering_nmi" else targets.of(name))
        if name == "clustering_nmi" and not converged:
            reasons[name] = "fewer distinct feature vectors than clusters"
            continue
        fitted[name] = estimators[name]
        if not converged:
            unconverged.append(name)
    return _Layer(x.shape[1], scaling if protocol == "heldout" else None, fitted, reasons, tuple(unconverged))


def _converges(estimator: Any, x: Floats, y: Any) -> bool:
    """Fit, and tell whether the solver reached its tolerance; its own warning about that is taken in."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(x, y)
    others = [warning for warning in caught if not issubclass(warning.category, ConvergenceWarning)]
    for warning in others:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return len(others) == len(caught)


def _scaling(x: Floats) -> _Scaling:
    exact = x.astype(np.float64)
    deviation = exact.std(0)
    varying = deviation > RESOLUTION * np.maximum(1.0, np.abs(exact).max(0))
    return _Scaling(exact.mean(0), np.where(varying, deviation, 1.0), varying)


def _score(
    layer: _Layer, x: Floats, targets: _Targets, missing: dict[str, str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Measures of one layer, and the reasons of those that are undefined."""
    if not np.isfinite(x).all():
        missing = dict.fromkeys(targets.measures, "features are not finite")
    reasons = missing | layer.reasons
    scaled = x.astype(np.float64) if layer.scaling is None else layer.scaling(x)
    names = [name for name in layer.estimators if name not in reasons]
    return {name: _measured(name, layer.estimators[name], scaled, targets.of(name)) for name in names}, reasons


def _measured(name: str, estimator: Any, x: Floats, y: Any) -> float:
    if name == "clustering_nmi":
        return float(normalized_mutual_info_score(y, estimator.predict(x)))
    return float(estimator.score(x, y))
