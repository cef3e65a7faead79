"""Every figure of the paper from the table of a finished landscape, and Figs. 3, 4 and 6 themselves.

Numbers are those of the split that models are chosen on, as each title says. A figure whose measurements are not in
the table is not drawn, and the reason is told; a panel whose measurement is missing is left out, and the figure
says so at its foot.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.axes3d import Axes3D
from PIL import Image

from ratescape.errors import RecordError, SpecError
from ratescape.metrics import Metric, layer_columns, measured_metrics
from ratescape.records.files import write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report.panels import (
    MARK,
    CannotDraw,
    all_metrics,
    cross,
    finish,
    generation,
    having,
    layers_of,
    marked_models,
    needed,
    new_figure,
    panel,
    representation,
    spans_surface,
)
from ratescape.report.planes import (
    GREY,
    HULL,
    PERCENT,
    colour_bar,
    draw_points,
    draw_rings,
    legend,
    norm_of,
    rings_of,
    save,
    scale_of,
)
from ratescape.report.surface import draw_surface, name_axes, triangles
from ratescape.report.table import as_markdown, flags_of, table1
from ratescape.report.uses import three_uses
from ratescape.selection import betas_of, finished, hull_of

_FLAG = "#c1121f"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What :func:`save_paper_figures` has written, and what it could not draw."""

    paths: tuple[Path, ...]
    skipped: dict[str, str]
    """Why a figure is missing, by its name."""


def save_paper_figures(folder: SweepFolder) -> Drawn:
    """Draw every figure of the paper, and Table 1, into ``figures/`` of a sweep as PNG and PDF, CSV and Markdown.

    Raises:
        RatescapeError: the folder is no sweep, has no finished model, or cannot be written.
    """
    table = read_table(folder)
    finished(table)
    drawings: dict[str, Callable[[], Figure]] = {
        "figure-1-three-uses": lambda: three_uses(table),
        "figure-3-reconstruction": lambda: reconstruction(table),
        "figure-4-pictures": lambda: pictures(folder, table),
        "figure-5-generation": lambda: generation(table),
        "figure-6-accuracy": lambda: accuracy(table),
        "figure-7-representation": lambda: representation(table),
        "figures-8-to-10-all-metrics": lambda: all_metrics(table),
    }
    place = folder.path / "figures"
    paths: list[Path] = []
    skipped: dict[str, str] = {}
    for name, draw in drawings.items():
        try:
            paths += save(draw(), place, name)
        except CannotDraw as reason:
            skipped[name] = str(reason)
    try:
        paths += _save_table1(place, table)
    except SpecError as reason:
        skipped["table-1"] = str(reason)
    return Drawn(tuple(paths), skipped)


def _save_table1(place: Path, table: Table) -> list[Path]:
    values = table1(table)
    paths = [place / "table-1.csv", place / "table-1.md"]
    write_atomically(paths[0], values.round(2).to_csv(index_label="features"))
    write_atomically(paths[1], as_markdown(values, table.split))
    return paths


def reconstruction(table: Table) -> Figure:
    """Fig. 3: PSNR over the layer rates, in 3-d and in the plane; numbers mark the models of Fig. 4.

    With other than two layers it is PSNR over the total rate.

    Raises:
        CannotDraw: PSNR was not measured.
    """
    rows = finished(table)
    (metric,) = needed(rows, ("psnr",))
    rows = having(rows, [metric])
    figure = new_figure(12.5, 5.8) if spans_surface(rows) else new_figure(8.5, 5.8)
    right: Figure | SubFigure = figure
    if spans_surface(rows):
        left, right = cast(Any, figure.subfigures(1, 2))
        axes = cast(Axes3D, left.add_axes((0.0, 0.03, 0.96, 0.94), projection="3d"))
        colours = scale_of(rows, metric).to_rgba(rows["psnr"].to_numpy())[:, :3]
        draw_surface(axes, rows[["rate_2", "rate_1", "psnr"]].to_numpy(), triangles(rows), colours)
        name_axes(axes, ["R(z$_2$)  (nats/image)", "R(z$_1$ | z$_2$)  (nats/image)", metric.label])
    panel(right.subplots(), rows, metric, list(marked_models(rows)))
    legend(figure, [*rings_of(rows, [metric], metric.name), cross()], "outside lower center")
    return finish(figure, "Reconstruction: PSNR", table)


