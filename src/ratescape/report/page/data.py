"""Everything the page shows, as data for JSON."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.colors import to_hex

from ratescape.metrics import Metric, layer_columns, measured_metrics
from ratescape.records.answers import answers
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table
from ratescape.report.deciding import uses_of
from ratescape.report.fine import fine_of
from ratescape.report.groups import axes_of, groups_of
from ratescape.report.page.asked import answer_data, asked_note
from ratescape.report.page.axes import extent, limits
from ratescape.report.page.between import fine_data, layer_rates, with_loss
from ratescape.report.page.groups import groups_data
from ratescape.report.page.models import (
    FEW_LAYERS,
    models_data,
    picks_data,
    picture,
    picture_width,
    table1_data,
)
from ratescape.report.page.names import column, group_data, layer_names, metric_data, numbers, shades
from ratescape.report.page.notes import alarms, facts, provenance, warnings
from ratescape.report.page.planes import Splits, beta_plane, ceiling_plane, rate_plane, total_plane
from ratescape.report.page.refined import refined_data
from ratescape.report.paper.uses import AXES
from ratescape.report.plots.surface import CORNERS, beta_colours, triangles, worth_a_surface
from ratescape.selection import beta_vaes, finished, hull_of
from ratescape.specs.codec import to_yaml
from ratescape.specs.sweep import SweepSpec


def page_data(folder: SweepFolder, table: Table, refined: pd.DataFrame | None = None) -> dict[str, Any]:
    """Everything the page shows, ready for JSON: numbers that are not finite are None.

    Args:
        folder: the landscape.
        table: its models.
        refined: models that were refined from it, as :func:`ratescape.records.refined.read_refined` tells of them.

    Raises:
        SpecError: no run has numbers to show.
        RecordError: a record is damaged.

    Example::

        page_data(folder, read_table(folder))["runs"][0]["values"]["test"]["psnr"]
    """
    rows, spec, fine = finished(table), folder.spec(), fine_of(folder)
    groups = groups_of(spec)
    between = None if fine is None else with_loss(fine)
    layers, known = len(layer_columns(rows, "rate")), _known(refined)
    metrics, uses = measured_metrics(rows) + ([] if between is None else layer_rates()), uses_of(table)
    splits = {table.split: "", "test": "" if table.split == "test" else "test_"}
    picks, found = picks_data(table, metrics, uses), answers(folder)
    return {
        **_heading(spec, table, rows),
        "layers": layers,
        "names": layer_names(layers),
        "few_layers": FEW_LAYERS,
        "axes": axes_of(rows, groups),
        "groups": [group_data(group) for group in groups],
        "chosen_on": table.split,
        "splits": list(splits),
        "metrics": [metric_data(metric, layers, uses) for metric in metrics],
        "colours": shades("viridis"),
        "picture_width": picture_width(folder, rows),
        **{name: picture(folder.path / "figures" / f"{name}.png") for name in ("vectors", "anomalies", "uses")},
        "runs": models_data(folder, rows, splits, metrics, groups),
        "selected": next((pick["best"] for pick in picks if pick["best"]), str(rows["run"].iloc[0])),
        "hulls": _by_metric(metrics, splits, lambda metric, prefix: hull_of(rows, metric, prefix)),
        "ranges": _by_metric(metrics, splits, lambda metric, prefix: extent(_values(rows, between, metric, prefix))),
        "limits": _by_metric(metrics, splits, lambda metric, prefix: limits(_with_errors(rows, prefix, metric))),
        "rate_plane": rate_plane(rows, splits, found, groups, _rates(between, known) if layers == 2 else None),
        "beta_plane": beta_plane(table.rows, rows, groups),
        "many": groups_data(rows, groups, splits, metrics, uses),
        "total_plane": total_plane(rows, splits, groups),
        "ceiling_plane": ceiling_plane(rows, splits),
        "surface": _surface(rows, uses),
        "fine": None if between is None else _fine(between, rows, metrics, table.split, spec),
        "refined": refined_data(folder, known, rows, splits, metrics, groups),
        "answers": [answer_data(answer) for answer in found],
        "asked_note": asked_note(found, table.split),
        "control": picture(folder.path / "figures" / "control.png"),
        "picks": picks,
        "table1": table1_data(table),
        "alarms": alarms(table),
        "warnings": warnings(table),
        "provenance": provenance(folder),
        "spec": to_yaml(spec),
    }


def _heading(spec: SweepSpec, table: Table, rows: pd.DataFrame) -> dict[str, Any]:
    """What stands above the plots, and what an item of the data is called."""
    item = "a row" if "r2" in rows else "an image"
    return {"title": f"Rate landscape of {spec.data.name}", "item": item, "facts": facts(spec.model, table)}


def _known(refined: pd.DataFrame | None) -> pd.DataFrame:
    """The refined models that have numbers."""
    return pd.DataFrame() if refined is None or refined.empty else refined[refined["status"] == "ok"]


def _rates(*tables: pd.DataFrame | None) -> pd.DataFrame:
    """Rates of two layers of all of them."""
    columns = ["rate_2", "rate_1"]
    known = [table[columns] for table in tables if table is not None and len(table)]
    return pd.concat(known) if known else pd.DataFrame(columns=columns)


def _values(rows: pd.DataFrame, between: pd.DataFrame | None, metric: Metric, prefix: str) -> list[float | None]:
    """All values of a metric that one scale of colour is for: of the models, and of the surface that they lie on."""
    surface = [] if between is None or metric.column not in between else numbers(between[metric.column])
    return column(rows, prefix + metric.column) + surface


def _fine(
    between: pd.DataFrame, rows: pd.DataFrame, metrics: Sequence[Metric], split: str, spec: SweepSpec
) -> dict[str, Any]:
    """The surface; whether the models of the grid were trained on, each alone, as the surface was not."""
    merged = spec.runs()[0].merged
    refined = 0 if merged is None else merged.refine
    return fine_data(between, rows, metrics, split, spec.method.fine_uses(), refined)


def _with_errors(rows: pd.DataFrame, prefix: str, metric: Metric) -> list[float | None]:
    """The ends of the error bars of a metric's values; the values themselves where errors are not known."""
    values = column(rows, prefix + metric.column)
    if f"{prefix}se_{metric.column}" not in rows:
        return values
    errors = column(rows, f"{prefix}se_{metric.column}")
    return [
        None if value is None else value + sign * (error or 0.0)
        for value, error in zip(values, errors, strict=True)
        for sign in (-1, 1)
    ]


def _by_metric(
    metrics: Sequence[Metric], splits: Splits, of: Callable[[Metric, str], Sequence[float]]
) -> dict[str, dict[str, Sequence[float]]]:
    """Something of every metric on every split, by split and column."""
    return {split: {metric.column: of(metric, prefix) for metric in metrics} for split, prefix in splits.items()}


def _surface(rows: pd.DataFrame, uses: dict[str, str]) -> dict[str, Any] | None:
    """How the models of two layers span a surface: its triangles, the colours of the betas, and its three axes.

    The axes are the metrics of the three uses where all were measured (Fig. 1); else they are None, and the surface is
    that of a metric over the layer rates (Fig. 3). None where there are too few models to be read as a surface.
    """
    if len(layer_columns(rows, "rate")) != 2 or beta_vaes(rows).all() or not worth_a_surface(rows):
        return None
    corners = triangles(rows).tolist()
    if not corners:  # betas that were found lie on no grid
        return None
    columns = {use: name for name, use in uses.items()}
    return {
        "triangles": corners,
        "colours": [to_hex(colour) for colour in beta_colours(rows)],
        "corners": [to_hex(colour) for colour in CORNERS],
        "axes": [columns[use] for use in AXES] if all(use in columns for use in AXES) else None,
    }
