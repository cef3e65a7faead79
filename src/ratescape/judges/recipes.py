"""SHIM."""

import dataclasses

from ratescape.data.catalog import ImageData
from ratescape.judges.cache import light_recipe
from ratescape.judges.training import JudgeSpec
from ratescape.specs.evaluation import EvaluationSpec


def judge_spec(data: ImageData, spec: EvaluationSpec) -> JudgeSpec | None:
    """SHIM."""
    if spec.samples == 0 or data.train.labels is None or len(data.classes or ()) < 2:
        return None
    how = light_recipe(data)
    return how if spec.judge_epochs is None else dataclasses.replace(how, epochs=spec.judge_epochs)
