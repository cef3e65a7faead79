"""Networks on disk: weights and buffers, with the spec that they are built from, ready to use when read."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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

_MOST_PIXELS = 2**20
"""Of one side of an image."""

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
        spec, shape = from_dict(NetworkSpec, header["network"]), _image_shape(header)
        with _naming(path, spec.model):
            network = _built(lambda: conditioned(spec, shape, factory), tensors, spec.model, factory)
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
        spec, shape = from_dict(ModelSpec, header["model"]), _image_shape(header)
        with _naming(what, spec):
            model = _built(lambda: build(spec, shape, factory), tensors, spec, factory)
        _name_columns(model, header)
        return _with_weights(model, tensors, device)
    except (KeyError, RuntimeError, StopIteration) as error:
        raise CheckpointError(f"{what} holds no model, or one of another shape ({error}): check the path") from error


def _image_shape(header: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of an image, (C, H, W), or of a vector; raises RuntimeError where a header says something else."""
    found = header["image_shape"]
    sizes = found if isinstance(found, list) else []
    if len(sizes) not in (1, 3) or not all(type(one) is int and 0 < one <= _MOST_PIXELS for one in sizes):
        raise RuntimeError(f"its images are said to be of shape {str(found)[:80]}")
    return tuple(found)


def _built(
    build: Callable[[], Network], tensors: Mapping[str, Tensor], spec: ModelSpec, factory: Factory | None
) -> Network:
    """The network that a file describes, once its weights are known to fit: few bytes may describe a huge network.

    A user's factory is called once alone: what it does without memory is not known.
    """
    if spec.factory is None and factory is None:
        with torch.device("meta"):
            wanted = {name: tensor.shape for name, tensor in build().state_dict().items()}
        if wrong := sorted({*wanted} ^ {*tensors}) or [one for one in wanted if wanted[one] != tensors[one].shape]:
            raise RuntimeError(f"{wrong[0]} is not as the network that the file describes has it")
    return build()


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
