"""A model as a detector of anomalies, in PyOD's words and signs."""

import copy
import math
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy.special import erf
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from ratescape import checkpoint
from ratescape.compute.devices import chosen_device
from ratescape.data.formats.rows import is_unnamed
from ratescape.errors import CheckpointError, SpecError
from ratescape.estimators.fitting import by_name, data_of, fitted, frame_names, precise, run_of, seed_of
from ratescape.estimators.layout import Array, Layout
from ratescape.model.columns import ByColumn, names_of
from ratescape.model.hierarchy import HVAE
from ratescape.model.taking import whole
from ratescape.records.scores import Scores
from ratescape.scoring.combined import AUTO, Calibration, score_names
from ratescape.scoring.reference import Reference
from ratescape.scoring.scores import calibrating, score
from ratescape.specs.codec import to_dict
from ratescape.specs.given import Betas, Fields, as_spec
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec

HELD_OUT = 0.2
"""Share of the items that a model is not trained on, where the detector trains it: thresholds are calibrated by these,
since what was trained on looks less anomalous than anything new."""

FEWEST = 16
"""Items that a threshold can be calibrated by at all, with those that are trained on."""


class RateDetector(BaseEstimator):  # pyright: ignore[reportUntypedBaseClass]
    """Finds anomalous rows or images by what a hierarchical VAE says of them. High scores are abnormal, as in PyOD.

    That is the opposite of scikit-learn's own outlier detectors (``OutlierMixin``), where high is normal and
    ``predict`` gives 1 and -1; here it gives 0 and 1. Rows ``[N, D]`` are vectors, with ``image_shape`` images; arrays
    of four axes are images.

    Args:
        score: which of :class:`ratescape.records.scores.Scores` decides, such as ``llr_1``, ``mahalanobis`` or
            ``nelbo``; ``auto``: how improbable -ELBO, LLR>k, distance of rates and complexity-corrected -ELBO are
            together among held-out items, by Fisher's method (:mod:`ratescape.scoring.combined` says why).
        contamination: share of the items that are abnormal, above 0 and at most 0.5: so many of the held-out items are
            above the threshold; of all items of ``fit`` it may be more or fewer.
        model: a trained :class:`ratescape.HVAE`, whose training items ``fit`` is not to be given; or what ``fit``
            trains: fields of :class:`ratescape.ModelSpec`, such as ``{"latents": (4, 8)}``, or one; default: the usual
            network.
        betas: one for each layer, top layer first, or one number for all, of a model that is trained.
        image_shape: (H, W), (C, H, W) or (H, W, C) of images that are given as rows.
        samples: of each item's posterior.
        epochs: of training; default: 20, or as many as make 2,000 steps.
        device: such as ``cpu`` or ``cuda``; ``auto``: a GPU if there is one.
        random_state: of training, of what is held out and of samples, as of scikit-learn.
        verbose: whether ``fit`` prints how far it is, in some ten lines.

    Attributes:
        decision_scores_: of the items of ``fit`` ``[N]``; ``labels_``: 1 where they are above ``threshold_``, else 0.
        threshold_: the quantile 1 - contamination of the held-out items' scores.
        model_, reference_, calibration_: the model, and what it says of held-out items.

    Example::

        detector = RateDetector(contamination=0.05).fit(images)  # [N, C, H, W], or rows
        detector.predict(others), detector.decision_function(others)
        detector.save("detector.safetensors")
    """

    model_: HVAE
    layout_: Layout
    reference_: Reference
    calibration_: Calibration
    decision_scores_: Array
    labels_: Array
    threshold_: float

    def __init__(
        self,
        score: str = AUTO,
        contamination: float = 0.1,
        *,
        model: "HVAE | ModelSpec | Fields | None" = None,
        betas: Betas = 1.0,
        image_shape: Sequence[int] | None = None,
        samples: int = 1,
        epochs: int | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.score = score
        self.contamination = contamination
        self.model = model
        self.betas = betas
        self.image_shape = image_shape
        self.samples = samples
        self.epochs = epochs
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "RateDetector":
        """Train a model on four fifths of the items, or take the one given, and calibrate on the others.

        Warns:
            ConvergenceWarning: the model is not trained enough, with the epochs to try.

        Raises:
            ValueError: parameters or items that cannot be used, fewer than 16 items, or a training that diverged.
        """
        if not (isinstance(self.contamination, numbers.Real) and 0 < float(self.contamination) <= 0.5):
            raise SpecError(f"contamination is {self.contamination!r}: give a share above 0 and at most 0.5")
        whole(self.samples, "samples", 1)
        given = _checked(by_name(X, self.model) if isinstance(self.model, HVAE) else X)
        if len(given) < FEWEST:
            raise SpecError(f"X has {len(given)} items: give {FEWEST} at least, and hundreds for a good threshold")
        layout = Layout.of(given, self._image_shape(given))
        items, self.seed_ = layout.items(given), seed_of(self.random_state)
        if isinstance(self.model, HVAE):
            model, held = self.model, items
            self._check_score(len(model.latent_shapes), layout)
        else:
            order = np.random.default_rng(self.seed_).permutation(len(items))
            count = max(2, round(HELD_OUT * len(items)))
            model, held = self._trained(items[order[count:]], layout), items[order[:count]]
        self._take(model, layout)
        names = frame_names(X)
        if names and isinstance(self.model_.likelihood, ByColumn) and is_unnamed(names_of(self.model_.likelihood)):
            self.model_.likelihood.names = names
        self.reference_, known = calibrating(self._model(), held, self.samples, self.seed_)
        self.calibration_ = Calibration.of(known)
        self.threshold_ = float(np.quantile(self._chosen(known), 1 - self.contamination))
        self.decision_scores_ = self._chosen(self._scores(items))
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

    def decision_function(self, X: Any) -> Array:
        """How abnormal each item is ``[N]``: higher is more."""
        check_is_fitted(self, "threshold_")
        return self._chosen(self._scores(self._items(X)))

    def predict(self, X: Any) -> Array:
        """1 for items that are abnormal, 0 for others ``[N]``."""
        return (self.decision_function(X) > self.threshold_).astype(int)

    def predict_proba(self, X: Any, method: Literal["linear", "unify"] = "linear") -> Array:
        """How probable it is that an item is normal, and that it is abnormal ``[N, 2]``.

        Args:
            method: ``linear``: where its score lies between the lowest and highest of the items of ``fit``; ``unify``:
                by the error function of its distance from their mean, in standard deviations (Kriegel et al., 2011).
        """
        if method not in ("linear", "unify"):
            raise SpecError(f"method is {method!r}: it must be linear or unify")
        values, known = self.decision_function(X), self.decision_scores_
        if method == "linear":
            share = (values - known.min()) / max(np.ptp(known), np.finfo(float).tiny)
        else:
            share = erf((values - known.mean()) / max(known.std() * math.sqrt(2), np.finfo(float).tiny))
        abnormal = np.clip(share, 0, 1)
        return np.stack([1 - abnormal, abnormal], 1)

    def scores(self, X: Any) -> Scores:
        """All scores of every item, whichever decides."""
        check_is_fitted(self, "threshold_")
        return self._scores(self._items(X))

    def save(self, path: str | Path) -> None:
        """Write the detector to one safetensors file, which :meth:`load` reads: no code, and nothing pickled.

        Raises:
            RecordError: it cannot be written.
        """
        check_is_fitted(self, "threshold_")
        arrays = {f"reference.{name}": values for name, values in self.reference_.arrays.items()}
        arrays |= {f"calibration.{name}": values for name, values in self.calibration_.values.items()}
        arrays |= {"decision_scores": self.decision_scores_}
        tensors = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}
        tensors["model"] = torch.frombuffer(bytearray(checkpoint.to_bytes(self.model_)), dtype=torch.uint8)
        layout = {"axes": self.layout_.axes, "is_flat": self.layout_.is_flat}
        facts = {"detector": self._parameters(), "layout": layout, "threshold": self.threshold_, "seed": self.seed_}
        checkpoint.save(Path(path), tensors, facts)

    @classmethod
    def load(cls, path: str | Path) -> "RateDetector":
        """A detector that :meth:`save` wrote.

        Raises:
            CheckpointError: the file is missing or damaged, or holds something else.
        """
        tensors, facts = checkpoint.load(Path(path))
        if "detector" not in facts or "model" not in tensors:
            raise CheckpointError(f"{path} is no detector: name a file that RateDetector.save wrote")
        try:
            own = cls(**facts["detector"])
            model = checkpoint.from_bytes(tensors.pop("model").numpy().tobytes(), f"the model of {path}")
            own._take(model, Layout(tuple(facts["layout"]["axes"]), bool(facts["layout"]["is_flat"])))
            own.seed_, own.threshold_ = int(facts["seed"]), float(facts["threshold"])
            arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
            own.reference_ = Reference(*(arrays[f"reference.{name}"] for name in ("centre", "spread", "precision")))
            known = {name: values for name, values in arrays.items() if name.startswith("calibration.")}
            own.calibration_ = Calibration({name.partition(".")[2]: values for name, values in known.items()})
            own.decision_scores_ = arrays["decision_scores"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is no detector of this version ({error}): save it anew") from error
        own.labels_ = (own.decision_scores_ > own.threshold_).astype(int)
        return own

    def _items(self, X: Any) -> Array:
        """Rows, their columns found by name where these are known, or images."""
        return self.layout_.items(_checked(by_name(X, self.model_)))

    def _parameters(self) -> dict[str, Any]:
        """The parameters as JSON; a model that was given stands in the file itself, a state of randomness nowhere."""
        found: dict[str, Any] = dict(self.get_params(deep=False))
        found["model"] = None if isinstance(self.model, HVAE) else to_dict(as_spec(ModelSpec, self.model, "model"))
        found["random_state"] = self.random_state if isinstance(self.random_state, int) else None
        return found | {name: _listed(found[name]) for name in ("betas", "image_shape")}

    def _image_shape(self, given: Array) -> Sequence[int] | None:
        """The shape of rows that are images: as told, or as the model has it."""
        if self.image_shape is None and given.ndim == 2 and isinstance(self.model, HVAE):
            return self.model.image_shape if len(self.model.image_shape) > 1 else None
        return self.image_shape

    def _trained(self, items: Array, layout: Layout) -> HVAE:
        assert not isinstance(self.model, HVAE)
        spec = as_spec(ModelSpec, self.model, "model")
        data = data_of(items, binary=spec.likelihood == "bernoulli")
        run = run_of(data, spec, TrainingSpec(epochs=self.epochs), self.betas, None, self.seed_)
        self._check_score(run.model.layers, layout)
        return fitted(run, data, chosen_device(self.device), self.verbose, depth=3)[0]

    def _check_score(self, layers: int, layout: Layout) -> None:
        """Refuse a score that a model of so many layers does not have, before it is trained."""
        known = score_names(layers, layout.is_image)
        if self.score not in known:
            raise SpecError(f"score is {self.score!r}: this model has {', '.join(known)}")

    def _take(self, model: HVAE, layout: Layout) -> None:
        self.model_ = precise(copy.deepcopy(model), layout)
        self.layout_, self.n_features_in_ = layout, layout.features

    def _model(self) -> HVAE:
        return self.model_.to(chosen_device(self.device))

    def _scores(self, items: Array) -> Scores:
        return score(self._model(), items, samples=self.samples, seed=self.seed_, reference=self.reference_)

    def _chosen(self, scores: Scores) -> Array:
        known = {AUTO: None} | dict(self.calibration_.values)
        if self.score not in known:
            raise SpecError(f"score is {self.score!r}: this model has {', '.join(known)}")
        return self.calibration_.combined(scores) if self.score == AUTO else scores[self.score]

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and attributes, with models as the bytes of a safetensors file."""
        state = dict(super().__getstate__())
        return {name: checkpoint.to_bytes(value) if isinstance(value, HVAE) else value for name, value in state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = {name: value for name, value in state.items() if isinstance(value, bytes)}
        super().__setstate__(state | {name: checkpoint.from_bytes(value, "the model") for name, value in kept.items()})


def _checked(given: Any) -> Array:
    """Rows or images as an array of finite numbers, by scikit-learn's rules."""
    return check_array(given, allow_nd=True, input_name="X")


def _listed(value: Any) -> Any:
    return list(np.asarray(value).tolist()) if isinstance(value, (list, tuple, np.ndarray)) else value
