"""The formats of exported programs: how a part is written, and how what was written is run again to be checked.

Only this file knows ONNX and its runtime.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ratescape.exporting.parts import Part
from ratescape.specs.checks import from_extra

EXAMPLES = 3
"""Items that a part is traced with; the number stays free."""


class Format(Protocol):
    """How a part is written to a file, and run from it."""

    ending: str

    def ready(self) -> None:
        """Raise :class:`ResourceError` where something is not installed."""
        ...

    def write(self, part: Part, path: Path) -> None: ...

    def run(self, path: Path, part: Part, values: Sequence[Tensor]) -> list[Tensor]:
        """Outputs of the file for inputs of the part."""
        ...


class Torch:
    """A program of torch.export, for PyTorch without this package."""

    ending = "pt2"

    def ready(self) -> None:
        """It is part of PyTorch."""

    def write(self, part: Part, path: Path) -> None:
        batch = torch.export.Dim("batch", min=1)
        free = [{0: batch}] * len(part.inputs)
        with _quiet():
            shapes = (free,) if part.listed else (free[0],)
            program = torch.export.export(part.module, _example(part), dynamic_shapes=shapes, strict=False)
            torch.export.save(program, path)

    def run(self, path: Path, part: Part, values: Sequence[Tensor]) -> list[Tensor]:
        with _quiet(), torch.no_grad():
            found = torch.export.load(path).module()(*part.arguments(values))
        return list(found) if isinstance(found, (list, tuple)) else [found]


class Onnx:
    """ONNX, for runtimes in many languages."""

    ending = "onnx"

    def ready(self) -> None:
        for name in ("onnx", "onnxscript", "onnxruntime"):
            _library(name)

    def write(self, part: Part, path: Path) -> None:
        free = [{0: "batch"}] * len(part.inputs)
        with _quiet():
            program: Any = torch.onnx.export(
                part.module,
                _example(part),
                dynamo=True,
                input_names=list(part.inputs),
                output_names=list(part.outputs),
                dynamic_shapes=(free,) if part.listed else (free[0],),
                verbose=False,
            )
            program.save(str(path), external_data=False)

    def run(self, path: Path, part: Part, values: Sequence[Tensor]) -> list[Tensor]:
        session = session_of(path)
        given = {name: value.cpu().numpy() for name, value in zip(part.inputs, values, strict=True)}
        return [torch.from_numpy(np.asarray(one)) for one in session.run(list(part.outputs), given)]


FORMATS: dict[str, Format] = {"onnx": Onnx(), "torch": Torch()}


def session_of(path: Path, threads: int = 0) -> Any:
    """A session of ONNX Runtime on the CPU, on so many threads (0: as many as it likes).

    Raises:
        ResourceError: it is not installed.
    """
    runtime = _library("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _library(name: str) -> Any:
    return from_extra(name, "ONNX needs", "onnx")


def _example(part: Part) -> Any:
    like = next(part.module.parameters())
    zeros = [torch.zeros(EXAMPLES, *shape, dtype=like.dtype, device=like.device) for shape in part.inputs.values()]
    return part.arguments(zeros)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say of themselves: it is nothing that a user could act upon."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
