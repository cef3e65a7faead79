"""Two landscapes in one figure and on one page."""

import base64
import html
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ratescape.metrics import METRICS, Metric, layer_columns, measured_metrics
from ratescape.report.plots.canvas import Gaps, Margins, add_footnote, add_title, name_panel, new_figure, panels
from ratescape.report.plots.marks import legend, rings_of
from ratescape.report.plots.palette import GRID, colour_bar, formatter_of, latent, norm_of
from ratescape.report.plots.rates import over_rate, over_rate_bar, rate_plane
from ratescape.selection import finished
from ratescape.selection.compared import Side, joined, obstacles, shared_metric

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 76rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: 0.3rem 0.8rem 0.3rem 0; text-align: left; border-bottom: 1px solid #e6e8eb; white-space: nowrap; }
img { max-width: 100%; height: auto; } li { margin: 0.3rem 0; }
"""


def compared_figure(one: Side, other: Side, metric: Metric | None = None) -> Figure:
    """A metric over the rates of both landscapes on one scale, and its difference at points of betas in common.

    Args:
        metric: default: the first that both have measured.

    Raises:
        SpecError: one has no finished model, or they have no metric in common.

    Example::

        compared_figure(side, other).savefig("compared.png")
    """
    rows = [finished(side.table) for side in (one, other)]
    known = [METRICS["rate"]] if metric is None else [metric]
    chosen = shared_metric(one.table, other.table, known if metric else [*measured_metrics(rows[0]), *known])
    figure = new_figure(15.5, 5.4)
    ((left, middle, right),) = panels(figure, 1, 3, Margins(bottom=0.85, right=1.15, top=1.05), Gaps(across=1.75))
    scale = norm_of(pd.concat([found[chosen.column] for found in rows]))
    alike = layer_columns(rows[0], "rate") == layer_columns(rows[1], "rate")
    frame = pd.concat(rows, ignore_index=True) if alike else None
    for axes, own, side, letter in zip((left, middle), rows, (one, other), "AB", strict=True):
        _plane(axes, own, chosen, frame, scale)
        name_panel(axes, f"{letter}: {side.short}")
    points = joined(one.table, other.table)
    if "*" in obstacles(one, other)[1]:
        _say(right, "numbers do not compare")
    elif len(points):
        _differences(right, points, chosen)
        name_panel(right, f"B − A at {len(points)} points in common")
    else:
        _say(right, "no model of one has\nthe betas of one of the other")
    add_title(figure, f"{chosen.label} on {one.table.split}")
    legend(figure, rings_of(pd.concat(rows, ignore_index=True), [chosen], chosen.name), "upper right")
    add_footnote(figure, f"{len(rows[0])} models of A, {len(rows[1])} of B; one scale of colour")
    return figure


def _plane(axes: Axes, rows: pd.DataFrame, metric: Metric, frame: pd.DataFrame | None, scale: Normalize) -> None:
    """One landscape; of a single layer, the metric over the rate."""
    if len(layer_columns(rows, "rate")) == 1:
        over_rate_bar(axes, over_rate(axes, rows, metric), rows)
        return
    drawn = rate_plane(axes, rows, metric, frame)
    drawn.set_norm(scale)
    colour_bar(axes, drawn, metric.label)


def _say(axes: Axes, text: str) -> None:
    """A text in place of a plot."""
    axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes)
    axes.set_axis_off()


def _differences(axes: Axes, points: pd.DataFrame, metric: Metric) -> None:
    """How a metric differs at points in common: over two betas where there are two layers, else over the rate of A."""
    betas = layer_columns(points, "beta")
    difference = points[f"{metric.column}_b"] - points[f"{metric.column}_a"]
    if len(betas) != 2:
        axes.axhline(0, color=GRID)
        axes.scatter(points["rate_a"], difference, s=30)
        axes.set_xlabel("total rate of A  (nats)")
        axes.set_ylabel(f"B − A, {metric.label}")
        axes.yaxis.set_major_formatter(formatter_of(metric))
        return
    size = float(difference.abs().max()) or 1.0
    colours = "RdBu_r" if metric.higher_is_better is False else "RdBu"
    drawn = axes.scatter(
        points[betas[0]],
        points[betas[1]],
        c=difference,
        cmap=colours,
        norm=Normalize(-size, size),
        s=110,
        edgecolors="#00000055",
        lw=0.5,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(f"β of {latent(2)}")
    axes.set_ylabel(f"β of {latent(1)}")
    axes.grid(color=GRID, lw=0.6)
    colour_bar(
        axes, drawn, f"B − A, {metric.label}; blue: B is better" if metric.higher_is_better is not None else "B − A"
    )


def compared_page(title: str, parts: Sequence[tuple[str, pd.DataFrame]], notes: Sequence[str], png: bytes) -> str:
    """A page of tables, notes and the figure, self-contained.

    Args:
        parts: tables under their headings, all cells texts.

    Example::

        Path("compared.html").write_text(compared_page("A and B", [("Winners", table)], [], png))
    """
    picture = base64.b64encode(png).decode()
    body = [f"<h1>{html.escape(title)}</h1>"]
    if notes:
        items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
        body.append(f"<h2>What does not compare, and what to know</h2><ul>{items}</ul>")
    for heading, table in parts:
        if len(table):
            rows = table.to_html(index=False, border=0, escape=True)
            body.append(f'<h2>{html.escape(heading)}</h2><div class="wide">{rows}</div>')
    body.append(f'<h2>Figure</h2><img alt="Both landscapes over their rates" src="data:image/png;base64,{picture}">')
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    )
    head = f"<head>{head}<style>{STYLE}</style></head>"
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{"".join(body)}</body></html>\n'
