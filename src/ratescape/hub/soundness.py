"""What a card must warn of: models hardly trained, layers that have collapsed, uses that nothing is good for."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ratescape.errors import NoWinner, RatescapeError
from ratescape.metrics import SUBSCRIPTS, USES
from ratescape.records.enough import sentences
from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder, is_landscape
from ratescape.records.layers import layer_values
from ratescape.records.table import Table, read_table
from ratescape.records.trained import TrainingFacts, facts_of
from ratescape.selection import best
from ratescape.selection.collapse import dead_layers, how

UNKNOWN = "How far it was trained is not known here: look at its training before you rely on it."


def without_winner(table: Table) -> dict[str, str]:
    """The uses that no model of a landscape is good for, and why."""
    found: dict[str, str] = {}
    for use in USES:
        try:
            best(table, use)
        except NoWinner as nobody:
            found[use] = f"Not for {use}: {nobody}."
        except RatescapeError:  # not measured: nothing is known against it
            continue
    return found


def of_run(run: RunFolder, metrics: Mapping[str, Any], betas: tuple[float, ...]) -> tuple[list[str], dict[str, str]]:
    """What is wrong with one model, a line each, and the uses that no model of its landscape is good for.

    Args:
        run: its folder; in a landscape's folder, that landscape is asked, too.
        metrics: of its record on test.
        betas: top layer first.

    Raises:
        RecordError: its records, or those of its landscape, are damaged.
    """
    row = layer_values("beta", list(betas)) | layer_values("rate", metrics["rates"])
    row |= layer_values("active", metrics["active"]) if metrics.get("active") else {}
    root = run.path.resolve().parent.parent
    table = read_table(SweepFolder(root)) if is_landscape(root) else None
    facts = _alone(run, row) if table is None else table.trained.get(run.path.name)
    lines = [UNKNOWN] if facts is None else sentences([facts])
    return [*lines, *collapsed(row)], {} if table is None else without_winner(table)


def _alone(run: RunFolder, row: Mapping[str, Any]) -> TrainingFacts | None:
    """How far a model was trained that is of no landscape, by its own log; None where that does not tell."""
    if not run.training.exists() or run.spec().merged is not None:
        return None
    log = read_json_lines(run.training)
    return facts_of(run.spec(), log, row) if log and all("loss" in line for line in log) else None


def collapsed(row: Mapping[str, Any]) -> list[str]:
    """A line for each layer of one model that has collapsed, top first."""
    return [
        f"z{str(dead.layer).translate(SUBSCRIPTS)} has collapsed ({how([dead])}): it says next to nothing on an item"
        for dead in dead_layers(pd.Series(dict(row)))
    ]
