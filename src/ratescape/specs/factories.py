"""Networks of the user's own: their factories by name, and which of them may be imported.

A factory is code, so that it is imported only where the user named it: in a spec or on a command line that asks for
training, or in the call that loads a file. What a file says is never enough.
"""

import dataclasses
import functools
import hashlib
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

from ratescape.errors import SpecError
from ratescape.specs.checks import from_json

Factory: TypeAlias = Callable[..., Any]
"""``factory(shape, likelihood, **options)`` returns an :class:`ratescape.model.hierarchy.HVAE`."""

if TYPE_CHECKING:  # a caller may also give the function itself, and a dictionary
    FactoryName: TypeAlias = Any
    Options: TypeAlias = Any
else:
    FactoryName = NewType("FactoryName", str)
    Options = NewType("Options", str)

LONGEST = 160
"""Characters that are shown of an error of the user's code."""

_IMPORTABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_REGISTERED = re.compile(r"[\w.-]+")


@dataclasses.dataclass(frozen=True)
class _Known:
    """A factory, and the digest of the source of its module."""

    factory: Factory
    source: str
    as_it_is: bool = False
    """Whether it stands for the factory that a file names, whatever its source."""


_known: dict[str, _Known] = {}
_allowed: set[str] = set()


def register(name: str, factory: Factory) -> None:
    """Make a factory known under a name of its own, for functions that cannot be imported, such as a notebook's.

    It is known to this process alone, so that such networks train with ``ExecutionSpec(engine="in-process")``. What was
    registered before under the name is replaced.

    Args:
        name: without a colon.
        factory: called as ``factory(shape, likelihood, **options)``, with the shape (C, H, W) of an image.

    Raises:
        SpecError: such a name is none, the factory cannot be called, or its source cannot be read.

    Example::

        rs.register("mine", mine)
        rs.map_landscape("mnist-5k", model={"factory": "mine"}, execution={"engine": "in-process"})
    """
    if not isinstance(name, str) or not _REGISTERED.fullmatch(name):
        raise SpecError(f"name is {name!r}: give letters, digits, - and . alone (module:function needs no registering)")
    _known[name] = _Known(_callable(name, factory), _source_of(name, factory))


def allow_factories(names: Iterable[str]) -> None:
    """Allow factories to be imported by name, for as long as this process lives; raises :class:`SpecError` for others.

    Example::

        allow_factories(["package.module:function"])
    """
    for name in [names] if isinstance(names, str) else names:
        _allowed.add(factory_name(name))


def pass_for(name: str | None, factory: Factory) -> None:
    """Take a function for the factory that a landscape names, for as long as this process lives.

    Raises:
        SpecError: it names none, or the function cannot be called.

    Example::

        pass_for("nets:mixer", mixer)
    """
    if name is None:
        raise SpecError("factory is given, but the networks are of a family: leave it out")
    _known[name] = _Known(_callable(name, factory), _source_of(name, factory), True)


def is_taken_as_it_is(name: str) -> bool:
    """Whether a function was given for the factory of this name, whatever its source."""
    return name in _known and _known[name].as_it_is


def is_importable(name: str) -> bool:
    """Whether other processes can import the factory of this name: ``module:function``."""
    return ":" in name


def factory_of(name: str) -> Factory:
    """The factory of a name: one that was given as a function or registered, or, where that is allowed, imported.

    Raises:
        SpecError: nobody allowed it, or it cannot be imported or called.
    """
    return _found(name).factory


def source_of(name: str) -> str:
    """Digest of the source of a factory's module; raises as :func:`factory_of`, or where there is no source."""
    return _found(name).source


def _found(name: str) -> _Known:
    if name not in _known:
        if not is_importable(name):
            raise SpecError(
                f"model.factory is {name!r}, which is not registered in this process: call "
                f"ratescape.register({name!r}, function) first, or name it as package.module:function"
            )
        if name not in _allowed:
            raise SpecError(
                f"the network is built by the factory {name}, and ratescape imports no code that a file names: if you "
                f'trust it, allow it by allow=["{name}"] or factory=FUNCTION in Python, --allow-factory {name} at a '
                "terminal"
            )
        _known[name] = _imported(name)
    return _known[name]


