"""What an observer sees of the work as it goes on."""

import threading
import warnings
from typing import NamedTuple, Protocol, TypeAlias

from ratescape.execution.progress.messages import PhaseName


class Progress(NamedTuple):
    """How far a sweep is."""

    steps: int
    """Training steps done, over all members; steps found done from an earlier session count too."""
    total: int
    models: int
    """Models finished."""
    total_models: int


class Epoch(NamedTuple):
    """One epoch of the training of one model or network. Lists run over layers or groups, top first."""

    run: str
    """Key of the run, or of the conditioned network."""
    epoch: int
    """Counted from 1."""
    betas: tuple[float, ...]
    """The effective ones: annealed, controlled, or the means of those drawn."""
    rates: tuple[float, ...]
    """Of the layers, means over the epoch's training images, nats."""
    group_rates: tuple[float, ...]
    """Of groups of layers that share a beta, nats."""
    distortion: float
    """Mean over the epoch's training images, nats."""
    loss: float
    learning_rate: float
    """Of the last step."""
    status: str
    """``ok``, or ``diverged`` for a training that broke down."""
    attempt: int
    """Counted from 1: a conditioned network that loses a layer is trained again, its epochs are counted anew."""


class Restart(NamedTuple):
    """A conditioned network has lost a group of layers, and is trained again from the beginning."""

    run: str
    """Key of the network."""
    attempt: int
    """The one that begins now, counted from 1."""
    attempts: int
    """How many there may be in all."""
    learning_rate: float
    why: str
    """What was lost, such as ``z₂ carried 0.03 nats at betas (0.08, 12.5)``."""


class Picture(NamedTuple):
    """A picture of a finished model, or where the work is logged, also of one that trains."""

    run: str
    name: str
    """``reconstructions`` (originals above) or ``samples``."""
    png: bytes
    epoch: int | None = None
    """Of a model that trains, the epoch that is over, counted from 1; None for a finished model."""
    attempt: int = 1
    """As of :class:`Epoch`."""


class Phase(NamedTuple):
    """Where the work is: what goes on now, how much of it is done, and how long all of it will take."""

    name: PhaseName
    number: int
    """Of the piece that was begun last, counted from 1: the third of 25 trainings; 0 where there is but one."""
    of: int
    """Pieces in all; 0 where there is but one."""
    elapsed: float
    """Seconds since the work began."""
    left: float | None
    """Seconds that all phases still take, as expected now; None where too little is known to say."""

    @property
    def share(self) -> float | None:
        """Share of the time that is over, from 0 to 1; None where too little is known to say."""
        return None if self.left is None else self.elapsed / max(self.elapsed + self.left, 1e-9)


Seen: TypeAlias = Progress | Epoch | Picture | Phase | Restart
"""What an observer is shown."""


class Observer(Protocol):
    """Sees the work as it goes on; called from any thread, one call at a time.

    Example::

        class Printer(Silent):
            def epoch(self, epoch):
                print(epoch.run, epoch.epoch, epoch.loss)

        map_landscape("mnist-5k", observer=Printer())
    """

    def progress(self, progress: Progress) -> None:
        """See how far the work is; a few times a second.

        Steps go back where a conditioned network has lost a layer, and is trained again from the beginning.
        """
        ...

    def epoch(self, epoch: Epoch) -> None:
        """See an epoch that has ended."""
        ...

    def picture(self, picture: Picture) -> None:
        """See a picture of a model that is finished, or of one that trains where the work is logged."""
        ...

    def phase(self, phase: Phase) -> None:
        """See where the work is: when a phase begins, and about once a second.

        An observer without this method is not told.
        """
        ...

    def restart(self, restart: Restart) -> None:
        """See that a conditioned network is trained again.

        An observer without this method is not told.
        """
        ...


class Silent:
    """An observer that does nothing; a base for those that care about one thing only.

    Example::

        class Counter(Silent):
            def progress(self, progress):
                print(f"{progress.models} of {progress.total_models} models")
    """

    def progress(self, progress: Progress) -> None:
        """Do nothing."""

    def epoch(self, epoch: Epoch) -> None:
        """Do nothing."""

    def picture(self, picture: Picture) -> None:
        """Do nothing."""

    def phase(self, phase: Phase) -> None:
        """Do nothing."""

    def restart(self, restart: Restart) -> None:
        """Do nothing."""


class Audience:
    """Shows things to an observer, one at a time; one that fails is warned of once and sees no more.

    Args:
        observer: whoever wants to see; it need not have every method of :class:`Observer`.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self.observer: object = observer or Silent()
        self.lock = threading.RLock()

    def show(self, what: Seen) -> None:
        """Show one thing; never raises: an observer ends no training."""
        with self.lock:
            see = getattr(self.observer, type(what).__name__.lower(), None)
            try:
                if see is not None:
                    see(what)
            except Exception as error:  # whatever it is: the observer is not ours
                self.observer = Silent()
                warnings.warn(f"an observer failed and sees no more: {type(error).__name__}: {error}", stacklevel=2)
