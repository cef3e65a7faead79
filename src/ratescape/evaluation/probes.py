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
  test; features at the modes of the layers above. At most 5,000 training images are used: SVMs cost some
  N^2 D, and twice as many images take more than twice the time and raise accuracies by about a hundredth.
- ``paper``: fitted to 80 % of the split that is measured, scored on the other 20 %, features as they are, at a sample
  of the layers above (``features(..., sampled=True)``). Without scaling, logistic regression often stops at its limit
  of iterations: the accuracy is kept, and the probe listed as not converged.

The paper averages logistic regression over five seeds. Its solver (L-BFGS on a convex loss, from 0) draws nothing, so
that on one split all seeds give one number, which is also their mean: it is fitted once.

Of a deep network's maps of more than 256 dimensions, probes see averages over at most 4 x 4 cells
(:func:`ratescape.evaluation.features.seen`).

Splits are functions of a number of images and a seed, so that all models of a sweep are probed on the same images.
A measure that is undefined is None, with a reason; never a number.

Means are not samples: they may tell much of the label although z_l, a mean buried in noise, tells nothing. Both
protocols see such means, since RBF and kNN look at relative distances alone: on MNIST, the means of a layer of
0.02 nats gave RBF accuracies of 0.75. The ceilings of Eq. 11 bound what can be read off samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ratescape.errors import DataError
from ratescape.evaluation.estimators import (
    LABEL_MEASURES,
    NEIGHBOURS,
    NUMBER_MEASURES,
    THREADS,
    Floats,
    LayerScores,
    Protocol,
    Scaling,
    Scored,
    converges,
    scaling_of,
    score_of,
    unfitted,
)
from ratescape.evaluation.features import paper_split


class _Targets(NamedTuple):
    """What probes predict: labels int ``[N]`` and numbers ``[N, T]``, either or both."""

    labels: npt.NDArray[np.integer[Any]] | None
    numbers: Floats | None
    wanted: tuple[str, ...]
    """Measures of labels that are wanted, where there are any."""

    @property
    def measures(self) -> tuple[str, ...]:
        return (() if self.labels is None else self.wanted) + (() if self.numbers is None else NUMBER_MEASURES)

    def of(self, measure: str) -> Any:
        return self.numbers if measure in NUMBER_MEASURES else self.labels


@dataclass(frozen=True, eq=False)
class _Layer:
    """The fitted probes of one layer."""

    size: int
    scaling: Scaling | None
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
        targets = _checked(layers, labels, numbers, tuple(name for name in self.measures if name in LABEL_MEASURES))
        if targets.measures != self.measures or [x.shape[1] for x in layers] != [layer.size for layer in self.layers]:
            raise DataError("the probes were fitted to other targets or layers: score them on features of one model")
        missing, names = _score_reasons(targets, self.classes), self.measures
        with threadpool_limits(THREADS):
            results = [_score(layer, x, targets, missing) for layer, x in zip(self.layers, layers, strict=True)]
        depth = len(results)
        return LayerScores(
            metrics={name: [found[name].value if name in found else None for found, _ in results] for name in names},
            errors={name: [found[name].error if name in found else None for found, _ in results] for name in names},
            parts={
                f"{name}_{depth - index}": scored.parts
                for index, (found, _) in enumerate(results)
                for name, scored in found.items()
                if scored.parts
            },
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
    measures: tuple[str, ...] = LABEL_MEASURES,
) -> Probes:
    """Fit the probes of every layer.

    Example::

        fitted = fit_probes(features(model, training_images, seed=0), training_labels)
        fitted.score(features(model, test_images, seed=0), test_labels).metrics["accuracy_rbf"]

    Args:
        layers: features of each layer, top first, ``[N, D_l]``.
        labels: classes, whole numbers ``[N]``.
        numbers: targets of ridge regression ``[N]`` or ``[N, T]``.
        protocol: whether features are standardised, and the limits of iterations.
        seed: of the starts of k-means.
        measures: those of labels that are wanted.

    Raises:
        DataError: neither labels nor numbers, or arrays that do not fit together.
    """
    targets = _checked(layers, labels, numbers, measures)
    classes = np.unique(np.zeros(0, np.intp) if targets.labels is None else targets.labels)
    missing = _fit_reasons(targets, classes)
    with threadpool_limits(THREADS):
        probes = [_fit(x, targets, missing, protocol, unfitted(len(classes), protocol, seed)) for x in layers]
    return Probes(probes, targets.measures, classes, len(layers[0]))


