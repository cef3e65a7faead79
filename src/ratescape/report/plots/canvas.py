"""A figure from an empty sheet to its files: size and layout, title and notes, PNG and, where asked for, PDF.

Layouts are fixed, in inches: measuring every text to fit axes around it takes longer than to draw them.
"""

import io
import struct
import textwrap
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ratescape.records.files import write_atomically
from ratescape.records.table import Table
from ratescape.report.plots.palette import QUIET

HEAD, FOOT = 0.95, 0.95
"""Inches that :func:`finish` needs above the panels (with their titles), and a legend below them (with tick labels)."""

_EFFORT = 3
"""Of zlib: 1 gives files a seventh larger, 6 takes twice as long."""


class Margins(NamedTuple):
    """Inches between the borders of a figure and its panels."""

    left: float = 0.75
    bottom: float = FOOT
    right: float = 0.95
    top: float = HEAD


class Gaps(NamedTuple):
    """Inches between the panels of a figure."""

    across: float = 1.5
    down: float = 0.9


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, fit to be drawn and saved: no global state, no display."""
    figure = Figure(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)
    return figure


def panels(
    figure: Figure, down: int, across: int, margins: Margins | None = None, gaps: Gaps | None = None
) -> list[list[Axes]]:
    """Axes of one size in rows and columns.

    Example::

        ((left, right),) = panels(figure, 1, 2)
    """
    around, between = margins or Margins(), gaps or Gaps()
    total_width, total_height = map(float, figure.get_size_inches())
    width = (total_width - around.left - around.right + between.across) / across - between.across
    height = (total_height - around.bottom - around.top + between.down) / down - between.down

    def place(row: int, column: int) -> tuple[float, float, float, float]:
        x = around.left + column * (width + between.across)
        y = around.bottom + (down - 1 - row) * (height + between.down)
        return x / total_width, y / total_height, width / total_width, height / total_height

    return [[figure.add_axes(place(row, column)) for column in range(across)] for row in range(down)]


def name_panel(axes: Axes, title: str, size: float = 10.5, **look: Any) -> None:
    """The title of one panel, at a fixed place: to find a free one, matplotlib measures all ticks."""
    axes.set_title(title, fontsize=size, y=1, **look)


def leave_out(axis: Axis, whether: bool = True) -> None:
    """Leave out what the same axis of a neighbour says already."""
    if whether:
        axis.set_major_locator(NullLocator())
        axis.set_label_text("")


def at_top(figure: Figure, inches: float) -> float:
    """The height of something so many inches below the figure's upper border, in parts of the figure."""
    return 1 - inches / figure.get_figheight()


def add_title(figure: Figure, title: str) -> None:
    """The title at the upper left."""
    figure.suptitle(title, fontsize=13, x=0.02, y=at_top(figure, 0.1), ha="left", va="top")


def add_footnote(figure: Figure, text: str) -> None:
    """A small line at the foot."""
    figure.text(0.5, 0.06 / figure.get_figheight(), text, fontsize=8, color=QUIET, ha="center", va="bottom")


def footnote(table: Table) -> str:
    """How many runs are shown, and how many are not and why."""
    diverged = int((table.rows["status"] != "ok").sum()) if len(table.rows) else 0
    counts = {"diverged": diverged, "not done": table.missing, "unreadable": len(table.broken)}
    shown = len(table.rows) - diverged
    absent = [f"{count} {reason}" for reason, count in counts.items() if count]
    text = f"{shown} of {len(table.rows) + table.missing + len(table.broken)} runs shown"
    return f"{text}; not shown: {', '.join(absent)}" if absent else text


def finish(figure: Figure, title: str, table: Table, absent: Sequence[str] = (), on_test: bool = False) -> Figure:
    """Add the title, and under it what is shown and what is not.

    Args:
        absent: metrics that were not measured.
        on_test: whether what is drawn is of test items, whichever split models are chosen on.
    """
    missing = f"; not measured: {', '.join(absent)}" if absent else ""
    lines = textwrap.wrap(footnote(table) + missing, int(15 * figure.get_figwidth()))
    split = f"chosen on {table.split}, shown on test" if on_test else table.split
    figure.suptitle(f"{title} ({split})", fontsize=12.5, x=0.01, y=at_top(figure, 0.08), ha="left", va="top")
    figure.text(0.01, at_top(figure, 0.33), "\n".join(lines), va="top", fontsize=8.5, color=QUIET)
    return figure


def save(figure: Figure, folder: Path, name: str, pdf: bool = False) -> list[Path]:
    """Write a figure as ``NAME.png``, and as ``NAME.pdf``; the same figure gives the same files.

    Args:
        pdf: whether a PDF is wanted. One that is there already is drawn again, so that it never shows other numbers
            than the picture beside it.

    Raises:
        RecordError: a file cannot be written.
    """
    contents = {folder / f"{name}.png": as_png(figure)}
    if pdf or (folder / f"{name}.pdf").exists():
        contents[folder / f"{name}.pdf"] = _as_pdf(figure)
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def as_png(figure: Figure) -> bytes:
    """The picture of a figure. Plain areas and lines need no filter: without one, half the time gives smaller files."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # in front of each, its filter: 0, none
    lines[:, 1:] = pixels.reshape(height, -1)
    eight_bit_rgb = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    per_metre = round(figure.dpi / 0.0254)
    parts = {
        b"IHDR": eight_bit_rgb,
        b"pHYs": struct.pack(">IIB", per_metre, per_metre, 1),
        b"IDAT": zlib.compress(lines.tobytes(), _EFFORT),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts.items())


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _as_pdf(figure: Figure) -> bytes:
    from matplotlib.backends.backend_pdf import FigureCanvasPdf  # loads what reads fonts

    pdf, dpi = io.BytesIO(), figure.dpi
    FigureCanvasPdf(figure).print_pdf(pdf, metadata={"CreationDate": None})  # leaves the figure at its own 72 dpi
    figure.set_dpi(dpi)
    return pdf.getvalue()
