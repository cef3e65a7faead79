"""How a model is trained."""

import dataclasses
import math
from typing import Literal

from ratescape.errors import SpecError
from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields

SHORT_STEPS = 1000
"""Whatever its loss says, a training of fewer steps is far from its end: it has hardly left the annealing of its betas,
and a learning rate that falls to zero flattens any loss."""

AnnealingPath = Literal["geometric", "linear"]
"""How betas reach their values: see ``TrainingSpec.annealing_path``."""

OptimiserName = Literal["muon", "adam"]
"""What turns gradients into steps: see ``TrainingSpec.optimiser``."""


@dataclasses.dataclass(frozen=True)
class TrainingSpec:
    """How a model is trained.

    Example::

        TrainingSpec(epochs=30, batch=64, learning_rate=3e-3, ema=0.999)
    """

    epochs: int | None = None
    """Passes over the training images; default: as many as make training.steps, where those are given, else 20 (40 for
    a network conditioned on betas), or as many as make 2,000 steps where images are few."""
    steps: int | None = None
    """Steps (batches) that the training has at least, in place of epochs: the last epoch is always a whole one."""
    batch: int = 256
    """Images in a batch; the last batch of an epoch may be smaller."""
    learning_rate: float = 3e-3
    """Learning rate, at its peak."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate over training: constant as in the paper, or a cosine down to zero."""
    lr_warmup: float = 0.1
    """Learning-rate warm-up: share of the steps, at the beginning, over which it rises from zero; without
    it one seed of a network may end far behind another."""
    annealing: float | None = None
    """KL annealing: epochs until the betas reach their values; 0 for none; default: 0.3 of the epochs. It means nothing
    for a conditioned network, unless its conditioning.annealing is linear."""
    annealing_path: AnnealingPath = "geometric"
    """How betas reach their values. geometric: from the smallest of a model's betas, linear in log beta; linear: all
    betas from 0, as for the paper's LVAE. It means nothing for a conditioned network: see conditioning.annealing."""
    ema: float | None = None
    """Decay of an exponential moving average of the weights, which is then what is kept; default: none."""
    clip: float | None = None
    """Largest norm of a member's gradient; longer ones are scaled down; default: no clipping."""
    skip: float | None = None
    """A step is skipped if its gradient is so many times longer than usual, such as 10; the limit rises with each step
    skipped, so that training goes on where gradients stay long; default: no step is."""
    max_skipped_steps: int = 50
    """Steps in a row with a non-finite loss or gradient, which are skipped, after which a model counts as diverged."""
    precision: Literal["float32", "tf32", "bf16", "float64"] = "float32"
    """Number format of weights and arithmetic; tf32 and bf16: float32 weights, losses and measurements, but shorter
    numbers inside matrix products and convolutions of training (tf32 on a GPU only)."""
    optimiser: OptimiserName | None = None
    """What turns gradients into steps. muon: Muon for the weights of layers and Adam for all else, which needs a third
    of the steps; adam: Adam for all, as in the paper. Default: muon for networks of images of a built-in family, adam
    for vectors, where muon is no better, and for networks of your own."""

    def __post_init__(self) -> None:
        convert_fields(self, "training.")
        require(self.epochs is None or self.epochs > 0, "training.epochs", self.epochs, "positive")
        require(self.steps is None or self.steps > 0, "training.steps", self.steps, "positive")
        if self.epochs is not None and self.steps is not None:
            raise SpecError(
                f"training.epochs is {self.epochs} and training.steps is {self.steps}: give one of them, since each "
                "says how long the training is"
            )
        require(self.batch > 0, "training.batch", self.batch, "positive")
        rate = self.learning_rate
        require(rate > 0 and math.isfinite(rate), "training.learning_rate", rate, "positive")
        require(0 <= self.lr_warmup <= 1, "training.lr_warmup", self.lr_warmup, "between 0 and 1")
        if self.annealing is not None:
            require(
                0 <= self.annealing <= (self.epochs or math.inf),
                "training.annealing",
                self.annealing,
                f"at least 0 and at most training.epochs ({self.epochs}): annealing that outlasts training "
                "would end at other betas than those asked for",
            )
        require(self.ema is None or 0 < self.ema < 1, "training.ema", self.ema, "between 0 and 1")
        require(self.clip is None or self.clip > 0, "training.clip", self.clip, "positive")
        require(self.skip is None or self.skip > 1, "training.skip", self.skip, "above 1")
        require(self.max_skipped_steps > 0, "training.max_skipped_steps", self.max_skipped_steps, "positive")
