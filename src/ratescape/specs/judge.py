"""How a judge of samples is made: its network, and the recipe of its training."""

import dataclasses
import math
from typing import ClassVar, Literal

from ratescape.specs.checks import require

Architecture = Literal["small-cnn", "resnet-18", "densenet-121"]


@dataclasses.dataclass(frozen=True)
class JudgeSpec:
    """How a judge is made. The defaults are the paper's recipe for MNIST.

    Example::

        JudgeSpec("resnet-18", epochs=30, batch=256, optimiser="sgd", learning_rate=0.01, momentum=0.9)
    """

    KIND: ClassVar[str] = "judge recipe"

    architecture: Architecture = "small-cnn"
    epochs: int = 14
    batch: int = 64
    optimiser: Literal["adadelta", "sgd"] = "adadelta"
    learning_rate: float = 1.0
    """Of the first step."""
    momentum: float = 0.0
    """Of SGD."""
    weight_decay: float = 0.0
    schedule: Literal["exponential", "cosine"] = "exponential"
    """The learning rate falls by a factor at every epoch, or as a half cosine to 0 at the last step."""
    decay: float = 0.7
    """Factor of the exponential schedule."""
    augment: bool = False
    """Random crops and flips, anew in every epoch."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "learning_rate", "decay"):
            value = getattr(self, name)
            require(value > 0 and math.isfinite(value), f"judge.{name}", value, "above 0 and finite")
        for name in ("momentum", "weight_decay", "seed"):
            require(getattr(self, name) >= 0, f"judge.{name}", getattr(self, name), "at least 0")
