"""The rate landscape as one figure: a metric over the rates and over the betas."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ratescape.metrics import METRICS, Metric, layer_columns, measured_metrics
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report.anomalies import save_anomalies
from ratescape.report.control import save_control
from ratescape.report.fine import fine_figure, fine_of
from ratescape.report.fine_uses import save_fine_uses
from ratescape.report.groups import Group, axes_of, groups_of, single_layers
from ratescape.report.many import pairs_figure, parallel_figure
from ratescape.report.plots.betas import beta_plane, over_beta
from ratescape.report.plots.canvas import (
    Gaps,
    Margins,
    add_footnote,
    add_title,
    footnote,
    new_figure,
    panels,
    save,
)
from ratescape.report.plots.marks import legend, rings_of
from ratescape.report.plots.palette import colour_bar
from ratescape.report.plots.rates import over_rate, over_rate_bar, rate_plane
from ratescape.report.plots.simplex import simplex
from ratescape.report.vectors import save_vectors
from ratescape.selection import beta_vaes, finished


def landscape_figure(table: Table, metric: Metric, groups: Sequence[Group] | None = None) -> Figure:
    """Draw a metric over the layer rates, and over the betas.

    With two layers these are the two planes of the paper; with one layer, curves over the rate and over beta;
    with more layers, the metric over the total rate (colour: the share of the top layer), and beside it for three
    groups of layers that share a beta the simplex of their shares of the rate, for two groups or one the plane of the
    top layer's rate against that of all layers below, and for more groups nothing (:func:`pairs_figure` shows them).

    Args:
        table: the landscape.
        metric: what is drawn.
        groups: the layers that share a beta; default: each layer is a group of its own.

    Raises:
        SpecError: no run has numbers to draw.

    Example::

        landscape_figure(read_table(folder), METRICS["psnr"]).savefig("landscape.png")
    """
    rows = finished(table)
    layers = len(layer_columns(rows, "rate"))
    betas = axes_of(rows, groups or single_layers(rows))
    if betas > 3:
        return _over_the_total_rate(table, rows, metric)
    figure = new_figure(11.5, 5.4)
    ((left, right),) = panels(figure, 1, 2, Margins(bottom=0.85, right=1.05, top=0.75), Gaps(across=1.75))
    if layers == 2:
        colour_bar(left, rate_plane(left, rows, metric), metric.label)
    else:
        over_rate_bar(left, over_rate(left, rows, metric), rows)
    if betas == 3:
        drawn = simplex(right, rows, groups or single_layers(rows), metric)
    elif layers > 2:
        drawn = rate_plane(right, rows, metric)
    elif beta_vaes(rows).all():
        drawn = over_beta(right, rows, metric)
    else:
        drawn = beta_plane(right, table.rows, rows, metric)
    colour_bar(right, drawn, metric.label)
    return _named(figure, table, rows, metric)


def _over_the_total_rate(table: Table, rows: pd.DataFrame, metric: Metric) -> Figure:
    """A metric over the total rate alone."""
    figure = new_figure(8.5, 5.4)
    ((axes,),) = panels(figure, 1, 1, Margins(bottom=0.85, right=1.2, top=0.95))
    over_rate_bar(axes, over_rate(axes, rows, metric), rows)
    return _named(figure, table, rows, metric)


def _named(figure: Figure, table: Table, rows: pd.DataFrame, metric: Metric) -> Figure:
    """Add what all landscapes say: title, key of the rings, and how many models are shown."""
    add_title(figure, f"{metric.label} on {table.split}")
    legend(figure, rings_of(rows, [metric], metric.name), "upper right")
    add_footnote(figure, footnote(table))
    return figure


def save_figures(folder: SweepFolder, pdf: bool = False) -> list[Path]:
    """Write ``figures/landscape.png`` of a sweep; the metric is the first that was measured.

    Where a conditioned network has measured a fine landscape, that is what it shows, with the models of the sweep as
    marks (:func:`ratescape.report.fine.fine_figure`). Where the models differ in more than two betas, ``pairs.png`` and
    ``parallel.png`` are written too; where rates were asked for, ``control.png``; of vectors,
    ``vectors.png``; where there are outliers, ``anomalies.png``; where the fine landscape was measured for
    anomalies or restoring, ``uses.png``.

    Args:
        pdf: whether to write each as a PDF, too.

    Raises:
        RatescapeError: the folder is no sweep, has nothing to draw, or cannot be written.

    Example::

        save_figures(SweepFolder(Path("demo")))  # [demo/figures/landscape.png]
    """
    table, between, groups = read_table(folder), fine_of(folder), groups_of(folder.spec())
    rows, figures = finished(table), folder.path / "figures"
    metric = next(iter(measured_metrics(rows)), METRICS["rate"])
    shown = landscape_figure(table, metric, groups) if between is None else fine_figure(table, between)
    paths = save(shown, figures, "landscape", pdf)
    if axes_of(rows, groups) > 2:
        paths += save(pairs_figure(table, groups, metric), figures, "pairs", pdf)
        paths += save(parallel_figure(table, groups, metric), figures, "parallel", pdf)
    paths += save_control(folder, pdf) + save_vectors(folder, table, pdf)
    return paths + save_anomalies(folder, table, pdf) + save_fine_uses(folder, table, pdf)
