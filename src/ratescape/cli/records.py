"""What was measured of a model: a table for a person at a terminal, JSON lines for a program."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ratescape.cli.output import say
from ratescape.metrics import LAYER_METRICS, METRICS, Metric
from ratescape.records.lines import aligned, with_error

Record = Mapping[str, Any]
"""One split of one model, as :func:`ratescape.evaluation.suite.measure` gives it."""

_COLUMNS = {"rates": "rate"}
"""What a table calls that of a record which has another name."""


def print_records(records: Sequence[Record], as_json: bool = False) -> None:
    """Print the records of one model: a table at a terminal, JSON lines into a file or a pipe.

    Args:
        records: one for each split.
        as_json: JSON lines at a terminal, too.
    """
    if as_json or not sys.stdout.isatty():
        for record in records:  # but for the means of groups of images, by which models are compared
            say(json.dumps({name: value for name, value in record.items() if name != "parts"}))
    else:
        say("\n".join(as_table(records)))


def as_table(records: Sequence[Record]) -> list[str]:
    """Lines of a table: quantities down, splits across, each with its standard error where the record has one.

    Example::

        as_table(rs.evaluate("digits/runs/0123456789ab"))[1]  # "            validation  test"
    """
    rows = [["", *(str(record["split"]) for record in records)]]
    rows.append(["images", *(f"{record['images']:,}" for record in records)])
    names = dict.fromkeys(name for record in records for name in record["metrics"])
    rows += [row for name in names for row in _rows(name, records)]
    return [*_heading(records[0]), *aligned(rows), *_absent(records)] if records else []


def _heading(record: Record) -> list[str]:
    """The betas of the model, where the record tells them."""
    if "betas" not in record:
        return []
    outside = ", outside the network's box: extrapolated" if record.get("extrapolated") else ""
    return [f"betas {', '.join(f'{beta:.4g}' for beta in record['betas'])} (top layer first){outside}"]


def _rows(name: str, records: Sequence[Record]) -> Iterator[list[str]]:
    """The row of a quantity, or one for each layer; none for a text that no record has."""
    values = [record["metrics"].get(name) for record in records]
    errors = [record.get("errors", {}).get(name) for record in records]
    column = _COLUMNS.get(name, name)
    layers = max((len(value) for value in values if isinstance(value, list)), default=0)
    for index in range(layers):
        metric = LAYER_METRICS[column].at(layers - index) if column in LAYER_METRICS else None
        of_layer = [[None if one is None else one[index] for one in found] for found in (values, errors)]
        label = f"{column}_{layers - index}" if metric is None else metric.label
        yield [label, *(_cell(metric, *pair) for pair in zip(*of_layer, strict=True))]
    if not layers and (column in METRICS or any(value is not None for value in values)):
        metric = METRICS.get(column)
        label = column if metric is None else metric.label
        yield [label, *(_cell(metric, *pair) for pair in zip(values, errors, strict=True))]


def _cell(metric: Metric | None, value: float | str | None, error: float | None) -> str:
    """A number with its standard error; fractions in percent; a dash for none."""
    if value is None or isinstance(value, str):
        return value or "–"
    factor = 100 if metric is not None and metric.percent else 1
    return with_error(factor * value, None if error is None else factor * error)


def _absent(records: Sequence[Record]) -> list[str]:
    """A line for each reason why something was not measured."""
    by_reason: dict[str, dict[str, None]] = {}
    for record in records:
        for name, reason in record["absent"].items():
            by_reason.setdefault(reason, {})[name] = None
    return [f"not measured: {', '.join(names)} ({reason})" for reason, names in by_reason.items()]
