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

from ratescape.errors import RecordError
from ratescape.records import (
    SweepFolder,
    Table,
    landscape,
    layer_columns,
    write_atomically,
)
from ratescape.selection import (
    USES,
    Metric,
    best,
    beta_vaes,
    betas_of,
    collapse_warnings,
    collapsed_layers,
    finished,
    hull_of,
    metrics_of,
    plain_vaes,
)
from ratescape.specs import to_yaml

LISTED = 12
"""Diverged trainings named one by one in the warnings; the rest are counted."""


def write_page(folder: SweepFolder) -> Path:
    """Write ``report.html`` of a sweep.

    Raises:
        RecordError: the folder is no sweep, has no run to show, or cannot be written.
    """
    write_atomically(folder.report, render(page_data(folder, landscape(folder))))
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
    metrics = metrics_of(rows)
    spec = folder.spec()
    splits = {table.split: "", "test": "" if table.split == "test" else "test_"}
    picks = [_pick(table, metric) for metric in metrics if metric.higher_is_better is not None]
    return {
        "title": f"Rate landscape of {spec.data.name}",
        "layers": len(layer_columns(rows, "rate")),
        "family": spec.model.family,
        "chosen_on": table.split,
        "splits": list(splits),
        "metrics": [_metric(metric) for metric in metrics],
        "runs": [
            _run(folder, row, splits, metrics) | {"vae": bool(vae), "equal": bool(equal)}
            for (_, row), vae, equal in zip(rows.iterrows(), plain_vaes(rows), beta_vaes(rows), strict=True)
        ],
        "diverged": [_place(row) for _, row in table.rows[table.rows["status"] != "ok"].iterrows()],
        "hulls": {
            split: {metric.column: hull_of(rows, metric, prefix) for metric in metrics}
            for split, prefix in splits.items()
        },
        "picks": picks,
        "selected": picks[0]["best"] if picks else str(rows["run"].iloc[0]),
        "asked": len(table.rows) + table.missing + len(table.broken),
        "warnings": [*_absent(table), *collapse_warnings(table)],
        "provenance": _provenance(folder),
        "spec": to_yaml(spec),
    }


def _metric(metric: Metric) -> dict[str, Any]:
    use = next((use for use, columns in USES.items() if metric.column in columns), None)
    return {
        "column": metric.column,
        "name": metric.name,
        "unit": metric.unit,
        "label": metric.label,
        "higher_is_better": metric.higher_is_better,
        "explanation": metric.explanation,
        "use": use,
    }


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
    return {"rate": _number(row.get(prefix + "rate"))} | numbers | by_layer


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
    """One line for each reason why runs are not shown."""
    lines: list[str] = []
    diverged = table.rows[table.rows["status"] != "ok"]
    if len(diverged):
        places = ["(" + ", ".join(f"{beta:.3g}" for beta in betas_of(row)) + ")" for _, row in diverged.iterrows()]
        more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
        where = "; ".join(places[:LISTED]) + more
        lines.append(f"{_count(len(diverged), 'training')} diverged and left no numbers, at betas {where}.")
    if table.missing:
        lines.append(f"{_count(table.missing, 'run')} not done: run the sweep's command again to finish.")
    return lines + [f"Unreadable run: {line}." for line in table.broken]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _provenance(folder: SweepFolder) -> dict[str, str]:
    """What is known of how the sweep was made, as text; a missing record is said, not hidden."""
    try:
        known = folder.provenance()
    except RecordError as error:
        return {"unknown": str(error)}
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in known.items()}
