"""What betas do to the layers of a network: gains and shifts of their outputs, and low-rank adapters.

Every output channel of every convolution and fully connected layer, hidden or not, has a gain and a shift that depend
on the betas (FiLM; Perez et al., 2018; for the weights of a loss: Dosovitskiy & Djolonga, "You only train once", ICLR
2020). They are linear functions of two kinds of features of the log betas: the output of a small shared MLP, smooth
over the whole box, and hats, each of which is 1 at one knot of a grid over the box and falls to 0 at its neighbours.
What is learned of a hat changes nothing far from its knot, so that betas which switch a layer off and betas which need
it do not get in each other's way.

A gain cannot turn a representation: a lower layer that codes details beside a live top layer must code whole images
where that one has collapsed. So the layers that the network names (:attr:`HVAE.adapted`) have, beside gain and shift,
low-rank adapters: ``rank`` further linear maps of the layer's own kind (``down``), each times a scale that depends on
the betas, then a matrix back to the layer's outputs (``up``). With layer f, adapters g_1..g_r, scales s, gain a and
shift b, all functions of the betas but f, g and ``up``:

    h = a * (f(x) + up (s * g(x))) + b

All of it is linear in x, so that at given betas it can be merged into the layer's weight and bias.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratescape.compute.precision import full_precision
from ratescape.errors import SpecError
from ratescape.model.hierarchy import HVAE

Modulated = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
"""The kinds of layers that betas act on."""

Settings = dict[str, Tensor]
"""What betas set, by the name of the layer and of the setting: ``encoder.top.0.layer.gain``, say.

