"""A figure from an empty sheet to its files: size and layout, title and notes, PNG and PDF."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import offset_copy

from ratescape.records.files import write_atomically
from ratescape.records.table import Table
from ratescape.report.plots.palette import QUIET


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, fit to be drawn and saved: no global state, no display."""
    figure = Figure(figsize=(width, height), dpi=150, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.07))
    FigureCanvasAgg(figure)
    return figure


def add_title(figure: Figure, title: str) -> None:
    """The title at the upper left."""
    figure.suptitle(title, fontsize=13, x=0.02, ha="left")


def add_footnote(figure: Figure, text: str) -> None:
    """A small line at the foot."""
    figure.supxlabel(text, fontsize=8, color=QUIET)


def footnote(table: Table) -> str:
    """How many runs are shown, and how many are not and why."""
    diverged = int((table.rows["status"] != "ok").sum()) if len(table.rows) else 0
    counts = {"diverged": diverged, "not done": table.missing, "unreadable": len(table.broken)}
    shown = len(table.rows) - diverged
    absent = [f"{count} {reason}" for reason, count in counts.items() if count]
    text = f"{shown} of {len(table.rows) + table.missing + len(table.broken)} runs shown"
    return f"{text}; not shown: {', '.join(absent)}" if absent else text


def finish(figure: Figure, title: str, table: Table, absent: Sequence[str] = ()) -> Figure:
    """Add the title, and under it what is shown and what is not."""
    missing = f"; not measured: {', '.join(absent)}" if absent else ""
    lines = textwrap.wrap(footnote(table) + missing, int(15 * figure.get_figwidth()))
    figure.suptitle(f"{title} ({table.split})" + "\n" * len(lines), fontsize=12.5, x=0.01, ha="left")
    under = offset_copy(figure.transFigure, figure, 0, -27, units="points")  # the title's blank lines leave it room
    figure.text(0.01, 1, "\n".join(lines), transform=under, va="top", fontsize=8.5, color=QUIET, in_layout=False)
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as ``NAME.png`` and ``NAME.pdf``; the same figure gives the same files.

    Raises:
        RecordError: a file cannot be written.
    """
    png, pdf, dpi = io.BytesIO(), io.BytesIO(), figure.dpi
    FigureCanvasAgg(figure).print_png(png)
    figure.set_layout_engine("none")  # laid out once, for this file and any later one
    FigureCanvasPdf(figure).print_pdf(pdf, metadata={"CreationDate": None})  # leaves the figure at its own 72 dpi
    figure.set_dpi(dpi)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    for path, content in zip(paths, (png, pdf), strict=True):
        write_atomically(path, content.getvalue())
    return paths
