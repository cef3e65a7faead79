"""Weights & Biases, online or offline as its environment says (``WANDB_MODE``); its files lie below ``logs/wandb``."""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratescape.loggers.charts import PROJECT, Charts


def logger(folder: Path) -> Charts:
    """One that keeps its files below the folder of results.

    Example::

        os.environ["WANDB_MODE"] = "offline"
        rs.map_landscape("mnist-5k", log="wandb", out="digits")  # then: wandb sync digits/logs/wandb/offline-*
    """
    wandb: Any = importlib.import_module("wandb")

    def begin(spec: Mapping[str, Any]) -> Any:
        place = folder / "logs"
        (place / "wandb").mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(console="off", silent=True, x_disable_stats=True)
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        return wandb.init(project=project, name=spec["name"], dir=str(place), config=dict(spec), settings=settings)

    return Charts(begin, wandb.Image, lambda run, is_done: run.finish(exit_code=0 if is_done else 1))
