"""The public face: everything that a user gives, gets or catches is exported, and shows a use."""

import inspect

import pytest

import ratescape
from ratescape import errors
from ratescape.landscape import map_landscape
from ratescape.models import train


@pytest.mark.parametrize("name", sorted(set(ratescape.__all__) - {"__version__"}))
def test_every_public_name_shows_a_use(name: str) -> None:
    public = getattr(ratescape, name)
    is_kind_of_error = isinstance(public, type) and issubclass(public, errors.RatescapeError)
    assert inspect.getdoc(public)
    if not is_kind_of_error or public is errors.RatescapeError:
        assert "Example::" in (inspect.getdoc(public) or "")


WHOLLY = ("Landscape", "HVAE")
"""Classes of which every method and property shows a use."""

BY_METHODS = ("Answer", "Best", "Between", "Codec", "Comparison", "Refined", "Restored", "Scores", "Solved")
"""Results, of which every method does; what their fields are is said where they stand."""


@pytest.mark.parametrize("name", [*WHOLLY, *BY_METHODS])
def test_every_method_shows_a_use(name: str) -> None:
    kind = getattr(ratescape, name)
    without: list[str] = []
    for member in (member for member in dir(kind) if not member.startswith("_")):
        found = inspect.getattr_static(kind, member)
        own = getattr(found, "fget", None) or getattr(found, "__func__", found)
        is_shown = callable(own) and (name in WHOLLY or not isinstance(found, property))
        if is_shown and own.__module__.startswith("ratescape") and "Example::" not in (inspect.getdoc(own) or ""):
            without.append(member)
    assert not without


@pytest.mark.parametrize("function", [map_landscape, train])
def test_what_the_face_takes_is_exported(function: object) -> None:
    """Every class of the package that an annotation names can be had from the package itself."""
    public = {getattr(ratescape, name) for name in ratescape.__all__ if name != "__version__"}
    for parameter in inspect.signature(function).parameters.values():  # type: ignore[arg-type]
        named = (parameter.annotation, *getattr(parameter.annotation, "__args__", ()))
        ours = {part for part in named if getattr(part, "__module__", "").startswith("ratescape")}
        assert ours <= public, parameter


def test_what_the_face_gives_is_exported() -> None:
    """What a landscape and its choices hand out, so that a program can name it in an annotation."""
    given = {"Answer", "Best", "Between", "HVAE", "ImageData", "Refined", "Scores", "Solved"}
    assert given <= set(ratescape.__all__) and all(isinstance(getattr(ratescape, name), type) for name in given)


def test_every_error_is_exported() -> None:
    kinds = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.RatescapeError)}
    assert {kind.__name__ for kind in kinds} - {"MemoryShortage"} <= set(ratescape.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'landscapes'"):
        _ = ratescape.landscapes


def test_tab_completion_shows_the_public_names() -> None:
    assert dir(ratescape) == sorted(ratescape.__all__)
