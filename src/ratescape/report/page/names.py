"""What things are called on the page: layers, betas, rates and metrics, with the field's signs."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex

from ratescape.metrics import SUBSCRIPTS, Metric
from ratescape.report.groups import Group, latents
from ratescape.report.plots.palette import colours_of

USE_MARKS = {
    "reconstruction": "▲",
    "generation": "★",
    "representation": "◆",
    "anomaly": "■",
    "restoration": "●",
}
"""What marks the best model for each use on the surface."""

_SHADES = 10
"""Colours that a scale is sampled at; the browser interpolates between them."""


def latent(layer: int) -> str:
    """The latents of a layer: ``z₂``."""
    return "z" + str(layer).translate(SUBSCRIPTS)


def layer_names(layers: int) -> dict[str, list[str]]:
    """Latents, betas and rates of the layers, top first.

    Example::

        layer_names(2)  # latents z₂, z₁; betas β₂, β₁; rates R(z₂), R(z₁|z₂)
    """
    numbers = range(layers, 0, -1)
    return {
        "latents": [latent(layer) for layer in numbers],
        "betas": ["β" if layers == 1 else "β" + str(layer).translate(SUBSCRIPTS) for layer in numbers],
        "rates": [_rate_name(layer, layers) for layer in numbers],
    }


def _rate_name(layer: int, layers: int) -> str:
    if layer == layers:
        return f"R({latent(layer)})"
    further = ",…" if layers - layer > 1 else ""
    return f"R({latent(layer)}|{latent(layer + 1)}{further})"


def group_data(group: Group) -> dict[str, Any]:
    """A group of layers as the page names it: itself, its beta, and the latents of its layers."""
    return {"name": group.name, "beta": group.beta, "layers": list(group.layers), "latents": latents(group.layers)}


def metric_data(metric: Metric, layers: int, uses: Mapping[str, str]) -> dict[str, Any]:
    """A metric as the page shows it: its names, units, scale of colour, and the use that it decides for."""
    if metric.layer is not None and metric.column == f"rate_{metric.layer}":
        metric = dataclasses.replace(metric, name=_rate_name(metric.layer, layers))
    use, label = uses.get(metric.column), _signed(metric.label)
    unit = "%" if metric.percent else metric.unit
    return {
        "column": metric.column,
        "name": _signed(metric.name),
        "label": label,
        "axis": _signed(metric.name) if metric.percent else label,
        "unit": unit,
        "percent": metric.percent,
        "higher_is_better": metric.higher_is_better,
        "explanation": f"{label}: {_signed(metric.explanation)}.",
        "colours": shades(colours_of(metric)),
        "layer": metric.layer,
        "kind": re.sub(r"[₀-₉]", "", label),
        "use": use,
        "mark": USE_MARKS.get(use or ""),
    }


def _signed(text: str) -> str:
    """Text with a minus sign in front of ELBO."""
    return text.replace("-ELBO", "−ELBO")


def shades(name: str) -> list[str]:
    """A scale of colour of matplotlib at equal steps."""
    return [to_hex(colormaps[name](step / (_SHADES - 1))) for step in range(_SHADES)]


def short(number: float) -> str:
    """Three significant digits, without trailing zeros."""
    return f"{float(f'{number:.3g}'):g}"


def number(value: Any) -> float | None:
    """A number for JSON: None for one that is missing or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def numbers(values: Iterable[Any]) -> list[float | None]:
    """A column for JSON."""
    return [number(value) for value in values]


def column(rows: pd.DataFrame, name: str) -> list[float | None]:
    """A column of the table for JSON; None in every row if it was not measured."""
    return numbers(rows[name]) if name in rows else [None] * len(rows)
