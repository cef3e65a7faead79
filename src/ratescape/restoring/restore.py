"""Damaged images restored by a model: :func:`restore`."""

import dataclasses
from typing import Any, Literal

import torch
from torch import Tensor

from ratescape.data.batches import stream
from ratescape.errors import DataError, SpecError
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import CHUNK, HVAE
from ratescape.model.restored import Restored
from ratescape.model.taking import whole
from ratescape.restoring.ascent import most_probable
from ratescape.restoring.chain import sampled
from ratescape.restoring.damage import Damage, Seen, damaged, seen
from ratescape.restoring.pixels import pixels_of
from ratescape.specs.checks import require

SAMPLES, STEPS, ASCENTS = 8, 20, 100
"""Chains for each image, steps of each chain, steps of gradients."""

VALUES = 1 << 22
"""Numbers of all images that pass through the network at once, at most."""


@dataclasses.dataclass(frozen=True)
class Restoring:
    """How images are restored.

    Example::

        Restoring(samples=16, steps=100)

    Raises:
        SpecError: a field is out of range, or means nothing for the method.
    """

    method: Literal["chain", "map"] = "chain"
    """Samples of the posterior by a Markov chain, or one most probable guess by gradient steps."""
    samples: int | None = None
    """Chains for each image; default: 8, and 1 for map, which has no others."""
    steps: int | None = None
    """Of each chain, or of gradients; default: 20, and 100 for map."""
    layers: int | None = None
    """Layers whose latents are found, from the top; those below are at their prior's mode. Default: all."""
    sigma: float | None = None
    """Standard deviation of pixels about what the latents say, of Gaussian likelihoods; default: a learned one's own; a
    fixed one is a unit of the loss, and is estimated for each image from what is known of it."""
    seed: int = 0
    """Of all draws."""

    def __post_init__(self) -> None:
        require(self.method in ("chain", "map"), "method", self.method, "chain or map")
        samples, steps, sigma = self.samples, self.steps, self.sigma
        require(samples is None or whole(samples, "samples", 1) > 0, "samples", samples, "at least 1")
        require(steps is None or whole(steps, "steps", 1) > 0, "steps", steps, "at least 1")
        require(sigma is None or 0 < sigma < 1e6, "sigma", sigma, "above 0")
        whole(self.seed, "seed", 0)
        if self.method == "map" and samples not in (None, 1):
            raise SpecError(f"samples is {samples}: map gives one guess; leave samples out, or take the chain")

    @property
    def chains(self) -> int:
        return self.samples or (1 if self.method == "map" else SAMPLES)

    @property
    def taken(self) -> int:
        """Steps."""
        return self.steps or (ASCENTS if self.method == "map" else STEPS)


def restore(
    model: HVAE,
    items: Any,
    *,
    mask: Any = None,
    noise: float = 0.0,
    downscale: int = 1,
    samples: int | None = None,
    steps: int | None = None,
    method: Literal["chain", "map"] = "chain",
    layers: int | None = None,
    sigma: float | None = None,
    degrade: bool = False,
    seed: int = 0,
) -> Restored:
    """Fill in what is missing of damaged images, take noise away, or make small images large; or all of these.

    Damage is thought to have come in this order: an image is made small by averaging, gets noise, and loses pixels. The
    same items, seed and device give the same result.

    Example::

        restored = model.restore(images, mask="random:0.5", samples=16)
        restored.mean  # [N, C, H, W]
        restored.spread  # how much the samples differ, [N, C, H, W]

    Args:
        items: damaged images ``[N, C, h, w]``, in all forms that :meth:`ratescape.HVAE.inputs` takes. Pixels that are
            NaN are missing, besides those of the mask; what lies under it is not looked at. Noisy values may leave
            [0, 1].
        mask: which pixels are missing: ``half``, ``box``, ``random:0.5``, a file or an array, True where missing: see
            :func:`ratescape.restoring.masks.mask_of`. Of small images these are pixels of the small images.
        noise: standard deviation of Gaussian noise that the images have; pixels lie in [0, 1].
        downscale: how many times smaller than the model's the images are: each pixel is a mean of so many by so many.
        samples: chains for each image, independent of each other; default: 8.
        steps: of each chain (default: 20), or of gradients (100).
        method: ``chain``: samples of the posterior; ``map``: one most probable guess.
        layers: how many layers' latents are found, from the top; those below are at their prior's mode. Default: all.
        sigma: of pixels about what the latents say: see :class:`Restoring`.
        degrade: the items are whole images: damage them first, as the other arguments say.
        seed: of all draws, those of the damage, too.

    Raises:
        SpecError: an argument that is out of range, images or a mask of another shape, or a model of vectors.
        DataError: no images, or a file that cannot be read.
    """
    how = Restoring(method, samples, steps, layers, sigma, seed)
    known = (damaged if degrade else seen)(model, items, Damage(mask, noise, downscale), seed)
    return restored(model, known, how)


def restored(model: HVAE, known: Seen, how: Restoring, first: int = 0) -> Restored:
    """As :func:`restore`, of what is left of images.

    Args:
        first: number of the first image among all, by which draws are made.
    """
    if not len(known.values):
        raise DataError("items is empty: give at least one image")
    layers = len(model.latent_shapes)
    kept = layers if how.layers is None else whole(how.layers, "layers", 1)
    require(kept <= layers, "layers", kept, f"at most {layers}, the layers of this model")
    count, chains = len(known.values), how.chains
    size = rows_at_once(model, known.downscale)
    rows = torch.arange(count * chains, device=known.values.device) // chains
    parts: list[Tensor] = []
    for begin in range(0, len(rows), size):
        part = known.take(rows[begin : begin + size])
        generator = torch.Generator(part.values.device)
        generator.manual_seed(stream(how.seed, "restoring", first * chains + begin))
        parts.append(_guessed(model, part, how, kept, generator))
    samples = torch.cat(parts).unflatten(0, (count, chains))
    if not bool(samples.isfinite().all()):
        raise SpecError("restored images with NaN: the model gives no finite values for what is known of these images")
    return Restored(samples, known.shown, known.restored, isinstance(model.likelihood, Bernoulli))


def _guessed(model: HVAE, known: Seen, how: Restoring, kept: int, generator: torch.Generator) -> Tensor:
    pixels = pixels_of(model.likelihood, known, how.sigma)
    if how.method == "map":
        return most_probable(model, known, pixels, kept, how.taken)
    return sampled(model, known, pixels, kept, how.taken, generator)


def rows_at_once(model: HVAE, factor: int) -> int:
    """Images that pass through the network at once; where pixels are counted, cells have a number for each count."""
    channels, height, width = model.image_shape
    each = factor**2 if isinstance(model.likelihood, Bernoulli) else 1
    return max(1, min(CHUNK, VALUES // (channels * height * width * each)))
