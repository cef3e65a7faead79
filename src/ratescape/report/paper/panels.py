"""Sheets of panels, one metric each: Figs. 5, 7 and 8 to 10 of the paper."""

import itertools
import math
import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratescape.metrics import Metric, measured_metrics
from ratescape.records.table import Table
from ratescape.report.paper.marked import cross, draw_marks, marked_models
from ratescape.report.paper.needs import among, layers_of
from ratescape.report.paper.table import PROBES
from ratescape.report.plots.canvas import Gaps, Margins, finish, leave_out, name_panel, new_figure, panels
from ratescape.report.plots.marks import legend, rings_of
from ratescape.report.plots.palette import colour_bar, formatter_of, latent
from ratescape.report.plots.rates import over_rate, over_rate_bar, rate_plane
from ratescape.selection import finished

_TITLE_WIDTH = 34
"""Letters in a line of a panel's title."""

_SHEET = 4
"""Panels side by side in the sheet of all metrics."""


def panel(axes: Axes, rows: pd.DataFrame, metric: Metric, marked: Sequence[int] = ()) -> None:
    """One metric over the layer rates if there are two layers, else over the total rate.

    Args:
        axes: where to draw.
        rows: measured rows; those without the metric are left out, and the title counts them.
        metric: what is drawn.
        marked: positions of models to mark with a cross.
    """
    known = rows[rows[metric.column].notna()].reset_index(drop=True)
    some = f"  [{len(known)} of {len(rows)} models]" if len(known) < len(rows) else ""
    if layers_of(rows) == 2:
        drawn = rate_plane(axes, known, metric, frame=rows)
        draw_marks(axes, rows["rate_2"], rows["rate"] - rows["rate_2"], marked)
        colour_bar(axes, drawn, "", formatter_of(metric))
    else:
        drawn = over_rate(axes, known, metric)
        axes.set_ylabel("")
        draw_marks(axes, rows["rate"], rows[metric.column], marked)
        over_rate_bar(axes, drawn, rows)
    name_panel(axes, textwrap.fill(metric.label + some, _TITLE_WIDTH))


def sheet(table: Table, columns: Sequence[str], across: int, title: str, marked: bool = False) -> Figure:
    """A panel for each of those metrics that was measured, with one legend; the foot names the others.

    Raises:
        CannotDraw: none of them was measured.
    """
    rows = finished(table)
    metrics, absent = among(rows, columns)
    across = min(across, len(metrics))
    down = math.ceil(len(metrics) / across)
    alike = layers_of(rows) == 2  # panels with the same axes, which need numbers at the outer ones only
    figure = new_figure(max(8.5, 0.4 + (3.9 if alike else 4.6) * across), (3.4 if alike else 3.8) * down + 1.0)
    gaps = Gaps(across=1.0, down=0.55) if alike else Gaps(across=1.6, down=1.0)
    grid = panels(figure, down, across, Margins(right=0.85 if alike else 1.05), gaps)
    crosses = list(marked_models(rows)) if marked else []
    for index, (axes, metric) in enumerate(zip(itertools.chain(*grid), metrics, strict=False)):
        panel(axes, rows, metric, crosses)
        if alike:
            leave_out(axes.yaxis, index % across > 0)
            leave_out(axes.xaxis, index + across < len(metrics))
    for axes in list(figure.axes)[len(metrics) :]:
        axes.remove()
    legend(figure, rings_of(rows, metrics, "a panel's metric") + ([cross()] if crosses else []))
    return finish(figure, title, table, absent)


def generation(table: Table) -> Figure:
    """Fig. 5: inception score and its factors, diversity and sharpness."""
    return sheet(
        table, ("inception_score", "diversity", "sharpness"), 3, "Generation: inception score and its factors", True
    )


def representation(table: Table) -> Figure:
    """Fig. 7: mutual information with the label, and the accuracies of four classifiers, for the top layer."""
    top = layers_of(finished(table))
    columns = (f"information_{top}", *(f"accuracy_{probe}_{top}" for probe in PROBES))
    return sheet(table, columns, 3, f"Representation: what {latent(top)} tells about the label")


def all_metrics(table: Table) -> Figure:
    """Figs. 8 to 10: every metric that ranks models, one sheet for a landscape."""
    ranking = [metric.column for metric in measured_metrics(finished(table)) if metric.higher_is_better is not None]
    return sheet(table, ranking or ["rate"], _SHEET, "All metrics")
