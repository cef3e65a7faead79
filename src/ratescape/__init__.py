"""Map the rate landscape of hierarchical VAEs on your images, and find the model that fits a use."""

import importlib
from typing import TYPE_CHECKING, Any

from ratescape.version import __version__ as __version__

if TYPE_CHECKING:
    from ratescape.data.catalog import load_data as load_data
    from ratescape.landscape import Landscape as Landscape
    from ratescape.landscape import evaluate as evaluate
    from ratescape.landscape import load as load
    from ratescape.landscape import map_landscape as map_landscape
    from ratescape.landscape import save as save
    from ratescape.specs.data import DataSpec as DataSpec
    from ratescape.specs.evaluation import EvaluationSpec as EvaluationSpec
    from ratescape.specs.execution import ExecutionSpec as ExecutionSpec
    from ratescape.specs.grid import BetaGrid as BetaGrid
    from ratescape.specs.methods import ConditioningSpec as ConditioningSpec
    from ratescape.specs.model import ModelSpec as ModelSpec
    from ratescape.specs.training import TrainingSpec as TrainingSpec

_HOMES = {
    "ratescape.data.catalog": ["load_data"],
    "ratescape.landscape": ["Landscape", "evaluate", "load", "map_landscape", "save"],
    "ratescape.specs": [
        "BetaGrid",
        "ConditioningSpec",
        "DataSpec",
        "EvaluationSpec",
        "ExecutionSpec",
        "ModelSpec",
        "TrainingSpec",
    ],
}

__all__ = [
    "BetaGrid",
    "ConditioningSpec",
    "DataSpec",
    "EvaluationSpec",
    "ExecutionSpec",
    "Landscape",
    "ModelSpec",
    "TrainingSpec",
    "__version__",
    "evaluate",
    "load",
    "load_data",
    "map_landscape",
    "save",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `ratescape --help` does not wait for torch."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'ratescape' has no attribute {name!r}")
