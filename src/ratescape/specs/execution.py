"""How the work is carried out."""

import dataclasses
from typing import Literal

from ratescape.errors import SpecError
from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields

CompileName = Literal["never", "auto", "always"]
"""When PyTorch compiles the training step: see ``ExecutionSpec.compile``."""


@dataclasses.dataclass(frozen=True)
class ExecutionSpec:
    """How the work is carried out; changes no result beyond rounding.

    Example::

        ExecutionSpec(engine="workers", workers=2, checkpoint_seconds=10)
    """

    engine: Literal["auto", "in-process", "workers", "ray"] = "auto"
    """Train in this process, in worker processes of one thread each, or on the machines of a Ray cluster; auto: workers
    on a CPU."""
    workers: int | None = None
    """Worker processes, or tasks at a time in a Ray cluster; default: one for each core, or each GPU of a cluster."""
    pack: int | None = None
    """Models trained together as one batch of weights; default: as many as measured fastest and fit in memory."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, ...; auto: a GPU if there is one."""
    compile: CompileName = "never"
    """Have PyTorch compile the training step: fewer passes over memory, but a minute or two before the first step of
    every pack; needs a C++ compiler. auto: where 15 minutes or more are left, and as far as it proves faster. A clock
    then decides, so that two trainings of one seed may differ by rounding."""
    checkpointing: bool = False
    """Gradient checkpointing: compute what layers hold a second time in the backward pass, in place of keeping it. A
    deep network of 20 layers took 0.6 of the memory and 1.4 of the time; members of a pack train one after the other.
    It does not go with execution.compile."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints of a training in progress."""
    log: tuple[str, ...] = ()
    """Loggers that are told of every epoch: tensorboard, wandb, trackio, mlflow; each needs the extra of its name."""
    log_pictures: int = 1
    """Epochs between two pictures of each training that loggers are shown; 0 for pictures of finished models alone."""
    address: str | None = None
    """Ray cluster: HOST:6379 from one of its machines, ray://HOST:10001 from elsewhere, auto for the one this machine
    belongs to; default: that one, or else one of this machine alone, started for the sweep."""
    results: str | None = None
    """URL of a store (file://, s3://, gs://, ... as fsspec knows them) that machines of a Ray cluster put finished
    models into; default: they travel through Ray."""

    def __post_init__(self) -> None:
        convert_fields(self, "execution.", open_names=("engine",))  # engines can be registered
        for name in ("address", "results"):
            value, expected = getattr(self, name), "left out, or given with execution.engine ray"
            require(value is None or (bool(value) and self.engine == "ray"), f"execution.{name}", value, expected)
        if self.compile != "never" and self.checkpointing:
            raise SpecError("execution.compile does not go with execution.checkpointing: leave one of them out")
        require(self.workers is None or self.workers > 0, "execution.workers", self.workers, "positive")
        require(self.pack is None or self.pack > 0, "execution.pack", self.pack, "positive")
        require(self.log_pictures >= 0, "execution.log_pictures", self.log_pictures, "at least 0")
        require(self.checkpoint_seconds >= 0, "execution.checkpoint_seconds", self.checkpoint_seconds, "at least 0")
