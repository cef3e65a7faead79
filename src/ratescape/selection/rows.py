"""The rows of a landscape's table that can be chosen from."""

import re

import pandas as pd
from pandas.api.types import is_float_dtype

from ratescape.errors import SpecError
from ratescape.metrics import layer_columns
from ratescape.records import lines
from ratescape.records.table import Table


def measured(table: Table) -> pd.DataFrame:
    """The rows that carry numbers (those that did not diverge), their measurements as floats."""
    if table.rows.empty:
        return table.rows
    rows = table.rows[table.rows["status"] == "ok"].reset_index(drop=True)
    labels = {"run", "seed", "status", "trained", "flag", "request", "outcome", "origin"}
    numbers = [name for name in rows.columns if re.sub("^(before_)?(test_)?", "", name) not in labels]
    kinds = rows.dtypes
    return rows.astype({name: float for name in numbers if not is_float_dtype(kinds[name])})


def finished(table: Table) -> pd.DataFrame:
    """The rows that carry numbers, of which there is at least one.

    Raises:
        SpecError: there is none; says why, and what to do.
    """
    rows = measured(table)
    if not rows.empty:
        return rows
    if len(table.rows) and not table.missing and not table.broken:
        raise SpecError(
            f"the landscape has no finished model, all {len(table.rows)} trainings diverged: choose another folder "
            "with --out, and a smaller training.learning_rate or a training.clip"
        )
    raise SpecError(
        f"the landscape has no finished model ({len(table.rows)} diverged, {table.missing} not done, "
        f"{len(table.broken)} unreadable): run the same map command again"
    )


def beta_vaes(rows: pd.DataFrame) -> pd.Series:
    """Which rows are beta-VAEs, all betas equal: a boolean for each row."""
    betas = rows[layer_columns(rows, "beta")]
    return betas.eq(betas.iloc[:, 0], axis=0).all(axis=1)


def plain_vaes(rows: pd.DataFrame) -> pd.Series:
    """Which rows are ordinary VAEs, all betas 1: a boolean for each row."""
    return rows[layer_columns(rows, "beta")].eq(1.0).all(axis=1)


def betas_of(row: pd.Series) -> tuple[float, ...]:
    """Betas of a row, top layer first."""
    return tuple(by_layer(row, "beta").values())


def by_layer(row: pd.Series, name: str) -> dict[int, float]:
    """The numbers ``name_L .. name_1`` of a row by layer, top layer first."""
    found = {int(n): float(row.loc[f"{name}_{n}"]) for c in row.index if (n := c.removeprefix(f"{name}_")).isdigit()}
    return dict(sorted(found.items(), reverse=True))


def betas_text(row: pd.Series) -> str:
    """Betas of a row as they are written, top layer first."""
    return lines.betas_text(betas_of(row), 3)
