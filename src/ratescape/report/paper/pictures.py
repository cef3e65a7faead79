"""Fig. 4 of the paper: what three models of the landscape reconstruct and sample."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ratescape.metrics import SUBSCRIPTS, layer_columns, measured_metrics
from ratescape.records.files import unusable
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table
from ratescape.report.paper.marked import MARK, marked_models
from ratescape.report.paper.needs import CannotDraw, layers_of
from ratescape.report.plots.canvas import Gaps, Margins, finish, name_panel, new_figure, panels
from ratescape.selection import betas_of, finished


def pictures(folder: SweepFolder, table: Table) -> Figure:
    """Fig. 4: reconstructions and samples of the three models that :func:`marked_models` chooses.

    Raises:
        CannotDraw: none of them has kept pictures.
        RecordError: a picture is damaged.
    """
    rows = finished(table)
    marked = marked_models(rows)
    runs = [folder.path / "runs" / str(rows["run"][position]) for position in marked]
    strips = [(_strip(run / "reconstructions.png"), _strip(run / "samples.png")) for run in runs]
    if all(strip is None for pair in strips for strip in pair):
        kept = "is of images, and these are rows" if "r2" in rows else "needs pictures, which the runs have not kept"
        raise CannotDraw(kept)
    figure = new_figure(13, 4.6)
    grid = panels(figure, 1 + len(marked), 2, Margins(0.45, 0.12, 0.15, 0.8), Gaps(0.3, 0.25))
    originals = next((_half(strip, 0) for strip, _ in strips if strip is not None), None)
    _show(grid[0][0], originals, "originals, reconstructed below")
    _show(grid[0][1], None, "")
    grid[0][1].text(0.5, 0, "samples from the prior", ha="center", va="bottom", fontsize=9.5)
    for number, (position, why), (strip, samples), (left, right) in zip(
        range(1, 1 + len(marked)), marked.items(), strips, grid[1:], strict=True
    ):
        _show(left, None if strip is None else _half(strip, 1), "")
        _show(right, samples, "")
        name_panel(left, f"{why}: {_described(rows, position)}", 8, loc="left", pad=4)
        _number(left, number)
    return finish(figure, "Reconstructions and samples of three models", table)


def _half(strip: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.uint8]:
    """Half of a strip ``[H, W]`` or ``[H, W, 3]``: originals above (0), reconstructions below (1)."""
    middle = len(strip) // 2
    return strip[middle:] if index else strip[:middle]


def _number(axes: Axes, number: int) -> None:
    """The number of a model, as in the other figures, to the left of its pictures."""
    text = axes.text(-0.012, 0.5, str(number), transform=axes.transAxes, ha="right", va="center")
    text.set(color=MARK, weight="bold", fontsize=15)


def _strip(path: Path) -> npt.NDArray[np.uint8] | None:
    """The pixels of a picture ``[H, W]`` or ``[H, W, 3]``; None where there is none."""
    if not path.exists():
        return None
    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except (OSError, ValueError) as error:
        raise unusable(path, error, f"delete {path.parent} and run the same map command again") from error


def _show(axes: Axes, pixels: npt.NDArray[np.uint8] | None, title: str) -> None:
    axes.set_axis_off()
    if pixels is not None:
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if title:
        name_panel(axes, title, 9.5)


def _described(rows: pd.DataFrame, position: int) -> str:
    """Betas, rates and the two metrics that pictures show of one model."""
    row = rows.iloc[position]
    layers = range(layers_of(rows), 0, -1)
    betas = ", ".join(
        f"β{str(k).translate(SUBSCRIPTS)} = {beta:.3g}" for k, beta in zip(layers, betas_of(row), strict=True)
    )
    rates = " + ".join(f"{row[column]:.1f}" for column in layer_columns(rows, "rate"))
    shown = [metric for metric in measured_metrics(rows) if metric.column in ("psnr", "inception_score")]
    values = [f"{metric.name} {row[metric.column]:.3g} {metric.unit}".rstrip() for metric in shown]
    return " · ".join([betas, f"rates {rates} nats", *values])
