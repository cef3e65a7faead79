"""MLflow: a run for the call, and below it one for each training; on a server, or as files.

Files lie in ``logs/mlflow`` of the folder of results, unless ``MLFLOW_TRACKING_URI`` names another place.
"""

import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

EXPERIMENT = "ratescape"
"""What the runs are kept under, unless ``MLFLOW_EXPERIMENT_NAME`` names another."""


class MLflow:
    """Epochs are the steps of MLflow; numbers are kept in double precision.

    Args:
        place: where the runs are kept; its environment may name another.

    Example::

        MLflow(Path("digits/logs/mlflow")).start({"name": "digits"})
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._client: Any = None
        self._experiment = ""
        self._runs: dict[str, str] = {}
        """Ids by training; that of the call by the empty name."""

    def start(self, spec: Mapping[str, Any]) -> None:
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if uri is None:
            # MLflow wants a data base, whose packages are several times as large; files do for one folder's runs.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            uri = self._place.absolute().as_uri()
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        known = self._client.get_experiment_by_name(name)
        self._experiment = known.experiment_id if known else self._client.create_experiment(name)
        own = self._run("", str(spec["name"]))
        self._client.log_text(own, json.dumps(spec, indent=2), "spec.json")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        found: dict[str, list[Metric]] = {}
        for name, value in numbers.items():
            training, _, series = name.rpartition("/")
            found.setdefault(training, []).append(Metric(series, value, now, step))
        for training, metrics in found.items():
            self._client.log_batch(self._run(training, training), metrics=metrics)

    def picture(self, step: int, name: str, image: bytes) -> None:
        training, _, what = name.rpartition("/")
        picture = Image.open(io.BytesIO(image))
        self._client.log_image(self._run(training, training), picture, f"{what}/{step:05}.png")

    def finish(self, status: str) -> None:
        for run in reversed(self._runs.values()):
            self._client.set_terminated(run, "FINISHED" if status == "done" else "KILLED")

    def _run(self, training: str, name: str) -> str:
        """The id of the run of a training, which is begun when first asked for."""
        if training not in self._runs:
            above = {"mlflow.parentRunId": self._runs[""]} if training else {}
            run = self._client.create_run(self._experiment, run_name=name, tags=above)
            self._runs[training] = run.info.run_id
        return self._runs[training]


def logger(folder: Path) -> MLflow:
    """One that keeps its files below the folder of results."""
    return MLflow(folder / "logs" / "mlflow")
