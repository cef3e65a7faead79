"""TensorBoard's event files, written by tensorboardX: a folder for each training, below ``logs/tensorboard``."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

OPEN = 16
"""Files held open at a time: of landscapes with more trainings, one that waits is opened again as a further file."""


class TensorBoard:
    """Each training is a run of its own, so that charts show all of them in one frame.

    TensorBoard keeps numbers in single precision.

    Example::

        TensorBoard(Path("digits/logs/tensorboard")).log(1, {"0123456789ab/loss": 187.2})
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def start(self, spec: Mapping[str, Any]) -> None:
        text = json.dumps(spec, indent=2).replace("\n", "\n    ")
        self._writer("").add_text("spec", f"    {text}", 0)  # indented: Markdown's code

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            training, _, series = name.rpartition("/")
            self._writer(training).add_scalar(series, value, step)

    def picture(self, step: int, name: str, image: bytes) -> None:
        training, _, what = name.rpartition("/")
        pixels = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
        self._writer(training).add_image(what, pixels, step, dataformats="HWC")
        self._writer(training).flush()

    def finish(self, status: str) -> None:
        self._writer("").add_text("status", status, 0)
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _writer(self, training: str) -> Any:
        """The writer of one training, or of the whole call, which was used last."""
        from tensorboardX import SummaryWriter

        writer = self._writers.pop(training, None)
        if writer is None:
            if len(self._writers) >= OPEN:
                self._writers.pop(next(iter(self._writers))).close()
            writer = SummaryWriter(str(self._folder / training), write_to_disk=True)
        self._writers[training] = writer
        return writer


def logger(folder: Path) -> TensorBoard:
    """One that writes below the folder of results."""
    return TensorBoard(folder / "logs" / "tensorboard")
