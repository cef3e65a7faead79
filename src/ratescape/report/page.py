"""One self-contained interactive page over a sweep: opens from disk, asks the network for nothing.

This file collects the data; what is shown and how lies in ``page.html``, ``page.css`` and ``page.js``. All data
reach the page as JSON, and the script writes them as text, never as markup.
"""

import base64
import html
import importlib.resources
import json
import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.offline
from matplotlib.colors import to_hex

from ratescape.errors import RecordError, SpecError
from ratescape.metrics import USES, Metric, layer_columns, measured_metrics
from ratescape.records.answers import Answer, answers
from ratescape.records.files import write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report.fine import IMAGES, SHOWN, fine_of, over_grid
from ratescape.report.surface import CORNERS, beta_colours, triangles
from ratescape.report.table import caption, flags_of, table1, winners
from ratescape.selection import (
    best,
    beta_vaes,
    betas_of,
    collapse_warnings,
    collapsed_layers,
    finished,
    hull_of,
    metric_for,
    plain_vaes,
)
from ratescape.specs.codec import to_yaml

LISTED = 12
"""Models named one by one in a warning; the rest are counted."""


def write_page(folder: SweepFolder, not_drawn: Mapping[str, str] | None = None) -> Path:
    """Write ``report.html`` of a sweep.

    Args:
        not_drawn: figures that could not be drawn, and why: the page says so.

    Raises:
        RecordError: the folder is no sweep, has no run to show, or cannot be written.
    """
    data = page_data(folder, read_table(folder))
    data["warnings"] += [f"Not drawn: {name} {reason}." for name, reason in (not_drawn or {}).items()]
    write_atomically(folder.report, render(data))
    return folder.report


