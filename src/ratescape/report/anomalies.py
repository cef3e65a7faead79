"""The model that tells outliers best, as a picture: how its score spreads, and which items it finds most anomalous."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.image as mpimg
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratescape.errors import NoWinner, SpecError
from ratescape.records.files import unusable
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table
from ratescape.report.plots.canvas import Gaps, Margins, finish, name_panel, new_figure, panels, save
from ratescape.selection import best
from ratescape.selection.choice import Choice
from ratescape.specs.checks import from_json

BINS = 50
CLIPPED = 0.5
"""Percent of all scores that are left out of a histogram at each end: single ones would squeeze all others."""


def save_anomalies(folder: SweepFolder, table: Table, pdf: bool = False) -> list[Path]:
    """Write ``figures/anomalies.png`` of a landscape that was measured with outliers; nothing for any other.

    Raises:
        RecordError: a record is damaged, or the file cannot be written.
    """
    found: Choice | None = None
    with contextlib.suppress(NoWinner, SpecError):  # not measured, or no better than chance
        found = best(table, "anomaly")
    if found is None or not (path := folder.path / "runs" / found.run / "anomalies.json").exists():
        return []
    try:
        facts = from_json(path.read_text(encoding="utf-8"))
        picture = path.with_suffix(".png")
        image = mpimg.imread(picture) if picture.exists() else None
    except (OSError, ValueError, SyntaxError) as error:
        raise unusable(path, error, f"delete {path.parent} and run the same command again") from error
    return save(anomalies_figure(facts, image, found, table), folder.path / "figures", "anomalies", pdf)


def anomalies_figure(facts: Mapping[str, Any], image: Any, choice: Choice, table: Table) -> Figure:
    """A histogram of the best score over test items and outliers, and of images the most and least anomalous.

    Args:
        facts: what :func:`ratescape.evaluation.anomalies.shown` gives.
        image: the pixels of its picture ``[H, W]`` or ``[H, W, 3]``; None for vectors.
    """
    figure = new_figure(7.5 if image is None else 14, 4.6)
    line = panels(figure, 1, 1 if image is None else 2, Margins(right=0.35), Gaps(across=0.6))[0]
    _histogram(line[0], facts)
    if image is not None:
        line[1].imshow(image, cmap="gray", interpolation="nearest", vmin=0, vmax=1)
        line[1].set_axis_off()
        name_panel(line[1], "the most anomalous items, and below them the outliers that are hardest to tell", 9)
    at = ", ".join(f"{beta:.3g}" for beta in choice.betas)
    return finish(figure, f"Anomalies by the best model, betas {at}", table, on_test=True)


def _histogram(axes: Axes, facts: Mapping[str, Any]) -> None:
    items, outliers = np.array(facts["items"]), np.array(facts["outliers"])
    low, high = np.percentile(np.concatenate([items, outliers]), [CLIPPED, 100 - CLIPPED])
    bins = np.linspace(low, high if high > low else low + 1, BINS + 1)
    others = "outliers made of the data" if facts["self_made"] else "outliers"
    for values, label, colour in ((items, "test items", "C0"), (outliers, others, "C3")):
        axes.hist(values, bins.tolist(), density=True, alpha=0.55, color=colour, label=label)
    axes.set_yticks([])
    axes.legend(frameon=False, fontsize=9)
    axes.set_xlabel("-log p of all scores together, nats" if facts["score"] == "auto" else "score", fontsize=9)
    name_panel(axes, f"{facts['score']} of test items and of outliers that the score was not chosen by", 9)
