"""Three models of vectors as pictures: what they restore, how samples hang together, what layers tell apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratescape.records.files import unusable
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table
from ratescape.report.paper.marked import marked_models
from ratescape.report.plots.canvas import Gaps, Margins, finish, name_panel, new_figure, panels, save
from ratescape.selection import finished
from ratescape.specs.checks import from_json

MOST_LAYERS = 4
"""Layers whose means are shown, at most: of more, so many from the top."""
MOST_CLASSES = 10
"""Classes that are named, at most; of more, colours come again."""
DOT = 12
"""Area of a row's dot, points squared."""


def save_vectors(folder: SweepFolder, table: Table, pdf: bool = False) -> list[Path]:
    """Write ``figures/vectors.png`` of a landscape of vectors; nothing for one of images.

    Raises:
        RecordError: a record is damaged, or the file cannot be written.
    """
    rows = finished(table)
    marked = marked_models(rows)
    paths = [folder.path / "runs" / str(rows["run"][position]) / "views.json" for position in marked]
    found = [(why, _read(path)) for path, why in zip(paths, marked.values(), strict=True) if path.exists()]
    return save(vectors_figure(found, table), folder.path / "figures", "vectors", pdf) if found else []


def _read(path: Path) -> dict[str, Any]:
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unusable(path, error, f"delete {path.parent} and run the same command again") from error


def vectors_figure(models: Sequence[tuple[str, Mapping[str, Any]]], table: Table) -> Figure:
    """A row of panels for each model: reconstructions, correlations, and projections of each layer's means.

    Args:
        models: a title each, and what :func:`ratescape.evaluation.views.views` gives.
    """
    layers = min(MOST_LAYERS, len(models[0][1]["projections"]))
    figure = new_figure(2.6 * (3 + layers), 0.9 + 3.2 * len(models))
    grid = panels(figure, len(models), 3 + layers, Margins(0.75, 0.55, 0.25, 1.1), Gaps(0.6, 1.15))
    for (why, one), line in zip(models, grid, strict=True):
        _restored(line[0], one)
        line[0].annotate(why, (0, 1.15), xycoords="axes fraction", fontsize=9.5, weight="bold")
        for axes, kind in zip(line[1:3], ("data", "samples"), strict=True):
            _correlations(axes, one["correlations"][kind], f"correlations of {kind}")
        for index, axes in enumerate(line[3:]):
            _projection(axes, one, index)
    return finish(figure, "Three models, and what they make of rows that they have not seen", table, on_test=True)


def _restored(axes: Axes, one: Mapping[str, Any]) -> None:
    originals, restored = (np.array(one[name]) for name in ("originals", "restored"))
    ends = [float(originals.min()), float(originals.max())]
    axes.plot(ends, ends, lw=0.8, color="0.6")
    axes.scatter(originals.ravel(), restored.ravel(), s=2, alpha=0.25, lw=0, rasterized=True)
    axes.set_xlabel("original, in standard deviations", fontsize=8)
    axes.set_ylabel("restored", fontsize=8)
    name_panel(axes, "restored against original", 8)


def _correlations(axes: Axes, matrix: Sequence[Sequence[float | None]], title: str) -> None:
    axes.imshow(np.array(matrix, np.float64), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(f"columns 1 to {len(matrix)}: red +1, white 0, blue -1", fontsize=8)
    name_panel(axes, title, 8)


def _projection(axes: Axes, one: Mapping[str, Any], index: int) -> None:
    x, y = np.array(one["projections"][index]).T
    labels = np.zeros(len(x), int) if one["labels"] is None else np.array(one["labels"])
    classes, names = np.unique(labels), one.get("classes")
    for number in classes:
        own = labels == number
        axes.scatter(x[own], y[own], s=DOT, lw=0, label=f"{number + 1}" if names is None else names[number])
    if index == 0 and 1 < len(classes) <= MOST_CLASSES:
        axes.legend(
            title="class", fontsize=7, title_fontsize=7, frameon=False, loc="best", handletextpad=0, borderpad=0
        )
    axes.set_xticks([])
    axes.set_yticks([])
    coloured = "" if one["labels"] is None else ", by class"
    name_panel(axes, f"means of z{len(one['projections']) - index}{coloured}", 8)
