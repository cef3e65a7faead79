"""Two landscapes side by side: who wins each use, by how much, and what points that both have differ in."""

import json
import math
from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import NamedTuple

import pandas as pd

from ratescape.errors import SpecError
from ratescape.metrics import METRICS, USES, Metric, layer_columns
from ratescape.records.lines import betas_text
from ratescape.records.table import Table, paired_error
from ratescape.selection.candidates import layer_name
from ratescape.selection.chance import written as with_own_error
from ratescape.selection.choice import Choice, best
from ratescape.selection.errors import difference_error
from ratescape.selection.rows import finished

BEYOND = 2.0
"""Standard errors of the difference beyond which two winners are told apart."""

DIGITS = 6
"""Significant digits by which betas are the same."""

POINT_COLUMNS = ("loss", "distortion", "nelbo")
"""What is compared at points in common, besides rates."""


class Side(NamedTuple):
    """One of the two landscapes."""

    name: str
    table: Table
    fingerprint: str | None
    """Of its images."""
    data: str
    """Their name."""

    @property
    def short(self) -> str:
        """The last part of its name."""
        return PurePath(self.name).name or self.name


def obstacles(one: Side, other: Side) -> tuple[list[str], set[str]]:
    """What cannot be compared and why, a line each; and which uses that concerns, all of them as ``*``.

    Numbers compare where images, settings of evaluation and its revision are the same. Each landscape has a judge of
    its own: scores of samples compare where that is the same, too.
    """
    if one.fingerprint is None or one.fingerprint != other.fingerprint:
        what = f"{one.data} and {other.data}" if one.data != other.data else f"two versions of {one.data}"
        return [f"The landscapes are of other images ({what}): no number of one compares with one of the other."], {"*"}
    if one.table.split != other.table.split:
        reason = f"chosen on other splits ({one.table.split} and {other.table.split})"
        return [f"Models were {reason}: no number of one compares with one of the other."], {"*"}
    stamps = [json.loads(side.table.stamp or "[null, null, null]") for side in (one, other)]
    (settings, revision, judge), (others, again, another) = stamps
    if settings != others or revision != again:
        known = [found if isinstance(found, dict) else {} for found in (settings, others)]
        fields = sorted(name for name in {*known[0], *known[1]} if known[0].get(name) != known[1].get(name))
        which = f"evaluation.{', evaluation.'.join(fields)}" if fields else "another version of the measurements"
        remedy = "map one again with the settings of the other: its models stay"
        return [f"Models were measured otherwise ({which}): no number compares; {remedy}."], {"*"}
    if judge != another:
        return ["Samples were scored by another judge in each: their scores do not compare."], {"generation"}
    return [], set()


