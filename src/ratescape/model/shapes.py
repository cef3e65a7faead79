"""The shapes that passes of a network from outside the package must have, and what is passed through it to see."""

import copy

import torch
from torch import Tensor

from ratescape.model.columns import ByColumn
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE, Pass
from ratescape.model.latents import Given, PosteriorMode, PosteriorSample, PriorMode, PriorSample

COUNT = 3
"""Images, or rows, that are passed through the network."""


class FailedError(Exception):
    """A check failed; the text says why and what to do."""


def trial_images(model: HVAE, seed: int = 1) -> Tensor:
    """Noise ``[B, C, H, W]`` as images of the kind that the likelihood is for, or standardised rows ``[B, D]``."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(model.likelihood, ByColumn):
        return torch.randn(COUNT, *model.image_shape, generator=generator)
    images = torch.rand(COUNT, *model.image_shape, generator=generator)
    return images.round() if isinstance(model.likelihood, Bernoulli) else (images * 255).round() / 255


def trial_noise(model: HVAE) -> list[Tensor]:
    """Noise of the latents of so many images, the same whenever it is asked for."""
    return model.noise(COUNT, torch.Generator().manual_seed(2))


@torch.no_grad()
def trial_pass(model: HVAE, images: Tensor) -> Pass:
    """A pass of a copy, since a pass may change buffers."""
    return copy.deepcopy(model)(PosteriorSample(trial_noise(model)), images)


def shapes(model: HVAE) -> str:
    """Compare the shapes of all passes with those that they must have; returns those of the latents in words.

    Raises:
        FailedError: another shape, a layer without what its protocol asks for, or too little evidence.

    Example::

        shapes(built(spec, (1, 28, 28)))  # "z2 [20], z1 [16, 7, 7]"
    """
    for layer in model.layers:
        lacking = [
            part for part in ("shape", "closed_form", "prior", "posterior", "advance") if not hasattr(layer, part)
        ]
        if lacking:
            raise FailedError(f"a layer, {type(layer).__name__}, has no {', '.join(lacking)}: see docs/own-network.md")
    _check_shapes(model, model(PriorMode()), 0, drawn=1)  # first: it needs least to be right
    _check_evidence(model)
    _check_shapes(model, model(PosteriorMode(), trial_images(model)), COUNT)
    _check_shapes(model, trial_pass(model, trial_images(model)), COUNT)
    _check_shapes(model, model(PriorSample(trial_noise(model))), 0)
    _check_shapes(model, model(Given([trial_noise(model)[0][:1]], PriorMode())), 0, drawn=1)
    return ", ".join(f"z{len(model.layers) - i} {list(shape)}" for i, shape in enumerate(model.latent_shapes))


def _check_evidence(model: HVAE) -> None:
    """Refuse an encoder that leaves layers without evidence."""
    found, layers = model.encoder(trial_images(model), PosteriorMode()), len(model.layers)
    if not hasattr(found, "__len__") or len(found) < layers:
        what = f"{type(found).__name__} of {len(found)}" if hasattr(found, "__len__") else type(found).__name__
        raise FailedError(
            f"the encoder gives evidence as a {what}, but there are {layers} layers: return a list with that of each, "
            "top first"
        )


def _check_shapes(model: HVAE, result: Pass, count: int, drawn: int = COUNT) -> None:
    """Compare all shapes of a pass with those that they must have; ``count`` is 0 for a pass without images."""
    first, *others = model.image_shape
    output = [drawn, model.likelihood.output_channels(first), *(others or [first])]
    kind = type(model.likelihood).__name__
    _expect("the decoder's output", result.output, output, f", the parameters of {kind}")
    for index, shape in enumerate(model.latent_shapes):
        name = f"z{len(model.layers) - index}"
        for what, given in (("prior", result.priors), ("posterior", result.posteriors)):
            for part in given[index] if given else ():
                alike = what == "prior" and part.shape[:1] == (1,)  # one prior for all images, as of the top layer
                _expect(f"the {what} of {name}", part, [1 if alike else count or drawn, *shape])
        _expect(f"the latents of {name}", result.latents[index], [drawn, *shape])
    if count:
        _expect("the rates", result.rates, [count, len(model.layers)])
        _expect("the distortion", result.distortion, [count])


def _expect(what: str, given: Tensor, shape: list[int], why: str = "") -> None:
    if list(given.shape) != shape:
        raise FailedError(f"{what} has shape {list(given.shape)}: it must be {shape}{why}")
