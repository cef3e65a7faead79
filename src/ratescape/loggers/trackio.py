"""trackio, which keeps runs where it always does (``TRACKIO_DIR``), for its own dashboard."""

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ratescape.loggers.charts import PROJECT, Charts


def logger(folder: Path) -> Charts:
    """One run of trackio, named by the folder of results.

    Example::

        rs.map_landscape("mnist-5k", log="trackio", out="digits")  # then: trackio show --project ratescape
    """
    trackio: Any = importlib.import_module("trackio")

    def begin(spec: Mapping[str, Any]) -> Any:
        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        own = {"folder": str(folder)} | dict(spec)
        # Not the load of the machine, which it would sample on its own; older versions do not, and cannot be told.
        known = inspect.signature(trackio.init).parameters
        unwatched = {name: False for name in ("auto_log_cpu", "auto_log_gpu") if name in known}
        with contextlib.redirect_stdout(sys.stderr):
            return trackio.init(project, name=spec["name"], config=own, embed=False, **unwatched)

    def finish() -> None:
        with contextlib.redirect_stdout(sys.stderr):  # what a command prints on stdout is its result alone
            trackio.finish()

    def picture(image: Image.Image) -> Any:
        return trackio.Image(np.asarray(image))

    return Charts(begin, picture, lambda run, is_done: finish())
