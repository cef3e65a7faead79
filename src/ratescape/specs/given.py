"""Specs, methods and betas as a user of Python gives them: objects, dictionaries, names, lists, arrays, numbers."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

from ratescape.errors import SpecError
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.default_method import default_method
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Method
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import request_text
from ratescape.specs.training import TrainingSpec

T = TypeVar("T")

METHODS: dict[str, type[Method]] = {method.kind: method for method in get_args(Method)}
"""Every method by its name."""

Fields: TypeAlias = Mapping[str, Any]
"""Fields of a spec by name, in place of the spec."""

Betas: TypeAlias = Any
"""One number for each layer, top layer first, as a list, tuple, array or tensor, or one number for all."""

Points: TypeAlias = Any
"""Several such betas, as a list, or an array or tensor with a row for each."""


def as_spec(cls: type[T], given: "T | Fields | None", name: str) -> T:
    """A spec from the spec itself, or from a dictionary of its fields, which are checked; None for all defaults.

    Args:
        name: of the argument, which errors put before each field.

    Raises:
        SpecError: something else, an unknown key or a wrong value; names it, and the nearest known key.

    Example::

        as_spec(TrainingSpec, {"epochs": 3}, "training")
    """
    if given is None:
        return cls()
    if isinstance(given, cls):
        return given
    if not isinstance(given, Mapping):
        known = ", ".join(field.name for field in dataclasses.fields(typed(cls)))
        raise SpecError(f"{name} is {_shown(given)}: give {cls.__name__}(...) or a dictionary of its fields: {known}")
    return from_dict(cls, _plain(given), f"{name}.")


def typed(value: Any) -> Any:
    """A spec or its class, whose fields can be asked for."""
    return value


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """A method as a field, so that its fields can be given flat."""

    method: Method


def as_method(
    given: "Method | Fields | str | None", grid: "BetaGrid | Fields | None", model: ModelSpec, training: TrainingSpec
) -> Method:
    """A method from the method itself, its name, or a dictionary of its fields with or without its name as ``kind``.

    Without a name it is the default for the model, or ``targeted`` where ``target_rates`` are among the fields.

    Args:
        given: the method.
        grid: of betas, in place of the method's own.

    Raises:
        SpecError: an unknown name, a field that means nothing for the method, or two grids.

    Example::

        as_method({"kind": "dedicated", "grid": {"steps": 7}}, None, ModelSpec(), TrainingSpec())
    """
    fields = _method_fields(given)
    if grid is not None:
        if "grid" in fields:
            raise SpecError("grid is given beside a method that has one: leave one of them out")
        fields["grid"] = as_spec(BetaGrid, grid, "grid")
    kind = fields.pop("kind", None)
    if kind is None:
        kind = "targeted" if "target_rates" in fields else _default(fields, model, training)
    if kind not in METHODS:
        raise SpecError(f"method is {kind!r}: it must be one of {', '.join(METHODS)}")
    if "target_rates" in fields:
        fields["target_rates"] = _requests(fields["target_rates"])
    return from_dict(_Chosen, {"method": kind, **_plain(fields)}, "method.").method


def _requests(given: Any) -> Any:
    """Requests of rates as texts; one alone may be given without a list."""
    several = _plain([given] if isinstance(given, (str, Mapping)) else given)
    if not isinstance(several, list) or not all(isinstance(one, (str, Mapping)) for one in several):
        raise SpecError(f"method.target_rates is {_shown(given)}: give a list of requests, such as {{2: 20}} or '2=20'")
    return [request_text(one) for one in several]


def _method_fields(given: "Method | Fields | str | None") -> dict[str, Any]:
    """The fields that are given of a method, and its name as ``kind`` if that is; of an object all that are set."""
    if given is None:
        return {}
    if isinstance(given, str):
        return {"kind": given}
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, Method):
        usual = type(given)()
        names = [field.name for field in dataclasses.fields(given)]
        changed = {name: getattr(given, name) for name in names if getattr(given, name) != getattr(usual, name)}
        return {"kind": given.kind, **changed}
    raise SpecError(
        f"method is {_shown(given)}: give Conditioned(...), Dedicated(...) or Targeted(...), one of the names "
        f"{', '.join(METHODS)}, or a dictionary of fields"
    )


def _default(fields: Fields, model: ModelSpec, training: TrainingSpec) -> str:
    """Name of the method for which none was asked."""
    groups = _plain(fields.get("groups"))
    whole = isinstance(groups, list) and all(isinstance(group, int) for group in groups)
    grid = as_spec(BetaGrid, fields.get("grid"), "method.grid")
    return default_method(model, training, grid, tuple(groups) if whole else None).method.kind


def as_betas(given: Any, layers: int, groups: Sequence[int] = ()) -> tuple[float, ...]:
    """Betas of all layers, top first, from a list, tuple, array or tensor, or from one number that all layers share.

    Args:
        groups: group of each layer, top first: one number for each group is taken, too.

    Raises:
        SpecError: no numbers, not one for each layer, or one that is not positive and finite.

    Example::

        as_betas(0.5, 2)  # (0.5, 0.5)
        as_betas((0.1, 2), 3, groups=(0, 0, 1))  # (0.1, 0.1, 2.0)
    """
    plain, count = _plain(given), len(set(groups))
    numbers = [plain] * layers if isinstance(plain, (int, float)) else plain
    of_groups = f", one for each of the {count} groups" if 1 < count < layers else ""
    expected = f"give one positive number for each of the {layers} layers, top first{of_groups}, or one number for all"
    if isinstance(numbers, list) and 1 < len(numbers) == count < layers:
        numbers = [numbers[group] for group in groups]
    if not isinstance(numbers, list) or not all(isinstance(beta, (int, float)) for beta in numbers):
        raise SpecError(f"betas is {_shown(given)}: {expected}")
    if len(numbers) != layers or not all(beta > 0 and math.isfinite(beta) for beta in numbers):
        raise SpecError(f"betas is {plain}: {expected}")
    return tuple(map(float, numbers))


def as_points(given: Any, layers: int) -> list[tuple[float, ...]]:
    """Several betas of all layers, from a list of what :func:`as_betas` takes, or an array ``[N, layers]``.

    Raises:
        SpecError: no list, or a point of it that is refused.

    Example::

        as_points([1.0, (0.3, 2.5)], 2)  # [(1.0, 1.0), (0.3, 2.5)]
    """
    plain = _plain(given)
    if not isinstance(plain, list):
        raise SpecError(f"points is {_shown(given)}: give a list of betas, such as [(0.3, 2.5), (1, 1)]")
    if layers > 1 and len(plain) == layers and all(isinstance(one, (int, float)) for one in plain):
        alike = [(one,) * layers for one in plain]
        raise SpecError(f"points is {_shown(given)}: say [{tuple(plain)}] for one point, or {alike} for {layers}")
    return [as_betas(point, layers) for point in plain]


def is_empty(betas: Any) -> bool:
    """Whether no betas are given: None, or a list or an array of none."""
    return betas is None or (hasattr(betas, "__len__") and len(betas) == 0)


def as_seeds(given: Any) -> tuple[int, ...]:
    """Seeds from a list, tuple, array or range of whole numbers, or from one; raises :class:`SpecError` otherwise."""
    plain = _plain(given)
    numbers = plain if isinstance(plain, list) else [plain]
    if not all(isinstance(seed, int) for seed in numbers):
        raise SpecError(f"seeds is {_shown(given)}: give a list of whole numbers, such as [0, 1, 2]")
    return tuple(numbers)


def as_seed(given: Any) -> int:
    """A whole number, also of NumPy or PyTorch; raises :class:`SpecError` otherwise."""
    plain = _plain(given)
    if not isinstance(plain, int):
        raise SpecError(f"seed is {_shown(given)}: give a whole number")
    return plain


def as_path(given: Any, name: str) -> Path | None:
    """A path from a path or text; None for none; raises :class:`SpecError` otherwise."""
    if given is None or isinstance(given, Path):
        return given
    if not isinstance(given, (str, os.PathLike)):
        raise SpecError(f"{name} is {_shown(given)}: give a path")
    return Path(given)


def required_path(given: Any, name: str = "path") -> Path:
    """As :func:`as_path`, but none is refused, too."""
    path = as_path(given, name)
    if path is None:
        raise SpecError(f"{name} is None: give a path")
    return path


def _plain(value: Any) -> Any:
    """Arrays, tensors and ranges as lists, their scalars as numbers, specs as dictionaries; at any depth."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, (list, tuple, range)):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _shown(value: Any) -> str:
    """A wrong value for an error: itself where that is short, else its type."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"
