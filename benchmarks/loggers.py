"""What does logging cost? Processor time of one training, and of it what drawing and telling take, for each logger.

    python benchmarks/loggers.py --data mnist-5k --epochs 4 tensorboard mlflow

Trains in this process. Whole times of two trainings differ by more than a logger costs, so the parts are timed by
themselves: pictures (drawn after every epoch), and the calls of the logger but the first, which imports its package.
"""

import argparse
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ratescape as rs
from ratescape import loggers
from ratescape.execution import work
from ratescape.execution.sketches import sketching


class Spent:
    """Processor seconds within functions of this process."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return function(*given, **options)
            finally:
                self.seconds += time.process_time() - begun

        return call


def measured(data: str, epochs: int, name: str, every: int) -> tuple[float, float, float]:
    """Seconds of training, of pictures (after every so many epochs) and of the logger's calls within it."""
    drawing, telling, starting, training = Spent(), Spent(), Spent(), Spent()
    opened, train = loggers.opened, work.train

    def timed(name: str, folder: Path) -> Any:
        one = opened(name, folder)
        calls = {"log": telling.timed(one.log), "picture": telling.timed(one.picture)}
        return types.SimpleNamespace(start=starting.timed(one.start), finish=one.finish, **calls)

    def drawn(*given: Any, **options: Any) -> Any:
        watch = sketching(*given, **options)
        return watch and (lambda epoch, weights: _without_telling(watch, drawing, telling, epoch, weights))

    work.sketching, work.train, loggers.opened = drawn, training.timed(train), timed
    try:
        with tempfile.TemporaryDirectory() as folder:
            rs.train(
                data,
                training={"epochs": epochs},
                evaluation={"samples": 0, "information": False, "probes": "none"},
                execution={"log_pictures": every},
                log=name,
                out=Path(folder) / "model",
            )
    finally:
        work.sketching, work.train, loggers.opened = sketching, train, opened
    return training.seconds - starting.seconds, drawing.seconds, telling.seconds


def _without_telling(watch: Callable[..., None], drawing: Spent, telling: Spent, epoch: int, weights: Any) -> None:
    """Draw; what the logger is told on the way counts as telling alone."""
    before, begun = telling.seconds, time.process_time()
    watch(epoch, weights)
    drawing.seconds += time.process_time() - begun - (telling.seconds - before)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what logging costs.")
    parser.add_argument("loggers", nargs="+")
    parser.add_argument("--data", default="mnist-5k")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=1, help="draw them after every so many epochs")
    asked = parser.parse_args()
    print("| logger | training, s | pictures, s | calls, s | share |\n|---|---:|---:|---:|---:|")
    for name in asked.loggers:
        training, drawing, telling = measured(asked.data, asked.epochs, name, asked.pictures)
        share = (drawing + telling) / (training - drawing - telling)
        print(f"| {name} | {training:.2f} | {drawing:.3f} | {telling:.3f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
