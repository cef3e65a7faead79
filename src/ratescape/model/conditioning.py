"""A network that is told its betas: one model for a whole box of them.

A vector of log betas goes through a small shared MLP to a gain and a shift for every output channel of every
convolution and fully connected layer, hidden or not (FiLM; Perez et al., 2018; for the weights of a loss: Dosovitskiy &
Djolonga, "You only train once", ICLR 2020). Posteriors, learned priors and the decoder are all told: what is best for
each depends on the betas.

A gain cannot turn a representation: a lower layer that tells details beside a live top layer must code whole images
where that one has collapsed. So the maps next to the latents have, beside gain and shift, a sum of ``rank`` further
linear maps, each with a strength that depends on the betas.

All of it is linear in the layer's input, so that at given betas the model *is* an ordinary one, weight for weight
(:meth:`Conditioned.at`). The parts of a network need not know of it: what is set for one call are buffers of the
layers, empty in an ordinary model.
"""

import copy
import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ratescape.compute.precision import full_precision
from ratescape.errors import SpecError
from ratescape.model.hierarchy import HVAE, LatentSource, Pass

Modulated = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


BUFFERS = ("gain", "shift", "strength", "back")
"""What a modulated layer is given for the length of one call."""

SLACK = 1 + 1e-6
"""By so much betas may leave a box, for rounding."""


class Film(nn.Module):
    """Betas to gains, shifts and strengths; the identity when new, since its heads start at zero.

    Args:
        model: whose layers are modulated.
        layers: latent layers L.
        low: smallest beta of the box.
        high: largest beta of the box.
        width: hidden units.
        rank: further maps of each layer next to the latents.
    """

    centre: Tensor
    reach: Tensor

    def __init__(self, model: HVAE, layers: int, low: float, high: float, width: int, rank: int) -> None:
        super().__init__()
        # For each head: the layer, the buffer it fills, and how many numbers it takes.
        self.parts: list[tuple[str, str, int]] = []
        self.into, self.back = nn.ParameterDict(), nn.ParameterDict()
        for name, layer in modulated_layers(model):
            self.parts += [(name, "gain", _outputs(layer)), (name, "shift", _outputs(layer))]
            if rank and _is_near_latents(name):
                self.parts.append((name, "strength", rank))
                into, back = _further_maps(layer, rank)
                self.into[_plain(name)], self.back[_plain(name)] = nn.Parameter(into), nn.Parameter(back)
        self.register_buffer("centre", torch.tensor(math.log(low * high) / 2))
        self.register_buffer("reach", torch.tensor(math.log(high / low) / 2))
        inputs = layers + layers * (layers - 1) // 2
        self.trunk = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.head = nn.Linear(width, sum(size for _, _, size in self.parts))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, betas: Tensor) -> dict[str, Tensor]:
        """The buffers of all modulated layers by name: gains and shifts ``[B, C]``, strengths ``[B, rank]``, and maps.

        Args:
            betas: ``[B, L]``, top layer first.
        """
        logs = (betas.log() - self.centre) / self.reach  # the box is [-1, 1]^L
        above, below = torch.triu_indices(logs.shape[1], logs.shape[1], 1, device=logs.device)
        features = torch.cat([logs, logs[:, above] - logs[:, below]], 1)
        with full_precision(features.device):  # a gain in bfloat16 would be off by 0.4 %
            split = self.head(self.trunk(features)).split([size for _, _, size in self.parts], 1)
        buffers: dict[str, Tensor] = {}
        for (name, buffer, _), values in zip(self.parts, split, strict=True):
            buffers[f"{name}.{buffer}"] = 1 + values if buffer == "gain" else values
            if buffer == "strength":
                buffers |= {f"{name}.into": self.into[_plain(name)], f"{name}.back": self.back[_plain(name)]}
        return buffers


def modulated_layers(model: nn.Module) -> Iterator[tuple[str, Modulated]]:
    """The layers of a network that FiLM acts on, with their names."""
    return ((name, part) for name, part in model.named_modules() if isinstance(part, Modulated))


