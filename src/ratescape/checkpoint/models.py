"""Weights and training states on disk: safetensors with a JSON header; nothing is ever unpickled.

A file carries a digest of its tensors and header, so that damage is found when it is read and not trained upon.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ratescape.errors import CheckpointError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build
from ratescape.records.files import write_atomically
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec
from ratescape.specs.identity import VERSION
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec


def save(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able header to one file, whole or not at all.

    Raises:
        RecordError: the file cannot be written.
    """
    stored = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    text = json.dumps(dict(header) | {"version": VERSION}, sort_keys=True)
    # One key only: safetensors writes several in a random order, and equal contents should be equal files.
    metadata = {"ratescape": json.dumps({"header": text, "digest": _digest(stored, text)})}
    write_atomically(path, safetensors.torch.save(stored, metadata))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save` wrote: tensors on the CPU, and the header.

    Raises:
        CheckpointError: the file is missing, not ours, made by a newer version, or damaged.
    """
    remedy = f"delete it and run the same command again to make it anew: {path}"
    try:
        with safetensors.safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint at {path}: check the path") from error
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"the checkpoint is damaged ({error}); {remedy}") from error
    if "ratescape" not in metadata:
        raise CheckpointError(f"{path} was not written by ratescape: check the path")
    try:
        stamp = json.loads(metadata["ratescape"])
        header = json.loads(stamp["header"]) if stamp["digest"] == _digest(tensors, stamp["header"]) else None
    except (ValueError, TypeError, KeyError):
        header = None
    if header is None:
        raise CheckpointError(f"the checkpoint is damaged (its contents do not match its digest); {remedy}")
    if header["version"] > VERSION:
        raise CheckpointError(f"{path} was made by a newer ratescape (format {header['version']}): upgrade ratescape")
    return tensors, header


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def save_model(path: Path, weights: Mapping[str, Tensor], model: ModelSpec, data: DataSpec, header: Any) -> None:
    """Write one model: its weights, and all that is needed to build and feed it.

    Args:
        weights: the model's state dictionary.
        header: further JSON-able facts: ``image_shape`` (C, H, W) at least.
    """
    save(path, weights, {"model": to_dict(model), "data": to_dict(data)} | header)


def save_network(path: Path, weights: Mapping[str, Tensor], spec: NetworkSpec, header: Mapping[str, Any]) -> None:
    """Write a network that is told its betas, and the box of betas that it knows.

    Args:
        weights: parameters and buffers of the :class:`Conditioned` model.
        header: as of :func:`save_model`.
    """
    save(path, weights, {"network": to_dict(spec)} | dict(header))


def save_alone(path: Path, model: HVAE) -> None:
    """Write a model that belongs to no run: weights, structure and size of its images.

    Raises:
        RecordError: the file cannot be written.
    """
    save(path, model.state_dict(), {"model": to_dict(model.spec), "image_shape": model.image_shape})


def load_network(path: Path, device: torch.device | str = "cpu") -> tuple[Conditioned, dict[str, Any]]:
    """Read a network that is told its betas, ready to use, and its header, with its spec under ``network``.

    Raises:
        CheckpointError: as :func:`load`, or the file holds no such network.
    """
    tensors, header = load(path)
    try:
        spec = from_dict(NetworkSpec, header["network"])
        model = build(spec.model, tuple(header["image_shape"]))
        network = Conditioned(model, spec.low, spec.high, spec.width, spec.groups, spec.rank)
        dtype = next(iter(tensors.values())).dtype
        network.to(dtype).load_state_dict(tensors)
    except (KeyError, RuntimeError, StopIteration) as error:
        raise CheckpointError(f"{path} holds no conditioned network ({error}): check the path") from error
    return network.to(device).eval().requires_grad_(False), header | {"network": spec}


def load_model(path: Path, device: torch.device | str = "cpu") -> tuple[HVAE, dict[str, Any]]:
    """Read a model, ready to use, and the header it was saved with.

    Raises:
        CheckpointError: as :func:`load`, or the weights do not fit the model the file describes.
    """
    tensors, header = load(path)
    if "network" in header:
        raise CheckpointError(f"{path} is a network that is told its betas: open its landscape, and ask .network()")
    try:
        model = build(from_dict(ModelSpec, header["model"]), tuple(header["image_shape"]))
        dtype = next(iter(tensors.values())).dtype
        model.to(dtype).load_state_dict(tensors)
    except (KeyError, RuntimeError, StopIteration) as error:
        raise CheckpointError(f"{path} holds no model, or one of another shape ({error}): check the path") from error
    return model.to(device).eval().requires_grad_(False), header
