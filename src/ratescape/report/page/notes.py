"""What the page says in words: facts, warnings, and where the numbers come from."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ratescape.errors import RecordError
from ratescape.records.attempts import DEAD_LAYER
from ratescape.records.enough import FAR_FROM_TRAINED
from ratescape.records.folders import SweepFolder
from ratescape.records.spans import span
from ratescape.records.table import Table
from ratescape.report.page.names import latent
from ratescape.report.paper.needs import UNMEASURED
from ratescape.report.paper.table import flags_of
from ratescape.selection import betas_text, collapse_warnings, collapsed_layers, finished
from ratescape.specs.model import ModelSpec

LISTED = 12
"""Models named one by one in a warning; the rest are counted."""

_REMEDY = (
    "What this page shows is a landscape without it: map again with a smaller --training.learning-rate, or with "
    "another of --seeds."
)
"""What most often keeps a layer alive: docs/results/one-run.md."""

_TRAIN_FIRST = "What this page shows is a landscape without it: train for longer first, as said above."
"""In a short training a layer may not have come alive yet, and a smaller learning rate would be slower still."""

_FAMILIES = {"ghvae": "GHVAE", "lvae": "LVAE", "residual": "residual VAE", "bottom-up": "bottom-up HVAE"}
"""How families are written; others are written as they are."""


def facts(model: ModelSpec, table: Table) -> list[str]:
    """What the models are, and how many of them are shown."""
    asked = len(table.rows) + table.missing + len(table.broken)
    return [
        _FAMILIES.get(model.title, model.title),
        _count(model.layers, "latent layer"),
        f"{len(finished(table))} of {asked} models shown",
    ]


def alarms(table: Table) -> list[str]:
    """What a reader must know before anything else: models that are not trained enough, or layers that are dead."""
    return [f"{line[0].upper()}{line[1:]}." for line in table.undertrained] + _dead(table)


def _dead(table: Table) -> list[str]:
    """The layers that are dead in all models, and a remedy."""
    remedy = _TRAIN_FIRST if any(line.startswith(FAR_FROM_TRAINED) for line in table.undertrained) else _REMEDY
    died = [f"In training, {line}. {remedy}" for line in table.retrained if line.endswith(DEAD_LAYER)]
    return died or [f"{name} has collapsed in every model. {remedy}" for name in _dead_everywhere(finished(table))]


def _dead_everywhere(rows: pd.DataFrame) -> list[str]:
    """The layers that have collapsed in every one of several models, the top one first."""
    collapsed = [set(collapsed_layers(row)) for _, row in rows.iterrows()]
    return [latent(layer) for layer in sorted(set.intersection(*collapsed), reverse=True)] if len(rows) > 1 else []


def warnings(table: Table) -> list[str]:
    """All that is missing, trained again, flagged or collapsed, a line each."""
    retrained = [f"{line}." for line in table.retrained if not line.endswith(DEAD_LAYER)]
    return [*_absent(table), *retrained, *_flags(finished(table)), *collapse_warnings(table)]


def _absent(table: Table) -> list[str]:
    """One line for each reason why runs or measurements are not shown."""
    lines: list[str] = []
    diverged = table.rows[table.rows["status"] != "ok"]
    if len(diverged):
        lines.append(f"{_count(len(diverged), 'training')} diverged and left no numbers, at betas {_where(diverged)}.")
    if table.missing:
        lines.append(f"{_count(table.missing, 'run')} not done: run the same map command again to finish.")
    lines += [f"Unreadable run: {line}." for line in table.broken]
    return lines + _unmeasured(table)


def with_not_drawn(lines: list[str], table: Table, not_drawn: Mapping[str, str]) -> list[str]:
    """Warnings, with the figures that could not be drawn: those that lack a measurement beside what tells of that."""
    lacking = [name for name, reason in not_drawn.items() if UNMEASURED in reason]
    told = [f"Not drawn: {name} {reason}." for name, reason in not_drawn.items() if name not in lacking]
    if not lacking:
        return lines + told
    sentence = f"For want of measurements, not drawn: {', '.join(lacking)}."
    if len(table.absent) != 1:
        return [*lines, sentence, *told]
    (only,) = _unmeasured(table)
    return [f"{line} {sentence}" if line == only else line for line in lines] + told


def _unmeasured(table: Table) -> list[str]:
    return [f"{line[0].upper()}{line[1:]}." for line in table.absent]


def _flags(rows: pd.DataFrame) -> list[str]:
    """One line if accuracies lie above their ceilings."""
    above = rows[flags_of(rows) != ""]
    if above.empty:
        return []
    return [
        f"{_count(len(above), 'model')} with an accuracy on samples above its ceiling (Eq. 11) by more than its "
        f"sampling error, at betas {_where(above)}: look for a defect in what measured it."
    ]


def _where(rows: pd.DataFrame) -> str:
    """Betas of the first few rows, and how many more there are."""
    texts = [betas_text(row) for _, row in rows.iterrows()]
    return "; ".join(texts[:LISTED]) + (f" and {len(texts) - LISTED} more" if len(texts) > LISTED else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def provenance(folder: SweepFolder) -> dict[str, str]:
    """What is known of how the sweep was made, as text; a missing record is said, not hidden."""
    try:
        known = folder.provenance()
    except RecordError as error:
        return {"unknown": str(error)}
    known.pop("fine", None)  # for the sweep alone: what the fine landscape was measured on
    sessions = {f"session {i}": _session(one) for i, one in enumerate(known.pop("sessions", []), 1)}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items()} | sessions


def _session(record: Mapping[str, Any]) -> str:
    """When, for how long, in which phases, on what and with which versions a session of the sweep ran."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    begun, seconds = record["begun"], f"{record['seconds']:.0f} s"
    phases = ", ".join(f"{name} {span(spent)}" for name, spent in record.get("phases", {}).items())
    where = f"{record['device']}, {record['processes']} process{'es' * (record['processes'] != 1)}"
    return f"{begun}, {seconds}{f' ({phases})' if phases else ''}, {where}; {versions}"
