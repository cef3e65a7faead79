"""How much of the labels is in each layer, and how much can be read off: information, probes and their ceilings.

Probes see the posterior means mu_l, which is what users build on. The ceilings bound what can be read off a *sample*
of q(z_l | x), so one more probe is fitted to samples: if that is above a ceiling, a measurement is wrong.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.data.formats import Split
from ratescape.errors import DataError
from ratescape.evaluation.bounds import accuracy_ceiling, exceeds, rate_ceiling
from ratescape.evaluation.information import layer_information
from ratescape.evaluation.probes import (
    LayerScores,
    Probes,
    features,
    fit_probes,
    fitting_images,
    paper_probes,
    paper_split,
)
from ratescape.evaluation.samples import SampleProbes, posterior_samples
from ratescape.model.hierarchy import HVAE
from ratescape.specs.evaluation import EvaluationSpec

Means = Callable[[], list[npt.NDArray[np.float32]]]
"""Gives the posterior means of every layer, top first, ``[N, D_l]``; measures them when first called."""

NO_LABELS = "the images have no labels"
ONE_CLASS = "the images are all of one class"


class Measured(NamedTuple):
    """Metrics of one split by name (lists run over the layers, top first), and why others are absent."""

    metrics: dict[str, Any]
    absent: dict[str, str]


class Representation:
    """Measures one model's layers on any split; probes are fitted once, to training images.

    Args:
        data: the images the model was trained on.
    """

    def __init__(self, model: HVAE, data: ImageData, spec: EvaluationSpec) -> None:
        self.model = model
        self.binary = bool(data.spec.binary)
        self.spec = spec
        self.probes: Probes | None = None
        self.ridge: Probes | None = None
        self.sample_probes: SampleProbes | None = None
        labels, targets = data.train.labels, data.train.targets
        if spec.probes != "heldout" or (labels is None and targets is None):
            return
        chosen = fitting_images(len(data.train.pixels), spec.seed)
        images = self._images(data.train.pixels[chosen])
        layers = features(model, images, spec.seed)
        if targets is not None:
            self.ridge = fit_probes(layers, numbers=targets[chosen])
        if labels is not None:
            self.probes = fit_probes(layers, labels[chosen], seed=spec.seed)
            if len(np.unique(labels[chosen])) > 1:
                drawn = posterior_samples(model, images, spec.seed, fitting=True)
                self.sample_probes = SampleProbes(drawn, labels[chosen])

    def on(self, split: Split, rates: list[float]) -> Measured:
        """Measure on one split: what needs labels, and what needs targets.

        Args:
            rates: mean rates of the layers on this split, top first, nats.
        """
        images = self._images(split.pixels)
        # Both kinds of probes see the same features, measured once, if any are wanted.
        means = functools.cache(lambda: features(self.model, images, self.spec.seed, self.spec.probes == "paper"))
        labelled, regressed = self._on_labels(split, images, means, rates), self._on_targets(split, means)
        return Measured(labelled.metrics | regressed.metrics, labelled.absent | regressed.absent)

    def _on_labels(self, split: Split, images: Images, means: Means, rates: list[float]) -> Measured:
        reason = NO_LABELS if split.labels is None else ONE_CLASS if len(np.unique(split.labels)) < 2 else None
        if split.labels is None or reason is not None:
            return Measured({}, {"accuracy": str(reason), "information": str(reason)})
        counts = np.bincount(split.labels)
        metrics: dict[str, Any] = {"ceiling_rate": rate_ceiling(rates, counts).tolist()}
        absent: dict[str, str] = {}
        if self.spec.information:
            try:
                metrics |= self._information(images, split.labels, counts)
            except DataError as error:
                absent["information"] = str(error)
        scores = self._scores(means, split.labels)
        if scores is not None:
            metrics |= scores.metrics
            absent |= {name: reason for layer in scores.reasons for name, reason in layer.items()}
            metrics |= self._sample_scores(images, split.labels, metrics)
        return Measured(metrics, absent)

    def _on_targets(self, split: Split, means: Means) -> Measured:
        """``ridge_r2`` of each layer, where there are targets."""
        if split.targets is None or self.spec.probes == "none":
            return Measured({}, {})
        try:
            if self.ridge is None:
                scores = paper_probes(means(), numbers=split.targets, seed=self.spec.seed)
            else:
                scores = self.ridge.score(means(), numbers=split.targets)
        except DataError as error:
            return Measured({}, {"ridge_r2": str(error)})
        return Measured(scores.metrics, {name: reason for layer in scores.reasons for name, reason in layer.items()})

    def _information(self, images: Images, labels: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
        layers = layer_information(self.model, images, labels, self.spec.seed)
        largest = [layer.paper for layer in layers]  # a ceiling must not rest on an estimate that is too small
        return {
            "information": [layer.leave_one_out for layer in layers],
            "information_paper": largest,
            "ceiling_information": accuracy_ceiling(largest, counts).tolist(),
        }

    def _scores(self, means: Means, labels: np.ndarray) -> LayerScores | None:
        if self.spec.probes == "paper":
            return paper_probes(means(), labels, seed=self.spec.seed)
        return None if self.probes is None else self.probes.score(means(), labels)

    def _sample_scores(self, images: Images, labels: np.ndarray, metrics: dict[str, Any]) -> dict[str, Any]:
        """``accuracy_sample`` of each layer, and a flag if one is above its ceiling."""
        layers = posterior_samples(self.model, images, self.spec.seed)
        if self.spec.probes == "paper":
            fit, scored = paper_split(len(labels), self.spec.seed)
            if len(np.unique(labels[fit])) < 2:
                return {}
            fitted = SampleProbes([x[fit] for x in layers], labels[fit])
            layers, labels = [x[scored] for x in layers], labels[scored]
        elif self.sample_probes is not None:
            fitted = self.sample_probes
        else:
            return {}
        accuracies = fitted.score(layers, labels)
        return {"accuracy_sample": accuracies, "flag": "; ".join(flags(accuracies, metrics, len(labels))) or None}

    def _images(self, pixels: np.ndarray) -> Images:
        like = next(self.model.parameters())
        return Images(pixels, self.binary, like.device, like.dtype)


def flags(accuracies: list[float | None], metrics: dict[str, Any], scored: int) -> list[str]:
    """Accuracies on samples above their ceilings by more than their sampling error, one short text each.

    Args:
        accuracies: of each layer, top first.
        metrics: with ``ceiling_...`` lists over the layers, top first.
        scored: images that accuracies were measured on.
    """
    ceilings = {name: values for name, values in metrics.items() if name.startswith("ceiling_")}
    return [
        f"accuracy_sample_{len(accuracies) - index} above {name}"
        for index, value in enumerate(accuracies)
        for name, limits in ceilings.items()
        if value is not None and exceeds(value, scored, limits[index])
    ]