def paper_probes(
    layers: Sequence[Floats],
    labels: npt.ArrayLike | None = None,
    numbers: npt.ArrayLike | None = None,
    *,
    seed: int = 0,
    measures: tuple[str, ...] = LABEL_MEASURES,
) -> LayerScores:
    """The paper's protocol on the features of one split; arguments as of :func:`fit_probes`.

    Example::

        paper_probes(features(model, test_images, seed=0, sampled=True), test_labels).metrics["accuracy_rbf"]

    Args:
        layers: ``features(..., sampled=True)`` of the images of the split.
        seed: of the permutation that divides the images, and of the starts of k-means.
        measures: as of :func:`fit_probes`.

    Raises:
        DataError: as :func:`fit_probes`, or fewer than two images.
    """
    given = _checked(layers, labels, numbers, measures)[:2]
    parts = [
        ([x[part] for x in layers], *(None if values is None else values[part] for values in given))
        for part in paper_split(len(layers[0]), seed)
    ]
    return fit_probes(*parts[0], protocol="paper", seed=seed, measures=measures).score(*parts[1])


def _checked(
    layers: Sequence[Floats],
    labels: npt.ArrayLike | None,
    numbers: npt.ArrayLike | None,
    wanted: tuple[str, ...],
) -> _Targets:
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
        return _Targets(classes, None, wanted)
    if values.shape[:1] != (count,) or values.ndim > 2 or values.size == 0 or not np.isfinite(values).all():
        raise DataError(f"numbers of shape {values.shape} of {count} images: give finite ones for each image")
    return _Targets(classes, values.reshape(count, -1), wanted)


def _fit_reasons(targets: _Targets, classes: npt.NDArray[np.integer[Any]]) -> dict[str, str]:
    """Why measures are undefined, whatever the features: from what the probes are fitted to."""
    reasons: dict[str, str] = {}
    if targets.labels is not None:
        if "accuracy_knn" in targets.wanted and len(targets.labels) < NEIGHBOURS:
            reasons["accuracy_knn"] = f"{len(targets.labels)} fitting images are fewer than k = {NEIGHBOURS}"
        if len(classes) < 2:
            reasons |= dict.fromkeys(targets.wanted, "the fitting images are all of one class")
        elif len(targets.labels) < 2 * len(classes):
            few = (
                f"{len(classes)} classes among {len(targets.labels)} fitting images: two of each are needed on average"
            )
            reasons |= dict.fromkeys(targets.wanted, few)
    if targets.numbers is not None and np.ptp(targets.numbers, axis=0).min() == 0:
        reasons["ridge_r2"] = "a number is the same for all fitting images"
    return reasons


def _score_reasons(targets: _Targets, classes: npt.NDArray[np.integer[Any]]) -> dict[str, str]:
    """Why measures are undefined, whatever the features: from what the probes are scored on."""
    reasons: dict[str, str] = {}
    if targets.labels is not None:
        unseen = np.setdiff1d(targets.labels, classes)
        if len(unseen):
            reasons = dict.fromkeys(targets.wanted, f"class {unseen[0]} is scored but not among the fitting images")
        elif len(np.unique(targets.labels)) < 2:
            reasons = dict.fromkeys(targets.wanted, "the scored images are all of one class")
    if targets.numbers is not None and np.ptp(targets.numbers, axis=0).min() == 0:
        reasons["ridge_r2"] = "a number is the same for all scored images"
    return reasons


def _fit(
    x: Floats, targets: _Targets, missing: dict[str, str], protocol: Protocol, estimators: dict[str, Any]
) -> _Layer:
    """Fit the probes of one layer, but for those that are undefined anyway (``missing``)."""
    if not np.isfinite(x).all():
        return _Layer(x.shape[1], None, {}, dict.fromkeys(targets.measures, "features are not finite"), ())
    scaling = scaling_of(x)
    if not scaling.varying.any():
        return _Layer(x.shape[1], None, {}, dict.fromkeys(targets.measures, "the layer has no variance"), ())
    scaled = scaling(x) if protocol == "heldout" else x.astype(np.float64)
    reasons = dict(missing)
    unconverged: list[str] = []
    fitted: dict[str, Any] = {}
    for name in targets.measures:
        if name in reasons:
            continue
        converged = converges(estimators[name], scaled, None if name == "clustering_nmi" else targets.of(name))
        if name == "clustering_nmi" and not converged:
            reasons[name] = "fewer distinct feature vectors than clusters"
            continue
        fitted[name] = estimators[name]
        if not converged:
            unconverged.append(name)
    return _Layer(x.shape[1], scaling if protocol == "heldout" else None, fitted, reasons, tuple(unconverged))


def _score(
    layer: _Layer, x: Floats, targets: _Targets, missing: dict[str, str]
) -> tuple[dict[str, Scored], dict[str, str]]:
    """Measures of one layer, and the reasons of those that are undefined."""
    if not np.isfinite(x).all():
        missing = dict.fromkeys(targets.measures, "features are not finite")
    reasons = missing | layer.reasons
    scaled = x.astype(np.float64) if layer.scaling is None else layer.scaling(x)
    names = [name for name in layer.estimators if name not in reasons]
    return {name: score_of(name, layer.estimators[name], scaled, targets.of(name)) for name in names}, reasons
