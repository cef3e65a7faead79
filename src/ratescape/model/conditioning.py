"""A network that is told its betas: one model for a whole box of them.

A vector of log betas goes through a small shared MLP to a gain and a shift for every output channel of every
convolution and fully connected layer, hidden or not (FiLM; Perez et al., 2018; for the weights of a loss: Dosovitskiy &
Djolonga, "You only train once", ICLR 2020). Posteriors, learned priors and the decoder are all told: what is best for
each depends on the betas. A gain and a shift after a linear map are again a linear map, so that at given betas the
model *is* an ordinary one, weight for weight (:meth:`Conditioned.at`).

The parts of a network need not know of it: gains and shifts are buffers of the layers, empty in an ordinary model, that
are set for the length of one call.
"""

import copy
import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ratescape.errors import SpecError
from ratescape.model.hierarchy import HVAE, LatentSource, Pass
from ratescape.precision import in_full

Modulated = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


SLACK = 1 + 1e-6
"""By so much betas may leave a box, for rounding."""


class Film(nn.Module):
    """Betas to gains and shifts; the identity when new, since its heads start at zero.

    Args:
        channels: outputs of each modulated layer, by name.
        layers: latent layers L.
        low: smallest beta of the box.
        high: largest beta of the box.
        width: hidden units.
    """

    centre: Tensor
    reach: Tensor

    def __init__(self, channels: dict[str, int], layers: int, low: float, high: float, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("centre", torch.tensor(math.log(low * high) / 2))
        self.register_buffer("reach", torch.tensor(math.log(high / low) / 2))
        inputs = layers + layers * (layers - 1) // 2
        self.trunk = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.head = nn.Linear(width, 2 * sum(channels.values()))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, betas: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Gain and shift ``[B, C]`` of each modulated layer by its name.

        Args:
            betas: ``[B, L]``, top layer first.
        """
        logs = (betas.log() - self.centre) / self.reach  # the box is [-1, 1]^L
        above, below = torch.triu_indices(logs.shape[1], logs.shape[1], 1, device=logs.device)
        features = torch.cat([logs, logs[:, above] - logs[:, below]], 1)
        sizes = [size for size in self.channels.values() for _ in range(2)]
        with in_full(features.device):  # a gain in bfloat16 would be off by 0.4 %
            parts = iter(self.head(self.trunk(features)).split(sizes, 1))
        return {name: (1 + next(parts), next(parts)) for name in self.channels}


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
    """

    def __init__(self, model: HVAE, low: float, high: float, width: int, groups: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.model = model
        self.low = low
        self.high = high
        self.groups = groups or tuple(range(len(model.latent_shapes)))
        for _, layer in modulated_layers(model):
            layer.register_buffer("gain", None, persistent=False)
            layer.register_buffer("shift", None, persistent=False)
            layer.register_forward_hook(_modulate)
        channels = {name: _outputs(layer) for name, layer in modulated_layers(model)}
        self.film = Film(channels, len(model.latent_shapes), low, high, width)

    def forward(self, source: LatentSource, images: Tensor | None, betas: Tensor) -> Pass:
        """One pass, each image at its own betas.

        Args:
            source: where latents come from.
            images: ``[B, C, H, W]`` in [0, 1], or None to use priors alone.
            betas: ``[B, L]``, top layer first.
        """
        set_for_this_call: dict[str, Tensor] = {}
        for name, (gain, shift) in self.film(betas).items():
            set_for_this_call |= {f"{name}.gain": gain, f"{name}.shift": shift}
        return functional_call(self.model, set_for_this_call, (source, images))

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
        modulations: dict[str, tuple[Tensor, Tensor]] = self.film(given)
        for name, layer in modulated_layers(plain):
            gain, shift = (part[0] for part in modulations[name])
            outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            layer.weight.mul_(gain.reshape([-1 if axis == outputs else 1 for axis in range(layer.weight.ndim)]))
            if layer.bias is None:
                raise TypeError(f"{name} has no bias to take up the shift")
            layer.bias.mul_(gain).add_(shift)
            layer._forward_hooks.clear()
            del layer.gain, layer.shift
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


def _modulate(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """Forward hook of a modulated layer: gain and shift ``[B, C]`` of its output ``[B, C, ...]``, if they are set."""
    gain, shift = cast(Tensor | None, layer.gain), cast(Tensor | None, layer.shift)
    if gain is None or shift is None:
        return output
    across = (*gain.shape, *(1 for _ in output.shape[2:]))
    return output * gain.reshape(across).to(output.dtype) + shift.reshape(across).to(output.dtype)