Gains and shifts ``[B, C]``; for a layer with adapters also scales ``[B, rank]``, and its weights ``down`` (as the
layer's, with ``rank`` outputs) and ``up [C, rank]``.
"""

BUFFERS = ("gain", "shift", "scale", "up")
"""What a modulated layer is given for the length of one call; None in between."""


class Film(nn.Module):
    """Betas to the settings of all layers; the identity when new, since its heads start at zero.

    Args:
        model: whose layers are modulated.
        betas: the box, and what is made of betas in it.
        rank: low-rank adapters of each layer that the network names; 0 for none.
    """

    def __init__(self, model: HVAE, betas: "BetaFeatures", rank: int) -> None:
        super().__init__()
        self.betas = betas
        # For each head: the layer, the buffer it fills, and how many numbers it takes.
        self.heads: list[tuple[str, str, int]] = []
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for name, layer in modulated_layers(model):
            self.heads += [(name, "gain", _outputs(layer)), (name, "shift", _outputs(layer))]
            if rank and _is_adapted(model, name):
                self.heads.append((name, "scale", rank))
                down, up = _adapters(layer, rank)
                self.down[_undotted(name)], self.up[_undotted(name)] = nn.Parameter(down), nn.Parameter(up)
        self.head = nn.Linear(betas.count, sum(size for _, _, size in self.heads))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, betas: Tensor) -> Settings:
        """The settings of all layers at the betas ``[B, L]`` of each item, top layer first."""
        with full_precision(betas.device):  # a gain in bfloat16 would be off by 0.4 %
            split = self.head(self.betas(betas)).split([size for _, _, size in self.heads], 1)
        settings: Settings = {}
        for (name, buffer, _), values in zip(self.heads, split, strict=True):
            settings[f"{name}.{buffer}"] = 1 + values if buffer == "gain" else values
            if buffer == "scale":
                settings |= {f"{name}.down": self.down[_undotted(name)], f"{name}.up": self.up[_undotted(name)]}
        return settings


class BetaFeatures(nn.Module):
    """Features of betas: those of a small MLP, and hats around the knots of a grid.

    A hat is a product of two piecewise linear functions, for each pair of groups of layers (of one for a single group):
    with two groups a linear function of all hats is the bilinear interpolation of its values at the knots.

    Args:
        low: smallest beta of the box.
        high: largest beta of the box.
        groups: group of each layer, top first, numbered from 0; layers of a group have the same beta.
        width: hidden units of the MLP.
        knots: of each axis, evenly spread over the log betas from ``low`` to ``high``; 0 for no hats.

    Example::

        BetaFeatures(0.1, 10.0, (0, 1), width=64, knots=5)(torch.tensor([[1.0, 0.3]])).shape  # [1, 64 + 5 * 5]
    """

    centre: Tensor
    reach: Tensor
    axes: Tensor
    positions: Tensor

    def __init__(self, low: float, high: float, groups: tuple[int, ...], width: int, knots: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(math.log(low * high) / 2))
        self.register_buffer("reach", torch.tensor(math.log(high / low) / 2))
        count = max(groups) + 1
        # The layer whose beta stands for its group's; not kept with the weights, as it follows from the groups.
        self.register_buffer("axes", torch.tensor([groups.index(axis) for axis in range(count)]), persistent=False)
        # Not linspace, which on the meta device imports SymPy: see _adapters.
        positions = [2 * knot / (knots - 1) - 1 for knot in range(knots)]
        self.register_buffer("positions", torch.tensor(positions), persistent=False)
        self.pairs = list(itertools.combinations(range(count), 2))
        first, second = nn.Linear(count + len(self.pairs), width), nn.Linear(width, width)
        self.trunk = nn.Sequential(first, nn.SiLU(), second, nn.SiLU())
        self.count = width + (knots**2 * len(self.pairs) if self.pairs else knots)
        """Features of one vector of betas."""

    def forward(self, betas: Tensor) -> Tensor:
        """``[B, L]``, top layer first, to ``[B, count]``."""
        logs = ((betas.log() - self.centre) / self.reach)[:, self.axes]  # [B, G]; the box of betas is [-1, 1]^G
        differences = [logs[:, above] - logs[:, below] for above, below in self.pairs]
        smooth = self.trunk(torch.cat([logs, *(one.unsqueeze(1) for one in differences)], 1))
        return torch.cat([smooth, *self._hats(logs)], 1) if len(self.positions) else smooth

    def _hats(self, logs: Tensor) -> list[Tensor]:
        """Standardised log betas ``[B, G]`` to hats, ``[B, K]`` or ``[B, K^2]`` each; outside as on the border."""
        spacing = 2 / max(len(self.positions) - 1, 1)
        distances = (logs.clamp(-1, 1).unsqueeze(2) - self.positions).abs() / spacing  # [B, G, K]
        of_axis = (1 - distances).clamp_min(0)
        if not self.pairs:
            return [of_axis[:, 0]]
        return [(of_axis[:, i].unsqueeze(2) * of_axis[:, j].unsqueeze(1)).flatten(1) for i, j in self.pairs]


def modulated_layers(model: nn.Module) -> Iterator[tuple[str, Modulated]]:
    """The layers of a network that betas act on, with their names."""
    return ((name, part) for name, part in model.named_modules() if isinstance(part, Modulated))


def attach(model: nn.Module) -> None:
    """Have every layer of an ordinary network do what it is set to; without settings it does what it did.

    Raises:
        SpecError: a layer has no bias, which shifts could not be merged into.
    """
    for name, layer in modulated_layers(model):
        _bias(name, layer)
        for buffer in BUFFERS:
            layer.register_buffer(buffer, None, persistent=False)
        layer.register_forward_hook(_modulate)


def detach(model: nn.Module) -> None:
    """Make it an ordinary network again."""
    for _, layer in modulated_layers(model):
        # PyTorch removes a hook by the handle that adding it gave, which a copy of the layer does not have.
        hooks = layer._forward_hooks  # pyright: ignore[reportPrivateUsage]
        for handle in [handle for handle, hook in hooks.items() if hook is _modulate]:
            del hooks[handle]
        for buffer in BUFFERS:
            delattr(layer, buffer)


def as_arguments(model: nn.Module, settings: Settings) -> Settings:
    """Settings as the tensors of one functional call of ``model``.

    Adapters become further outputs of their layers, so that one pass over a layer's input computes both.
    """
    arguments = {name: tensor for name, tensor in settings.items() if not name.endswith(".down")}
    for name, layer in modulated_layers(model):
        if f"{name}.down" in settings:
            outputs, down = _axis_of_outputs(layer), settings[f"{name}.down"]
            arguments[f"{name}.weight"] = torch.cat([layer.weight, down], outputs)
            arguments[f"{name}.bias"] = torch.cat([_bias(name, layer), down.new_zeros(down.shape[outputs])])
    return arguments


def _modulate(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """Forward hook of a modulated layer with output ``[B, C, ...]``, or ``[B, C + rank, ...]`` with adapters.

    A fully connected layer has its outputs along the last axis: ``[B, ..., C]``.
    """
    gain, shift, scale, up = (cast(Tensor | None, getattr(layer, buffer)) for buffer in BUFFERS)
    if gain is None or shift is None:
        return output
    axis = -1 if isinstance(layer, nn.Linear) else 1
    if scale is not None and up is not None:
        output, adapters = output.split([gain.shape[1], scale.shape[1]], axis)
        scaled, up = adapters * _across(scale, adapters, axis), up.to(output.dtype)
        output = output + (scaled @ up.T if axis == -1 else functional.conv2d(scaled, up[:, :, None, None]))
    if axis == -1:
        return output * _across(gain, output, axis) + _across(shift, output, axis)
    return _affine(output, gain.to(output.dtype), shift.to(output.dtype))


def _affine(images: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """A gain and a shift ``[B, C]`` for each channel of each image ``[B, C, H, W]``.

    As a batch normalisation by fixed statistics, each channel of each image being one of its channels: one pass forward
    and two backward, in place of two and four of a product and a sum, and about half of their time on a CPU.
    """
    ones = torch.ones_like(gain).flatten()
    channels = images.reshape(1, len(ones), *images.shape[2:])
    flat = functional.batch_norm(channels, torch.zeros_like(ones), ones, gain.flatten(), shift.flatten(), eps=0.0)
    return flat.view_as(images)


@torch.no_grad()
def merge(model: nn.Module, settings: Mapping[str, Tensor]) -> None:
    """Merge the settings of one beta vector (batch size 1) into the weights and biases of a network, in place."""
    for name, layer in modulated_layers(model):
        gain, shift = settings[f"{name}.gain"][0], settings[f"{name}.shift"][0]  # [C]
        outputs, bias = _axis_of_outputs(layer), _bias(name, layer)
        if f"{name}.scale" in settings:
            down = settings[f"{name}.down"].movedim(outputs, 0)  # [rank, ...]
            product = (settings[f"{name}.up"] * settings[f"{name}.scale"]) @ down.flatten(1)  # [C, ...]
            layer.weight.add_(product.reshape(-1, *down.shape[1:]).movedim(0, outputs))
        layer.weight.mul_(gain.reshape([-1 if axis == outputs else 1 for axis in range(layer.weight.ndim)]))
        bias.mul_(gain).add_(shift)


def _is_adapted(model: HVAE, name: str) -> bool:
    """Whether the network names this module, or one that it is part of, as one that carries low-rank adapters."""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in model.adapted)


def _adapters(layer: Modulated, rank: int) -> tuple[Tensor, Tensor]:
    """New weights of ``rank`` maps of the layer's kind, drawn as a layer's, and ``[C, rank]`` back to its outputs."""
    outputs = _axis_of_outputs(layer)
    shape = list(layer.weight.shape)
    shape[outputs] = rank
    bound = 1 / math.sqrt(layer.weight.select(outputs, 0).numel())  # one over the root of the inputs of an output
    down = torch.empty(shape).uniform_(-bound, bound)
    # In place: on the meta device, where files are checked, a new tensor of arithmetic imports a compiler for seconds.
    return down, torch.empty(_outputs(layer), rank).uniform_(-1, 1).mul_(1 / math.sqrt(rank))


def _outputs(layer: Modulated) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _axis_of_outputs(layer: Modulated) -> int:
    """The axis of a layer's weight that runs over its outputs."""
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


def _bias(name: str, layer: Modulated) -> Tensor:
    if layer.bias is None:
        raise SpecError(
            f"{name} has no bias: a family whose networks are conditioned on betas needs one in every layer"
        )
    return layer.bias


def _across(values: Tensor, like: Tensor, axis: int) -> Tensor:
    """``[B, C]`` against ``like``, whose C lies along an axis: ``[B, C, ...]`` for 1, ``[B, ..., C]`` for -1."""
    others = [1] * (like.ndim - 2)
    shape = [len(values), *others, values.shape[1]] if axis == -1 else [*values.shape, *others]
    return values.reshape(shape).to(like.dtype)


def _undotted(name: str) -> str:
    """A layer's name without dots, which names of parameters must not have."""
    return name.replace(".", "_")
