"""The work told to loggers: one more observer of the one channel, whichever process or machine trains."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ratescape import loggers
from ratescape.errors import SpecError
from ratescape.execution.observing import Both
from ratescape.execution.progress.observers import Epoch, Observer, Picture, Silent
from ratescape.loggers import Logger
from ratescape.specs.codec import to_dict
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.version import __version__

Log: TypeAlias = str | Logger | Sequence[str | Logger]
"""A logger by name, or an object that is one, or several."""


class Logs(Silent):
    """Tells loggers of epochs and pictures. They start with the first epoch: nothing begins where all is done.

    Args:
        given: the loggers, by the name by which they are spoken of.
        facts: what they start with.
    """

    def __init__(self, given: Sequence[tuple[str, Logger]], facts: Mapping[str, Any]) -> None:
        self._loggers = list(given)
        self._facts = facts
        self._has_begun = False
        self._epochs: dict[str, int] = {}
        self._drawn: dict[tuple[str, str], int] = {}

    def epoch(self, epoch: Epoch) -> None:
        """Tell the numbers of an epoch."""
        training = _named(epoch.run, epoch.attempt)
        self._begin()
        self._epochs[epoch.run] = epoch.epoch
        numbers = {f"{training}/{name}": value for name, value in series(epoch).items()}
        self._tell(lambda logger: logger.log(epoch.epoch, numbers))

    def picture(self, picture: Picture) -> None:
        """Tell a picture of a training; that of the finished model only where its last epoch had none."""
        last, which = self._epochs.get(picture.run), (picture.run, picture.name)
        if last is None or (picture.epoch is None and self._drawn.get(which) == last):
            return
        step = picture.epoch or last
        self._drawn[which] = step
        name = f"{_named(picture.run, picture.attempt)}/{picture.name}"
        self._tell(lambda logger: logger.picture(step, name, picture.png))

    def figure(self, path: Path) -> None:
        """Tell the figure of the landscape, if anything was trained and the figure was drawn."""
        if self._has_begun and path.exists() and (image := path.read_bytes()):
            self._tell(lambda logger: logger.picture(max(self._epochs.values(), default=0), path.stem, image))

    def finish(self, status: str) -> None:
        """Tell that the call is over."""
        if self._has_begun:
            self._tell(lambda logger: logger.finish(status))

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._tell(lambda logger: logger.start(self._facts))

    def _tell(self, tell: Callable[[Logger], object]) -> None:
        for one in list(self._loggers):
            name, logger = one
            try:
                tell(logger)
            except Exception as error:  # whatever it is: a logger ends no training
                self._loggers.remove(one)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                warnings.warn(f"the logger {name} failed and is told no more: {reason}", stacklevel=2)


def series(epoch: Epoch) -> dict[str, float]:
    """The numbers of an epoch by the names of their columns; of groups only where layers share betas.

    Example::

        series(epoch)["rate_2"]  # nats per image
    """
    found = {"loss": epoch.loss, "distortion": epoch.distortion, "learning_rate": epoch.learning_rate}
    found["rate"] = sum(epoch.rates)
    lists = {"beta": epoch.betas, "rate": epoch.rates}
    if len(epoch.group_rates) < len(epoch.rates):
        lists["rate_group"] = epoch.group_rates
    for name, values in lists.items():
        found |= {f"{name}_{len(values) - index}": value for index, value in enumerate(values)}
    return found


def _named(run: str, attempt: int) -> str:
    return run if attempt == 1 else f"{run}-{attempt}"


@dataclasses.dataclass(frozen=True)
class Logging:
    """How a call goes on that is logged."""

    execution: ExecutionSpec
    """As it was given; ``log`` names the loggers that were given as objects, too."""
    observer: Observer | None
    """Whoever watched before, and the loggers."""
    figure: Callable[[Path], None]
    """Tells the loggers of the landscape's figure."""


@contextlib.contextmanager
def logged(
    log: Log, execution: ExecutionSpec, folder: Path, spec: SweepSpec | RunSpec, observer: Observer | None = None
) -> Iterator[Logging]:
    """Have what trains in the block told to loggers: those given, and those that ``execution.log`` names.

    Args:
        folder: of the results.
        spec: what is trained.
        observer: sees the work, too.

    Raises:
        SpecError: an unknown name, or an object without the methods of a logger.
        ResourceError: the package of a logger is missing.

    Example::

        with logged("tensorboard", execution, folder.path, spec) as logging:
            run_sweep(spec, data, folder, logging.execution, logging.observer)
    """
    given = [log] if isinstance(log, str) or not isinstance(log, Sequence) else list(log)
    names = [*execution.log, *(one for one in given if isinstance(one, str))]
    loggers.check(names)
    own = [(type(one).__name__, _checked(one)) for one in given if not isinstance(one, str)]
    if not names and not own:
        yield Logging(execution, observer, lambda path: None)
        return
    place = folder.absolute()
    logs = Logs([*((name, loggers.opened(name, place)) for name in names), *own], _facts(spec, place))
    how = dataclasses.replace(execution, log=(*names, *(name for name, _ in own)))
    status = "stopped"
    try:
        yield Logging(how, Both(observer, logs) if observer else logs, logs.figure)
        status = "done"
    finally:
        logs.finish(status)


def _facts(spec: SweepSpec | RunSpec, folder: Path) -> dict[str, Any]:
    """What loggers start with."""
    runs = spec.runs() if isinstance(spec, SweepSpec) else [spec]
    networks = spec.networks() if isinstance(spec, SweepSpec) else []
    alone = {key(run): {"betas": list(run.betas), "seed": run.seed} for run in runs if run.merged is None}
    return {
        "kind": "landscape" if isinstance(spec, SweepSpec) else "model",
        "folder": str(folder),
        "name": folder.name,
        "ratescape": __version__,
        "trainings": {key(one): {"betas": [one.low, one.high], "seed": one.seed} for one in networks} | alone,
        "spec": to_dict(spec),
    }


def _checked(one: Any) -> Logger:
    """Refuse what has not the methods of a logger."""
    missing = [name for name in ("start", "log", "picture", "finish") if not callable(getattr(one, name, None))]
    if missing:
        raise SpecError(f"log has a {type(one).__name__} without {', '.join(missing)}: give a name, or a Logger")
    return one
