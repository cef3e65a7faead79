"""What a caller in Python asks to see of the work, as one observer: a bar, a function that is called, or both."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from ratescape.errors import SpecError
from ratescape.execution.progress.display import displayed
from ratescape.execution.progress.observers import (
    Audience,
    Epoch,
    Observer,
    Phase,
    Picture,
    Progress,
    Restart,
    Seen,
    Silent,
)

Progressing: TypeAlias = bool | Callable[[Any], object]
"""True for a bar, or a function that is called with each :class:`Progress`, :class:`Phase`, :class:`Epoch` and
:class:`Restart`."""


class Called(Silent):
    """An observer that calls a function with each progress, phase, epoch and restart."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self._function = function

    def progress(self, progress: Progress) -> None:
        """Pass it on."""
        self._function(progress)

    def epoch(self, epoch: Epoch) -> None:
        """Pass it on."""
        self._function(epoch)

    def phase(self, phase: Phase) -> None:
        """Pass it on."""
        self._function(phase)

    def restart(self, restart: Restart) -> None:
        """Pass it on."""
        self._function(restart)


class Both:
    """Two observers as one; where one fails, the other still sees."""

    def __init__(self, one: Observer, other: Observer) -> None:
        self._both = (Audience(one), Audience(other))

    def progress(self, progress: Progress) -> None:
        """Show it to both."""
        self._show(progress)

    def epoch(self, epoch: Epoch) -> None:
        """Show it to both."""
        self._show(epoch)

    def picture(self, picture: Picture) -> None:
        """Show it to both."""
        self._show(picture)

    def phase(self, phase: Phase) -> None:
        """Show it to both."""
        self._show(phase)

    def restart(self, restart: Restart) -> None:
        """Show it to both."""
        self._show(restart)

    def _show(self, what: Seen) -> None:
        for audience in self._both:
            audience.show(what)


@contextlib.contextmanager
def observer_of(progress: Progressing, observer: Observer | None = None) -> Iterator[Observer]:
    """The observer that a caller's ``progress`` and ``observer`` come to, while the block runs.

    Args:
        progress: True shows a bar; a function is called with each progress and epoch; False shows nothing.
        observer: sees everything, too.

    Raises:
        SpecError: something else.

    Example::

        with observer_of(progress=print) as observer:
            map_spec(spec, data, execution, out, observer)
    """
    _check_observer(observer)
    with contextlib.ExitStack() as stack:
        if progress is True:
            own: Observer | None = stack.enter_context(displayed())
        elif callable(progress):
            own = Called(progress)
        elif progress is False or progress is None:
            own = None
        else:
            raise SpecError(f"progress is {progress!r}: give True for a bar, or a function to be called")
        yield Both(own, observer) if own and observer else own or observer or Silent()


def announced_by(progress: Progressing) -> Callable[[object], None] | None:
    """What is told beforehand what there is to do: nobody without progress, for times are then not needed either."""
    if not progress:
        return None

    def tell(outlook: object) -> None:
        if progress is True:
            sys.stderr.write(f"{outlook}\n")

    return tell


def measured_by(observer: Observer) -> Callable[[int, int], None]:
    """What shows an observer how many of the measurements of one model are made, and how long the others still take."""
    audience, begun = Audience(observer), time.monotonic()

    def tell(done: int, total: int) -> None:
        elapsed = time.monotonic() - begun
        audience.show(Progress(done, total, 0, 1))
        left = elapsed * (total - done) / done if done else None
        audience.show(Phase("measuring", min(done + 1, total), total, elapsed, left))

    return tell


def _check_observer(observer: Any) -> None:
    """Refuse what has not the methods of an observer."""
    missing = [name for name in ("progress", "epoch", "picture") if not callable(getattr(observer, name, None))]
    if observer is not None and missing:
        raise SpecError(
            f"observer is a {type(observer).__name__} without {', '.join(missing)}: derive it from Silent, or give a "
            "function as progress"
        )
