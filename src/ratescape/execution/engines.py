"""Engines by name. A new one is a file of its own, and a line in :data:`ENGINES`."""

from collections.abc import Callable
from contextlib import AbstractContextManager

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
