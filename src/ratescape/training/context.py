"""How a training is carried out, and who watches it: nothing here changes its result beyond rounding."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypedDict

from ratescape.model.packs import Parameters
from ratescape.specs.execution import CompileName


class EpochRecord(TypedDict):
    """One epoch of one member; means are over the images of the steps that it took, in nats per image."""

    epoch: int
    """Counted from 1."""
    steps: int
    """Done so far, in all epochs, those skipped among them."""
    betas: list[float]
    """Of each layer, top first: those in effect at the epoch's last step (means over its images)."""
    rates: list[float]
    """Of each layer, top first."""
    distortion: float
    loss: float
    constant: float
    """The part of distortion and loss that no model can avoid: what the likelihood charges for an image that is
    predicted exactly; 0 where nothing bounds it."""
    skipped: int
    """Steps skipped so far, in all epochs."""
    learning_rate: float
    """At the epoch's last step."""
    seconds: float
    """Time spent in the loop so far, over all resumptions."""
    status: Literal["ok", "diverged"]


class TrainingListener(Protocol):
    """Is told how a training gets on, in the process that trains.

    What it raises ends the training. A training resumed from a checkpoint reports from there on: the steps after the
    checkpoint, and an epoch that they complete, are reported a second time.

    Example::

        class Printer:
            def step(self, done: int, total: int) -> None:
                print(f"{done}/{total}")

            def epoch(self, records: Sequence[EpochRecord]) -> None:
                print([record["loss"] for record in records])
    """

    def step(self, done: int, total: int) -> None:
        """A step is over: ``done`` are, out of ``total``."""
        ...

    def epoch(self, records: Sequence[EpochRecord]) -> None:
        """An epoch is over; one record for each member, those that are frozen included."""
        ...


@dataclasses.dataclass(frozen=True)
class Saving:
    """Where a training keeps its checkpoint, how often, and whose it is."""

    path: Path
    seconds: float
    """Least time between two checkpoints; the last step is always saved."""
    identity: str
    """A checkpoint of another identity is refused."""


@dataclasses.dataclass(frozen=True)
class Inspection:
    """A look at the weights in the middle of a training, which ends there if they do not pass."""

    step: int
    """The weights are looked at after so many steps."""
    passes: Callable[[Parameters], bool]
    """Given the weights ``[P, ...]`` that would be kept if training ended here. It is asked before the checkpoint of
    this step is written: a training that is killed in between, and resumed, is inspected a second time. One that does
    not pass leaves its checkpoint, and goes on from there if it is resumed."""


@dataclasses.dataclass(frozen=True)
class TrainingContext:
    """How a training is carried out, which changes no result beyond rounding, unless an inspection ends it.

    Example::

        context = TrainingContext(saving=Saving(Path("run/checkpoint"), seconds=60, identity="my run"))
        train(spec, model, images, policy, members=1, seed=0, context=context)
    """

    saving: Saving | None = None
    """Keeps a checkpoint, and resumes from the one that is there; None for neither."""
    listener: TrainingListener | None = None
    compiled: CompileName = "never"
    """Have the pass compiled by ``torch.compile``: once for full batches, once for the last, smaller one."""
    checkpointing: bool = False
    """Keep of the pass only what goes in and out of each part, and compute the rest again in the backward pass; members
    of a pack then pass one after the other."""
    inspection: Inspection | None = None
    """Not carried out where all members have diverged."""
    watch: Callable[[int, Parameters], None] | None = None
    """Shown, after each epoch (counted from 1), the weights ``[P, ...]`` that would be kept if training ended here."""
    stop: Callable[[], bool] | None = None
    """Whether the training shall break off: asked after every step. It then writes its checkpoint and raises
    KeyboardInterrupt."""
