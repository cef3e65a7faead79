"""Steps and tables of every layer such that the mean code length of each is what was asked for."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ratescape.coding.codec import MOST_EFFORT, Codec
from ratescape.coding.joint import Joint
from ratescape.coding.layer_search import LayerSearch, is_missed, refuse_missed
from ratescape.coding.quantise import LayerCode, likeliest, placed
from ratescape.coding.subject import Subject, subject_of
from ratescape.data.batches import stream
from ratescape.errors import SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.distributions import Gaussian
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.specs.checks import require
from ratescape.specs.given import Betas
from ratescape.specs.rate_targets import RateTarget, Request, request_text, requested

MOST = 2000
"""Images that a codec is calibrated on, at most; they pass through the network at once."""

SEARCHED = 1000
"""Images that tables are fitted to where symbols are searched for, at most."""

ELEMENTS = 20_000_000
"""Latents of one layer of all these images, at most."""

ENOUGH, SURELY = 200, 3.0
"""Images held out that tell lengths in any case; fewer do so only where their mean rate differs from that of the images
of the training by so many standard errors: else their mean is less sure than that one is wrong."""


def calibrate(
    model: HVAE | Conditioned,
    images: Any,
    rates: Request | None = None,
    *,
    held_out: Any = None,
    betas: Betas = None,
    effort: int = 0,
    seed: int = 0,
) -> Codec:
    """The codec of a model: how coarsely each of its layers is rounded, and tables of the symbols.

    Example::

        codec = rs.calibrate(model, data.train, {2: 20, 1: 40}, held_out=data.validation)
        codec.save("digits.codec")
        data = rs.compress(model, images, codec=codec)

    Args:
        model: of any family but bottom-up; or a network that is conditioned on its betas.
        images: that the model was trained on, as :meth:`ratescape.HVAE.inputs` takes them; 2,000 of them, evenly
            spaced, are used at most.
        rates: mean lengths wanted, in nats per image, as of :meth:`ratescape.Landscape.at_rates`; layers that are not
            named, and the shares of those named together, are as the model has them. Default: the model's own rates.
        held_out: images that the model was not trained on, by which lengths are measured: a model knows the images that
            it was trained on better than others, most of all if they were few. Default, and if they are fewer than 200
            and their rates are not clearly others: ``images``.
        betas: of the network.
        effort: passes of a search for better symbols of each image (40 is enough), which makes the images better at the
            same size; they take their time here and when images are compressed, and none when they are decoded.
        seed: of the latents that the model's own rates are measured at.

    Raises:
        SpecError: a bottom-up model, an effort out of range, rates that cannot be asked for or that the layer cannot
            have.
        DataError: images that the model does not take, or for which its posteriors are not finite.
        ResourceError: the entropy coder is not installed.
    """
    return calibrate_subject(subject_of(model, betas), images, rates, held_out=held_out, effort=effort, seed=seed)


@torch.no_grad()
def calibrate_subject(
    subject: Subject,
    images: Any,
    rates: Request | None = None,
    *,
    held_out: Any = None,
    effort: int = 0,
    seed: int = 0,
) -> Codec:
    """As :func:`calibrate`, of a model whose betas are settled."""
    require(0 <= effort <= MOST_EFFORT, "effort", effort, f"from 0 to {MOST_EFFORT}")
    model = subject.model
    dimensions = max(math.prod(shape) for shape in model.latent_shapes)
    fitted = _chosen(model.inputs(images), dimensions)
    given = None if held_out is None else model.inputs(held_out)
    others = None if given is None else _chosen(given, dimensions)
    measured = _rates(model, fitted if others is None else others, seed)
    if others is not None and len(others) < ENOUGH and not _are_apart(measured, known := _rates(model, fitted, seed)):
        others, measured = None, known
    own = measured.mean(0).tolist()
    targets = () if rates is None else requested(request_text(rates), len(own), model.spec.resolutions)
    wanted = _shared_out(targets, own)
    asked = {layer for target in targets for layer in target.layers}
    every = fitted if others is None else torch.cat([fitted, others])
    search = _Wanted(wanted, asked, None if others is None else len(fitted))
    codes, lengths = _found(subject, every, search, effort)
    return Codec(tuple(codes), subject.digest, tuple(wanted), tuple(lengths), effort)


def _rates(model: HVAE, images: Tensor, seed: int) -> Tensor:
    """Rates of every image, nats: ``[N, L]``, float64."""
    noise = model.noise(len(images), torch.Generator(images.device).manual_seed(stream(seed, "evaluation")))
    return model.passes([PosteriorSample(noise)], images, decode=False)[0].rates.double()


def _are_apart(some: Tensor, others: Tensor) -> bool:
    """Whether the mean total rates of two sets of images ``[N, L]`` differ by more than chance explains."""
    if min(len(some), len(others)) < 2:
        return False
    one, two = some.sum(1), others.sum(1)
    error = (one.var() / len(one) + two.var() / len(two)).sqrt()
    return bool((one.mean() - two.mean()).abs() > SURELY * error)


class _Wanted(NamedTuple):
    """What lengths are to be."""

    rates: list[float]
    """Of each layer, top first, nats."""
    asked: set[int]
    """Numbers of the layers whose rates a user asked for."""
    fitted: int | None
    """Images that tables are fitted to; the rest tells lengths. None: all do both."""


def _found(subject: Subject, images: Tensor, wanted: _Wanted, effort: int) -> tuple[list[LayerCode], list[float]]:
    """Codes and their lengths, bits; refuses rates that were asked for and cannot be had."""
    model = subject.model
    source = _Calibrating(wanted)
    model.passes([source], images, decode=False)
    if not effort:
        return source.codes, source.lengths

    if wanted.fitted is not None:
        images, fitted = _fewer(images, wanted.fitted)
        wanted = wanted._replace(fitted=fitted)

    def plain(bits: Sequence[float]) -> list[LayerCode]:
        other = _Calibrating(_Wanted([one * math.log(2) for one in bits], set(), wanted.fitted))
        model.passes([other], images, decode=False)
        return other.codes

    joint = Joint(model, images, wanted.fitted, subject.betas or None, plain, effort)
    codes, lengths = joint.found([rate / math.log(2) for rate in wanted.rates])
    for number, rate, bits in zip(range(len(codes), 0, -1), wanted.rates, lengths, strict=True):
        found = bits * math.log(2)
        if number in wanted.asked and is_missed(rate, found):
            raise SpecError(
                f"layer {number} has {found:.4g} nats per image at the nearest to {rate:.4g} when symbols are searched "
                "for: ask for a little more or less, or leave out effort"
            )
    return codes, lengths


def _fewer(images: Tensor, fitted: int) -> tuple[Tensor, int]:
    """Images of which fewer are fitted to, and how many these are: a search takes its time."""
    apart = -(-fitted // SEARCHED)
    chosen = images[:fitted:apart]
    return torch.cat([chosen, images[fitted:]]), len(chosen)


def _chosen(images: Tensor, dimensions: int) -> Tensor:
    """So many images as are used, evenly spaced."""
    count = min(len(images), MOST, max(ELEMENTS // dimensions, 1))
    return images[torch.linspace(0, len(images) - 1, count).round().long()]


def _shared_out(targets: Sequence[RateTarget], own: Sequence[float]) -> list[float]:
    """Rates wanted of every layer, top first, nats: those of one target in proportion to the model's."""
    wanted, layers = list(own), len(own)
    for target in targets:
        rows = [layers - layer for layer in target.layers]
        total = sum(own[row] for row in rows)
        for row in rows:
            wanted[row] = target.rate * (own[row] / total if total > 0 else 1 / len(rows))
    return wanted


class _Calibrating:
    """Source of quantised latents that calibrates each layer as the pass reaches it, given those above."""

    def __init__(self, wanted: _Wanted) -> None:
        self.wanted = wanted
        self.codes: list[LayerCode] = []
        self.lengths: list[float] = []

    def __call__(self, index: int, prior: Gaussian, posterior: Gaussian | None) -> Tensor:
        assert posterior is not None  # calibration has images
        target, weight = likeliest(prior, posterior)
        layer = LayerSearch(tuple(posterior.mean.shape[1:]), target, weight, self.wanted.fitted)
        rate, number = self.wanted.rates[index], len(self.wanted.rates) - index
        code, symbols, seen = layer.found(rate / math.log(2))
        length = layer.bits(code, symbols)
        if number in self.wanted.asked:
            refuse_missed(number, rate, length * math.log(2), [bits * math.log(2) for bits in seen])
        self.codes.append(code)
        self.lengths.append(length)
        return placed(prior, symbols * torch.as_tensor(code.delta, dtype=target.dtype, device=target.device))
