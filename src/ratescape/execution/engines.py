"""Engines by name. A new one is a file of its own, and a line in :data:`ENGINES`."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from ratescape.errors import SpecError
from ratescape.execution.engine import Engine
from ratescape.execution.local import local_engine
from ratescape.specs.execution import ExecutionSpec


def _ray(execution: ExecutionSpec) -> AbstractContextManager[Engine]:
    from ratescape.execution.ray.cluster import joined  # Ray is an extra: imported where it is asked for

    return joined(execution)


ENGINES: dict[str, Callable[[ExecutionSpec], AbstractContextManager[Engine]]] = {
    "auto": local_engine,
    "in-process": local_engine,
    "workers": local_engine,
    "ray": _ray,
}
"""Engines by the name of ``execution.engine``: each is entered for as long as a sweep takes."""


def entered(execution: ExecutionSpec) -> AbstractContextManager[Engine]:
    """The engine that is asked for, to be entered.

    Raises:
        SpecError: there is no engine of this name.
        ResourceError: it cannot be used here.
    """
    if execution.engine not in ENGINES:
        raise SpecError(f"execution.engine is {execution.engine!r}: it must be one of {', '.join(ENGINES)}")
    return ENGINES[execution.engine](execution)
