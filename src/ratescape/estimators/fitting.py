"""Train one model in memory: nothing is held out, measured or written."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_random_state

from ratescape.compute.precision import FLOAT
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.data.formats import Split, from_arrays
from ratescape.data.formats.arrays import Arrays
from ratescape.data.formats.objects import is_frame
from ratescape.data.formats.rows import is_unnamed
from ratescape.data.formats.tables import in_order
from ratescape.errors import SpecError
from ratescape.estimators.layout import Array, Layout
from ratescape.model.columns import names_of
from ratescape.model.hierarchy import HVAE
from ratescape.model.packs import member
from ratescape.model.registry import resolved_model
from ratescape.records.enough import epochs_to_try, verdict
from ratescape.records.spans import span
from ratescape.records.trained import facts_of
from ratescape.specs.data import DataSpec
from ratescape.specs.given import Betas, as_betas
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import Request, request_text, requested
from ratescape.specs.runs import RunSpec, TargetSpec, check_targets
from ratescape.specs.training import TrainingSpec
from ratescape.training.context import EpochRecord, TrainingContext
from ratescape.training.loop import train
from ratescape.training.schedule import resolved_training, with_optimiser
from ratescape.training.starting import initial, pack_policy

SEEDS = 2**31 - 1


def seed_of(state: Any) -> int:
    """A seed from what scikit-learn takes as ``random_state``: a number as it is, else one that is drawn."""
    return int(state) if isinstance(state, (int, np.integer)) else int(check_random_state(state).randint(SEEDS))


def precise(model: HVAE, layout: Layout) -> HVAE:
    """A model of vectors in float64, so that what it says of a row does not depend on the rows beside it."""
    return model if layout.is_image else model.double()


def frame_names(given: Any) -> tuple[str, ...]:
    """The names of a DataFrame's columns, if they are names; none of anything else."""
    names = tuple(map(str, given.columns)) if is_frame(given) else ()
    return () if is_unnamed(names) else names


def by_name(given: Any, model: HVAE) -> Any:
    """A DataFrame with its columns in the order of a model that knows them by name; anything else as it is.

    Raises:
        DataError: columns are missing or unknown.
    """
    return in_order(given, names_of(model.likelihood), "X") if is_frame(given) else given


def data_of(items: Array, binary: bool) -> ImageData:
    """Vectors ``[N, D]`` or images ``[N, *axes]``, all to train on.

    Raises:
        DataError: values that cannot be used, or vectors that are all alike.
    """
    found = from_arrays("X", Arrays(items))
    spec, none = DataSpec(name="X", binary=binary), Split(found.train.pixels[:0], None)
    return ImageData(spec, found.train, None, none, None, fingerprint="", columns=found.columns)


def run_of(
    data: ImageData, model: ModelSpec, training: TrainingSpec, betas: Betas, rates: Request | None, seed: int
) -> RunSpec:
    """The spec of a model of these data, with nothing left open.

    Args:
        betas: one for each layer, top first, or one number for all; they mean nothing beside ``rates``.
        rates: asked for, by layer; betas are then controlled.

    Raises:
        SpecError: betas or rates that do not fit the network, or a network that does not fit the data.
    """
    network = resolved_model(model, data.shape, bool(data.spec.binary))
    recipe = with_optimiser(resolved_training(training, len(data.train.pixels)), network)
    if rates is None:
        own = as_betas(betas, network.layers, network.usual_groups)
        return RunSpec(data.spec, network, recipe, own, seed)
    targets = requested(request_text(rates), network.layers, network.resolutions)
    check_targets(targets, network)
    return RunSpec(data.spec, network, recipe, (1.0,) * network.layers, seed, target=TargetSpec(targets))


LINES = 10
"""Lines that a whole training prints, about."""


class Printed:
    """Prints how far a training is, a tenth of it at a time, as estimators of scikit-learn do that are ``verbose``."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def step(self, done: int, total: int) -> None:
        """Steps are too many to be printed."""

    def epoch(self, records: Sequence[EpochRecord]) -> None:
        (record,) = records
        number = record["epoch"]
        if number == 1 or number * LINES // self.epochs > (number - 1) * LINES // self.epochs:
            rates = ", ".join(f"{rate:.1f}" for rate in record["rates"])
            so_far = f"epoch {number} of {self.epochs}, {span(record['seconds'])}"
            print(f"{so_far}: loss {record['loss']:.1f}, rates {rates} nats")  # noqa: T201 (as scikit-learn does)


Fitted = tuple[HVAE, tuple[float, ...], tuple[float, ...]]
"""A trained model, its betas, and its rates in the last epoch of training, nats per item; both top layer first."""


def fitted(run: RunSpec, data: ImageData, device: torch.device, verbose: Any = False, depth: int = 2) -> Fitted:
    """The trained model, and the betas and rates that it ended with; warns where it is not trained enough.

    Args:
        verbose: whether to print how far it is.
        depth: calls from here up to the user's own line, which a warning is of.

    Raises:
        SpecError: the training diverged.
    """
    images = Images.of(data, data.train.pixels, device, FLOAT[run.training.precision])
    model = initial(run, data).to(device)
    policy, _ = pack_policy((run,), len(images), torch.empty(0, device=device, dtype=images.dtype))
    context = TrainingContext(listener=Printed(run.training.epochs or 1) if verbose else None)
    trained = train(run.training, model, images, policy, 1, run.seed, context=context)
    history = trained.history[0]
    if history[-1]["status"] != "ok":
        raise SpecError(f"the training diverged at a learning_rate of {run.training.learning_rate}: choose a smaller")
    _warn(run, history, depth + 2)
    model.load_state_dict(member(trained.parameters, 0))
    betas = run.betas if run.target is None else tuple(history[-1]["betas"])
    return model.eval().requires_grad_(False), betas, tuple(history[-1]["rates"])


def _warn(run: RunSpec, history: list[EpochRecord], depth: int) -> None:
    betas = history[-1]["betas"]
    facts = facts_of(run, history, {f"beta_{len(betas) - index}": beta for index, beta in enumerate(betas)})
    words = {"far": "far from trained", "not to the end": "not trained to the end"}.get(verdict(facts) or "")
    if words:
        told = f"{words} after {facts.steps} steps ({facts.epochs} epochs): try epochs={epochs_to_try(facts)} or more"
        warnings.warn(told, ConvergenceWarning, stacklevel=depth)
