"""Which records may stand in one table: those whose numbers were measured alike. Does without torch."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.given import Fields, as_spec

REVISION = 3
"""Raised whenever a measurement is changed so that its numbers no longer compare with those measured before: another
definition, another constant (``tests/evaluation/test_comparable.py`` pins those), other draws. Records of another
revision are measured anew."""

LATER = ("outliers", "restoration")
"""Settings that came later and measure nothing where they are None or empty: records without them stay comparable."""


def stamp(evaluation: EvaluationSpec, judge: dict[str, Any] | None) -> dict[str, Any]:
    """What decides a record's numbers beside the model and the images: part of every record.

    Args:
        judge: :attr:`ratescape.judges.cache.Judge.facts` of the judge of its score; None where there is none.
    """
    return {"settings": _settings(evaluation), "revision": REVISION, "judge": judge}


def _settings(evaluation: EvaluationSpec) -> dict[str, Any]:
    """The settings of a record: fields of :data:`LATER` only where they say something."""
    return {name: value for name, value in to_dict(evaluation).items() if name not in LATER or value}


def settings_at(folder: Path, is_landscape: bool) -> EvaluationSpec:
    """What is measured of all models of a landscape, or was of the model of a folder; the default where nothing was.

    Raises:
        RatescapeError: the landscape's spec or the model's record is damaged.
    """
    if is_landscape:
        return SweepFolder(folder).spec().evaluation
    path = RunFolder(folder).evaluation
    records = read_json_lines(path) if path.exists() else []
    return from_dict(EvaluationSpec, records[0].get("settings") or {}, "settings.") if records else EvaluationSpec()


def changed_settings(usual: EvaluationSpec, given: EvaluationSpec | Fields | None) -> EvaluationSpec:
    """What is to be measured of a model: as usual, but for the fields that are given, or all else as a spec says.

    Unless another judge is asked for it is the usual one, so that scores can be compared.

    Raises:
        SpecError: an unknown field or a wrong value.

    Example::

        changed_settings(EvaluationSpec(judge_epochs=4), {"samples": 500}).judge_epochs  # 4
    """
    changed = to_dict(usual) | dict(given) if isinstance(given, Mapping) else given
    settings = usual if changed is None else as_spec(EvaluationSpec, changed, "evaluation")
    if settings.judge_epochs is None and settings.judge == usual.judge:
        return dataclasses.replace(settings, judge_epochs=usual.judge_epochs)
    return settings


def is_current(records: Sequence[dict[str, Any]], evaluation: EvaluationSpec, judge_digest: str | None) -> bool:
    """Whether the records of a model, one a split, were measured under these settings, by this revision and judge.

    Example::

        is_current(read_json_lines(folder.evaluation), spec.evaluation, None if judge is None else judge.digest)

    Args:
        judge_digest: of the landscape's judge; None where there will be no score. A model that diverged has no score
            either: its records, of 0 images, have no judge whatever the landscape has.

    Returns:
        False also where there are no records.
    """
    return bool(records) and all(_is_current(record, evaluation, judge_digest) for record in records)


def _is_current(record: dict[str, Any], evaluation: EvaluationSpec, judge_digest: str | None) -> bool:
    if (record.get("settings"), record.get("revision")) != (_settings(evaluation), REVISION):
        return False
    judge = record.get("judge")
    return record.get("images") == 0 or (None if judge is None else judge["digest"]) == judge_digest
