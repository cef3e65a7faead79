"""Fig. 6 of the paper: accuracy under the ceilings that rates and information set (Eq. 11)."""

import dataclasses

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ratescape.metrics import Metric, measured_metrics
from ratescape.records.table import Table
from ratescape.report.paper.needs import having, layers_of, needed
from ratescape.report.paper.table import flags_of
from ratescape.report.plots.canvas import Gaps, Margins, finish, new_figure, panels
from ratescape.report.plots.marks import draw_hull_line, draw_points, draw_rings, legend, rings_of
from ratescape.report.plots.palette import GREY, GRID, PERCENT, colour_bar, latent, norm_of
from ratescape.selection import finished, hull_of

_FLAG, _CURVE = "#c1121f", "#333333"
"""Colours of the crosses on flagged models, and of the ceiling by information."""

_HOLLOW = 26
"""Area of a hollow dot, in square typographic points."""


@dataclasses.dataclass(frozen=True)
class _Measured:
    """The columns of Fig. 6 for one landscape, and which of them it has."""

    rows: pd.DataFrame
    """Models with an accuracy on the mean."""
    metric: Metric
    """RBF accuracy on a sample of the top layer, which the ceilings bind; on its mean where no sample was read."""
    mean: Metric
    """RBF accuracy on the mean of the top layer, which no ceiling binds."""
    top: int
    """Number of the top layer."""

    @property
    def by_rate(self) -> str:
        return f"ceiling_rate_{self.top}"

    @property
    def by_information(self) -> str:
        return f"ceiling_information_{self.top}"

    @property
    def estimate(self) -> str:
        """The larger estimate of information: a ceiling must not rest on one that is too small."""
        return f"information_paper_{self.top}"

    @property
    def sampled(self) -> bool:
        """Whether labels were read off samples, too."""
        return self.metric != self.mean

    @property
    def absent(self) -> list[str]:
        """Ceilings that were not measured."""
        ceilings = (self.by_rate, self.by_information)
        return [column for column in ceilings if column not in self.rows or self.rows[column].isna().all()]

    @property
    def flagged(self) -> pd.Series:
        """Models whose accuracy on a sample lies above a ceiling."""
        return flags_of(self.rows).str.contains(f"accuracy_sample_{self.top}", regex=False)


def accuracy(table: Table) -> Figure:
    """Fig. 6: RBF accuracy on a sample of the top layer over the total rate with its hull, under its ceilings (Eq. 11).

    The ceiling by the rate differs from model to model at one total rate, so each model has its own; beside it is
    the accuracy over the mutual information, where the ceiling is one curve. Hollow dots are the accuracy on the mean,
    which no ceiling binds.

    Raises:
        CannotDraw: the accuracy was not measured.
    """
    rows = finished(table)
    top = layers_of(rows)
    (mean,) = needed(rows, (f"accuracy_rbf_{top}",))
    rows = having(rows, [mean])
    sample = [metric for metric in measured_metrics(rows) if metric.column == f"accuracy_sample_{top}"]
    shown = _Measured(rows, sample[0] if sample else mean, mean, top)
    wide = shown.by_information not in shown.absent and shown.estimate in rows
    figure = new_figure(12.5 if wide else 7.5, 5.6)
    ((left, *right),) = panels(figure, 1, 2 if wide else 1, Margins(bottom=1.1, right=1.05), Gaps(across=0.6))
    drawn = _over_total_rate(left, shown)
    for axes in right:
        _over_information(axes, shown)
    colour_bar(right[-1] if right else left, drawn, f"R({latent(top)})  (nats)")
    legend(figure, [*rings_of(shown.rows, [shown.metric], "its accuracy"), *_entries(shown)])
    return finish(figure, f"Representation: {shown.metric.name}", table, shown.absent)


def _over_total_rate(axes: Axes, shown: _Measured) -> PathCollection:
    """Accuracy over the total rate, with a dash for each model's own ceiling; returns the points."""
    rate, hull = shown.rows["rate"], hull_of(shown.rows, shown.metric)
    drawn = _accuracies(axes, shown, rate)
    draw_hull_line(axes, rate, shown.rows[shown.metric.column], hull)
    axes.set_xlabel("total rate  (nats)")
    if shown.by_rate not in shown.absent:
        axes.plot(rate, shown.rows[shown.by_rate], ls="", marker="_", color=GREY, ms=9, mew=1.5, zorder=1)
    return drawn


def _over_information(axes: Axes, shown: _Measured) -> None:
    """Accuracy over the mutual information of label and top latent, with the one curve of its ceiling."""
    _accuracies(axes, shown, shown.rows[shown.estimate])
    curve = shown.rows.sort_values(shown.estimate)
    axes.plot(curve[shown.estimate], curve[shown.by_information], "--", color=_CURVE, lw=1.6, zorder=1)
    axes.set_xlabel(f"I(y; {latent(shown.top)}), the paper's estimate  (nats)")
    axes.set_ylabel("")


def _accuracies(axes: Axes, shown: _Measured, x: pd.Series) -> PathCollection:
    """Accuracies coloured by the top layer's rate, those above their ceiling crossed out; returns the points."""
    rows, y, top = shown.rows, shown.rows[shown.metric.column], shown.rows[f"rate_{shown.top}"]
    drawn = draw_points(axes, x, y, top, "cividis", norm_of(top))
    if shown.sampled:
        axes.scatter(x, rows[shown.mean.column], s=_HOLLOW, facecolors="none", edgecolors=GREY, lw=1.2, zorder=2.5)
    else:
        drawn.set(facecolor="none", edgecolor=None, linewidth=1.8)  # the colour of a hollow dot is that of its edge
    draw_rings(axes, x, y, rows, hull_of(rows, shown.metric))
    flagged = shown.flagged
    axes.plot(x[flagged], y[flagged], "x", color=_FLAG, ms=10, mew=2.4, zorder=6)
    axes.set_ylabel(shown.mean.label.partition(" on ")[0] + " (%)")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.grid(color=GRID, lw=0.6)
    return drawn


def _entries(shown: _Measured) -> list[Line2D]:
    """Legend entries for the ceilings and for what is above them."""
    name = latent(shown.top)
    entries = [
        (shown.sampled, _mark("o", _CURVE, f"on a sample of {name}, which the ceilings bind", ms=6, mew=0.5)),
        (True, _hollow(f"on the mean of {name}, which may tell more")),
        (shown.by_rate not in shown.absent, _mark("_", GREY, f"ceiling by R({name})", ms=11, mew=1.5)),
        (
            shown.by_information not in shown.absent,
            Line2D([], [], ls="--", color=_CURVE, label="ceiling by mutual information"),
        ),
        (bool(shown.flagged.any()), _mark("x", _FLAG, "sample above a ceiling: a defect", ms=9, mew=2.4)),
    ]
    return [entry for drawn, entry in entries if drawn]


def _hollow(label: str) -> Line2D:
    return Line2D([], [], ls="", marker="o", mfc="none", mec=GREY, ms=5, mew=1.2, label=label)


def _mark(marker: str, colour: str, label: str, ms: float, mew: float) -> Line2D:
    return Line2D([], [], ls="", marker=marker, color=colour, ms=ms, mew=mew, label=label)
