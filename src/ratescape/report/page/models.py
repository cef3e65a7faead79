"""Each model as the page shows it, and the models that are best for something."""

import base64
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ratescape.errors import NoWinner, SpecError
from ratescape.metrics import Metric, layer_columns
from ratescape.records.codecs import codecs_of
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table
from ratescape.report.groups import Group, group_betas, group_rates
from ratescape.report.page.names import layer_names, metric_data, number, short
from ratescape.report.page.planes import Splits
from ratescape.report.paper.table import caption, flags_of, table1, winners
from ratescape.selection import best, beta_vaes, betas_of, collapsed_layers, finished, metric_for, plain_vaes

FEW_LAYERS = 6
"""Layers up to which each has a column in a model's card, and a best model by each metric."""


def models_data(
    folder: SweepFolder, rows: pd.DataFrame, splits: Splits, metrics: Sequence[Metric], groups: Sequence[Group]
) -> list[Any]:
    """Every model: betas, numbers on every split, pictures, and how to use it."""
    kinds = zip(plain_vaes(rows), beta_vaes(rows), flags_of(rows), strict=True)
    titles = model_titles(rows, groups)
    return [
        _model(folder, row, splits, metrics, groups)
        | {"title": title, "vae": bool(vae), "equal": bool(equal), "flag": flag}
        for (_, row), title, (vae, equal, flag) in zip(rows.iterrows(), titles, kinds, strict=True)
    ]


def model_titles(rows: pd.DataFrame, groups: Sequence[Group]) -> list[str]:
    """What tells each model from the others: the betas of its groups, and its seed where there are several."""
    shared, seeds = bool(beta_vaes(rows).all()), rows["seed"].nunique() > 1
    titles: list[str] = []
    for _, row in rows.iterrows():
        betas = group_betas(row, groups)
        pairs = [("β", betas[0])] if shared else [(group.beta, beta) for group, beta in zip(groups, betas, strict=True)]
        text = ", ".join(f"{name} = {beta}" for name, beta in pairs)
        titles.append(f"{text}, seed {row['seed']}" if seeds else text)
    return titles


def _model(
    folder: SweepFolder, row: pd.Series, splits: Splits, metrics: Sequence[Metric], groups: Sequence[Group]
) -> dict[str, Any]:
    path = folder.path / "runs" / str(row["run"])
    betas = betas_of(row)
    own: dict[str, Any] = {} if len(groups) == len(betas) else {"group_betas": group_betas(row, groups)}
    by_group = [picture(path / f"{name}_by_group.png") for name in ("reconstructions", "samples")]
    if any(by_group):
        own["by_group"] = by_group
    return own | {
        "run": str(row["run"]),
        "seed": int(row["seed"]),
        "betas": list(betas),
        "beta_texts": list(map(short, betas)),
        "values": {split: values_of(row, prefix, metrics, groups) for split, prefix in splits.items()},
        "collapsed": collapsed_layers(row),
        "reconstructions": picture(path / "reconstructions.png"),
        "samples": picture(path / "samples.png"),
        "files": [record.text for record in codecs_of(folder, betas, path)],
        "shell": f"ratescape evaluate {shlex.quote(str(path))}",
        "python": f"ratescape.load({json.dumps(str(path))})",
    }


def values_of(row: pd.Series, prefix: str, metrics: Sequence[Metric], groups: Sequence[Group]) -> dict[str, Any]:
    """The numbers of a row on one split, and their standard errors; rates and active units top layer first."""
    one = row.to_frame().T
    by_layer = {
        name: [number(row[measured]) for measured in layer_columns(one, prefix + kind)]
        for name, kind in (("rates", "rate"), ("active", "active"))
    }
    ceilings = [name for kind in ("ceiling_rate", "ceiling_information") for name in layer_columns(one, kind)]
    shown = ["rate", *(metric.column for metric in metrics), *ceilings]
    errors = _errors(row, prefix, [*shown, *layer_columns(one, "rate"), *layer_columns(one, "rate_group")])
    known = {name: number(row.get(prefix + name)) for name in shown}
    if len(groups) != len(by_layer["rates"]):  # else the page takes those of the layers
        by_layer["group_rates"] = [number(rate.iloc[0]) for rate in group_rates(one, groups, prefix)]
    return known | by_layer | {"errors": errors}


