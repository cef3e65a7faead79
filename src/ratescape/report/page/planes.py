"""Where the models lie in each plot of the page, how they are coloured there, and what the axes say."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ratescape.metrics import layer_columns, measured_metrics
from ratescape.records.answers import Answer
from ratescape.report.groups import Group, group_rates
from ratescape.report.page.axes import beta_ticks, extent, grid_axis, limits, log_axis, rate_frame
from ratescape.report.page.names import column, latent, layer_names, metric_data, numbers
from ratescape.report.paper.table import flags_of
from ratescape.report.plots.geometry import OWN_SCALE, log_step
from ratescape.selection import beta_vaes

Splits = Mapping[str, str]
"""Prefix of the columns measured on each split, by the split's name."""

BETA_TITLES = {"x_title": "β₂, the price of a nat in z₂", "y_title": "β₁, the price of a nat in z₁"}
"""Axes of the plane of two betas."""

_SEED_ROOM = 0.9
"""Part of a cell that its seeds share."""

_FAR = 1.3
"""Rates asked for beyond this many times the largest rate found must not push the models into a corner."""

_HULL_NOTE = "Dotted: the hull, models that no mixture of others beats at their total rate or below it."
_ERROR_NOTE = " Bars: one standard error."
_CROSS_NOTE = " ×: a sample above its ceiling, a defect."


def rate_plane(
    rows: pd.DataFrame,
    splits: Splits,
    answers: Sequence[Answer],
    groups: Sequence[Group],
    others: pd.DataFrame | None = None,
) -> dict[str, Any] | None:
    """Rate of the upper of two groups against that of the lower; None with one layer, and with more groups.

    Where all layers share one beta, it is the rate of the top layer against that of all layers below.

    Args:
        rows: the models.
        splits: what they were measured on.
        answers: rates asked for, and those found.
        groups: the layers that share a beta.
        others: further points of two layers for which there must be room, by ``rate_2`` and ``rate_1``.
    """
    layers = len(layer_columns(rows, "rate"))
    if layers == 1 or len(groups) > 2:
        return None
    upper = groups[0].layers if len(groups) == 2 else (layers,)
    asked = answers if layers == 2 else []
    points = {split: _rate_points(rows, prefix, upper, asked, others) for split, prefix in splits.items()}
    return _rate_titles(layers, groups) | {"own_scale": f"; {OWN_SCALE}", "splits": points}


def _rate_titles(layers: int, groups: Sequence[Group]) -> dict[str, str]:
    top, below = latent(layers), ", ".join(latent(layer) for layer in range(layers - 1, 0, -1))
    title = "Over the layer rates" if layers == 2 else "Division of the rate: top layer and all below"
    if len(groups) == 2 and layers > 2:
        title, top, below = "Over the group rates", *(group.name for group in groups)
    return {"title": title, "x_title": f"R({top}), nats", "y_title": f"R({below}|{top}), nats"}


def _rate_points(
    rows: pd.DataFrame, prefix: str, upper: Sequence[int], answers: Sequence[Answer], others: pd.DataFrame | None
) -> dict[str, Any]:
    top = rows[[f"{prefix}rate_{layer}" for layer in upper]].sum(axis=1, skipna=False)
    x, y = numbers(top), numbers(rows[f"{prefix}rate"] - top)
    asked = [one for index, answer in enumerate(answers) if (one := _asked(index, answer)) is not None]
    shown = []
    for axis, values in enumerate((x, y)):
        edge = _FAR * extent(values)[1]
        ends = [end for one in asked for end in (min(one["wanted"][axis], edge), one["found"][axis])]
        further = [] if others is None else numbers(others[("rate_2", "rate_1")[axis]])
        shown.append(limits([*values, *ends, *further], from_zero=True))
    return {"points": {"x": x, "y": y}, "asked": asked, **rate_frame(*shown)}


def _asked(index: int, answer: Answer) -> dict[str, Any] | None:
    """Both ends of the line from the rates asked for to those found; None unless each layer's is known."""
    wanted, found = _point(wanted_rates(answer)), _point(answer.rates)
    return {"answer": index, "wanted": wanted, "found": found} if wanted and found else None


def wanted_rates(answer: Answer) -> list[float | None]:
    """Rates of the layers that were asked for one by one, top first; None for the others."""
    wanted = {one.layers[0]: one.wanted for one in answer.outcomes if len(one.layers) == 1}
    return [wanted.get(layer) for layer in range(len(answer.rates), 0, -1)]


def _point(rates: Sequence[float | None]) -> tuple[float, float] | None:
    known = [rate for rate in rates if rate is not None]
    return (known[0], sum(known[1:])) if len(known) == len(rates) else None


def beta_plane(asked: pd.DataFrame, rows: pd.DataFrame, groups: Sequence[Group]) -> dict[str, Any] | None:
    """The plane of two betas, or the axis of the one that all layers share; None for more betas.

    Args:
        asked: all rows of the table, those that diverged too.
        rows: the rows with numbers.
        groups: the layers that share a beta.
    """
    names = [f"beta_{group.layers[0]}" for group in groups]
    if beta_vaes(rows).all():
        x = numbers(rows[names[0]])
        axis = {"log": True, "ticks": beta_ticks(sorted(rows[names[0]].unique()))}
        return {"title": "Over β", "x_title": "β, the price of a nat", "points": {"x": x}, "x": axis}
    own = len(layer_columns(rows, "beta"))
    if len(names) > 2 or ("request" in rows and own > 2):  # betas that were found are those of single layers
        return None
    titles = (
        BETA_TITLES
        if own == 2
        else {
            f"{axis}_title": f"{group.beta}, the price of a nat in {group.name}"
            for axis, group in zip("xy", groups, strict=True)
        }
    )
    plane = {"title": "Over the multipliers β", **titles}
    if "request" in rows:  # betas that were found lie on no grid
        x, y = (rows[name].tolist() for name in names)
        return plane | {"points": {"x": x, "y": y}, "x": log_axis(x), "y": log_axis(y)}
    return plane | _cells(asked, rows, *names)


