"""The tidy table over the records of a sweep."""

import dataclasses
import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ratescape.errors import RecordError
from ratescape.records.attempts import verdicts
from ratescape.records.enough import sentences, verdict
from ratescape.records.files import Unreadable, read_json_lines, remake
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.layers import compact, group_values, layer_values, long
from ratescape.records.trained import TrainingFacts, training_facts
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec, TargetSpec
from ratescape.specs.sweep import SweepSpec

FINE_IMAGES = 1000
"""Images that a fine landscape is measured on, at most."""


@dataclasses.dataclass(frozen=True)
class Table:
    """The tidy landscape over a sweep, and what is wrong with it."""

    rows: pd.DataFrame
    """One row for each run: see :func:`read_table`."""
    missing: int
    """Runs asked for that are not done."""
    broken: tuple[str, ...]
    """One line for each run whose records cannot be read."""
    split: str
    """The split that the plain columns were measured on: "validation", or "test" under the paper's protocol."""
    absent: tuple[str, ...] = ()
    """One line for each reason why something was not measured: what, why, and in how many models."""
    retrained: tuple[str, ...] = ()
    """One line for each conditioned network that lost a layer in training, and what was done about it."""
    images: int | None = None
    """Images of the split that the plain columns were measured on; None where the records do not tell."""
    parts: Mapping[str, Mapping[str, list[float]]] = dataclasses.field(default_factory=dict[str, Any])
    """By run and column: the means over groups of images of what is a mean over images, on the same split."""
    parts_on_test: Mapping[str, Mapping[str, list[float]]] = dataclasses.field(default_factory=dict[str, Any])
    """The same on test."""
    trained: Mapping[str, TrainingFacts] = dataclasses.field(default_factory=dict)
    """How far the training of each model came, by the key of its run, as far as its records tell."""
    stamp: str | None = None
    """What decided its numbers: they compare with those of a record of the same :func:`stamp_of` alone. None where
    nothing was measured."""
    model: ModelSpec = dataclasses.field(default_factory=ModelSpec)
    """The network of all models."""
    groups: tuple[int, ...] = ()
    """Group of each layer, top first, numbered from 0: layers of a group share one beta."""

    @property
    def left_out(self) -> list[str]:
        """One line for each model that the table lacks since its record is damaged, and one for those not done."""
        count = len(self.rows) + len(self.broken) + self.missing
        unfinished = f"{self.missing} of {count} models are not done: run the same map command again to finish"
        return [*(f"not among the models: {line}" for line in self.broken), *([unfinished] if self.missing else [])]

    @property
    def compact(self) -> pd.DataFrame:
        """``rows`` as they are written and shown: with more than 8 layers in fewer groups, without single layers."""
        return compact(self.rows, self.groups)

    @property
    def layers(self) -> pd.DataFrame:
        """One row for each model and layer: see :func:`ratescape.records.layers.long`."""
        return long(self.rows, self.model, self.groups)

    @property
    def undertrained(self) -> list[str]:
        """One line for each verdict on the models' training that is no praise: see :mod:`ratescape.records.enough`."""
        return sentences(list(self.trained.values()))


