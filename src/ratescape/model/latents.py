"""What a layer of latents is, and where those of a pass come from: posterior or prior, sample or mode, or given."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from ratescape.model.distributions import Gaussian


class LatentSource(Protocol):
    """Where the latents of a pass come from.

    Called once for each layer, top first, with the layer's index, its prior, and its posterior (None where there
    are no images); returns the layer's latents ``[B, *shape]``. It must give the same latents whenever it is called
    with the same arguments.
    """

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor: ...


class Layer(Protocol):
    """One layer of latents: its prior, its posterior, and what it hands down.

    ``state`` is what the layers above hand down: None above the top layer.
    """

    shape: tuple[int, ...]
    """Shape of one image's latents."""
    closed_form: bool
    """Whether the expected rate given the latents above is the KL between posterior and prior. It is not where a
    layer above depends on this one's sample (bottom-up inference); then log q - log p at the sample is taken."""

    def prior(self, state: Tensor | None) -> Gaussian: ...

    def posterior(self, evidence: Any, state: Tensor | None, prior: Gaussian) -> Gaussian: ...

    def advance(self, state: Tensor | None, latents: Tensor) -> Tensor: ...


class PosteriorSample:
    """Samples from the posterior, for given standard normal noise: one tensor ``[B, *shape]`` a layer."""

    def __init__(self, noise: Sequence[Tensor]) -> None:
        self.noise = noise

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        return _known(posterior).at(self.noise[index])


class PosteriorMode:
    """Modes of the posterior: mu_L, then mu_{L-1} given mu_L, and so on."""

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        return _known(posterior).mean


class PriorSample:
    """Samples from the prior, for given standard normal noise: one tensor ``[B, *shape]`` a layer."""

    def __init__(self, noise: Sequence[Tensor]) -> None:
        self.noise = noise

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        return prior.at(self.noise[index])


class PriorMode:
    """Modes of the prior given the layers above."""

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        return prior.mean


class Given:
    """Given latents ``[N, *shape]`` of some layers, one at least; the other layers come from another source.

    Args:
        latents: top first; None for a layer that comes from the other source, as those below the last do.
        rest: the other source.
    """

    def __init__(self, latents: Sequence[Tensor | None], rest: LatentSource) -> None:
        self.latents = latents
        self.rest = rest
        self.count = next(len(z) for z in latents if z is not None)

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        given = self.latents[index] if index < len(self.latents) else None
        if given is not None:
            return given
        z = self.rest(index, prior, posterior)
        return z.expand(self.count, *z.shape[1:])  # the top layer's prior is one for all images


class Watched:
    """A source that notes whether it was asked for latents."""

    def __init__(self, source: LatentSource) -> None:
        self.source = source
        self.asked = False

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        self.asked = True
        return self.source(index, prior, posterior)


def _known(posterior: Gaussian | None) -> Gaussian:
    if posterior is None:
        raise ValueError("a posterior needs images: this pass has none")
    return posterior
