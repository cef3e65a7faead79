"""What a caller in Python asks to see of the work, as one observer: a bar, a function that is called, or both."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from ratescape.errors import SpecError
from ratescape.execution.bar import shown
from ratescape.execution.progress import Epoch, Observer, Picture, Progress, Silent

Progressing: TypeAlias = bool | Callable[[Any], object]
"""True for a bar, or a function that is called with each :class:`Progress` and each :class:`Epoch`."""


class Called(Silent):
    """An observer that calls a function with each progress and each epoch."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self._function = function

    def progress(self, progress: Progress) -> None:
        """Pass it on."""
        self._function(progress)

    def epoch(self, epoch: Epoch) -> None:
        """Pass it on."""
        self._function(epoch)


class Both:
    """Two observers as one."""

    def __init__(self, one: Observer, other: Observer) -> None:
        self._both = (one, other)

    def progress(self, progress: Progress) -> None:
        """Show it to both."""
        for observer in self._both:
            observer.progress(progress)

    def epoch(self, epoch: Epoch) -> None:
        """Show it to both."""
        for observer in self._both:
            observer.epoch(epoch)

    def picture(self, picture: Picture) -> None:
        """Show it to both."""
        for observer in self._both:
            observer.picture(picture)


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
            own: Observer | None = stack.enter_context(shown())
        elif callable(progress):
            own = Called(progress)
        elif progress is False or progress is None:
            own = None
        else:
            raise SpecError(f"progress is {progress!r}: give True for a bar, or a function to be called")
        yield Both(own, observer) if own and observer else own or observer or Silent()


def _check_observer(observer: Any) -> None:
    """Refuse what has not the methods of an observer."""
    missing = [name for name in ("progress", "epoch", "picture") if not callable(getattr(observer, name, None))]
    if observer is not None and missing:
        raise SpecError(
            f"observer is a {type(observer).__name__} without {', '.join(missing)}: derive it from Silent, or give a "
            "function as progress"
        )