def winners(one: Side, other: Side, barred: Collection[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """The winner of each use in both landscapes, and what there is to know of them.

    Args:
        barred: uses whose numbers do not compare, as of :func:`obstacles`.

    Returns:
        One row for each use that either has a winner for: ``use``, ``metric``, ``unit``, then of each side (``_a``,
        ``_b``) ``winner``, ``value`` and ``error`` (on test, where models were chosen on validation), ``difference``
        (B - A), its ``difference_error`` and ``better``: ``A``, ``B``, ``neither`` within chance, ``unknown`` without
        errors, or empty where it does not compare. And lines.

    Example::

        table, notes = winners(side, other)
    """
    notes: list[str] = []
    if have_same_models(one, other):
        notes.append("Both have the same models with the same numbers: one landscape, or a copy of it.")
    rows: list[dict[str, object]] = []
    for use in USES:
        found = [_choice(side, use, notes) for side in (one, other)]
        if any(found):
            rows.append(_row(use, (one, other), found, not {"*", use}.intersection(barred), notes))
    columns = ["use", "metric", "unit", "winner_a", "value_a", "error_a", "winner_b", "value_b", "error_b"]
    return pd.DataFrame(rows, columns=[*columns, "difference", "difference_error", "better"]), notes


def have_same_models(one: Side, other: Side) -> bool:
    """Whether two landscapes have the same runs with the same numbers on the same images."""
    known = one.fingerprint is not None and one.fingerprint == other.fingerprint
    return known and one.table.split == other.table.split and one.table.rows.equals(other.table.rows)


def _choice(side: Side, use: str, notes: list[str]) -> Choice | None:
    try:
        return best(side.table, use)
    except SpecError as error:
        if any(name in side.table.rows for name in USES[use]) or type(error) is not SpecError:
            notes.append(f"{side.name} has no model for {use}: {error}.")
        return None


def _row(
    use: str, sides: tuple[Side, Side], found: Sequence[Choice | None], compares: bool, notes: list[str]
) -> dict[str, object]:
    a, b = found
    some = a or b
    assert some is not None
    row: dict[str, object] = {"use": use, "metric": _plain(some), "unit": some.metric.unit}
    values: list[tuple[float, float]] = []
    for suffix, choice in (("a", a), ("b", b)):
        value, error = (math.nan, math.nan) if choice is None else _number(choice)
        row |= {f"winner_{suffix}": "" if choice is None else _winner(choice)}
        row |= {f"value_{suffix}": value, f"error_{suffix}": error}
        values.append((value, error))
    row |= {"difference": math.nan, "difference_error": math.nan, "better": ""}
    if a is None or b is None:
        return row
    if _plain(a) != _plain(b):
        notes.append(f"For {use}, A was judged by {_plain(a)} and B by {_plain(b)}, which do not compare.")
        return row
    if compares:
        difference, error = values[1][0] - values[0][0], _error(sides, (a, b), (values[0][1], values[1][1]))
        sign = -1 if some.metric.higher_is_better is False else 1
        better = "neither" if abs(difference) <= BEYOND * error else "B" if sign * difference > 0 else "A"
        row |= {"difference": difference, "difference_error": error}
        unknown = difference != 0 and not error > 0
        row["better"] = "unknown" if unknown else better
    return row


def _number(choice: Choice) -> tuple[float, float]:
    """The winner's number on test, and its error."""
    on_test = "test_" + choice.metric.column in choice.row
    error = choice.winner.error_on_test if on_test else choice.error
    return choice.reported(choice.row), error


def _error(sides: tuple[Side, Side], pair: tuple[Choice, Choice], errors: tuple[float, float]) -> float:
    """Standard error of the difference of two winners, measured on the same images.

    Of means over groups of these images, where both have them and are of one seed: as :func:`.paired_error`. Else the
    errors count as independent, which is cautious; one model beside its copy has no error.
    """
    one, other = pair
    if one.run == other.run and one.row.equals(other.row):
        return 0.0
    parts: list[Sequence[float]] = []
    for side, choice in zip(sides, pair, strict=True):
        table = side.table
        on_test = "test_" + choice.metric.column in choice.row
        known = (table.parts_on_test if on_test else table.parts).get(choice.run, {})
        parts.append(known.get(choice.metric.column, ()) if table.rows["seed"].nunique() == 1 else ())
    return paired_error(*parts) if len(parts[0]) == len(parts[1]) > 1 else difference_error(*errors)


def _plain(choice: Choice) -> str:
    """The metric without the layer that it is of."""
    return choice.metric.column.removesuffix(f"_{choice.layer}")


def _winner(choice: Choice) -> str:
    """Betas, and the layer where layers compete."""
    layer = "" if choice.layer is None else f" {layer_name(choice.layer)}"
    return betas_text(choice.betas, 3) + layer


def joined(one: Table, other: Table) -> pd.DataFrame:
    """Points of betas that both have, means over seeds: ``beta_L .. beta_1``, and numbers as ``NAME_a``, ``NAME_b``.

    Empty where the landscapes have other layers, or no betas in common.

    Raises:
        SpecError: one of them has no finished model.
    """
    tables = [finished(table) for table in (one, other)]
    betas = [layer_columns(rows, "beta") for rows in tables]
    if betas[0] != betas[1]:
        return pd.DataFrame(columns=betas[0])
    measured = [name for name in [*METRICS, *layer_columns(tables[0], "rate")] if all(name in rows for rows in tables)]
    means = [_over_seeds(rows, betas[0], measured) for rows in tables]
    return means[0].merge(means[1], on=betas[0], suffixes=("_a", "_b"))


def _over_seeds(rows: pd.DataFrame, betas: Sequence[str], measured: Sequence[str]) -> pd.DataFrame:
    found = rows[[*betas, *measured]].copy()
    for beta in betas:
        found[beta] = [float(f"{value:.{DIGITS}g}") for value in found[beta]]
    return found.groupby(list(betas), as_index=False).mean()


def point_differences(points: pd.DataFrame) -> pd.DataFrame:
    """How points in common differ (B - A): ``quantity``, ``mean``, ``worst`` (by size) and ``at`` (its betas).

    Args:
        points: as of :func:`joined`.
    """
    rows: list[dict[str, object]] = []
    betas = layer_columns(points, "beta")
    names = [*POINT_COLUMNS, "rate", *(column[:-2] for column in points if str(column).startswith("rate_"))]
    for name in dict.fromkeys(name for name in names if f"{name}_a" in points and len(points)):
        difference = (points[f"{name}_b"] - points[f"{name}_a"]).dropna()
        if len(difference):
            worst = difference.abs().idxmax()
            at = betas_text([float(points.loc[worst, beta]) for beta in betas], 3)
            rows.append({"quantity": name, "mean": difference.mean(), "worst": difference[worst], "at": at})
    return pd.DataFrame(rows, columns=["quantity", "mean", "worst", "at"])


def shared_metric(one: Table, other: Table, metrics: Sequence[Metric]) -> Metric:
    """The first of these metrics that both have measured.

    Raises:
        SpecError: they have none in common.
    """
    for metric in metrics:
        if all(metric.column in table.rows and table.rows[metric.column].notna().any() for table in (one, other)):
            return metric
    raise SpecError("the landscapes have no metric in common to draw: measure the same of both")


def written(value: float, error: float) -> str:
    """A number with its error; a dash where there is none."""
    return with_own_error(value, error) if math.isfinite(value) else "-"
