"""Trainings of a second or two, and what watches, interrupts and compares them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ratescape.data.batches import Images
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.context import EpochRecord, TrainingContext
from ratescape.training.loop import train
from ratescape.training.schedule import annealing_steps
from ratescape.training.state import Trained

SHAPE = (1, 16, 16)
BETAS = [(1.0, 1.0), (0.1, 10.0), (5.0, 0.2)]
SPEC = TrainingSpec(epochs=10, batch=32, annealing=3, annealing_path="linear", precision="float64")
MODELS = {
    "ghvae": ModelSpec(channels=4, latents=(3, 2)),
    "lvae": ModelSpec(family="lvae", channels=4, latents=(3, 2)),
    "wide": ModelSpec(channels=8, latents=(8, 2)),  # with matrices large enough for Muon
    "residual-1": ModelSpec(family="residual", channels=4, latents=(3,)),
    "residual-3": ModelSpec(family="residual", channels=4, latents=(3, 2, 1)),
    "residual-5": ModelSpec(family="residual", channels=4, latents=(3, 2, 1, 1, 1)),
}


def model_of(name: str = "ghvae", seed: int = 0) -> HVAE:
    torch.manual_seed(seed)
    return build(resolved_model(MODELS[name], SHAPE, binary=True), SHAPE).double()


def squares() -> Images:
    """150 images of one bright square each: something to learn, and a last batch that is not full."""
    generator = np.random.default_rng(0)
    pixels = np.zeros((150, *SHAPE), np.uint8)
    for image, (row, column, side) in zip(pixels, generator.integers(2, 8, (150, 3)), strict=True):
        image[0, row : row + side, column : column + side] = 255
    return Images(pixels, binary=True, dtype=torch.float64)


def run(
    images: Images,
    betas: list[tuple[float, ...]],
    spec: TrainingSpec = SPEC,
    name: str = "ghvae",
    context: TrainingContext | None = None,
) -> Trained:
    policy = FixedBetas(
        torch.tensor(betas, dtype=torch.float64), annealing_steps(spec, len(images)), spec.annealing_path
    )
    return train(spec, model_of(name), images, policy, len(betas), seed=7, context=context or TrainingContext())


class Stop(Exception):
    """The power goes out."""


class Recorder:
    """A listener that keeps what it is told, and may cut the training off after a step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.steps: list[tuple[int, int]] = []
        self.epochs: list[list[EpochRecord]] = []
        self.steps_before: list[int] = []
        """For each epoch, the steps that were over."""

    def step(self, done: int, total: int) -> None:
        self.steps.append((done, total))
        if done == self.stop_at:
            raise Stop

    def epoch(self, records: Sequence[EpochRecord]) -> None:
        self.epochs.append(list(records))
        self.steps_before.append(len(self.steps))


def untimed(records: Sequence[EpochRecord]) -> list[dict[str, Any]]:
    """Epoch records without the time they took."""
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def assert_same(one: Trained, other: Trained) -> None:
    """Bit for bit, times aside."""
    assert one.parameters.keys() == other.parameters.keys()
    for key, weights in one.parameters.items():
        torch.testing.assert_close(weights, other.parameters[key], rtol=0, atol=0)
    assert one.diverged == other.diverged
    assert list(map(untimed, one.history)) == list(map(untimed, other.history))
