"""Items of any number -> the scores of each: see :class:`ratescape.records.scores.Scores`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratescape.coding.frames import frames_of
from ratescape.compute.precision import arithmetic
from ratescape.data.batches import stream
from ratescape.errors import DataError, SpecError
from ratescape.model.columns import ByColumn
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE
from ratescape.model.taking import whole
from ratescape.records.layers import is_long
from ratescape.records.scores import Numbers, Scores
from ratescape.scoring.bounds import SOURCES, Bounds, bounds
from ratescape.scoring.complexity import png_nats
from ratescape.scoring.reference import Reference

OUTPUTS, MOST_ITEMS = 8_000_000, 500
"""Numbers that decoders give at once, 32 MB, and items at once: both bound the memory."""

REFERENCE_ITEMS = 2000
"""In-distribution items whose rates are measured, at most: of so many a spread is known to 1.6 %."""

Told = Callable[[int], object]
"""Is told how many items are scored."""


@torch.no_grad()
def score(
    model: HVAE, items: Any, *, samples: int = 1, seed: int = 0, reference: Any = None, progress: Told | None = None
) -> Scores:
    """As :meth:`ratescape.model.uses.Uses.score`.

    All items share the noise of their samples, so that nothing depends on the order or number of them.

    Args:
        progress: is told how many items are scored so far.

    Example::

        score(model, images, samples=10)["nelbo"]
    """
    known = reference
    if reference is not None and not isinstance(reference, Reference):
        known = reference_of(model, reference, samples, seed)
    frames, like = frames_of(items, model.image_shape), next(model.parameters())
    generator = torch.Generator(like.device).manual_seed(stream(seed, "evaluation"))
    noise = [model.noise(1, generator) for _ in range(whole(samples, "samples", 1))]
    parts: list[dict[str, Numbers]] = []
    with arithmetic("float32", like.device):
        for begin in range(0, len(frames), at_once(model)):
            end = min(begin + at_once(model), len(frames))
            batch = _inputs(model, frames.take(begin, end), items, len(frames))
            own = _columns(bounds(model, batch, noise)) | _of_images(model, batch)
            parts.append(own)
            if progress is not None:
                progress(end)
    if not parts:
        raise DataError("items is empty: give at least one")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Scores(_finished(model, columns, known), tuple(frames.names))


def _inputs(model: HVAE, part: Any, items: Any, count: int) -> torch.Tensor:
    """What a model takes of some items; errors tell of all of them, and name the path that they are from."""
    try:
        return model.inputs(part)
    except SpecError as error:
        told, shape = str(error), tuple(getattr(part, "shape", ()))
        told = told.replace(f"shape {shape}", f"shape {(count, *shape[1:])}")
        raise SpecError(f"{items}: {told}" if isinstance(items, (str, Path)) else told) from error


def at_once(model: HVAE) -> int:
    """How many items are scored at once: memory stays the same whatever their size and the number of layers."""
    values = int(np.prod(model.image_shape[1:])) * model.likelihood.output_channels(model.image_shape[0])
    if isinstance(model.likelihood, ByColumn):
        values = 2 * model.image_shape[0]
    return max(1, min(MOST_ITEMS, OUTPUTS // (values * max(SOURCES, len(model.latent_shapes)))))


def reference_of(model: HVAE, items: Any, samples: int = 1, seed: int = 0) -> Reference:
    """The rates of in-distribution items that the model was not trained on, the first :data:`REFERENCE_ITEMS` of them.

    Args:
        samples: as of the scores to be compared, and so is ``seed``: all share their noise.

    Example::

        reference = reference_of(model, data.validation)
    """
    return first_calibrating(model, items, samples, seed)[0]


def first_calibrating(model: HVAE, items: Any, samples: int = 1, seed: int = 0) -> tuple[Reference, Scores]:
    """As :func:`calibrating`, by the first :data:`REFERENCE_ITEMS` of the items."""
    frames = frames_of(items, model.image_shape)
    return calibrating(model, frames.take(0, min(len(frames), REFERENCE_ITEMS)), samples, seed)


def calibrating(model: HVAE, items: Any, samples: int = 1, seed: int = 0) -> tuple[Reference, Scores]:
    """Scores of in-distribution items that the model was not trained on, and the reference that their rates make.

    Example::

        reference, known = calibrating(model, data.validation)
        calibration = Calibration.of(known)
    """
    found = score(model, items, samples=samples, seed=seed)
    rates = group_rates(model, found.columns)
    reference = Reference.of(rates)
    return reference, Scores({**found.columns, "mahalanobis": reference.distance(rates)}, found.items)


def group_rates(model: HVAE, columns: Any) -> Numbers:
    """Rates of each layer ``[N, L]``, or of each group ``[N, G]`` of a network with many layers; top first."""
    layers = len(model.latent_shapes)
    rates = np.stack([columns[f"rate_{layer}"] for layer in range(layers, 0, -1)], 1)
    groups = model.spec.usual_groups if layers > 2 and model.spec.layers == layers else ()
    if not is_long(groups):
        return rates
    return np.stack([rates[:, np.array(groups) == group].sum(1) for group in range(max(groups) + 1)], 1)


def _columns(found: Bounds) -> dict[str, Numbers]:
    """What is found of a batch, by name."""
    rates, llr = found.rates.cpu().numpy(), found.llr.cpu().numpy()
    layers, distortion = rates.shape[1], found.distortion.cpu().numpy()
    columns = {f"rate_{layers - index}": rates[:, index] for index in range(layers)}
    columns |= {"rate": rates.sum(1), "distortion": distortion, "nelbo": distortion + rates.sum(1)}
    columns["nll"] = found.nll.cpu().numpy()
    return columns | {f"llr_{layers - 1 - index}": llr[:, index] for index in range(layers - 1)}


def _of_images(model: HVAE, batch: torch.Tensor) -> dict[str, Numbers]:
    if isinstance(model.likelihood, ByColumn):
        return {}
    return {"complexity": png_nats(batch, isinstance(model.likelihood, Bernoulli))}


def _finished(model: HVAE, columns: dict[str, Numbers], reference: Reference | None) -> dict[str, Numbers]:
    """With the scores that follow from others."""
    if reference is not None:
        columns["mahalanobis"] = reference.distance(group_rates(model, columns))
    if "complexity" in columns:
        columns["corrected"] = columns["nelbo"] - columns["complexity"]
    return columns
