"""Where in the landscape each use is served best: anomalies and restoring over the betas of one network."""

import contextlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from ratescape.errors import NoWinner, SpecError
from ratescape.metrics import METRICS, Metric, layer_columns, metric_at
from ratescape.records.fine import is_of_use
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table
from ratescape.report.fine import fine_of, over_grid, total_rates
from ratescape.report.plots.betas import beta_axes
from ratescape.report.plots.canvas import (
    Gaps,
    Margins,
    add_footnote,
    add_title,
    leave_out,
    name_panel,
    new_figure,
    panels,
    save,
)
from ratescape.report.plots.marks import legend
from ratescape.report.plots.palette import colour_bar, colours_of, scale_of
from ratescape.selection import best

ACROSS = 4
"""Panels side by side, at most."""

NEAR = 0.9
"""The points above this quantile are outlined: few images do not tell the best point from those beside it."""

LEVELS = 24

_DARK = withStroke(linewidth=3, foreground="#9aa0a8")
"""By which a white line is seen on paper."""

PAPER = {"reconstruction": "^", "representation": "D", "generation": "P"}
"""The uses of the paper, and what marks the model of the grid that is chosen for each."""


def save_fine_uses(folder: SweepFolder, table: Table, pdf: bool = False) -> list[Path]:
    """Write ``figures/uses.png`` where the fine landscape was measured for anomalies or restoring; else nothing.

    Raises:
        RecordError: the fine landscape is damaged, or the file cannot be written.
    """
    between = fine_of(folder)
    if between is None or not shown_metrics(between):
        return []
    images = folder.spec().method.fine_uses()
    return save(uses_figure(between, table, images), folder.path / "figures", "uses", pdf)


def shown_metrics(between: pd.DataFrame) -> list[Metric]:
    """What of anomalies and restoring the fine landscape has, in the order of the registry."""
    known = [column for column, metric in METRICS.items() if metric.offered and is_of_use(column)]
    found = [METRICS[column] for column in known if column in between and between[column].notna().any()]
    llr = [metric_at(column) for column in layer_columns(between, "auroc_llr")]
    return found + [metric for metric in llr if metric is not None]


def uses_figure(between: pd.DataFrame, table: Table, images: int) -> Figure:
    """One panel of the betas for reconstruction and for each use, with its best point.

    Args:
        between: the fine landscape of two layers, with columns of uses.
        table: the models of the grid: those chosen for the paper's uses are marked.
        images: that were restored at each point.
    """
    fidelity = METRICS["r2" if "r2" in between else "psnr"]
    metrics = [fidelity, *shown_metrics(between)]
    across = min(ACROSS, len(metrics))
    down = math.ceil(len(metrics) / across)
    margins = Margins(left=0.75, right=0.95, top=1.1, bottom=0.85)
    figure = new_figure(1.4 + 3.9 * across, 1.6 + 3.35 * down)
    grid = panels(figure, down, across, margins, Gaps(across=1.1, down=0.9))
    places = [axes for line in grid for axes in line]
    chosen = _chosen(table)
    for index, axes in enumerate(places):
        if index >= len(metrics):
            axes.set_axis_off()
            continue
        _panel(axes, between, metrics[index], chosen)
        leave_out(axes.yaxis, index % across > 0)
        leave_out(axes.xaxis, index + across < len(metrics))
    add_title(figure, f"Which betas serve which use ({table.split})")
    legend(figure, _entries(list(chosen)), "upper right")
    counts = f"{images} images restored, {10 * images} items and as many outliers scored"
    add_footnote(figure, f"one network conditioned on betas, at {len(between)} of them; {counts} at each")
    return figure


def _chosen(table: Table) -> dict[str, tuple[float, ...]]:
    """Betas of the models of the grid that are chosen for the uses of the paper, where these were measured."""
    found: dict[str, tuple[float, ...]] = {}
    for use in PAPER:
        with contextlib.suppress(NoWinner, SpecError):
            found[use] = tuple(best(table, use).betas)
    return found


def _panel(axes: Axes, between: pd.DataFrame, metric: Metric, chosen: dict[str, tuple[float, ...]]) -> None:
    beta_axes(axes, between)
    known = between[between[metric.column].notna()]
    betas = [np.sort(between[name].unique()) for name in ("beta_2", "beta_1")]
    values, scale = np.ma.masked_invalid(over_grid(between, metric.column)), scale_of(known, metric)
    axes.contourf(*betas, values, levels=LEVELS, cmap=colours_of(metric), norm=scale.norm, zorder=1)
    score = metric.score(known[metric.column])
    top = known.loc[score.idxmax()]
    near = float(np.quantile(score, NEAR)) * (-1 if metric.higher_is_better is False else 1)
    if known[metric.column].nunique() > 1:
        axes.contour(*betas, values, levels=[near], colors="white", linewidths=1.6, zorder=2.5)
    total_rates(axes, between)
    for use, point in chosen.items():
        axes.plot(*point, PAPER[use], ms=7, mfc="white", mec="#1b1e24", zorder=4, clip_on=False)
    axes.plot(top["beta_2"], top["beta_1"], "*", ms=15, color="#e8452c", mec="white", zorder=5, clip_on=False)
    colour_bar(axes, scale, "")
    at = f"{top['beta_2']:.2g}, {top['beta_1']:.2g}: {top['rate_2']:.3g} + {top['rate_1']:.3g} nats"
    name_panel(axes, f"{metric.label}\nbest {top[metric.column]:.4g} at betas {at}", 8.5)


def _entries(uses: list[str]) -> list[Line2D]:
    look: dict[str, Any] = {"ls": "", "mec": "#1b1e24", "mfc": "white", "ms": 7}
    marks = [Line2D([], [], marker=PAPER[use], label=f"chosen for {use}", **look) for use in uses]
    star = Line2D([], [], ls="", marker="*", ms=13, color="#e8452c", label="best point")
    tenth = Line2D([], [], color="white", lw=1.6, path_effects=[_DARK], label="around the best tenth of the points")
    rates = Line2D([], [], color="#1b1e24", lw=0.8, label="total rate, nats")
    return [star, tenth, rates, *marks]
