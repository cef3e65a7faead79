"""A pack: P models of one structure side by side, their parameters and buffers stacked ``[P, ...]``.

One pass maps the single-model module over the stack, so that P small networks keep a processor as busy as one
large one. Images and noise are shared by all members: what a member computes does not depend on its pack.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, Pass
from ratescape.model.latents import LatentSource, PosteriorSample
from ratescape.model.recomputing import is_recomputing, recomputing

Parameters = dict[str, Tensor]
"""Tensors by name, of a model or, with a leading axis P, of a pack: parameters, then buffers."""


def stack(models: Sequence[nn.Module]) -> Parameters:
    """Parameters and persistent buffers of P models by name, each ``[P, ...]``; fresh leaf tensors.

    Example::

        tensors = stack([build(spec, shape) for _ in range(3)])
        result = pack_pass(model, tensors, PosteriorSample(model.noise(len(images))), images)
        result.rates.shape  # [3, B, L]
    """
    named = [dict(model.named_parameters()) | _kept_buffers(model) for model in models]
    return {name: torch.stack([one[name].detach() for one in named]) for name in named[0]}


def member(tensors: Mapping[str, Tensor], index: int) -> Parameters:
    """Parameters and buffers of one member, without the leading axis: what its ``load_state_dict`` takes."""
    return {name: tensor[index].detach().clone() for name, tensor in tensors.items()}


def split(model: nn.Module, tensors: Mapping[str, Tensor]) -> tuple[Parameters, Parameters]:
    """The parameters among the tensors of a stack, which gradients are taken of, and the buffers, which have none."""
    names = {name for name, _ in model.named_parameters()}
    parameters = {name: tensor for name, tensor in tensors.items() if name in names}
    return parameters, {name: tensor for name, tensor in tensors.items() if name not in names}


def _kept_buffers(model: nn.Module) -> Parameters:
    """The persistent buffers of a model by name: those that its state dictionary has."""
    state = model.state_dict()
    return {name: buffer for name, buffer in model.named_buffers() if name in state}


def pack_pass(
    model: HVAE | Conditioned,
    tensors: Parameters,
    source: LatentSource,
    images: Tensor | None = None,
    betas: Tensor | None = None,
) -> Pass:
    """One pass of every member: every field of the result has a leading axis P.

    A buffer that the model changes in place, such as a running mean, is changed in ``tensors``.

    Args:
        model: gives the structure; its own parameters and persistent buffers are not used.
        tensors: parameters and buffers ``[P, ...]`` by name, as of :func:`stack`.
        source: shared by all members.
        images: ``[B, C, H, W]``, shared by all members.
        betas: ``[P, B, L]``, what a conditioned model is conditioned on; None for an ordinary one.
    """

    def one(tensors: Parameters, conditions: tuple[Tensor, ...]) -> Pass:
        return functional_call(model, tensors, (source, images, *conditions))

    conditions = () if betas is None else (betas,)
    members = len(next(iter(tensors.values())))
    if members > 1 and not is_recomputing():
        return vmap(one)(tensors, conditions)
    # What is computed again in the backward pass cannot be mapped over a stack: there, one member after the other.
    return _stacked(
        [one({name: t[i] for name, t in tensors.items()}, tuple(b[i] for b in conditions)) for i in range(members)]
    )


def _stacked(values: Sequence[Any]) -> Any:
    """Nested structures of one form as one: their tensors with a leading axis."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.stack(list(values)) if len(values) > 1 else first.unsqueeze(0)
    items: Iterable[Any] = (_stacked(alike) for alike in zip(*values, strict=True))
    return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)


def training_bytes(model: HVAE, images: Tensor, checkpointing: bool = False) -> int:
    """Bytes that training holds for one member and one batch of so many images, measured on two small batches.

    Counts what the backward pass keeps of the forward pass, and as much again for the gradients in flight, four
    tensors of the size of the weights (weights, gradient, two moments of Adam), and nothing of the framework.

    Args:
        images: ``[B, C, H, W]``; the first is passed through the network, 4 and 8 times.
        checkpointing: whether activations are computed again in the backward pass.
    """
    with recomputing(checkpointing):
        few, more = (_kept(model, torch.cat([images[:1]] * count)) for count in (4, 8))
    each = (more - few) / 4
    fixed = more - 8 * each  # weights in another precision, say
    return int(2 * (fixed + each * len(images))) + 4 * sum(p.nbytes for p in model.parameters())


def _kept(model: HVAE, images: Tensor) -> int:
    """Bytes that the backward pass keeps of the forward pass, besides the weights themselves."""
    kept: dict[int, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        model(PosteriorSample(model.noise(len(images))), images)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return sum(size for pointer, size in kept.items() if pointer not in weights)
