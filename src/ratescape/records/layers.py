"""Columns of groups of layers, and the tables of networks with many layers: one of models, one of their layers."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ratescape.metrics import ACTIVE_RATE, LAYER_METRICS, layer_columns
from ratescape.specs.model import ModelSpec

MOST_COLUMNS = 8
"""Layers up to which the table of models has columns for each."""

Numbers = Sequence[float | None]

_OF_LAYER = re.compile(r"(?P<name>.+)_(?P<layer>[0-9]+)")


def is_grouped(groups: Sequence[int]) -> bool:
    """Whether some layers share a group, so that groups have columns beside those of layers."""
    return len(set(groups)) < len(groups)


def layer_values(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """One column for each layer, top first: ``name_L .. name_1``."""
    return {f"{name}_{len(values) - index}": value for index, value in enumerate(values)}


def group_values(
    name: str, values: Numbers, groups: Sequence[int], parts: Mapping[str, Sequence[float]]
) -> dict[str, float | None]:
    """Columns ``name_group_G .. name_group_1``, top group first, of what is known of groups; none of single layers.

    Rates and active units of a group are sums over its layers; its beta is theirs, missing where they differ; the
    standard error of its rate is that of the sum, from means over groups of images.

    Args:
        name: of the layers' columns, such as ``rate``.
        values: of the layers, top first.
        groups: group of each layer, top first, numbered from 0.
        parts: means over groups of images, such as ``rate_2``.

    Example::

        group_values("rate", [1.0, 2.0, 3.0], (0, 0, 1), {})  # {"rate_group_2": 3.0, "rate_group_1": 3.0}
    """
    if not is_grouped(groups) or name not in ("beta", "rate", "active", "se_rate"):
        return {}
    count = max(groups) + 1
    rows = [[row for row, group in enumerate(groups) if group == number] for number in range(count)]
    found = [_of_group(name, values, own, parts) for own in rows]
    if name == "se_rate":
        return {f"se_rate_group_{count - index}": value for index, value in enumerate(found) if value is not None}
    return {f"{name}_group_{count - index}": value for index, value in enumerate(found)}


def _of_group(name: str, values: Numbers, rows: list[int], parts: Mapping[str, Sequence[float]]) -> float | None:
    """A number of the layers in these rows together."""
    known = [value for row in rows if (value := values[row]) is not None]
    if len(known) < len(rows):
        return None
    if name == "beta":
        return known[0] if len(set(known)) == 1 else None
    if name != "se_rate":
        return sum(known)
    own = [parts[column] for row in rows if (column := f"rate_{len(values) - row}") in parts]
    if len(own) < len(rows) or len(own[0]) < 2:
        return None
    return statistics.stdev(map(sum, zip(*own, strict=True))) / math.sqrt(len(own[0]))


def is_long(groups: Sequence[int]) -> bool:
    """Whether a model has so many layers that they get a table of their own."""
    return len(groups) > MOST_COLUMNS and is_grouped(groups)


def compact(rows: pd.DataFrame, groups: Sequence[int]) -> pd.DataFrame:
    """A table of models without the columns of single layers, where these are many and groups tell less in more words.

    Args:
        rows: with columns of layers and of groups.
        groups: group of each layer, top first.
    """
    if not is_long(groups):
        return rows
    return rows[[name for name in rows.columns if _layer_of(name) is None]]


def long(rows: pd.DataFrame, model: ModelSpec, groups: Sequence[int]) -> pd.DataFrame:
    """One row for each model and layer, top layer first.

    Columns: ``run, seed, status``; of the model its betas (``beta_group_G .. beta_group_1``, or ``beta_L .. beta_1``
    where each layer is a group); ``layer`` (L is the top one), ``group`` (the top one has the largest number),
    ``resolution`` of a deep network; ``beta``, ``rate``, ``active``, ``collapsed`` (less than 0.1 nats or no active
    unit; missing for a model without numbers) and whatever else was measured of each layer, named as in the table of
    models but for the layer's number.

    Args:
        rows: a table of models with the columns of layers.
        model: the network.
        groups: group of each layer, top first.
    """
    layers, count = model.layers, max(groups) + 1
    axes = layer_columns(rows, "beta_group" if is_grouped(groups) else "beta")
    shared = [name for name in ("run", "seed", "status", *axes) if name in rows]
    resolutions = model.resolutions
    found: list[pd.DataFrame] = []
    for index, group in enumerate(groups):
        own = {name: known[0] for name in rows if (known := _layer_of(name)) and known[1] == layers - index}
        one = rows[shared].assign(order=range(len(rows)), layer=layers - index, group=count - group)
        one = one.assign(resolution=resolutions[index]) if resolutions else one
        found.append(pd.concat([one, rows[list(own)].rename(columns=own)], axis=1))
    table = pd.concat(found, ignore_index=True).sort_values(["order", "layer"], ascending=[True, False])
    table = table.drop(columns="order").reset_index(drop=True)
    if {"rate", "active"} <= {*table.columns}:
        dead = (table["rate"].astype(float) < ACTIVE_RATE) | (table["active"].astype(float) == 0)
        table.insert(table.columns.get_loc("rate") + 1, "collapsed", dead.astype(object).where(table["rate"].notna()))
    return table


def _layer_of(column: str) -> tuple[str, int] | None:
    """Name and number of a column of one layer, such as ``test_se_rate_2``; None for any other."""
    read = _OF_LAYER.fullmatch(column)
    if read is None:
        return None
    plain = re.sub("^(before_)?(test_)?(se_)?(gain_)?", "", read["name"])
    of_layer = plain == "beta" or (plain in LAYER_METRICS and not plain.endswith("_group"))
    return (read["name"], int(read["layer"])) if of_layer else None
