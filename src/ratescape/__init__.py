"""Map the rate landscape of hierarchical VAEs on your images, and find the model that fits a use."""

import importlib
from typing import TYPE_CHECKING, Any

from ratescape.version import __version__ as __version__

if TYPE_CHECKING:
    from ratescape.coding.archive import compress as compress
    from ratescape.coding.archive import decompress as decompress
    from ratescape.coding.calibrate import calibrate as calibrate
    from ratescape.coding.codec import Codec as Codec
    from ratescape.data.catalog import ImageData as ImageData
    from ratescape.data.catalog import load_data as load_data
    from ratescape.errors import CheckpointError as CheckpointError
    from ratescape.errors import DataError as DataError
    from ratescape.errors import HubError as HubError
    from ratescape.errors import NoWinner as NoWinner
    from ratescape.errors import RatescapeError as RatescapeError
    from ratescape.errors import RecordError as RecordError
    from ratescape.errors import ResourceError as ResourceError
    from ratescape.errors import SpecError as SpecError
    from ratescape.execution.progress import Observer as Observer
    from ratescape.execution.progress import Silent as Silent
    from ratescape.exporting.write import Exported as Exported
    from ratescape.exporting.write import export as export
    from ratescape.hub.opening import from_hub as from_hub
    from ratescape.landscape import Landscape as Landscape
    from ratescape.landscape import map_landscape as map_landscape
    from ratescape.landscape.comparing import Comparison as Comparison
    from ratescape.landscape.comparing import compare as compare
    from ratescape.loggers.logger import Logger as Logger
    from ratescape.model.hierarchy import HVAE as HVAE
    from ratescape.model.restored import Restored as Restored
    from ratescape.models import evaluate as evaluate
    from ratescape.models import load as load
    from ratescape.models import save as save
    from ratescape.models import train as train
    from ratescape.records.answers import Answer as Answer
    from ratescape.records.scores import Scores as Scores
    from ratescape.search.best import Best as Best
    from ratescape.search.between import Between as Between
    from ratescape.search.by_rates import Solved as Solved
    from ratescape.search.refined import Refined as Refined
    from ratescape.specs.conditioning import ConditioningSpec as ConditioningSpec
    from ratescape.specs.control import ControlSpec as ControlSpec
    from ratescape.specs.data import DataSpec as DataSpec
    from ratescape.specs.evaluation import EvaluationSpec as EvaluationSpec
    from ratescape.specs.execution import ExecutionSpec as ExecutionSpec
    from ratescape.specs.factories import register as register
    from ratescape.specs.grid import BetaGrid as BetaGrid
    from ratescape.specs.methods import Conditioned as Conditioned
    from ratescape.specs.methods import Dedicated as Dedicated
    from ratescape.specs.methods import Targeted as Targeted
    from ratescape.specs.model import ModelSpec as ModelSpec
    from ratescape.specs.training import TrainingSpec as TrainingSpec

_HOMES = {
    "ratescape.coding.archive": ["compress", "decompress"],
    "ratescape.coding.calibrate": ["calibrate"],
    "ratescape.coding.codec": ["Codec"],
    "ratescape.data.catalog": ["ImageData", "load_data"],
    "ratescape.errors": [
        "CheckpointError",
        "DataError",
        "HubError",
        "NoWinner",
        "RatescapeError",
        "RecordError",
        "ResourceError",
        "SpecError",
    ],
    "ratescape.execution.progress": ["Observer", "Silent"],
    "ratescape.exporting.write": ["Exported", "export"],
    "ratescape.hub.opening": ["from_hub"],
    "ratescape.landscape": ["Landscape", "map_landscape"],
    "ratescape.landscape.comparing": ["Comparison", "compare"],
    "ratescape.loggers.logger": ["Logger"],
    "ratescape.model.hierarchy": ["HVAE"],
    "ratescape.model.restored": ["Restored"],
    "ratescape.models": ["evaluate", "load", "save", "train"],
    "ratescape.records.answers": ["Answer"],
    "ratescape.records.scores": ["Scores"],
    "ratescape.search.best": ["Best"],
    "ratescape.search.between": ["Between"],
    "ratescape.search.by_rates": ["Solved"],
    "ratescape.search.refined": ["Refined"],
    "ratescape.specs.conditioning": ["ConditioningSpec"],
    "ratescape.specs.control": ["ControlSpec"],
    "ratescape.specs.data": ["DataSpec"],
    "ratescape.specs.evaluation": ["EvaluationSpec"],
    "ratescape.specs.execution": ["ExecutionSpec"],
    "ratescape.specs.factories": ["register"],
    "ratescape.specs.grid": ["BetaGrid"],
    "ratescape.specs.methods": ["Conditioned", "Dedicated", "Targeted"],
    "ratescape.specs.model": ["ModelSpec"],
    "ratescape.specs.training": ["TrainingSpec"],
}

__all__ = [
    "HVAE",
    "Answer",
    "Best",
    "BetaGrid",
    "Between",
    "CheckpointError",
    "Codec",
    "Comparison",
    "Conditioned",
    "ConditioningSpec",
    "ControlSpec",
    "DataError",
    "DataSpec",
    "Dedicated",
    "EvaluationSpec",
    "ExecutionSpec",
    "Exported",
    "HubError",
    "ImageData",
    "Landscape",
    "Logger",
    "ModelSpec",
    "NoWinner",
    "Observer",
    "RatescapeError",
    "RecordError",
    "Refined",
    "ResourceError",
    "Restored",
    "Scores",
    "Silent",
    "Solved",
    "SpecError",
    "Targeted",
    "TrainingSpec",
    "__version__",
    "calibrate",
    "compare",
    "compress",
    "decompress",
    "evaluate",
    "export",
    "from_hub",
    "load",
    "load_data",
    "map_landscape",
    "register",
    "save",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `ratescape --help` does not wait for torch."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'ratescape' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return sorted(__all__)
