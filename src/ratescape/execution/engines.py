"""Engines by name. A new one is a file of its own, and a line in :data:`ENGINES`."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager

from ratescape.compute.devices import chosen_device
from ratescape.data.catalog import ImageData
from ratescape.errors import SpecError
from ratescape.execution.engine import Engine
from ratescape.execution.local import local_engine
from ratescape.execution.packing import workers
from ratescape.model.factories import alone_because
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.factories import is_importable
from ratescape.specs.model import ModelSpec


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


def adapted(execution: ExecutionSpec, model: ModelSpec, data: ImageData) -> ExecutionSpec:
    """How work at networks of the user's own factory is carried out: in packs of one where no others are possible.

    Raises:
        SpecError: other processes would need the factory, and cannot import it.
    """
    if model.factory is None:
        return execution
    elsewhere = execution.engine == "ray" or workers(execution, chosen_device(execution.device)) > 0
    if elsewhere and not is_importable(model.factory):
        raise SpecError(
            f"model.factory is {model.factory!r}, which this process alone knows: set execution.engine to in-process, "
            "or write the factory into a module and name it as package.module:function, so that others can import it"
        )
    return execution if alone_because(model, data.shape) is None else dataclasses.replace(execution, pack=1)


def entered(execution: ExecutionSpec) -> AbstractContextManager[Engine]:
    """The engine that is asked for, to be entered.

    Raises:
        SpecError: there is no engine of this name.
        ResourceError: it cannot be used here.
    """
    if execution.engine not in ENGINES:
        raise SpecError(f"execution.engine is {execution.engine!r}: it must be one of {', '.join(ENGINES)}")
    return ENGINES[execution.engine](execution)
