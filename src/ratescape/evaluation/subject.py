"""What is measured: one model and its images; what several measurements need of them is computed once and shared."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.data.formats import Split
from ratescape.evaluation.features import LayerArrays, as_array, features, fitting_images, posterior_samples, seen
from ratescape.evaluation.rates import Rates
from ratescape.evaluation.reading import Reading, read
from ratescape.judges.cache import Judge
from ratescape.model.hierarchy import HVAE
from ratescape.specs.evaluation import EvaluationSpec

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one measurement found on one split."""

    metrics: dict[str, Any]
    """By name; lists run over the layers, top first."""
    absent: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why other metrics are not there, by name."""
    errors: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Standard errors of those metrics that have one, by name, in the same form."""
    parts: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    """Of metrics that are means over images, their means over groups: see :func:`ratescape.evaluation.errors.parts`."""


@dataclasses.dataclass(eq=False)
class Subject:
    """A model that is measured, and all that decides what comes out.

    Raises:
        DataError: the judge was trained on other data.

    Example::

        records = suite.measure(Subject(model, data, (1.0, 1.0), EvaluationSpec(samples=0)))
    """

    model: HVAE
    data: ImageData
    """The images that the model was trained on, and those held out."""
    betas: tuple[float, ...]
    """Betas that it was trained at, top layer first: weights of the rates in the loss."""
    settings: EvaluationSpec
    judge: Judge | None = None
    """Of the inception scores; without one they are absent."""
    known: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.judge is not None:
            self.judge.check(self.data)

    def once(self, ask: Callable[["Subject"], T]) -> T:
        """What ``ask`` answers about this subject, asked once, such as probes that are scored on several splits."""
        if ask not in self.known:
            self.known[ask] = ask(self)
        return self.known[ask]

    def images(self, pixels: npt.NDArray[np.uint8]) -> Images:
        """Pixels ``[N, C, H, W]`` as the model takes them, on its device."""
        like = next(self.model.parameters())
        return Images.of(self.data, pixels, like.device, like.dtype)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @functools.cached_property
    def splits(self) -> dict[str, "SplitView"]:
        """The held-out splits by name, nothing computed yet."""
        return {name: SplitView(self, split, i) for i, (name, split) in enumerate(self.data.held_out.items())}

    def fitting(self) -> "SplitView":
        """The training images that probes are fitted to, nothing computed yet."""
        train = self.data.train
        chosen = fitting_images(len(train.pixels), self.settings.seed)
        labels = None if train.labels is None else train.labels[chosen]
        targets = None if train.targets is None else train.targets[chosen]
        return SplitView(self, Split(train.pixels[chosen], labels, targets), fitting=True)


@dataclasses.dataclass(eq=False)
class SplitView:
    """One split of N images as the subject sees it. What it needs is computed when first asked for, and kept."""

    subject: Subject
    split: Split
    position: int = 0
    """Among the held-out splits: each has draws of its own."""
    fitting: bool = False
    """Whether probes are fitted to it, rather than scored on it."""
    known: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def once(self, ask: Callable[[Subject, "SplitView"], T]) -> T:
        """What ``ask``, a measurement for one, answers about this split, asked once."""
        if ask not in self.known:
            self.known[ask] = ask(self.subject, self)
        return self.known[ask]

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """Classes ``[N]``."""
        return self.split.labels

    @property
    def targets(self) -> npt.NDArray[np.float64] | None:
        """Numbers to regress on, ``[N, T]``."""
        return self.split.targets

    @functools.cached_property
    def images(self) -> Images:
        """The images on the model's device."""
        return self.subject.images(self.split.pixels)

    @functools.cached_property
    def reading(self) -> Reading:
        """All that measurements need of the passes over the images."""
        settings = self.subject.settings
        return read(self.subject.model, self.images, settings.seed, settings.draws)

    @property
    def rates(self) -> Rates:
        """Rates ``[N, L]`` and distortion ``[N]`` of every image, nats."""
        return self.reading.rates

    @functools.cached_property
    def layer_rates(self) -> list[float]:
        """Mean rates of the layers, top first, nats per image."""
        return self.rates.rates.mean(0).tolist()

    @functools.cached_property
    def means(self) -> LayerArrays:
        """Posterior means of every layer as probes see them, top first, ``[N, D_l]``, by their protocol."""
        settings = self.subject.settings
        if self.fitting:
            return features(self.subject.model, self.images, settings.seed)
        if settings.probes == "paper":
            return self._seen([posterior.mean for posterior in self.reading.posteriors])
        return self._seen(self.reading.restored.means)

    @functools.cached_property
    def samples(self) -> LayerArrays:
        """One sample of the posterior of every layer as probes see it, top first, ``[N, D_l]``."""
        if self.fitting:
            return posterior_samples(self.subject.model, self.images, self.subject.settings.seed)
        return self._seen(self.reading.samples)

    def _seen(self, layers: Sequence[Tensor]) -> LayerArrays:
        """What probes see of the layers' values, top first, ``[N, D_l]``."""
        return [as_array(seen(self.subject.model, index, values)) for index, values in enumerate(layers)]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """How some metrics are measured: see :func:`ratescape.evaluation.suite.register`."""

    columns: tuple[str, ...]
    """Its metrics by their names in a record: those of :mod:`ratescape.metrics`, and ``rates`` for the layers'."""
    measure: Callable[[Subject, SplitView], Measured]
    """Gives some of these metrics, and why others are absent."""
