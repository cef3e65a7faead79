"""Layers that carry next to nothing, and whether that is the price of a beta or a failure."""

from typing import NamedTuple

import pandas as pd

from ratescape.metrics import ACTIVE_RATE, SUBSCRIPTS, layer_columns
from ratescape.records.table import Table
from ratescape.selection.rows import by_layer, measured


class Dead(NamedTuple):
    """One layer of one model that counts as collapsed."""

    layer: int
    rate: float
    """Nats per image that it carries all the same."""
    no_unit: bool
    """Whether it has no active unit: none whose mean varies over the images."""
    priced: bool
    """Whether its beta is above that of every layer that has another: a beta that large is what it pays for."""


def dead_layers(row: pd.Series) -> list[Dead]:
    """The layers of one model that carry less than 0.1 nats, or have no active unit; top layer first."""
    found: list[Dead] = []
    betas = by_layer(row, "beta")
    for layer, rate in by_layer(row, "rate").items():
        no_unit = bool(row.get(f"active_{layer}", 1) == 0)
        others = [beta for beta in betas.values() if beta != betas[layer]]  # layers of its group have the same
        if rate < ACTIVE_RATE or no_unit:
            found.append(Dead(layer, rate, no_unit, bool(others) and betas[layer] > max(others)))
    return found


def collapsed_layers(row: pd.Series) -> list[int]:
    """Numbers of the layers that count as collapsed in one model, top layer first."""
    return [dead.layer for dead in dead_layers(row)]


def have_collapsed(rows: pd.DataFrame, layer: int | None) -> pd.Series:
    """In which rows a layer has collapsed, as :func:`dead_layers` has it: a boolean for each; False for no layer."""
    never = pd.Series(data=False, index=rows.index)
    if layer is None:
        return never
    quiet = rows[f"rate_{layer}"] < ACTIVE_RATE if f"rate_{layer}" in rows else never
    return quiet | (rows[f"active_{layer}"] == 0 if f"active_{layer}" in rows else never)


def collapse_warnings(table: Table) -> list[str]:
    """One line for each layer that has collapsed in some models of a landscape, and for each reason.

    The reason of models that are far from trained is not asked for: any layer may still come alive in them. Where all
    layers of all models have collapsed, and these are more than two, that is one line alone.

    Example::

        z₂ has collapsed in 6 of 25 models (less than 0.1 nats): the price of its beta, which is above the others'
    """
    rows = measured(table)
    alike: dict[tuple[int, str], list[Dead]] = {}
    for _, row in rows.iterrows():
        for dead in dead_layers(row):
            alike.setdefault((-dead.layer, _reason(dead, row)), []).append(dead)
    layers = len(layer_columns(rows, "rate"))
    if layers > 2 and sum(map(len, alike.values())) == layers * len(rows) > 0:
        all_of_them = [dead for one in alike.values() for dead in one]
        models = "the one model" if len(rows) == 1 else f"all {len(rows)} models"
        return [f"all {layers} layers have collapsed in {models} ({how(all_of_them)}): train for more steps"]
    return [_line(dead, why, len(rows)) for (_, why), dead in sorted(alike.items())]


def _reason(dead: Dead, row: pd.Series) -> str:
    """Why a layer has collapsed, as the end of a sentence."""
    if row.get("trained") == "far":
        return ": with more training it may still come alive"
    if dead.priced:
        return ": the price of its beta, which is above the other layers' there"
    return ", though its beta is not above the other layers' there: its training failed, or was too short"


def _line(dead: list[Dead], why: str, models: int) -> str:
    name = f"z{str(dead[0].layer).translate(SUBSCRIPTS)}"
    return f"{name} has collapsed in {len(dead)} of {models} models ({how(dead)}){why}"


def how(dead: list[Dead]) -> str:
    """In which way layers have collapsed, and what they carry where that is not next to nothing."""
    quiet = [one.rate for one in dead if one.rate < ACTIVE_RATE]
    loud = [one.rate for one in dead if one.rate >= ACTIVE_RATE]
    texts: list[str] = []
    if quiet:
        texts.append(f"less than {ACTIVE_RATE:g} nats" + (f" in {len(quiet)}" if loud else ""))
    if loud:
        least, most = f"{min(loud):.2g}", f"{max(loud):.2g}"
        nats = f"{most} nats" if least == most else f"{least} to {most} nats"
        texts.append(f"{nats}, but no active unit" + (f" in {len(loud)}" if quiet else ""))
    return ", ".join(texts)
