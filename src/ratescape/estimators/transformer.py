"""A model as a transformer of scikit-learn."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, check_random_state, validate_data
from torch import Tensor

from ratescape import checkpoint
from ratescape.compute.devices import chosen_device
from ratescape.data.batches import stream
from ratescape.data.formats.rows import is_unnamed
from ratescape.errors import SpecError
from ratescape.estimators.fitting import SEEDS, by_name, data_of, fitted, precise, run_of, seed_of
from ratescape.estimators.layout import Array, Layout
from ratescape.model.columns import names_of
from ratescape.model.hierarchy import CHUNK, HVAE, PosteriorSample
from ratescape.model.registry import USUAL, USUAL_FOR_VECTORS
from ratescape.specs.codec import to_dict
from ratescape.specs.given import Betas, Fields, as_spec
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import Request
from ratescape.specs.training import TrainingSpec


class RateTransformer(TransformerMixin, BaseEstimator):  # pyright: ignore[reportUntypedBaseClass]
    """Represents rows or images by the latents of a hierarchical VAE, whose layers carry what its betas or rates say.

    Rows ``[N, D]`` are vectors, with ``image_shape`` images; arrays of four axes are images. All of them are trained
    on, in memory. Columns of vectors are standardised; booleans count as the numbers 0 and 1.

    Args:
        betas: one multiplier for each layer, top layer first, or one number for all. A larger one has its layer carry
            less.
        rates: nats per item that layers shall carry, by their numbers, as ``{2: 3, 1: 8}`` or ``"total=10"``: betas are
            then found in training, and ``betas`` other than 1 are refused.
        latents: dimensions of each layer, top first; default: what the family has.
        width: of hidden vectors, or channels of hidden maps; default: what the family has.
        model: further fields of :class:`ratescape.ModelSpec`, such as ``{"family": "residual"}``, or one.
        image_shape: (H, W), (C, H, W) or (H, W, C) of images that are given as rows.
        layer: number of the layer that ``transform`` gives: 1 is the lowest, L the top; default: all, side by side.
        epochs: passes over the rows; default: 20, or as many as make 2,000 steps where rows are few.
        batch_size: rows in a step.
        learning_rate: at its peak.
        device: such as ``cpu`` or ``cuda``; ``auto``: a GPU if there is one.
        random_state: of weights, order and noise, as of scikit-learn.
        verbose: whether ``fit`` prints how far it is, in some ten lines.

    Attributes:
        model_: the trained :class:`ratescape.HVAE`; of vectors in float64, so that what it says of a row does not
            depend on the rows beside it.
        betas_: that it was trained at in the end, top layer first.
        rates_: of the layers in the last epoch of ``fit``, nats per item, top first: whether ``rates`` were reached.
        n_features_in_, feature_names_in_: as of scikit-learn.

    Example::

        pipe = make_pipeline(RateTransformer(betas=(0.3, 1.0), random_state=0), LogisticRegression())
        GridSearchCV(pipe, {"ratetransformer__betas": [(1, 1), (0.1, 1)]}).fit(X, y)
    """

    model_: HVAE
    betas_: tuple[float, ...]
    rates_: tuple[float, ...]
    layout_: Layout
    _by_name = False  # of a model trained elsewhere; after fit, scikit-learn's rule holds: columns in their order

    def __init__(
        self,
        betas: Betas = (1.0, 1.0),
        rates: Request | None = None,
        *,
        latents: Sequence[int] | None = None,
        width: int | None = None,
        model: ModelSpec | Fields | None = None,
        image_shape: Sequence[int] | None = None,
        layer: int | None = None,
        epochs: int | None = None,
        batch_size: int = 256,
        learning_rate: float = 3e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.betas = betas
        self.rates = rates
        self.latents = latents
        self.width = width
        self.model = model
        self.image_shape = image_shape
        self.layer = layer
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def of(cls, model: HVAE, betas: Betas = 1.0) -> "RateTransformer":
        """A transformer that is fitted already, with a model that was trained elsewhere.

        Args:
            betas: that it was trained at: a clone is trained at these.

        Example::

            RateTransformer.of(rs.load("digits/runs/0123456789ab")).transform(X)
        """
        own = cls(betas, model=model.spec, device=next(model.parameters()).device.type)
        own._take(copy.deepcopy(model), Layout(tuple(model.image_shape), is_flat=len(model.image_shape) == 1))
        names = names_of(model.likelihood)
        if not is_unnamed(names):
            own.feature_names_in_, own._by_name = np.asarray(names, dtype=object), True
        own.betas_ = tuple(np.broadcast_to(betas, len(model.latent_shapes)).tolist())
        return own

    def fit(self, X: Any, y: Any = None) -> "RateTransformer":
        """Train on rows ``[N, D]`` or images; ``y`` is ignored.

        Warns:
            ConvergenceWarning: it is not trained enough, with the epochs to try.

        Raises:
            ValueError: parameters or rows that cannot be used, or a training that diverged.
            DataError: pixels that cannot be used, or rows that are all alike.
        """
        if self.rates is not None and np.any(np.asarray(self.betas) != 1):
            raise SpecError(f"betas are {self.betas!r} beside rates, which find them: leave betas or rates out")
        self._by_name = False
        given = self._checked(X, is_new=True)
        layout = Layout.of(given, self.image_shape)
        spec = self._model_spec(layout)
        data = data_of(layout.items(given), binary=spec.likelihood == "bernoulli")
        training = TrainingSpec(epochs=self.epochs, batch=self.batch_size, learning_rate=self.learning_rate)
        run = run_of(data, spec, training, self.betas, self.rates, seed_of(self.random_state))
        self._chosen(run.model.layers)  # is refused before the training
        model, self.betas_, self.rates_ = fitted(run, data, chosen_device(self.device), self.verbose)
        self._take(model, layout)
        return self

    def transform(self, X: Any) -> Array:
        """Posterior means of the layers side by side ``[N, sum of d]``, top layer first; of ``layer`` alone if given.

        Raises:
            ValueError: rows of another form than those of ``fit``.
        """
        check_is_fitted(self, "model_")
        given = self._checked(X)
        layers = self._chosen(len(self.model_.latent_shapes))
        means = self._model().encode(self.layout_.items(given))
        found = torch.cat([means[index].flatten(1) for index in layers], 1).cpu().numpy()
        return found.astype(np.float32 if given.dtype == np.float32 or self.layout_.is_image else np.float64)

    def inverse_transform(self, X: Any) -> Array:
        """Expected rows ``[N, D]``, or images, of what ``transform`` gives; of ``layer`` alone if given.

        Layers that are not given are filled in by the mode of their prior.
        """
        check_is_fitted(self, "model_")
        given, sizes = check_array(X), self._sizes()
        chosen = self._chosen(len(sizes))
        if given.shape[1] != (width := sum(sizes[index] for index in chosen)):
            raise SpecError(f"X has {given.shape[1]} columns: give the {width} that transform gives")
        model, latents = self._model(), list[Tensor | None]([None] * len(sizes))
        parts = np.split(given, np.cumsum([sizes[index] for index in chosen])[:-1], 1)
        for index, part in zip(chosen, parts, strict=True):
            latents[index] = torch.from_numpy(part).reshape(-1, *model.latent_shapes[index])
        return self.layout_.array(model.decode(latents))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Array:
        """Expected rows or images of latents drawn from the prior, in the units of the data."""
        check_is_fitted(self, "model_")
        seed = int(check_random_state(random_state).randint(SEEDS))
        return self.layout_.array(self._model().sample(n_samples, seed=seed))

    @torch.no_grad()
    def score(self, X: Any, y: Any = None) -> float:
        """Mean ELBO, nats per item, of rows in their own units; ``y`` is ignored. One sample of latents an item.

        A model of betas other than 1 is not trained for it.
        """
        check_is_fitted(self, "model_")
        model, total = self._model(), 0.0
        items = model.inputs(self.layout_.items(self._checked(X)))
        generator = torch.Generator(items.device).manual_seed(stream(0, "evaluation"))
        for chunk in items.split(CHUNK):
            result = model(PosteriorSample(model.noise(len(chunk), generator)), chunk)
            total -= float((result.distortion + result.rates.sum(1)).double().sum())
        return total / len(items)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of what ``transform`` gives: ``z2_0``, ``z2_1``, ..., ``z1_0``, ..."""
        check_is_fitted(self, "model_")
        own = getattr(self, "feature_names_in_", None)
        if input_features is not None and len(input_features) != self.n_features_in_:
            raise SpecError(f"input_features should have length equal to n_features_in_ ({self.n_features_in_})")
        if input_features is not None and own is not None and list(input_features) != list(own):
            raise SpecError("input_features is not equal to feature_names_in_")
        sizes = self._sizes()
        names = [f"z{len(sizes) - index}_{unit}" for index in self._chosen(len(sizes)) for unit in range(sizes[index])]
        return np.asarray(names, dtype=object)

    def _checked(self, given: Any, *, is_new: bool = False) -> Array:
        """Rows or images as an array, by scikit-learn's rules."""
        if getattr(given, "ndim", 2) == 4:
            found = check_array(given, allow_nd=True, ensure_min_samples=2 if is_new else 1)
            if is_new:
                self.n_features_in_ = int(np.prod(found.shape[1:]))
                self.__dict__.pop("feature_names_in_", None)  # of rows that it was fitted to before
            elif not self.layout_.is_image:
                raise SpecError(f"X has shape {found.shape}, but the model takes rows of {self.n_features_in_} columns")
            return found
        given = by_name(given, self.model_) if self._by_name and not is_new else given
        is_image = self.image_shape is not None if is_new else self.layout_.is_image
        dtype = "numeric" if is_image else [np.float64, np.float32]
        return validate_data(self, given, reset=is_new, dtype=dtype, ensure_min_samples=2 if is_new else 1)

    def _model_spec(self, layout: Layout) -> ModelSpec:
        spec, given = as_spec(ModelSpec, self.model, "model"), {"latents": self.latents, "channels": self.width}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if spec.factory is None and spec.family == USUAL and not layout.is_image:
            chosen["family"] = USUAL_FOR_VECTORS  # first: it takes any number of latents
        return as_spec(ModelSpec, to_dict(spec) | chosen, "model")

    def _take(self, model: HVAE, layout: Layout) -> None:
        self.model_ = precise(model, layout)
        self.layout_, self.n_features_in_ = layout, layout.features

    def _model(self) -> HVAE:
        """The model, on its device."""
        return self.model_.to(chosen_device(self.device))

    def _sizes(self) -> list[int]:
        """Numbers that each layer has, top first."""
        return [int(np.prod(shape)) for shape in self.model_.latent_shapes]

    def _chosen(self, count: int) -> list[int]:
        """Indices of the layers that are asked for, of so many, top first."""
        if self.layer is None:
            return list(range(count))
        if self.layer not in range(1, count + 1):
            raise SpecError(f"layer is {self.layer!r}: give a number from 1 (the lowest) to {count} (the top), or None")
        return [count - self.layer]

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and attributes, with the model as the bytes of a safetensors file."""
        state = dict(super().__getstate__())
        return state | {"model_": checkpoint.to_bytes(self.model_)} if "model_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = state.get("model_")
        super().__setstate__(state if kept is None else state | {"model_": checkpoint.from_bytes(kept, "the model")})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