# ---- Fig. 4


def pictures(folder: SweepFolder, table: Table) -> Figure:
    """Fig. 4: reconstructions and samples of the three models that :func:`marked_models` chooses.

    Raises:
        CannotDraw: none of them has kept pictures.
        RecordError: a picture is damaged.
    """
    rows = finished(table)
    marked = marked_models(rows)
    strips = {
        position: [
            _strip(folder.path / "runs" / str(rows["run"][position]) / f"{kind}.png")
            for kind in ("reconstructions", "samples")
        ]
        for position in marked
    }
    kept = [strip for pair in strips.values() for strip in pair if strip is not None]
    if not kept:
        raise CannotDraw("needs pictures, which the runs have not kept")
    seen = next((pair[0] for pair in strips.values() if pair[0] is not None), None)
    figure = new_figure(13, 4.6)
    grid = figure.subplots(1 + len(marked), 2)
    _show(grid[0, 0], None if seen is None else seen[: len(seen) // 2], "originals, reconstructed below")
    _show(grid[0, 1], None, "")
    grid[0, 1].text(0.5, 0, "samples from the prior", ha="center", va="bottom", fontsize=9.5)
    for (number, (position, why)), (left, right) in zip(enumerate(marked.items(), start=1), grid[1:], strict=True):
        reconstructed, samples = strips[position]
        _show(left, None if reconstructed is None else reconstructed[len(reconstructed) // 2 :], "")
        _show(right, samples, "")
        left.set_title(f"{why}: {_described(rows, position)}", fontsize=8, loc="left", pad=4)
        left.text(
            -0.012,
            0.5,
            str(number),
            transform=left.transAxes,
            ha="right",
            va="center",
            color=MARK,
            weight="bold",
            fontsize=15,
        )
    return finish(figure, "Reconstructions and samples of three models", table)


def _strip(path: Path) -> npt.NDArray[np.uint8] | None:
    """The pixels of a picture ``[H, W]`` or ``[H, W, 3]``; None where there is none."""
    if not path.exists():
        return None
    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is damaged: delete {path.parent} and run the sweep's command again") from error


def _show(axes: Axes, pixels: npt.NDArray[np.uint8] | None, title: str) -> None:
    axes.set_axis_off()
    if pixels is not None:
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if title:
        axes.set_title(title, fontsize=9.5)


def _described(rows: pd.DataFrame, position: int) -> str:
    """Betas, rates and the two metrics that pictures show of one model."""
    row = rows.iloc[position]
    layers = range(layers_of(rows), 0, -1)
    betas = ", ".join(f"$\\beta_{k}$ = {beta:.3g}" for k, beta in zip(layers, betas_of(row), strict=True))
    rates = " + ".join(f"{row[column]:.1f}" for column in layer_columns(rows, "rate"))
    shown = [metric for metric in measured_metrics(rows) if metric.column in ("psnr", "inception_score")]
    values = [f"{metric.name} {row[metric.column]:.3g} {metric.unit}".rstrip() for metric in shown]
    return " · ".join([betas, f"rates {rates} nats", *values])


# ---- Fig. 6


def accuracy(table: Table) -> Figure:
    """Fig. 6: RBF accuracy on the top layer's mean over the total rate with its hull, under its ceilings (Eq. 11).

    The ceiling by the rate differs from model to model at one total rate, so each model has its own; beside it is
    the accuracy over the mutual information, where the ceiling is one curve.

    Raises:
        CannotDraw: the accuracy was not measured.
    """
    rows = finished(table)
    top = layers_of(rows)
    (metric,) = needed(rows, (f"accuracy_rbf_{top}",))
    rows = having(rows, [metric])
    ceilings = [f"ceiling_rate_{top}", f"ceiling_information_{top}"]
    absent = [column for column in ceilings if column not in rows or rows[column].isna().all()]
    estimate = f"information_paper_{top}"  # the larger of the two: a ceiling must not rest on one that is too small
    wide = ceilings[1] not in absent and estimate in rows
    figure = new_figure(12.5 if wide else 7.5, 5.6)
    panels = figure.subplots(1, 2 if wide else 1, squeeze=False)[0]
    drawn = _under_ceiling(panels[0], rows, metric, rows["rate"], joined=True)
    panels[0].set_xlabel("total rate  (nats/image)")
    if ceilings[0] not in absent:
        panels[0].plot(rows["rate"], rows[ceilings[0]], ls="", marker="_", color=GREY, ms=9, mew=1.5, zorder=1)
    if wide:
        information = rows[estimate]
        _under_ceiling(panels[1], rows, metric, information)
        curve = rows.sort_values(estimate)
        panels[1].plot(curve[estimate], curve[ceilings[1]], "--", color="#333333", lw=1.6, zorder=1)
        panels[1].set_xlabel(f"I(y; z$_{top}$), the paper's estimate  (nats)")
        panels[1].set_ylabel("")
    colour_bar(panels[-1], drawn, f"R(z$_{top}$)  (nats/image)")
    legend(figure, [*rings_of(rows, [metric], "accuracy"), *_bounds(rows, top, absent)], "outside lower center")
    return finish(figure, f"Representation: {metric.name}", table, absent)


def _under_ceiling(axes: Axes, rows: pd.DataFrame, metric: Metric, x: pd.Series, joined: bool = False) -> Any:
    """Accuracies coloured by the top layer's rate, those above their ceiling crossed out; returns the points."""
    y, top = rows[metric.column], rows[f"rate_{layers_of(rows)}"]
    hull = hull_of(rows, metric)
    drawn = draw_points(axes, x, y, top, "cividis", norm_of(top))
    draw_rings(axes, x, y, rows, hull)
    if joined:
        axes.plot(x[hull], y[hull], ":", color=HULL, lw=1.2, zorder=2)
    samples = f"accuracy_sample_{layers_of(rows)}"
    if samples in rows:
        axes.plot(x, rows[samples], ls="", marker="v", color=GREY, ms=3.5, zorder=1)
    flags = flags_of(rows).str.contains(samples, regex=False)
    axes.plot(x[flags], y[flags], "x", color=_FLAG, ms=10, mew=2.4, zorder=6)
    axes.set_ylabel(metric.label)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.grid(color="#e6e8eb", lw=0.6)
    return drawn


def _bounds(rows: pd.DataFrame, top: int, absent: list[str]) -> list[Line2D]:
    """Legend entries for the ceilings and for what is above them."""
    entries: list[Line2D] = []
    if f"accuracy_sample_{top}" in rows:
        entries.append(Line2D([], [], ls="", marker="v", color=GREY, ms=5, label=f"the same on a sample of z$_{top}$"))
    if f"ceiling_rate_{top}" not in absent:
        entries.append(Line2D([], [], ls="", marker="_", color=GREY, ms=11, mew=1.5, label=f"ceiling by R(z$_{top}$)"))
    if f"ceiling_information_{top}" not in absent:
        entries.append(Line2D([], [], ls="--", color="#333333", label="ceiling by mutual information"))
    if flags_of(rows).str.contains(f"accuracy_sample_{top}", regex=False).any():
        entries.append(
            Line2D(
                [],
                [],
                ls="",
                marker="x",
                color=_FLAG,
                ms=9,
                mew=2.4,
                label="sample above a ceiling: a defect",
            )
        )
    return entries
