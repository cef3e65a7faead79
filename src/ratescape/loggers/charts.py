"""What Weights & Biases and trackio have in common: one run for a call, whose charts are named by training."""

import io
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

PROJECT = "ratescape"
"""What the runs of all calls are kept under, unless the environment names another project."""


class Charts:
    """One run, opened when something begins to train.

    Epochs of several trainings come in any order, while a run has one count of steps that never goes back. So the epoch
    is a series itself (``TRAINING/epoch``), which the others of its training are drawn over where the package can.

    Args:
        begin: opens the run, given the spec; it has ``log`` and ``finish``.
        picture: makes of a picture what the run takes.
        finish: ends the run, given whether all is done.
    """

    def __init__(
        self,
        begin: Callable[[Mapping[str, Any]], Any],
        picture: Callable[[Image.Image], Any],
        finish: Callable[[Any, bool], None],
    ) -> None:
        self._begin, self._picture, self._finish = begin, picture, finish
        self._run: Any = None
        self._known = set[str]()

    def start(self, spec: Mapping[str, Any]) -> None:
        self._run = self._begin(spec)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        trainings = {name.rpartition("/")[0] for name in numbers} - {""}
        for training in trainings - self._known:
            self._name(training)
        self._run.log({**numbers, **{f"{training}/epoch": step for training in trainings}})

    def picture(self, step: int, name: str, image: bytes) -> None:
        training = name.rpartition("/")[0]
        epoch = {f"{training}/epoch": step} if training else {}
        self._run.log({name: self._picture(Image.open(io.BytesIO(image)).convert("RGB")), **epoch})

    def finish(self, status: str) -> None:
        self._finish(self._run, status == "done")

    def _name(self, training: str) -> None:
        """Have the series of a training drawn over its epochs."""
        self._known.add(training)
        if hasattr(self._run, "define_metric"):
            self._run.define_metric(f"{training}/epoch")
            self._run.define_metric(f"{training}/*", step_metric=f"{training}/epoch")