def read_table(folder: SweepFolder) -> Table:
    """Read the records of a sweep into one tidy table; never opens a model.

    Columns, for L layers: ``run, seed, status, trained, beta_L .. beta_1``, then measured on the split that models are
    chosen on ``rate_L .. rate_1, rate`` (total), ``distortion`` (nats per image), ``loss`` (distortion + sum of
    beta x rate), ``nelbo`` (-ELBO), ``psnr`` (dB; of vectors ``r2`` and ``mse``), ``active_L .. active_1``, and any
    further metric found in the records; standard errors of these as ``se_...``; and the same measured on test as
    ``test_...`` (``test_psnr``, ``test_se_psnr``). Where layers share betas, also of their G groups, top first,
    ``beta_group_G .. beta_group_1``, and ``rate_group_...`` and ``active_group_...``, sums over the group's layers.
    ``status`` is ``ok``, or ``diverged`` for a training that broke down: such rows carry no numbers. ``trained`` is
    the verdict of :func:`ratescape.records.enough.verdict`; the column is missing where the records of no model tell.

    Raises:
        RecordError: the folder is not a sweep, or the system refuses a file of it.
    """
    spec = folder.spec()
    read: list[tuple[dict[str, Any], dict[str, Any]]] = []
    broken: list[str] = []
    on_test: dict[str, dict[str, list[float]]] = {}
    missing = 0
    for run in spec.runs():
        one = folder.run(run)
        if not one.done:
            missing += 1
            continue
        try:
            records = {record.get("split"): record for record in read_json_lines(one.evaluation)}
            row = row_of(run, one, records, spec.selection_split, spec.grouping())
            read.append((row, records[spec.selection_split]))
            on_test[row["run"]] = known_parts(records["test"])
        except Unreadable:  # a table without a sound model would be taken for a whole one
            raise
        except RecordError as error:
            broken.append(str(error))
    kept, others = _measured_alike(read)
    reasons = Counter((reason, name) for _, record in kept for name, reason in record.get("absent", {}).items())
    trained = _trained(folder, spec, kept)
    rows = _with_verdicts(pd.DataFrame([row for row, _ in kept]), trained)
    absent, retrained = _absent(reasons, len(kept)), tuple(verdicts(folder, spec.networks()))
    measured = next((record for row, record in kept if row["status"] == "ok"), None)
    images, stamp = (None, None) if measured is None else (measured.get("images"), stamp_of(measured))
    parts = {row["run"]: known_parts(record) for row, record in kept}
    split = spec.selection_split
    own = Table(rows, missing, (*broken, *others), split, absent, retrained, images, parts)
    facts: dict[str, Any] = {"parts_on_test": on_test, "trained": trained, "stamp": stamp}
    return dataclasses.replace(own, model=spec.model, groups=spec.grouping(), **facts)


def known_parts(record: Mapping[str, Any]) -> dict[str, list[float]]:
    """The means over groups of images that a record has, but for those that are not finite."""
    return {name: values for name, values in record.get("parts", {}).items() if None not in values}


def paired_error(one: Sequence[float], other: Sequence[float]) -> float:
    """Standard error of the difference of two means over the same images, from their means over G groups of these."""
    differences = [a - b for a, b in zip(one, other, strict=True)]
    return statistics.stdev(differences) / math.sqrt(len(differences))


Measured = list[tuple[dict[str, Any], dict[str, Any]]]
"""Rows of the table, each with the record that it was made of."""


def _trained(folder: SweepFolder, spec: SweepSpec, kept: Measured) -> dict[str, TrainingFacts]:
    """How far the training of each model came, by the key of its run."""
    runs = {folder.run(run).path.name: run for run in spec.runs()}
    share, found = spec.data.validation, dict[str, TrainingFacts]()
    for row, record in kept:
        held_out = record.get("images") if share > 0 else None
        images = None if held_out is None else round(held_out * (1 - share) / share)
        facts = training_facts(folder, runs[row["run"]], row, images)
        if facts is not None:
            found[row["run"]] = facts
    return found


def _with_verdicts(rows: pd.DataFrame, trained: Mapping[str, TrainingFacts]) -> pd.DataFrame:
    """The table with the column ``trained``, behind ``status``; as it was where nothing is known of any model."""
    verdicts = [verdict(trained[run]) if run in trained else None for run in rows.get("run", ())]
    if any(verdicts):
        rows.insert(list(rows.columns).index("status") + 1, "trained", verdicts)
    return rows


def _measured_alike(read: Measured) -> tuple[Measured, list[str]]:
    """The rows whose numbers can be compared, and one line for each that was measured otherwise than most.

    A training that diverged has no numbers to compare.
    """
    stamps = {row["run"]: stamp_of(record) for row, record in read if row["status"] == "ok"}
    if len(set(stamps.values())) < 2:
        return read, []
    ((usual, _),) = Counter(stamps.values()).most_common(1)
    others = {run for run, stamp in stamps.items() if stamp != usual}
    lines = [
        f"run {run} was measured under other settings or by another judge than most: run the same map command again"
        for run in sorted(others)
    ]
    return [pair for pair in read if pair[0]["run"] not in others], lines


def stamp_of(record: Mapping[str, Any]) -> str:
    """What decides whether the numbers of two records can be compared."""
    judge = record.get("judge") or {}
    return json.dumps([record.get("settings"), record.get("revision"), judge.get("digest")], sort_keys=True)


