"""Networks that a factory of the user's builds: called, and examined before anything is trained."""

import dataclasses
import functools
import json
import math
from typing import Any

from ratescape.errors import SpecError
from ratescape.model.distributions import Likelihood, likelihood
from ratescape.model.examining import BETAS, PACKS, Check, examined
from ratescape.model.hierarchy import HVAE
from ratescape.specs.factories import Factory, allow_factories, factory_of, is_taken_as_it_is, reason_of, source_of
from ratescape.specs.model import ModelSpec

ImageShape = tuple[int, ...]
"""(C, H, W)."""


@dataclasses.dataclass(frozen=True)
class Examination:
    """What is known of a factory's network once it was built: its layers, and what the checks said."""

    latents: tuple[int, ...]
    """How many numbers each layer has, top first."""
    tied: bool
    """Whether the rates of its layers cannot be tuned one by one, since a layer sees the samples of those below."""
    checks: tuple[Check, ...]

    def note(self, name: str) -> str | None:
        """Why something does not work with this network that others can do; None where it does."""
        return next((check.said for check in self.checks if check.name == name and check.state != "ok"), None)


def built(spec: ModelSpec, image_shape: ImageShape, factory: Factory | None = None) -> HVAE:
    """The network of a spec's factory, its weights drawn from PyTorch's global generator.

    Args:
        spec: with a factory, and a likelihood.
        factory: in place of the one that the spec names, whatever its source.

    Raises:
        SpecError: the factory cannot be had, its source is another than that of the spec, it fails, or returns
            something else than a network for these images.

    Example::

        built(ModelSpec(factory="nets:mixer", options={"width": 32}, likelihood="bernoulli"), (1, 28, 28))
    """
    name = _name(spec)
    if factory is None:
        factory = factory_of(name)
        refuse_changed_source(spec)
    observed = likelihood(spec, image_shape[0] if len(image_shape) == 1 else None)
    model = _called(spec, factory, image_shape, observed)
    _refuse_other(spec, model, image_shape, observed)
    model.spec = spec
    return model


def _name(spec: ModelSpec) -> str:
    """The name of a spec's factory; raises :class:`SpecError` where its network is of a family."""
    if spec.factory is None:
        raise SpecError(f"factory is given, but the network is of family {spec.family}: leave it out")
    return spec.factory


def refuse_changed_source(spec: ModelSpec) -> None:
    """Refuse a spec whose factory has another source than it had; raises :class:`SpecError`."""
    name = _name(spec)
    now = source_of(name)
    if spec.source not in (None, now) and not is_taken_as_it_is(name):
        raise SpecError(
            f"the source of {name} has changed since (digest {spec.source}, now {now}), so that its "
            "networks are other ones: restore it, or train anew into another folder (factory=FUNCTION takes it)"
        )


def _called(spec: ModelSpec, factory: Factory, image_shape: ImageShape, observed: Likelihood) -> Any:
    options = json.loads(spec.options or "{}")
    try:
        return factory(image_shape, observed, **options)
    except Exception as error:  # it is the user's code, which may raise anything
        given = ", ".join([str(image_shape), type(observed).__name__, *(f"{k}={v!r}" for k, v in options.items())])
        raise SpecError(
            f"model.factory is {spec.factory!r}, which failed when called with {given} ({reason_of(error)}): correct "
            "it, or model.options"
        ) from error


def _refuse_other(spec: ModelSpec, model: Any, image_shape: ImageShape, observed: Likelihood) -> None:
    """Refuse what a factory returned if it is no network for these images."""
    found = None
    if not isinstance(model, HVAE):
        found = f"returned {'a ' if model is not None else ''}{type(model).__name__}: return ratescape.HVAE(...)"
    elif tuple(model.image_shape) != image_shape or model.likelihood is not observed:
        found = "made its HVAE of another image_shape or likelihood than it was called with: hand both on"
    elif spec.latents not in (None, sizes := _sizes(model)):
        found = f"made layers of {sizes} numbers, and not of {spec.latents}: restore it, or train anew"
    if found:
        raise SpecError(f"model.factory is {spec.factory!r}, which {found}")


def _sizes(model: HVAE) -> tuple[int, ...]:
    return tuple(math.prod(getattr(layer, "shape", ())) for layer in model.layers)  # one without fails a check


def resolved(spec: ModelSpec, image_shape: ImageShape) -> ModelSpec:
    """The spec with what is known once its network was built and has passed all checks.

    To ask for it is to allow the factory to be imported: it is for specs that the user gave.

    Raises:
        SpecError: as of :func:`built`, or a check failed.

    Example::

        resolved(ModelSpec(factory="nets:mixer", likelihood="bernoulli"), (1, 28, 28)).layers
    """
    name = _name(spec)
    allow_factories([name])
    refuse_changed_source(spec)
    found = examination(spec, image_shape)
    for check in found.checks:
        if check.state == "failed":
            raise SpecError(f"model.factory is {name!r}, whose network fails the check of {check}")
    return dataclasses.replace(spec, latents=found.latents, source=source_of(name), tied=found.tied)


def refuse_unconditioned(spec: ModelSpec, image_shape: ImageShape) -> None:
    """Refuse a factory's network that cannot be conditioned on betas; raises :class:`SpecError`."""
    why = examination(spec, image_shape).note(BETAS) if spec.factory else None
    if why:
        raise SpecError(f"model.factory is {spec.factory!r}: {why}, so add --method dedicated")


def alone_because(spec: ModelSpec, image_shape: ImageShape) -> str | None:
    """Why the models of a factory train one by one; None where several can train at once."""
    return examination(spec, image_shape).note(PACKS) if spec.factory else None


def examination(spec: ModelSpec, image_shape: ImageShape) -> Examination:
    """What the checks say of a factory's network; made once a process for each spec and shape.

    Args:
        spec: with a factory, and a likelihood; resolved or not.

    Example::

        for check in examination(spec, (1, 28, 28)).checks:
            print(check)
    """
    open_spec = dataclasses.replace(spec, latents=None, source=None, tied=False)
    return _examination(open_spec, image_shape, factory_of(_name(spec)))


@functools.lru_cache(maxsize=16)
def _examination(spec: ModelSpec, image_shape: ImageShape, factory: Factory) -> Examination:
    def build() -> HVAE:
        return built(spec, image_shape, factory)

    model, checks = build(), tuple(examined(build))
    tied = not all(getattr(layer, "closed_form", True) for layer in model.layers)
    return Examination(_sizes(model), tied, checks)
