"""What is known of a model or a landscape, for its card."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ratescape import metrics
from ratescape.errors import RatescapeError
from ratescape.evaluation.pictures import samples, strip_png
from ratescape.model.columns import ByColumn
from ratescape.model.hierarchy import CHUNK, HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.model.numerics import psnr_of

if TYPE_CHECKING:  # the public face, since this room knows none of those that it stands on by name
    import ratescape

SHOWN = ("rate", "psnr", "r2", "distortion", "nelbo", "inception_score")
"""Metrics of a record that a card names."""

PICTURES = {"reconstructions.png": "Held-out images, and below them their reconstructions.", "samples.png": "Samples."}
FIGURES = {
    "figures/landscape.png": "The rate landscape: each dot is a model, placed by the rates of its layers.",
    "figures/pairs.png": "The rates of every two groups of layers.",
}

Head = tuple[tuple[str, ...], ...]


def of_images(model: HVAE) -> bool:
    """Whether a model is one of images, not of rows."""
    return not isinstance(model.likelihood, ByColumn)


@torch.no_grad()
def measured(model: HVAE, held_out: Any) -> tuple[dict[str, Any], dict[str, bytes], int]:
    """What is measured on items that the model was not trained on: metrics as in a record, pictures, and their number.

    Rates are means over the items, at one sample of each posterior, nats, top layer first.
    """
    items, like = model.inputs(held_out), next(model.parameters())
    generator, passes, squares = torch.Generator(like.device).manual_seed(0), list[Tensor](), 0.0
    for chunk in items.split(CHUNK):
        found = model(PosteriorSample(model.noise(len(chunk), generator)), chunk)
        passes.append(torch.cat([found.rates, found.distortion.unsqueeze(1)], 1).double())
        if of_images(model):
            squares += float((model.reconstruct(chunk) - chunk).double().square().sum())
    *rates, distortion = torch.cat(passes).mean(0).tolist()
    numbers: dict[str, Any] = {"rates": rates, "rate": sum(rates), "distortion": distortion}
    numbers["nelbo"] = numbers["rate"] + distortion
    pictures: dict[str, bytes] = {}
    if of_images(model):
        numbers["psnr"] = psnr_of(squares / items.numel())
        pictures["reconstructions.png"] = strip_png([items[:8], model.reconstruct(items[:8])])
    return numbers, pictures, len(items)


def drawn(model: HVAE) -> dict[str, bytes]:
    """Samples of a model of images, as a picture."""
    return {"samples.png": samples(model, 8, 0)} if of_images(model) else {}


def network_line(model: HVAE) -> str:
    """A model's structure in one line."""
    return repr(model).removeprefix("HVAE(").removesuffix(")")


def layers_table(
    shapes: Sequence[Sequence[int]], betas: Sequence[float], rates: Sequence[float], active: Sequence[int] = ()
) -> Head:
    """A row for each layer, top first: its size, beta, rate, and active units where they were counted."""
    if not betas and not rates:
        return ()
    head = ("layer", "latents", *(["beta"] if betas else []), *(["rate (nats)", "rate (bits)"] if rates else []))
    head += ("active units",) if active else ()
    rows: list[tuple[str, ...]] = [head]
    for index, shape in enumerate(shapes):
        row = [f"z_{len(shapes) - index}", "×".join(map(str, shape))]
        row += [f"{betas[index]:.4g}"] if betas else []
        row += [f"{rates[index]:.4g}", f"{rates[index] / math.log(2):.4g}"] if rates else []
        row += [f"{active[index]:g}"] if active else []
        rows.append(tuple(row))
    return tuple(rows)


def shown(numbers: Mapping[str, Any]) -> dict[str, str]:
    """The numbers of a record that a card names, with their units."""
    found: dict[str, str] = {}
    for column in SHOWN:
        metric, value = metrics.METRICS.get(column), numbers.get(column)
        if metric is not None and isinstance(value, (int, float)) and math.isfinite(value):
            found[metric.name] = f"{value:.4g} {metric.unit}".rstrip()
    return found


def model_uses(images: bool, without: Collection[str] = ()) -> tuple[str, ...]:
    """What can be done with a model.

    Args:
        images: whether it is one of images.
        without: uses that no model of its landscape is good for, of :data:`ratescape.metrics.USES`.
    """
    what = "images" if images else "rows"
    lines = {
        "representation": f"Representations: `model.encode({what})`, one for each layer.",
        "reconstruction": f"Reconstruction and compression of {what} like its data.",
        "generation": f"New {what}: `model.sample(16)`.",
        "": f"Anomalies: `model.score({what})`.",
    }
    found = tuple(line for use, line in lines.items() if use not in without)
    return (*found, "Restoring damaged images: `model.restore(images, mask=...)`.") if images else found


def limits(shape: Sequence[int], images: bool, more: Sequence[str] = ()) -> tuple[str, ...]:
    """What a user must know: what is wrong with the model first (``more``), then what no number says.

    Args:
        shape: of its images, or of its rows; empty where no model is there.
    """
    size = "images" if images else "rows"
    if shape:
        size = f"images of (C, H, W) = {tuple(shape)}" if images else f"rows of {shape[0]} columns"
    return (
        *more,
        f"It knows {size} like those that it was trained on, and nothing else.",
        "What is in the training data, biases and private content included, may show in samples and reconstructions.",
        "A rate is a bound on information, not the information itself; nothing is measured but what is listed above.",
    )


def ranges(landscape: "ratescape.Landscape") -> dict[str, str]:
    """From where to where the models of a landscape lie, on test where that was measured."""
    rows, found = landscape.table, {"models": f"{len(landscape.table)}"}
    for column in SHOWN:
        metric = metrics.METRICS.get(column)
        name = f"test_{column}" if f"test_{column}" in rows else column
        if metric is not None and name in rows and rows[name].notna().any():
            low, high = float(rows[name].min()), float(rows[name].max())
            found[metric.name] = f"{low:.4g} to {high:.4g} {metric.unit}".rstrip()
    for name in metrics.layer_columns(rows, "active"):
        low, high = float(rows[name].min()), float(rows[name].max())
        found[f"active units of z_{name.rpartition('_')[2]}"] = f"{low:g} to {high:g}"
    return found


def best_lines(landscape: "ratescape.Landscape") -> tuple[str, ...]:
    """The model of a landscape for each use that has one better than chance."""
    found: list[str] = []
    for use in metrics.USES:
        try:
            chosen = landscape.best(use)
        except RatescapeError:  # no winner, or not measured
            continue
        betas = ", ".join(f"{beta:.4g}" for beta in chosen.betas)
        found.append(f'For {use}: `landscape.best("{use}")`, betas {betas}, {chosen.row["rate"]:.4g} nats per item.')
    return tuple(found)