def _imported(name: str) -> _Known:
    """Import a factory; raises :class:`SpecError` in one line, whatever its module raises."""
    module_name, _, path = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # it is the user's code, which may raise anything
        raise SpecError(
            f"model.factory is {name!r}: {module_name} cannot be imported ({reason_of(error)}): correct it, or install "
            "the package or add its folder to PYTHONPATH"
        ) from error
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise SpecError(f"model.factory is {name!r}: {module_name} has no {path}: check the name")
        found = getattr(found, part)
    return _Known(_callable(name, found), _source_of(name, found, module))


def _callable(name: str, factory: Any) -> Factory:
    if not callable(factory):
        raise SpecError(
            f"model.factory is {name!r}, of type {type(factory).__name__}, which cannot be called: name a "
            "function that returns an HVAE"
        )
    return factory


def _source_of(name: str, factory: Factory, named: ModuleType | None = None) -> str:
    """Digest of the source of the module that a factory is named in, and of that which defines it if it is another.

    Of a function that no file defines, such as a notebook's, it is the digest of the function's own source.
    """
    inner = factory
    while isinstance(inner, functools.partial):
        inner = inner.func
    modules = dict.fromkeys(one for one in (named, inspect.getmodule(inner)) if hasattr(one, "__file__"))
    try:
        files = [inspect.getsourcefile(module) for module in modules if module is not None]
        texts = [Path(file).read_bytes() for file in files if file] or [inspect.getsource(inner).encode()]
    except (OSError, TypeError) as error:
        raise SpecError(
            f"model.factory is {name!r}, whose source cannot be read, by which its networks are told apart: write it "
            "into a .py file"
        ) from error
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


def factory_name(given: Any) -> str:
    """The name of a factory, from the name or from the function itself, which is then known by it.

    Raises:
        SpecError: no such name, or a function that other processes could not import by one.

    Example::

        factory_name("package.module:function")
    """
    if isinstance(given, str):
        if not _IMPORTABLE.fullmatch(given) and not _REGISTERED.fullmatch(given):
            raise SpecError(f"model.factory is {given!r}: it must be package.module:function, or a registered name")
        return given
    if not callable(given):
        raise SpecError(f"model.factory is a {type(given).__name__}: give package.module:function or a function")
    module, path = getattr(given, "__module__", None), getattr(given, "__qualname__", "<nameless>")
    named: Any = sys.modules.get(module or "")
    for part in path.split("."):
        named = getattr(named, part, None)
    if module in (None, "__main__") or named is not given:
        raise SpecError(
            f"model.factory is {path} of {module}, which other processes cannot import by its name: move it to a "
            'module of its own, or call ratescape.register("NAME", function), give factory="NAME", and train with '
            "execution.engine in-process"
        )
    name = f"{module}:{path}"
    if name not in _known or _known[name].factory is not given:
        _known[name] = _Known(given, _source_of(name, given, sys.modules[module]))
    return name


def options_text(given: Any) -> str | None:
    """Options of a factory as one text for equal options: JSON with sorted names; None for none.

    Args:
        given: a JSON object as text, or a mapping.

    Raises:
        SpecError: no JSON, or no object.

    Example::

        options_text('{"width": 64}') == options_text({"width": 64})
    """
    values = given
    if isinstance(given, str):
        try:
            values = from_json(given)
        except ValueError as error:
            raise SpecError(
                f"model.options is {given!r}, which is no JSON ({error}): write such as '{{\"width\": 64}}'"
            ) from error
    if values is None and given is None:
        return None
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise SpecError(f"model.options is {given!r}: it must be a JSON object, such as '{{\"width\": 64}}'")
    try:
        text = json.dumps(dict(values), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"model.options is {given!r}, which JSON cannot hold ({error}): give numbers and texts"
        ) from error
    return text if values else None


def reason_of(error: BaseException) -> str:
    """An error of the user's code in one short line.

    Example::

        reason_of(ValueError("no width"))  # "ValueError: no width"
    """
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else ""
    said = said if len(said) <= LONGEST else said[:LONGEST].rsplit(" ", 1)[0] + " ..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


CONVERTED: dict[Any, Callable[[Any], str | None]] = {FactoryName: factory_name, Options: options_text}
"""How fields of these types are read, which callers give in several forms."""
