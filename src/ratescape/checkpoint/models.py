"""Networks on disk: weights and buffers, with the spec that they are built from, ready to use when read."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ratescape.checkpoint.files import load, packed, save, unpacked
from ratescape.errors import CheckpointError, SpecError
from ratescape.model.columns import ByColumn, names_of
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, conditioned
from ratescape.records.files import write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec
from ratescape.specs.factories import Factory
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec

Network = TypeVar("Network", bound=nn.Module)


def save_model(path: Path, weights: Mapping[str, Tensor], model: ModelSpec, data: DataSpec, header: Any) -> None:
    """Write one model: its weights, and all that is needed to build and feed it.

    Args:
        weights: the model's state dictionary.
        header: further JSON-able facts: ``image_shape`` (C, H, W) at least.
    """
    save(path, weights, {"model": to_dict(model), "data": to_dict(data)} | header)


def save_network(path: Path, weights: Mapping[str, Tensor], spec: NetworkSpec, header: Mapping[str, Any]) -> None:
    """Write a network that is conditioned on betas, and the box of betas that it covers.

    Args:
        weights: the state dictionary of the :class:`Conditioned` network.
        header: as of :func:`save_model`.
    """
    save(path, weights, {"network": to_dict(spec)} | dict(header))


def save_alone(path: Path, model: HVAE) -> None:
    """Write a model that belongs to no run: weights, structure and size of its images.

    Raises:
        RecordError: the file cannot be written.
    """
    write_atomically(path, to_bytes(model))


def save_of_landscape(path: Path, model: HVAE, folder: SweepFolder, betas: Sequence[float]) -> None:
    """Write a model of a landscape, with the betas that it is at, and where its landscape and its images are.

    Args:
        betas: of all layers, top first.

    Raises:
        RecordError: the file cannot be written, or the folder is no landscape.
    """
    header = {"image_shape": model.image_shape, "landscape": str(folder.path.absolute()), "betas": tuple(betas)}
    header |= {"fingerprint": folder.provenance().get("fingerprint")} | named(names_of(model.likelihood))
    save_model(path, model.state_dict(), model.spec, folder.spec().data, header)


def to_bytes(model: HVAE) -> bytes:
    """The content of such a file; of a model that nobody keeps in one.

    Example::

        again = from_bytes(to_bytes(model), "the model")
    """
    return packed(
        model.state_dict(),
        {"model": to_dict(model.spec), "image_shape": model.image_shape} | named(names_of(model.likelihood)),
    )


def from_bytes(content: bytes, what: str) -> HVAE:
    """The model of :func:`to_bytes`, on the CPU, ready to use.

    Args:
        what: errors call it so.

    Raises:
        CheckpointError or SpecError: as :func:`load_model`.
    """
    return _model(*unpacked(content, what), what, "cpu", None)


def load_network(
    path: Path, device: torch.device | str = "cpu", factory: Factory | None = None
) -> tuple[Conditioned, dict[str, Any]]:
    """Read a network that is conditioned on betas, ready to use, and its header, with its spec under ``network``.

    Args:
        factory: as of :func:`load_model`.

    Raises:
        CheckpointError: as :func:`load`, or the file holds no such network.
        SpecError: as :func:`load_model`.
    """
    tensors, header = load(path)
    try:
        spec = from_dict(NetworkSpec, header["network"])
        with _naming(path, spec.model):
            network = conditioned(spec, tuple(header["image_shape"]), factory)
        _name_columns(network.model, header)
        loaded = _with_weights(network, tensors, device)
    except (KeyError, RuntimeError, StopIteration) as error:
        raise CheckpointError(f"{path} holds no conditioned network ({error}): check the path") from error
    return loaded, header | {"network": spec}


def load_model(
    path: Path, device: torch.device | str = "cpu", factory: Factory | None = None
) -> tuple[HVAE, dict[str, Any]]:
    """Read a model, ready to use, and the header it was saved with.

    Args:
        factory: builds the network, whatever the source of the factory that the file names; without it, that one must
            be allowed (:func:`ratescape.specs.factories.allow_factories`): the file alone imports nothing.

    Raises:
        CheckpointError: as :func:`load`, or the weights do not fit the model the file describes.
        SpecError: the family of the model is not registered in this process, or its factory is not allowed, cannot be
            imported, fails or has changed.
    """
    tensors, header = load(path)
    if "network" in header:
        raise CheckpointError(f"{path} is a network conditioned on betas: open its landscape, and ask .network()")
    return _model(tensors, header, path, device, factory), header


def _model(
    tensors: Mapping[str, Tensor],
    header: Mapping[str, Any],
    what: Path | str,
    device: torch.device | str,
    factory: Factory | None,
) -> HVAE:
    """The model of tensors and a header, which errors name."""
    try:
        spec = from_dict(ModelSpec, header["model"])
        with _naming(what, spec):
            model = build(spec, tuple(header["image_shape"]), factory)
        _name_columns(model, header)
        return _with_weights(model, tensors, device)
    except (KeyError, RuntimeError, StopIteration) as error:
        raise CheckpointError(f"{what} holds no model, or one of another shape ({error}): check the path") from error


def named(columns: Sequence[str]) -> dict[str, list[str]]:
    """What a header says of vectors' columns: their names; nothing where there are none, as of images.

    Example::

        named(("age", "height"))  # {"columns": ["age", "height"]}
    """
    return {"columns": list(columns)} if columns else {}


def _name_columns(model: HVAE, header: Mapping[str, Any]) -> None:
    """Have a model know its columns by name, where the file does."""
    if isinstance(model.likelihood, ByColumn):
        model.likelihood.names = tuple(header.get("columns", ()))


@contextlib.contextmanager
def _naming(what: Path | str, spec: ModelSpec) -> Iterator[None]:
    """Errors about a file's factory name the file."""
    try:
        yield
    except SpecError as error:
        if spec.factory is None:
            raise
        raise SpecError(f"{what}: {error}") from error


def _with_weights(network: Network, tensors: Mapping[str, Tensor], device: torch.device | str) -> Network:
    """A network with the given weights and buffers, in the weights' precision, ready to use on a device."""
    dtype = next(tensor.dtype for tensor in tensors.values() if tensor.is_floating_point())
    network.to(dtype).load_state_dict(tensors)
    return network.to(device).eval().requires_grad_(False)
