"""Which measurements decide for the uses of a model, and stand beside its rates."""

from collections.abc import Mapping, Sequence

from ratescape.errors import NoWinner, SpecError
from ratescape.metrics import USES, Metric
from ratescape.records.table import Table
from ratescape.selection import best, finished, metric_for

WHOLE = ("rate", "distortion", "psnr", "r2")
"""Columns of the whole model that parallel coordinates show, before those that decide for a use."""


def uses_of(table: Table) -> dict[str, str]:
    """The column that decides for each use, and the use, where it was measured; of the layer that is best for it."""
    found: dict[str, str] = {}
    for use in USES:
        try:
            found[best(table, use).metric.column] = use
        except NoWinner:
            found[metric_for(finished(table), use).column] = use
        except SpecError:  # not measured: the page does without
            continue
    return found


def along(metrics: Sequence[Metric], uses: Mapping[str, str]) -> list[Metric]:
    """The metrics that have an axis of parallel coordinates: of the whole model, then what decides for each use.

    Args:
        metrics: those that were measured.
        uses: as :func:`uses_of` gives them.
    """
    known = {metric.column: metric for metric in metrics}
    return [known[name] for name in dict.fromkeys([*WHOLE, *uses]) if name in known]
