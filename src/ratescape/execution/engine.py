"""What an engine is: it carries out the packs of a sweep somewhere."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from ratescape.data.catalog import ImageData
from ratescape.execution.packing import Pack
from ratescape.execution.progress.tracker import Tracker
from ratescape.execution.workspace import Workspace
from ratescape.records.folders import SweepFolder
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.runs import NetworkSpec
from ratescape.specs.sweep import SweepSpec


@dataclasses.dataclass(frozen=True)
class Job:
    """What is left to do of a sweep, and what is needed for it."""

    networks: Sequence[NetworkSpec]
    """Conditioned networks that are not trained yet."""
    packs: Sequence[Pack]
    """Packs that are not complete, in the order in which they are best begun."""
    folder: SweepFolder
    workspace: Workspace
    tracker: Tracker
    """To be told how far the work is."""

    @property
    def factory(self) -> str | None:
        """What builds all networks, where a factory of the user's does: other processes are to import it, too."""
        first = self.networks[0] if self.networks else self.packs[0].runs[0]
        return first.model.factory


class Engine(Protocol):
    """Carries out the packs of a sweep: in this process, in worker processes, on a cluster."""

    title: str
    """What computes, in words."""
    processes: int
    """Trainings that run side by side."""

    def pack_size(self, spec: SweepSpec, data: ImageData, execution: ExecutionSpec) -> int:
        """Members of a pack: as asked for, or as many as are fast and fit.

        Raises:
            ResourceError: not even one member, or not as many as asked for, fit into memory.
        """
        ...

    def carry_out(self, job: Job) -> None:
        """Train the networks, then the packs, and write their folders; what is complete already stays.

        Raises:
            RatescapeError: what a training ended with, or that memory or machines do not last.
        """
        ...
