"""How much of the label can be read off one *sample* of q(z_l | x)? The probe that the ceilings bind.

Probes on posterior means (:mod:`ratescape.evaluation.probes`) are what a user builds on, but Eq. 11 says nothing about
them: a mean is a function of the image, and may tell the label although z_l, a mean buried in noise, carries next to
nothing. On samples data processing holds, so that an accuracy above its ceiling by more than its sampling error can
only be a defect, of the estimate of a rate, of information, or of the probe.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from ratescape.errors import DataError
from ratescape.evaluation.classifiers import Labels, RadialSVM
from ratescape.evaluation.estimators import THREADS
from ratescape.evaluation.features import LayerArrays


class SampleProbes:
    """RBF SVMs on standardised samples of every layer of one model: fit once, score on any split.

    Example::

        probes = SampleProbes(posterior_samples(model, training_images, seed=0), training_labels)
        probes.score([z.numpy() for z in read(model, test_images, seed=0).samples], test_labels)

    Args:
        layers: samples of each layer, top first, ``[N, D_l]``, of the images fitted to.
        labels: their classes ``[N]``.

    Raises:
        DataError: labels of one class only.
    """

    def __init__(self, layers: LayerArrays, labels: Labels) -> None:
        if len(np.unique(labels)) < 2:
            raise DataError("the fitting images are all of one class")
        from sklearn.preprocessing import StandardScaler  # takes a second

        self._fitted: list[tuple[StandardScaler, RadialSVM] | None] = []
        with threadpool_limits(THREADS):
            for x in layers:
                scaler = StandardScaler()
                finite = bool(np.isfinite(x).all())
                self._fitted.append((scaler, RadialSVM().fit(scaler.fit_transform(x), labels)) if finite else None)

    def score(self, layers: LayerArrays, labels: Labels) -> list[float | None]:
        """Share of labels right, by layer, top first; None for a layer with samples that are not finite."""
        scores: list[float | None] = []
        with threadpool_limits(THREADS):
            for fitted, x in zip(self._fitted, layers, strict=True):
                if fitted is None or not np.isfinite(x).all():
                    scores.append(None)
                    continue
                scaler, probe = fitted
                scores.append(probe.score(scaler.transform(x), labels))
        return scores
