"""Which model a file belongs to: a digest of its weights and structure, or of a network and betas."""

import hashlib
import json
import zlib
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from ratescape.errors import SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.specs.codec import to_dict

DIGEST = 16
"""Bytes of a digest of a model or codec: the first of its SHA-256."""


def digest_of(data: bytes) -> bytes:
    """The first bytes of a SHA-256, by which a model or codec is known."""
    return hashlib.sha256(data).digest()[:DIGEST]


class Packed(ABC):
    """What is told apart by its content, and stands compressed in an archive."""

    @property
    def digest(self) -> bytes:
        return digest_of(self._plain())

    def to_bytes(self) -> bytes:
        """All of it, compressed.

        Example::

            len(codec.to_bytes())  # what it adds to a file that carries it
        """
        return zlib.compress(self._plain(), 9)

    @abstractmethod
    def _plain(self) -> bytes:
        """All of it."""


def digest_of_model(model: HVAE | Conditioned) -> bytes:
    """The first bytes of a SHA-256 over structure, image shape and weights, whatever device they are on.

    Example::

        digest_of_model(rs.load("digits/runs/0123456789ab")).hex()
    """
    inner = model.model if isinstance(model, Conditioned) else model
    facts: dict[str, Any] = {"model": to_dict(inner.spec), "shape": inner.image_shape}
    if isinstance(model, Conditioned):
        facts["box"] = (model.low, model.high, model.groups)
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    weights: dict[str, Tensor] = dict(model.state_dict())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.digest()[:DIGEST]


def refuse_uncodable(model: HVAE) -> None:
    """Refuse models of rows, and those in which a layer's posterior depends on the layers below it.

    Raises:
        SpecError: it is one of these.
    """
    if len(model.image_shape) == 1:
        raise SpecError(f"a {model.spec.title} model of rows cannot be coded: archives hold images")
    if not all(getattr(layer, "closed_form", True) for layer in model.layers):
        raise SpecError(
            f"a {model.spec.title} model cannot be coded: its top layer is inferred from the layer below, which a "
            "decoder that begins at the top does not have; take a model of a top-down family, such as ghvae"
        )
