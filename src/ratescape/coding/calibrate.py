"""Steps and tables of every layer such that the mean code length of each is what was asked for."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ratescape.coding.codec import MOST_EFFORT, Codec
from ratescape.coding.joint import Joint
from ratescape.coding.quantise import OCTAVE, LayerCode, by_table, likeliest, placed, steps_of
from ratescape.coding.subject import Subject, subject_of
from ratescape.coding.tables import WIDEST, Tables
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

OWN_TABLES = 512
"""Up to so many dimensions each has a table of its own; in a larger map the cells of a channel share one."""

FINEST, COARSEST = 1 / 64, 64.0
"""Smallest and largest step, in units of the likelihood's deviation. sqrt(12) gives the error of a sample."""

ENOUGH, SURELY = 200, 3.0
"""Images held out that tell lengths in any case; fewer do so only where their mean rate differs from that of the images
of the training by so many standard errors: else their mean is less sure than that one is wrong."""

CLOSE = 0.003
"""Relative error of a length at which the search ends."""

MISSED = 0.03
"""Relative error above which what was asked for counts as out of reach."""

ROUNDS = 2
"""Times that tables are measured anew on what they made the best choice; a third changes lengths by less than 0.1 %."""


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
        if number in wanted.asked and _is_missed(rate, found):
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
        layer = _Layer(tuple(posterior.mean.shape[1:]), target, weight, self.wanted.fitted)
        rate, number = self.wanted.rates[index], len(self.wanted.rates) - index
        code, symbols, seen = layer.found(rate / math.log(2))
        length = layer.bits(code, symbols)
        if number in self.wanted.asked:
            _refuse_missed(number, rate, length * math.log(2), [bits * math.log(2) for bits in seen])
        self.codes.append(code)
        self.lengths.append(length)
        return placed(prior, symbols * torch.as_tensor(code.delta, dtype=target.dtype, device=target.device))


class _Layer:
    """Targets and weights ``[N, D]`` of one layer of all images, and the search for its step."""

    def __init__(self, shape: tuple[int, ...], target: Tensor, weight: Tensor, fitted: int | None) -> None:
        self.shape = shape
        self.fitted = fitted
        self.target = target
        self.weight = weight
        self.tables = math.prod(shape) if math.prod(shape) <= OWN_TABLES or len(shape) == 1 else shape[0]
        self.unit = by_table(weight.double().cpu().numpy(), self.tables).mean(0) ** -0.5
        spread = by_table(target.double().cpu().numpy(), self.tables)
        self.least_step = (spread.max(0) - spread.min(0)) / (WIDEST - 8)

    def at(self, step: float) -> tuple[LayerCode, Tensor, float]:
        """The code of a step in units of the likelihood's deviation, the symbols ``[N, D]``, their mean bits."""
        delta = np.maximum(step * self.unit, self.least_step)
        steps = np.clip(np.ceil(np.log2(delta) * OCTAVE), -(2**15), 2**15 - 1).astype(np.int16)
        delta = steps_of(steps, math.prod(self.shape))
        symbols = torch.round(self.target / torch.as_tensor(delta, dtype=self.target.dtype, device=self.target.device))
        # At a step of sqrt(12) deviations lambda is 1: then both terms of the choice rise alike with the step.
        multiplier = step**2 / 12
        code = self._coded(steps, symbols, multiplier)
        for _ in range(ROUNDS):
            symbols = code.nearest(self.target, self.weight)
            code = self._coded(steps, symbols, multiplier)
        symbols = code.nearest(self.target, self.weight)
        return code, symbols, self.bits(code, symbols)

    def bits(self, code: LayerCode, symbols: Tensor) -> float:
        """Mean length of the images that tell lengths."""
        return code.bits(symbols[self.fitted or 0 :].to(torch.int32).cpu().numpy())

    def _coded(self, steps: np.ndarray, symbols: Tensor, multiplier: float) -> LayerCode:
        seen = by_table(symbols[: self.fitted].to(torch.int32).cpu().numpy(), self.tables)
        return LayerCode(self.shape, steps, Tables.fitted(seen), multiplier)

    def found(self, wanted: float) -> tuple[LayerCode, Tensor, list[float]]:
        """The code whose mean length is nearest to the one wanted, bits; its symbols; all lengths seen on the way."""
        low, high = math.log(FINEST), math.log(COARSEST)
        best, missed, seen = None, math.inf, list[float]()
        for _ in range(16):
            middle = 0.5 * (low + high)
            code, symbols, bits = self.at(math.exp(middle))
            seen.append(bits)
            if abs(bits - wanted) < missed:
                best, missed = (code, symbols), abs(bits - wanted)
            if missed <= max(CLOSE * wanted, 0.01):
                break
            low, high = (middle, high) if bits > wanted else (low, middle)
        assert best is not None  # every length is nearer than infinity
        return *best, seen


def _refuse_missed(number: int, wanted: float, found: float, seen: Sequence[float]) -> None:
    """Refuse a rate that a layer cannot have; a model's own, which may be the same for all images, need not be had.

    Args:
        seen: rates that the layer can have.
    """
    if not _is_missed(wanted, found):
        return
    below = max((one for one in seen if one < wanted), default=None)
    above = min((one for one in seen if one > wanted), default=None)
    if below is not None and above is not None:
        can = f"its sizes leap there from {below:.4g} to {above:.4g} nats; ask for one of these"
    elif below is not None:
        can = f"it has {below:.4g} at most; ask for less"
    else:
        can = f"it has {found:.4g} at least; ask for more"
    raise SpecError(
        f"layer {number} cannot have {wanted:.4g} nats ({wanted / math.log(2):.4g} bits) per image: {can}, or take a "
        "model of other betas"
    )


def _is_missed(wanted: float, found: float) -> bool:
    return abs(found - wanted) > max(MISSED * wanted, 0.07)
