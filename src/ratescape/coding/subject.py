"""The model of an archive, however it is given: an ordinary one, or a conditioned network at some betas."""

import struct
from typing import NamedTuple

from ratescape.coding.header import Header
from ratescape.coding.identity import digest_of, digest_of_model, refuse_uncodable
from ratescape.errors import CheckpointError, SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE
from ratescape.specs.given import Betas, as_betas, is_empty


class Subject(NamedTuple):
    """A model that codes, and by what an archive knows it."""

    model: HVAE
    digest: bytes
    betas: tuple[float, ...]
    """At which a network was taken, top layer first; empty for an ordinary model."""

    @property
    def is_binary(self) -> bool:
        return isinstance(self.model.likelihood, Bernoulli)


def subject_of(model: HVAE | Conditioned, betas: Betas = None) -> Subject:
    """The model that codes.

    Args:
        model: an ordinary one, or a conditioned network beside ``betas``.
        betas: of the network, one for each layer, top layer first, or one number for all.

    Raises:
        SpecError: betas beside an ordinary model, none or wrong ones beside a network, a bottom-up model, or something
            else.
    """
    if isinstance(model, Conditioned):
        if is_empty(betas):
            raise SpecError(
                "model is a network that is conditioned on its betas: say which by betas, one for each layer"
            )
        point = as_betas(betas, len(model.latent_shapes), model.groups)
        return _at(model, point)
    if not isinstance(model, HVAE):
        raise SpecError(f"model is a {type(model).__name__}: give a model that ratescape loaded or trained")
    if not is_empty(betas):
        raise SpecError("model is an ordinary one, of its own betas: leave out betas")
    refuse_uncodable(model)
    return Subject(model, digest_of_model(model), ())


def _at(network: Conditioned, betas: tuple[float, ...], *, extrapolate: bool = False) -> Subject:
    # Of the network, not of the model that is taken from it: merging may round differently on another machine.
    joined = digest_of_model(network) + struct.pack(f"<{len(betas)}d", *betas)
    model = network.at(betas, extrapolate=extrapolate)
    refuse_uncodable(model)
    return Subject(model, digest_of(joined), betas)


def subject_for(header: Header, model: HVAE | Conditioned, name: str) -> Subject:
    """The model that an archive was made with.

    Args:
        name: of the archive, for errors.

    Raises:
        CheckpointError: the model given is another one; says which is wanted.
    """
    if isinstance(model, Conditioned) and header.betas:
        given = _at(model, header.betas, extrapolate=True)
    elif isinstance(model, Conditioned) or header.betas:
        raise CheckpointError(f"{name} was made by {wanted(header)}: give that one")
    else:
        given = subject_of(model)
    if given.digest != header.model:
        raise CheckpointError(f"{name} was made by {wanted(header)}, and the model given is another one: name that one")
    return given


def wanted(header: Header) -> str:
    """The model that an archive was made with, in words."""
    where = f" at {header.where}" if header.where else ""
    if not header.betas:
        return f"the model {header.model.hex()[:12]}{where}"
    at = ", ".join(f"{beta:.4g}" for beta in header.betas)
    return f"a conditioned network{where} at betas {at} ({header.model.hex()[:12]})"