def _errors(row: pd.Series, prefix: str, shown: Iterable[str]) -> dict[str, float]:
    """Standard errors of those columns that have one: all that a page can show of their digits."""
    found = {name: number(row.get(f"{prefix}se_{name}")) for name in shown}
    return {name: float(f"{error:.3g}") for name, error in found.items() if error is not None}


def picture(path: Path) -> str | None:
    """A PNG as a data: address; None where there is none."""
    if not path.exists():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def picture_width(folder: SweepFolder, rows: pd.DataFrame) -> int | None:
    """Width of one image of the strips, in pixels: samples lie side by side in one row; None where none were kept."""
    strips = (folder.path / "runs" / str(run) / "samples.png" for run in rows["run"])
    first = next((path for path in strips if path.exists()), None)
    if first is None:
        return None
    with first.open("rb") as png:
        width = int.from_bytes(png.read(20)[16:])  # after its signature, and length and name of its header
    return max(1, width // folder.spec().evaluation.pictures)


def picks_data(table: Table, metrics: Sequence[Metric], uses: Mapping[str, str]) -> list[dict[str, Any]]:
    """The best model by each metric that ranks models, beside what simpler tuning would have given; uses first.

    Of few layers each has its own best; of many, the best layer is named.
    """
    many = len(layer_columns(finished(table), "rate")) > FEW_LAYERS
    names: dict[str, str | None] = {}
    for metric in metrics:
        if metric.higher_is_better is not None:
            name = metric.column.removesuffix(f"_{metric.layer}") if many else metric.column
            names[name] = names.get(name) or uses.get(metric.column)
    picks = [_pick(table, name, use) for name, use in names.items()]
    return sorted(picks, key=lambda pick: pick["metric"] not in uses)


def _pick(table: Table, name: str, use: str | None) -> dict[str, Any]:
    """The best model by a metric, or for the use that it decides for."""
    try:
        choice = best(table, use or name)
    except NoWinner as nobody:
        told = _heading(metric_for(finished(table), use or name), use)
        return told | {"best": None, "notes": [f"{str(nobody)[0].upper()}{str(nobody)[1:]}."]}
    told = _heading(choice.metric, use)
    entries = {"vae": choice.vae} if choice.beta_vae is None else {"vae": choice.vae, "beta_vae": choice.beta_vae}
    return told | {
        "best": choice.run,
        "notes": [] if len(choice.verdict) == 1 and not choice.ties else choice.verdict,
        "vae_is_exact": choice.vae_is_exact,
        "simpler": {kind: {"run": one.run, "metric": one.metric.column} for kind, one in entries.items()},
    }


def _heading(metric: Metric, use: str | None) -> dict[str, Any]:
    """What a pick is of, in words."""
    direction, name = "highest" if metric.higher_is_better else "lowest", metric_data(metric, 1, {})["name"]
    heading = f"For {use}: {direction} {name}" if use else f"{direction.capitalize()} {name}"
    praise = f"recommended for {use}" if use else f"best {name}"
    return {"metric": metric.column, "heading": heading, "praise": praise}


def table1_data(table: Table) -> dict[str, Any] | None:
    """Table 1 with the model that each entry is of; None where no accuracy was measured."""
    try:
        values, chosen = table1(table), winners(table)
    except SpecError:
        return None
    fitted = chosen.columns[chosen.notna().any()]  # probes that nobody asked for are no columns of dashes
    values, chosen = values[fitted], chosen[fitted]
    runs = finished(table)["run"]
    cells = [
        [
            None if position is None else {"value": number(value), "run": str(runs[position])}
            for value, position in zip(row_values, row_chosen, strict=True)
        ]
        for row_values, row_chosen in zip(values.to_numpy(), chosen.to_numpy(), strict=True)
    ]
    means = [f"μ{latent[1:]}" for latent in layer_names(len(values))["latents"]]
    return {"classifiers": list(values.columns), "means": means, "cells": cells, "caption": caption(table.split)}
