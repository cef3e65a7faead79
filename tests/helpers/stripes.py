"""Images that a judge learns to tell apart in a moment, and judges of them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ratescape.data.catalog import ImageData
from ratescape.judges.cache import Judge, cached_judge
from ratescape.specs.judge import JudgeSpec

QUICK = JudgeSpec(epochs=6, batch=16)
CLASSES = ("left", "none", "right")


def stripes(count: int, seed: int = 0, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise ``[N, side, side]`` with a bright stripe on the left, on the right, or none: easy to tell apart."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    pixels = generator.integers(0, 150, (count, side, side))
    for image, label in zip(pixels, labels, strict=True):
        column = generator.integers(1, side // 2 - 3)
        if label != 1:
            image[:, (column if label == 0 else -column - 3) :][:, :3] += 100
    return pixels.astype(np.uint8), np.array(CLASSES)[labels]


def judge(data: ImageData, folder: Path, spec: JudgeSpec = QUICK, epochs: int | None = None, **options: Any) -> Judge:
    """The judge of a cache in ``folder``."""
    return cached_judge(data, dataclasses.replace(spec, epochs=epochs or spec.epochs), folder=folder, **options)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


class Steps:
    """Counts the steps of a training."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, step: int, steps: int) -> None:
        self.count += 1
        assert step == self.count <= steps
