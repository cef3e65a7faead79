"""How much of the label can be read off one *sample* of q(z_l | x)? The probe that the ceilings bind.

Probes on posterior means (:mod:`ratescape.evaluation.probes`) are what a user builds on, but Eq. 11 says nothing about
them: a mean is a function of the image, and may tell the label although z_l, a mean buried in noise, carries next to
nothing. On samples data processing holds, so that an accuracy above its ceiling by more than its sampling error can
only be a defect, of the estimate of a rate, of information, or of the probe.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from ratescape.errors import DataError
from ratescape.evaluation.estimators import THREADS
from ratescape.evaluation.features import LayerArrays

Labels = npt.NDArray[np.integer[Any]]


class SampleProbes:
    """RBF SVMs on standardised samples of every layer of one model: fit once, score on any split.

    Example::

        probes = SampleProbes(posterior_samples(model, training_images, 0, fitting=True), training_labels)
        probes.score(posterior_samples(model, test_images, 0), test_labels)

    Args:
        layers: samples of each layer, top first, ``[N, D_l]``, of the images fitted to.
        labels: their classes ``[N]``.

    Raises:
        DataError: labels of one class only.
    """

    def __init__(self, layers: LayerArrays, labels: Labels) -> None:
        if len(np.unique(labels)) < 2:
            raise DataError("the fitting images are all of one class")
        self._estimators: list[Any] = []
        with threadpool_limits(THREADS):
            for x in layers:
                finite = bool(np.isfinite(x).all())
                fitted = make_pipeline(StandardScaler(), SVC(C=1.0, kernel="rbf", gamma="scale")) if finite else None
                self._estimators.append(None if fitted is None else fitted.fit(x, labels))

    def score(self, layers: LayerArrays, labels: Labels) -> list[float | None]:
        """Share of labels right, by layer, top first; None for a layer with samples that are not finite."""
        with threadpool_limits(THREADS):
            return [
                float(estimator.score(x, labels)) if estimator is not None and np.isfinite(x).all() else None
                for estimator, x in zip(self._estimators, layers, strict=True)
            ]
