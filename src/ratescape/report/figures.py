"""The rate landscape as one figure: a metric over the rates and over the betas."""

from pathlib import Path

from matplotlib.figure import Figure

from ratescape.metrics import METRICS, Metric, layer_columns, measured_metrics
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report.control import save_control
from ratescape.report.fine import fine_figure, fine_of
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
from ratescape.selection import beta_vaes, finished


def landscape_figure(table: Table, metric: Metric) -> Figure:
    """Draw a metric over the layer rates, and over the betas.

    With two layers these are the two planes of the paper; with one layer, curves over the rate and over beta;
    with more layers, the metric over the total rate (colour: the share of the top layer), and the plane of the
    top layer's rate against that of all layers below.

    Raises:
        SpecError: no run has numbers to draw.

    Example::

        landscape_figure(read_table(folder), METRICS["psnr"]).savefig("landscape.png")
    """
    rows = finished(table)
    figure = new_figure(11.5, 5.4)
    ((left, right),) = panels(figure, 1, 2, Margins(bottom=0.85, right=1.05, top=0.75), Gaps(across=1.75))
    layers = len(layer_columns(rows, "rate"))
    if layers == 2:
        colour_bar(left, rate_plane(left, rows, metric), metric.label)
    else:
        over_rate_bar(left, over_rate(left, rows, metric), rows)
    if layers > 2:
        drawn = rate_plane(right, rows, metric)
    elif beta_vaes(rows).all():
        drawn = over_beta(right, rows, metric)
    else:
        drawn = beta_plane(right, table.rows, rows, metric)
    colour_bar(right, drawn, metric.label)
    add_title(figure, f"{metric.label} on {table.split}")
    legend(figure, rings_of(rows, [metric], metric.name), "upper right")
    add_footnote(figure, footnote(table))
    return figure


def save_figures(folder: SweepFolder, pdf: bool = False) -> list[Path]:
    """Write ``figures/landscape.png`` of a sweep; the metric is the first that was measured.

    Where a conditioned network has measured a fine landscape, that is what it shows, with the models of the sweep as
    marks (:func:`ratescape.report.fine.fine_figure`). Where rates were asked for, ``control.png`` is written too.

    Args:
        pdf: whether to write each as a PDF, too.

    Raises:
        RatescapeError: the folder is no sweep, has nothing to draw, or cannot be written.

    Example::

        save_figures(SweepFolder(Path("demo")))  # [demo/figures/landscape.png]
    """
    table, between = read_table(folder), fine_of(folder)
    if between is None:
        metrics = measured_metrics(finished(table))
        figure = landscape_figure(table, metrics[0] if metrics else METRICS["rate"])
    else:
        figure = fine_figure(table, between)
    return save(figure, folder.path / "figures", "landscape", pdf) + save_control(folder, pdf)
