"""Sweeps from flat fields, and observers of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ratescape.execution.progress import Epoch, Picture, Progress, Silent
from ratescape.specs.methods import Conditioned, Dedicated, Targeted
from ratescape.specs.sweep import SweepSpec

METHODS: dict[str, type[Any]] = {kind.kind: kind for kind in (Dedicated, Conditioned, Targeted)}


def sweep_spec(method: str = "dedicated", **fields: Any) -> SweepSpec:
    """A sweep from flat fields, as in a YAML file: those of the method beside the others."""
    return SweepSpec(method=METHODS[method](**own(method, fields)), **others(fields))


def altered(spec: SweepSpec, **fields: Any) -> SweepSpec:
    """The sweep with other fields, given flat; another method takes over the fields that mean something for it."""
    kind = METHODS[fields.pop("method", spec.method.kind)]
    kept = {f.name: getattr(spec.method, f.name) for f in dataclasses.fields(kind) if hasattr(spec.method, f.name)}
    return dataclasses.replace(spec, method=kind(**kept | own(kind.kind, fields)), **others(fields))


def own(method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that a method owns."""
    names = {field.name for field in dataclasses.fields(METHODS[method])}
    return {name: value for name, value in fields.items() if name in names}


def others(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that no method owns."""
    names = {field.name for kind in METHODS.values() for field in dataclasses.fields(kind)}
    return {name: value for name, value in fields.items() if name not in names}


class Watcher(Silent):
    """Calls a function at every progress."""

    def __init__(self, call: Callable[[Progress], object]) -> None:
        self.call = call

    def progress(self, progress: Progress) -> None:
        self.call(progress)


class Recorder(Silent):
    """Keeps all that it sees."""

    def __init__(self) -> None:
        self.steps: list[Progress] = []
        self.epochs: list[Epoch] = []
        self.pictures: list[Picture] = []

    def progress(self, progress: Progress) -> None:
        self.steps.append(progress)

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)

    def picture(self, picture: Picture) -> None:
        self.pictures.append(picture)