def _absent(reasons: Mapping[tuple[str, str], int], models: int) -> tuple[str, ...]:
    """Reasons why measures (reason, measure) are absent in so many models, as lines."""
    grouped: dict[tuple[str, int], list[str]] = {}
    for (reason, name), count in reasons.items():
        grouped.setdefault((reason, count), []).append(name)
    return tuple(
        f"not measured{'' if count == models else f' in {count} of {models} models'}: {', '.join(names)} ({reason})"
        for (reason, count), names in grouped.items()
    )


def fine_columns(records: list[dict[str, Any]], groups: Sequence[int] = ()) -> pd.DataFrame:
    """The table of the fine landscape from its records: see :attr:`SweepFolder.fine`.

    Args:
        groups: group of each layer, top first, for the columns of groups.
    """
    return pd.DataFrame([_columns({"metrics": record}, groups) for record in records])


def row_of(
    run: RunSpec, folder: RunFolder, records: Mapping[Any, Any], split: str, groups: Sequence[int] = ()
) -> dict[str, Any]:
    """One row of the table, of a model whose measurements are given by split: see :func:`read_table`.

    Args:
        groups: group of each layer, top first, for the columns of groups.

    Raises:
        RecordError: something is missing of what was recorded.
    """
    epochs = read_json_lines(folder.training)
    if not epochs or split not in records or "test" not in records:
        raise RecordError(f"{folder.path} lacks its last epoch or the {split} or test split: {remake(folder.path)}")
    row: dict[str, Any] = {"run": folder.path.name, "seed": run.seed}
    if not all(_has_tables(record) for record in (records[split], records["test"])):
        raise RecordError(f"{folder.evaluation} is damaged: {remake(folder.path)}")
    try:
        row["status"] = epochs[-1]["status"]
        row |= _by_layer("beta", list(records[split]["betas"]), groups, {})
        if run.target is not None:
            row |= _requested(run.target, records[split]["targets"])
        row |= measured_columns(records, split, groups)
    except KeyError as error:
        raise RecordError(f"{folder.path} has a record without {error}: {remake(folder.path)}") from error
    except (AttributeError, TypeError) as error:
        raise RecordError(f"{folder.path} has a damaged record ({error}): {remake(folder.path)}") from error
    return row


def _has_tables(record: Mapping[str, Any]) -> bool:
    """Whether the fields of a record that are tables are such, and those of parts of lists of numbers."""
    parts = record.get("parts", {})
    if not all(isinstance(record.get(name, {}), dict) for name in ("metrics", "errors", "absent", "parts")):
        return False
    of_numbers = (all(one is None or isinstance(one, (int, float)) for one in v) for v in parts.values() if v)
    return all(isinstance(values, list) for values in parts.values()) and all(of_numbers)


def _requested(target: TargetSpec, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """What was asked of a run, and what became of it: the first status that is not ``reached``, the largest error."""
    errors = [outcome["error"] for outcome in outcomes]
    return {
        "request": target.request,
        "outcome": next((one["status"] for one in outcomes if one["status"] != "reached"), "reached"),
        "rate_error": None if None in errors else max(errors, key=abs),
    }


def measured_columns(records: Mapping[Any, Any], split: str, groups: Sequence[int] = ()) -> dict[str, Any]:
    """The measurements of one model, given by split, as columns: plain those of ``split``, and ``test_...``.

    Args:
        groups: group of each layer, top first, for the columns of groups.
    """
    columns = _columns(records[split], groups)
    if split != "test":
        columns |= {f"test_{name}": value for name, value in _columns(records["test"], groups).items()}
    return columns


def _columns(record: dict[str, Any], groups: Sequence[int]) -> dict[str, Any]:
    """The measurements of one record as flat columns."""
    columns, parts = dict[str, Any](), known_parts(record)
    errors = {f"se_{name}": value for name, value in record.get("errors", {}).items()}
    for name, value in (record["metrics"] | errors).items():
        flat = isinstance(value, list)
        columns |= _by_layer(name.removesuffix("s"), value, groups, parts) if flat else {name: value}
    return columns


def _by_layer(
    name: str, values: list[Any], groups: Sequence[int], parts: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """One column for each layer, and for each group where these are others."""
    return layer_values(name, values) | group_values(name, values, groups, parts)