def render(data: Mapping[str, Any]) -> str:
    """The page around its data; the placeholders of ``page.html`` are filled in one pass."""
    parts = {
        "TITLE": html.escape(data["title"]),
        "STYLE": _resource("page.css"),
        "DATA": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        "PLOTLY": plotly.offline.get_plotlyjs().replace("</script", "<\\/script"),
        "SCRIPT": _resource("page.js"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _resource("page.html"))


def _resource(name: str) -> str:
    return importlib.resources.files("ratescape.report").joinpath(name).read_text(encoding="utf-8")


def page_data(folder: SweepFolder, table: Table) -> dict[str, Any]:
    """Everything the page shows, ready for JSON: numbers that are not finite are None."""
    rows = finished(table)
    metrics = measured_metrics(rows)
    uses = _uses(rows)
    spec = folder.spec()
    splits = {table.split: "", "test": "" if table.split == "test" else "test_"}
    picks = [_pick(table, metric) for metric in metrics if metric.higher_is_better is not None]
    return {
        "title": f"Rate landscape of {spec.data.name}",
        "layers": len(layer_columns(rows, "rate")),
        "family": spec.model.family,
        "chosen_on": table.split,
        "splits": list(splits),
        "metrics": [_metric(metric, uses) for metric in metrics],
        "runs": [
            _run(folder, row, splits, metrics) | {"vae": bool(vae), "equal": bool(equal), "flag": above}
            for (_, row), vae, equal, above in zip(
                rows.iterrows(), plain_vaes(rows), beta_vaes(rows), flags_of(rows), strict=True
            )
        ],
        "diverged": [_place(row) for _, row in table.rows[table.rows["status"] != "ok"].iterrows()],
        "hulls": {
            split: {metric.column: hull_of(rows, metric, prefix) for metric in metrics}
            for split, prefix in splits.items()
        },
        "picks": sorted(picks, key=lambda pick: pick["metric"] not in uses),
        "gridded": "request" not in rows,
        "answers": [_answer(answer) for answer in answers(folder)],
        "control": _picture(folder.path / "figures" / "control.png"),
        "surface": _surface(rows),
        "fine": _fine(folder),
        "table1": _table1(table),
        "selected": picks[0]["best"] if picks else str(rows["run"].iloc[0]),
        "asked": len(table.rows) + table.missing + len(table.broken),
        "warnings": [*_absent(table), *_flags(rows), *collapse_warnings(table)],
        "provenance": _provenance(folder),
        "spec": to_yaml(spec),
    }


def _uses(rows: pd.DataFrame) -> dict[str, str]:
    """The column that decides for each use, and the use, where it was measured."""
    found: dict[str, str] = {}
    for use in USES:
        try:
            found[metric_for(rows, use).column] = use
        except SpecError:  # not measured: the page does without
            continue
    return found


def _metric(metric: Metric, uses: Mapping[str, str]) -> dict[str, Any]:
    layer = re.search(r"_(\d+)$", metric.column)
    return {
        "column": metric.column,
        "name": metric.name,
        "unit": metric.unit,
        "label": metric.label,
        "higher_is_better": metric.higher_is_better,
        "explanation": metric.explanation,
        "use": uses.get(metric.column),
        "layer": int(layer[1]) if layer else None,
        "percent": metric.percent,
    }


def _surface(rows: pd.DataFrame) -> dict[str, Any] | None:
    """How the models of two layers span a surface: its triangles, and the colours of the betas."""
    if len(layer_columns(rows, "rate")) != 2 or beta_vaes(rows).all():
        return None
    corners = triangles(rows).tolist()
    if not corners:  # betas that were found lie on no grid
        return None
    return {
        "triangles": corners,
        "colours": [to_hex(colour) for colour in beta_colours(rows)],
        "corners": [to_hex(colour) for colour in CORNERS],
    }


def _fine(folder: SweepFolder) -> dict[str, Any] | None:
    """The fine landscape of two layers: for each number, a list over beta_1 of lists over beta_2, both ascending."""
    between = fine_of(folder)
    if between is None:
        return None
    return {
        "betas": [sorted(float(beta) for beta in between[name].unique()) for name in ("beta_2", "beta_1")],
        "metrics": [_metric(metric, {}) for metric in SHOWN],
        "values": {
            metric.column: [[_number(value) for value in line] for line in over_grid(between, metric.column)]
            for metric in SHOWN
        },
        "images": IMAGES,
    }


def _answer(answer: Answer) -> dict[str, Any]:
    """Rates asked for, and what was found; those of layers that were asked for one by one, top first."""
    layers = len(answer.rates)
    wanted = {one.layers[0]: one.wanted for one in answer.outcomes if len(one.layers) == 1}
    return answer.to_dict() | {"wanted": [wanted.get(layer) for layer in range(layers, 0, -1)]}


def _table1(table: Table) -> dict[str, Any] | None:
    """Table 1 with the model that each entry is of; None where no accuracy was measured."""
    try:
        values, best = table1(table), winners(table)
    except SpecError:
        return None
    runs = finished(table)["run"]
    cells = [
        [
            None if best.iat[i, j] is None else {"value": _number(values.iat[i, j]), "run": str(runs[best.iat[i, j]])}
            for j in range(values.shape[1])
        ]
        for i in range(values.shape[0])
    ]
    layers = [int(str(mean).removeprefix("mu_")) for mean in values.index]
    return {"classifiers": list(values.columns), "layers": layers, "cells": cells, "caption": caption(table.split)}


def _place(row: pd.Series) -> dict[str, Any]:
    """Which model a row is about."""
    return {"run": str(row["run"]), "seed": int(row["seed"]), "betas": list(betas_of(row))}


def _run(folder: SweepFolder, row: pd.Series, splits: Mapping[str, str], metrics: list[Metric]) -> dict[str, Any]:
    """One model: its betas, its numbers on every split, its pictures, and how to use it."""
    path = folder.path / "runs" / str(row["run"])
    return _place(row) | {
        "values": {split: _values(row, prefix, metrics) for split, prefix in splits.items()},
        "collapsed": collapsed_layers(row),
        "reconstructions": _picture(path / "reconstructions.png"),
        "samples": _picture(path / "samples.png"),
        "shell": f"ratescape evaluate {shlex.quote(str(path))}",
        "python": f"ratescape.load({json.dumps(str(path))})",
    }


def _values(row: pd.Series, prefix: str, metrics: list[Metric]) -> dict[str, Any]:
    """The numbers of a row on one split; layer rates and active units top layer first."""
    numbers = {metric.column: _number(row.get(prefix + metric.column)) for metric in metrics}
    by_layer = {
        name: [_number(row[column]) for column in layer_columns(row.to_frame().T, prefix + column_name)]
        for name, column_name in (("rates", "rate"), ("active", "active"))
    }
    ceilings = {
        name: _number(row[prefix + name])
        for kind in ("ceiling_rate", "ceiling_information")
        for name in layer_columns(row.to_frame().T, kind)
        if prefix + name in row
    }
    return {"rate": _number(row.get(prefix + "rate"))} | numbers | by_layer | ceilings


def _number(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _picture(path: Path) -> str | None:
    """A PNG as a data: address; None where there is none."""
    if not path.exists():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _pick(table: Table, metric: Metric) -> dict[str, Any]:
    """The best model by a metric beside what simpler tuning would have given."""
    choice = best(table, metric.column)
    return {
        "metric": metric.column,
        "best": choice.run,
        "vae": str(choice.vae["run"]),
        "vae_is_exact": choice.vae_is_exact,
        "beta_vae": None if choice.beta_vae is None else str(choice.beta_vae["run"]),
    }


def _absent(table: Table) -> list[str]:
    """One line for each reason why runs or measurements are not shown."""
    lines: list[str] = []
    diverged = table.rows[table.rows["status"] != "ok"]
    if len(diverged):
        lines.append(f"{_count(len(diverged), 'training')} diverged and left no numbers, at betas {_where(diverged)}.")
    if table.missing:
        lines.append(f"{_count(table.missing, 'run')} not done: run the sweep's command again to finish.")
    lines += [f"Unreadable run: {line}." for line in table.broken]
    return lines + [f"{line[0].upper()}{line[1:]}." for line in table.absent]


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
    places = ["(" + ", ".join(f"{beta:.3g}" for beta in betas_of(row)) + ")" for _, row in rows.iterrows()]
    return "; ".join(places[:LISTED]) + (f" and {len(places) - LISTED} more" if len(places) > LISTED else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _provenance(folder: SweepFolder) -> dict[str, str]:
    """What is known of how the sweep was made, as text; a missing record is said, not hidden."""
    try:
        known = folder.provenance()
    except RecordError as error:
        return {"unknown": str(error)}
    sessions = {f"session {i}": _sitting(one) for i, one in enumerate(known.pop("sessions", []), 1)}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items()} | sessions


def _sitting(facts: Mapping[str, Any]) -> str:
    """When, for how long, on what and with which versions a sweep was worked at."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    begun, seconds = facts["begun"], f"{facts['seconds']:.0f} s"
    return f"{begun}, {seconds}, {facts['device']}, {facts['processes']} process(es); {versions}"
