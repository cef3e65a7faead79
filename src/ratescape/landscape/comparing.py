"""Two landscapes side by side: a table, a figure, a page."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ratescape.errors import RecordError
from ratescape.landscape.opened import Landscape
from ratescape.metrics import METRICS
from ratescape.records.files import write_atomically
from ratescape.records.lines import aligned, with_error
from ratescape.selection.compared import Side, joined, obstacles, point_differences, winners, written
from ratescape.specs.checks import require
from ratescape.specs.given import required_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure


BETTER = {"": "-", "neither": "neither, within chance", "unknown": "not known: no errors"}
"""How verdicts are written; others as they are."""


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """What :func:`compare` finds.

    Example::

        print(rs.compare("digits", "digits-again"))
    """

    one: Side
    other: Side
    table: pd.DataFrame
    """One row for each use: :func:`ratescape.selection.compared.winners`."""
    points: pd.DataFrame
    """Points of betas that both have, means over seeds: :func:`ratescape.selection.compared.joined`."""
    differences: pd.DataFrame
    """How these differ: :func:`ratescape.selection.compared.point_differences`; empty where numbers do not compare."""
    notes: tuple[str, ...]
    """What cannot be compared, and why, a line each."""

    def figure(self, metric: str | None = None) -> "Figure":
        """Both landscapes over their rates, on one scale, and the difference where betas coincide.

        Example::

            rs.compare("digits", "digits-again").figure("psnr").savefig("compared.png")

        Args:
            metric: column of a metric of models, such as ``psnr``; default: the first that both have measured.

        Raises:
            SpecError: an unknown metric, none in common, or a landscape without a finished model.
        """
        from ratescape.report.compared import compared_figure  # with Matplotlib, which takes a second

        require(metric is None or metric in METRICS, "metric", metric, f"one of {', '.join(METRICS)}")
        return compared_figure(self.one, self.other, None if metric is None else METRICS[metric])

    def report(self, path: str | Path, metric: str | None = None) -> Path:
        """Write a self-contained page of tables, notes and the figure of a metric, and return its path.

        Example::

            rs.compare("digits", "digits-again").report("compared.html")

        Raises:
            SpecError: as of :meth:`figure`.
            RecordError: the file cannot be written.
        """
        from ratescape.report.compared import compared_page
        from ratescape.report.plots.canvas import as_png

        place = required_path(path)
        title = f"{self.one.name} and {self.other.name}"
        tables = [("Winners (A, B; on test)", self._winners()), (self._points_heading, self._points())]
        write_atomically(place, compared_page(title, tables, self.notes, as_png(self.figure(metric))))
        return place

    def __str__(self) -> str:
        lines = [f"A: {self.one.name}   B: {self.other.name}"]
        for heading, table in (("", self._winners()), (f"{self._points_heading}:", self._points())):
            if len(table):
                cells = [list(map(str, table.columns)), *table.to_numpy().tolist()]
                lines += ["", *([heading] if heading else []), *aligned(cells)]
        return "\n".join([*lines, *([""] if self.notes else []), *self.notes])

    @property
    def _points_heading(self) -> str:
        return f"At {len(self.points)} points of betas in common, B - A"

    def _winners(self) -> pd.DataFrame:
        """The table as texts."""
        rows = [
            {
                "use": row["use"],
                "by": f"{row['metric']} ({row['unit']})" if row["unit"] else row["metric"],
                "A": row["winner_a"] or "-",
                "A's number": written(row["value_a"], row["error_a"]),
                "B": row["winner_b"] or "-",
                "B's number": written(row["value_b"], row["error_b"]),
                "B - A": written(row["difference"], row["difference_error"]),
                "better": BETTER.get(row["better"], row["better"]),
            }
            for row in self.table.to_dict("records")
        ]
        return pd.DataFrame(rows)

    def _points(self) -> pd.DataFrame:
        """The differences at points in common as texts."""
        rows = [
            {
                "nats": row["quantity"],
                "mean": with_error(row["mean"], None),
                "worst": with_error(row["worst"], None),
                "at betas": row["at"],
            }
            for row in self.differences.to_dict("records")
        ]
        return pd.DataFrame(rows)


def compare(a: Landscape | str | Path, b: Landscape | str | Path) -> Comparison:
    """Two landscapes side by side: who wins each use, by how much, and how points that both have differ.

    A winner's number is that on test, where models were chosen on validation. The difference of two is called better
    beyond two of its standard errors, and neither is within. That error is of means over groups of images where both
    recorded them, since both were measured on the same images; else the errors count as independent. What does not
    compare, as of other images, other settings or another judge, is said in ``notes``, and has no difference.

    Raises:
        RecordError: one of them is no landscape, or damaged.
        SpecError: one has no finished model.

    Example::

        found = rs.compare("digits", "digits-again")
        found.table[["use", "difference", "better"]]
        found.figure("psnr").savefig("compared.png")
        found.report("compared.html")
    """
    one, other = (_side(given if isinstance(given, Landscape) else Landscape(given)) for given in (a, b))
    points = joined(one.table, other.table)
    reasons, barred = obstacles(one, other)
    table, known = winners(one, other, barred)
    notes = [*reasons, *known]
    if not len(points):
        notes.append("No model of one has the betas of a model of the other.")
    differences = point_differences(points.iloc[:0] if "*" in barred else points)
    return Comparison(one, other, table, points, differences, tuple(notes))


def _side(landscape: Landscape) -> Side:
    try:
        fingerprint = landscape.folder.provenance().get("fingerprint")
    except RecordError:  # the table is whole without it; what its images were is then not known
        fingerprint = None
    return Side(str(landscape.folder.path), landscape.records, fingerprint, landscape.folder.spec().data.name)