def _cells(asked: pd.DataFrame, rows: pd.DataFrame, top: str, below: str) -> dict[str, Any]:
    """Cells of the grid of betas, each shared by its seeds side by side; a cross where a training diverged."""
    seeds = sorted(asked["seed"].unique())
    step = log_step(asked[top])

    def points(some: pd.DataFrame) -> dict[str, list[float | None]]:
        slot = (some["seed"].map(seeds.index).astype(float) + 0.5) / len(seeds) - 0.5
        return {"x": numbers(some[top] * step ** (_SEED_ROOM * slot)), "y": numbers(some[below])}

    return {
        "points": points(rows),
        "crosses": points(asked[asked["status"] != "ok"]),
        "seeds": len(seeds),
        "x": grid_axis(asked[top], step),
        "y": grid_axis(asked[below], log_step(asked[below])),
    }


def total_plane(rows: pd.DataFrame, splits: Splits, groups: Sequence[Group]) -> dict[str, Any]:
    """Any metric over the total rate; colour: the share of the top group, or beta of the only layer.

    Where all layers share one beta, it is the share of the top layer.
    """
    layers = len(layer_columns(rows, "rate"))
    upper = groups[0] if len(groups) > 1 else Group(latent(layers), (layers,))
    several, top = layers > 1, upper.name
    ticks = beta_ticks(sorted(rows["beta_1"].unique()))
    ticks["tickvals"] = [math.log10(value) for value in ticks["tickvals"]]
    return {
        "title": f"Over the total rate; colour: the share of {top}" if several else "Over the rate",
        "x_title": "total rate, nats" if several else "rate, nats",
        "bar": {"text": f"share of {top}"} if several else {"text": "β", "ticks": ticks},
        "note": _HULL_NOTE + (_ERROR_NOTE if any(name.startswith("se_") for name in rows) else ""),
        "splits": {split: _total_points(rows, prefix, upper) for split, prefix in splits.items()},
    }


def _total_points(rows: pd.DataFrame, prefix: str, upper: Group) -> dict[str, Any]:
    total = rows[f"{prefix}rate"]
    layers = len(layer_columns(rows, "rate"))
    share = group_rates(rows, [upper], prefix)[0] / total.clip(lower=1e-9)
    colour = numbers(share if layers > 1 else np.log10(rows["beta_1"]))
    colour_range = (0.0, extent(colour)[1]) if layers > 1 else extent(colour)
    return {
        "points": {"x": numbers(total)},
        "x": {"limits": limits(numbers(total), from_zero=True)},
        "colour": colour,
        "colour_range": colour_range,
    }


def ceiling_plane(rows: pd.DataFrame, splits: Splits) -> dict[str, Any] | None:
    """RBF accuracy from the top layer over the total rate, under every model's own ceiling (Fig. 6 of the paper).

    The ceiling binds what is read off a sample: that is the model's dot, with what is read off the mean beside it.
    Where only the mean was read, it is the dot, a hollow one.
    """
    layers = len(layer_columns(rows, "rate"))
    measured = {one.column: one for one in measured_metrics(rows)}
    sample, mean = (measured.get(f"{name}_{layers}") for name in ("accuracy_sample", "accuracy_rbf"))
    metric = sample or mean
    if metric is None:
        return None
    named = metric_data(metric, layers, {})
    return {
        "metric": metric.column,
        "hollow": sample is None,
        "title": f"{named['name']} over the total rate",
        "x_title": "total rate, nats",
        "y_title": named["axis"] if mean is None else named["axis"].partition(" on ")[0],
        "bar": {"text": f"{layer_names(layers)['rates'][0]}, nats"},
        "note": _ceiling_note(latent(layers), sample is not None, mean is not None)
        + (_CROSS_NOTE if _flagged(rows, layers).any() else ""),
        "splits": {split: _ceiling_points(rows, prefix, layers, metric.column) for split, prefix in splits.items()},
    }


def _ceiling_note(top: str, sample: bool, mean: bool) -> str:
    """What dots and dashes are."""
    bound = f"●: labels read off a sample of {top}" if sample else f"A sample of {top} was not read"
    note = f"{bound}. Dash: its ceiling, the best accuracy that a sample allows at the model's rate (Eq. 11)."
    return f"{note} ○: read off the mean of {top}, which no ceiling binds: it may tell more." if mean else note


def _ceiling_points(rows: pd.DataFrame, prefix: str, layers: int, shown: str) -> dict[str, Any]:
    total, accuracy = column(rows, f"{prefix}rate"), column(rows, f"{prefix}{shown}")
    means, ceilings = (column(rows, f"{prefix}{name}_{layers}") for name in ("accuracy_rbf", "ceiling_rate"))
    top = column(rows, f"{prefix}rate_{layers}")
    return {
        "points": {"x": total, "y": accuracy},
        "x": {"limits": limits(total, from_zero=True)},
        "y": {"limits": limits([*accuracy, *means, *ceilings])},
        "means": means,
        "ceilings": ceilings,
        "flagged": np.flatnonzero(_flagged(rows, layers)).tolist(),
        "colour": top,
        "colour_range": extent(top),
    }


def _flagged(rows: pd.DataFrame, layers: int) -> pd.Series:
    """Models whose accuracy on a sample of the top layer lies above a ceiling."""
    return flags_of(rows).str.contains(f"accuracy_sample_{layers}", regex=False)
