"""SHIM."""

from collections.abc import Sequence
from typing import Any

from ratescape.specs.codec import to_dict
from ratescape.specs.evaluation import EvaluationSpec


def is_current(records: Sequence[dict[str, Any]], evaluation: EvaluationSpec, judge: str | None) -> bool:
    """SHIM."""
    return all(record.get("settings") == to_dict(evaluation) for record in records)