class Conditioned(nn.Module):
    """A hierarchical VAE that is told its betas and covers a box of them.

    Args:
        model: the ordinary network it is made of; taken over, not copied.
        low: smallest beta of the box, the same for all layers.
        high: largest beta of the box.
        width: hidden units of the FiLM network.
        groups: group of each layer, top first: layers of a group are always told the same beta; default: each its own.
        rank: further maps of each layer next to the latents.
    """

    def __init__(
        self, model: HVAE, low: float, high: float, width: int, groups: tuple[int, ...] | None = None, rank: int = 0
    ) -> None:
        super().__init__()
        self.model = model
        self.low = low
        self.high = high
        self.groups = groups or tuple(range(len(model.latent_shapes)))
        for _, layer in modulated_layers(model):
            for buffer in BUFFERS:
                layer.register_buffer(buffer, None, persistent=False)
            layer.register_forward_hook(_modulate)
        self.film = Film(model, len(model.latent_shapes), low, high, width, rank)

    def forward(self, source: LatentSource, images: Tensor | None, betas: Tensor) -> Pass:
        """One pass, each image at its own betas.

        Args:
            source: where latents come from.
            images: ``[B, C, H, W]`` in [0, 1], or None to use priors alone.
            betas: ``[B, L]``, top layer first.
        """
        buffers = self.film(betas)
        for name, layer in modulated_layers(self.model):
            if f"{name}.into" in buffers:  # as further outputs of the layer: one pass over its input for all
                outputs, into = _axis_of_outputs(layer), buffers.pop(f"{name}.into")
                buffers[f"{name}.weight"] = torch.cat([layer.weight, into], outputs)
                buffers[f"{name}.bias"] = torch.cat([_bias(name, layer), into.new_zeros(into.shape[outputs])])
        return functional_call(self.model, buffers, (source, images))

    @property
    def latent_shapes(self) -> list[tuple[int, ...]]:
        """Shape of one image's latents in each layer, top first."""
        return self.model.latent_shapes

    def noise(self, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """Standard normal noise for ``count`` images, as :meth:`HVAE.noise`."""
        return self.model.noise(count, generator)

    @torch.no_grad()
    def at(self, betas: tuple[float, ...], *, extrapolate: bool = False) -> HVAE:
        """The ordinary model at fixed betas, gains and shifts folded into its weights: exact but for rounding.

        Args:
            betas: one for each layer, top first.
            extrapolate: allow betas outside the box that the model was trained on.

        Raises:
            SpecError: a wrong number of betas, or betas outside the box.
        """
        self._check(betas, extrapolate)
        like = next(self.parameters())
        plain = copy.deepcopy(self.model).requires_grad_(False)
        given = torch.tensor([betas], device=like.device, dtype=like.dtype)
        buffers: dict[str, Tensor] = self.film(given)
        for name, layer in modulated_layers(plain):
            gain, shift = buffers[f"{name}.gain"][0], buffers[f"{name}.shift"][0]
            outputs, bias = _axis_of_outputs(layer), _bias(name, layer)
            if f"{name}.strength" in buffers:
                maps = buffers[f"{name}.into"].movedim(outputs, 0)  # [rank, ...]
                further = (buffers[f"{name}.back"] * buffers[f"{name}.strength"]) @ maps.flatten(1)
                layer.weight.add_(further.reshape(-1, *maps.shape[1:]).movedim(0, outputs))
            layer.weight.mul_(gain.reshape([-1 if axis == outputs else 1 for axis in range(layer.weight.ndim)]))
            bias.mul_(gain).add_(shift)
            layer._forward_hooks.clear()
            for buffer in BUFFERS:
                delattr(layer, buffer)
        return plain.eval()

    def covers(self, betas: tuple[float, ...]) -> bool:
        """Whether betas are of those the model was trained on, but for rounding: in the box, equal within a group."""
        inside = all(self.low / SLACK <= beta <= self.high * SLACK for beta in betas)
        of_group = dict(zip(self.groups, betas, strict=True))
        equal = all(math.isclose(of_group[g], beta, rel_tol=1e-6) for g, beta in zip(self.groups, betas, strict=True))
        return inside and equal

    def _check(self, betas: tuple[float, ...], extrapolate: bool) -> None:
        layers = len(self.latent_shapes)
        if len(betas) != layers or not all(beta > 0 and math.isfinite(beta) for beta in betas):
            raise SpecError(f"betas is {betas}: give one positive number for each of the {layers} layers, top first")
        if not extrapolate and not self.covers(betas):
            grouped = "" if len(set(self.groups)) == layers else f", equal within the groups {self.groups}"
            raise SpecError(
                f"betas is {betas}, outside the box {self.low:.4g} to {self.high:.4g}{grouped} that this model was "
                "trained on: choose betas inside it, or ask for extrapolation"
            )


def _outputs(layer: Modulated) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _is_near_latents(name: str) -> bool:
    """Whether a layer makes latents or priors of latents, or is the first to read the lowest ones."""
    return name.startswith(("layers.", "decoder.0"))


def _plain(name: str) -> str:
    """A layer's name without dots, which names of parameters must not have."""
    return name.replace(".", "_")


def _further_maps(layer: Modulated, rank: int) -> tuple[Tensor, Tensor]:
    """Weights of ``rank`` maps of the layer's kind, drawn as a layer's, and ``[outputs, rank]`` back to its outputs."""
    outputs = _axis_of_outputs(layer)
    shape = list(layer.weight.shape)
    shape[outputs] = rank
    reach = 1 / math.sqrt(layer.weight.select(outputs, 0).numel())
    into = torch.empty(shape).uniform_(-reach, reach)
    return into, torch.empty(_outputs(layer), rank).uniform_(-1, 1) / math.sqrt(rank)


def _modulate(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """Forward hook of a modulated layer with output ``[B, C, ...]``: do what its buffers say, if set."""
    gain, shift, strength, back = (cast(Tensor | None, getattr(layer, buffer)) for buffer in BUFFERS)
    if gain is None or shift is None:
        return output
    if strength is not None and back is not None:
        output, further = output.split([gain.shape[1], strength.shape[1]], 1)
        strong, back = further * _across(strength, further), back.to(output.dtype)
        maps = output.ndim > 2
        output = output + (functional.conv2d(strong, back[:, :, None, None]) if maps else strong @ back.T)
    return output * _across(gain, output) + _across(shift, output)


def _axis_of_outputs(layer: Modulated) -> int:
    """The axis of a layer's weight that runs over its outputs."""
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


def _bias(name: str, layer: Modulated) -> Tensor:
    if layer.bias is None:
        raise TypeError(f"{name} has no bias to take up a shift")
    return layer.bias


def _across(values: Tensor, like: Tensor) -> Tensor:
    """``[B, C]`` against ``like [B, C, ...]``."""
    return values.reshape(*values.shape, *(1 for _ in like.shape[2:])).to(like.dtype)
