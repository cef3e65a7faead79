"""All figures of the paper and Table 1 as files.

Numbers are those of the split that models are chosen on, as each title says. A figure whose measurements are not in
the table is not drawn, and the reason is returned; a panel whose measurement is missing is left out, and the figure
says so at its foot.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from ratescape.errors import SpecError
from ratescape.records.files import write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report.paper.ceilings import accuracy
from ratescape.report.paper.needs import CannotDraw
from ratescape.report.paper.panels import all_metrics, generation, representation
from ratescape.report.paper.pictures import pictures
from ratescape.report.paper.reconstruction import reconstruction
from ratescape.report.paper.table import as_markdown, table1
from ratescape.report.paper.uses import three_uses
from ratescape.report.plots.canvas import save
from ratescape.selection import finished


@dataclasses.dataclass(frozen=True)
class FigureFiles:
    """What :func:`save_paper_figures` has written, and what it could not draw."""

    paths: tuple[Path, ...]
    skipped: dict[str, str]
    """Why a figure is missing, by its name."""


def save_paper_figures(folder: SweepFolder, pdf: bool = False) -> FigureFiles:
    """Draw every figure of the paper, and Table 1, into ``figures/`` of a sweep as PNG, CSV and Markdown.

    Args:
        pdf: whether to write each figure as a PDF, too.

    Raises:
        RatescapeError: the folder is no sweep, has no finished model, or cannot be written.

    Example::

        files = save_paper_figures(SweepFolder(Path("demo")))
        files.skipped  # {"figure-1-three-uses": "needs models of two layers whose two betas vary on their own"}
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
    figures = folder.path / "figures"
    paths: list[Path] = []
    skipped: dict[str, str] = {}
    for name, draw in drawings.items():
        try:
            paths += save(draw(), figures, name, pdf)
        except CannotDraw as reason:
            skipped[name] = str(reason)
    try:
        paths += _save_table1(figures, table)
    except SpecError as reason:
        skipped["table-1"] = str(reason).removeprefix("Table 1 ")
    return FigureFiles(tuple(paths), skipped)


def _save_table1(figures: Path, table: Table) -> list[Path]:
    values = table1(table)
    paths = [figures / "table-1.csv", figures / "table-1.md"]
    write_atomically(paths[0], values.round(2).to_csv(index_label="features"))
    write_atomically(paths[1], as_markdown(values, table.split))
    return paths
