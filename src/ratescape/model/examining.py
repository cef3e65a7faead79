"""What a network from outside the package is checked for, by passing a few images of noise through it."""

import warnings
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, Pass
from ratescape.model.latents import PosteriorSample
from ratescape.model.modulation import modulated_layers
from ratescape.model.packs import pack_pass, stack
from ratescape.model.shapes import COUNT, FailedError, shapes, trial_images, trial_noise, trial_pass
from ratescape.specs.factories import reason_of

CLOSE = 1e-3
"""Relative difference that rounding explains: in float32 about 1e-6 a number, times sums over many."""

PACKS, BETAS = "packs", "betas"
"""Names of the checks that a network may fail: it is trained otherwise, then."""

Build = Callable[[], HVAE]


class Check(NamedTuple):
    """What one check said."""

    name: str
    state: Literal["ok", "note", "failed"]
    """note: the network can be used, but not for everything."""
    said: str

    def __str__(self) -> str:
        return f"{self.name}: {self.said}"


def examined(build: Build) -> Iterator[Check]:
    """The checks of a network, one after the other; the last one is that which failed, or all have passed.

    Args:
        build: makes the network, its weights drawn from PyTorch's global generator.

    Example::

        list(examined(lambda: built(spec, (1, 28, 28))))
    """
    with torch.random.fork_rng(devices=[]):
        for name, check in _CHECKS.items():
            torch.manual_seed(0)
            found = _checked(name, check, build)
            yield found
            if found.state == "failed":
                return


def _checked(name: str, check: Callable[[Build], str], build: Build) -> Check:
    try:
        return Check(name, "ok", check(build))
    except FailedError as error:
        return Check(name, "note" if name in (PACKS, BETAS) else "failed", str(error))
    except Exception as error:  # it is the user's code, which may raise anything
        return Check(name, "failed", f"{COUNT} images cannot be passed through it ({reason_of(error)}): correct it")


def _numbers(result: Pass, items: slice = slice(None)) -> list[Tensor]:
    """All that is compared of a pass, for some of its images."""
    return [result.rates[items], result.distortion[items], result.output[items], *(z[items] for z in result.latents)]


@torch.no_grad()
def _differ(one: list[Tensor], other: list[Tensor]) -> bool:
    scales = [max(1.0, float(a.abs().max())) for a in one]
    return any(float((a - b).abs().max()) > CLOSE * s for a, b, s in zip(one, other, scales, strict=True))


def _weights(build: Build) -> str:
    """The same weights for the same seed, so that a resumed training is the one that was interrupted."""
    states: list[dict[str, Tensor]] = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(build().state_dict())
    same = states[0].keys() == states[1].keys() and all(
        torch.equal(weights, states[1][name]) for name, weights in states[0].items()
    )
    if not same:
        raise FailedError(
            "two networks of one seed differ: draw all weights by PyTorch's global generator, as nn.Linear does"
        )
    model = build()
    frozen = [name for name, weights in model.named_parameters() if not weights.requires_grad]
    if frozen:
        raise FailedError(f"{_few(frozen)} has requires_grad=False: register what is not trained as a buffer")
    return f"{sum(weights.numel() for weights in model.parameters()):,} parameters, the same for the same seed"


def _shapes(build: Build) -> str:
    return shapes(build())


def _finite(build: Build) -> str:
    model = build()
    result = trial_pass(model, trial_images(model))
    for parts, what in ((result.priors, "prior"), (result.posteriors, "posterior")):
        for index, part in enumerate(parts):
            if not bool((part.sigma > 0).all()):
                name = f"z{len(model.layers) - index}"
                raise FailedError(
                    f"the {what} of {name} has a sigma that is not above 0: pass it through "
                    "ratescape.model.numerics.positive"
                )
    for what, values in (("rates", result.rates), ("distortion", result.distortion)):
        if not bool(values.isfinite().all()):
            raise FailedError(f"the {what} of new weights are not finite: scale what goes into the priors and heads")
    rates = ", ".join(f"{float(rate):.3g}" for rate in result.rates.mean(0))
    return f"rates of {rates} nats, distortion of {float(result.distortion.mean()):.4g} nats, untrained"


def _gradients(build: Build) -> str:
    model = build()
    result = model(PosteriorSample(trial_noise(model)), trial_images(model))
    loss = (result.distortion + result.rates.sum(1)).mean()
    named = dict(model.named_parameters())
    try:
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    except RuntimeError as error:
        raise FailedError(f"no gradients can be taken ({reason_of(error)}): do without detach and .data") from error
    missing = [name for name, gradient in zip(named, gradients, strict=True) if gradient is None]
    if missing:
        raise FailedError(f"no gradient reaches {_few(missing)}: leave out what is not used, or make it a buffer")
    if not all(bool(gradient.isfinite().all()) for gradient in gradients if gradient is not None):
        raise FailedError("some gradients of new weights are not finite: look for sqrt, log or division at 0")
    return f"every one of {len(named)} tensors has one"


def _repeatable(build: Build) -> str:
    model = build()
    if _differ(*(_numbers(trial_pass(model, trial_images(model))) for _ in range(2))):
        raise FailedError(
            "two passes over the same images with the same noise differ, as with dropout: nothing but the latents may "
            "be random, so that a resumed training repeats itself"
        )
    return "the same images and noise give the same numbers"


def _items(build: Build) -> str:
    for training in (True, False):
        model = build().train(training)
        images, others = trial_images(model), trial_images(model, seed=3)
        others[0] = images[0]
        if _differ(*(_numbers(trial_pass(model, batch), slice(0, 1)) for batch in (images, others))):
            raise FailedError(_why_dependent(model))
    return "what an image gives does not depend on the others of its batch"


def _why_dependent(model: HVAE) -> str:
    norms = [name for name, part in model.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]  # pyright: ignore[reportPrivateUsage]
    why = f", since {_few(norms)} is batch norm" if norms else ""
    remedy = "use nn.GroupNorm or nn.LayerNorm" if norms else "keep the first axis of all tensors apart"
    return (
        f"what an image gives depends on the others of its batch{why}: rates and distortion are each image's own, and "
        f"each has betas of its own where a network is conditioned on them; {remedy}"
    )


def _buffers(build: Build) -> str:
    model = build()
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model(PosteriorSample(trial_noise(model)), trial_images(model))
    changed = [name for name, buffer in model.named_buffers() if not torch.equal(buffer, kept.get(name, buffer[:0]))]
    lost = [name for name in changed if name not in model.state_dict()]
    if lost:
        raise FailedError(f"{_few(lost)} changes in training but is not kept: register it with persistent=True")
    return f"{len(kept)} of them, {len(changed)} changed by training" if kept else "none"


def _packed(build: Build) -> str:
    models = [build(), build()]
    images, source = trial_images(models[0]), PosteriorSample(trial_noise(models[0]))
    tensors = {name: tensor.requires_grad_(tensor.is_floating_point()) for name, tensor in stack(models).items()}
    changing = dict(models[0].named_buffers())
    tensors = {name: tensor.detach() if name in changing else tensor for name, tensor in tensors.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of operations that vmap does one member after the other
            result = pack_pass(models[0], tensors, source, images)
            torch.autograd.grad(
                result.distortion.sum() + result.rates.sum(), [t for t in tensors.values() if t.requires_grad]
            )
    except Exception as error:  # whatever vmap cannot do
        raise FailedError(f"models train one by one: torch.func.vmap fails ({reason_of(error)})") from error
    for index, model in enumerate(models):
        together = [tensor[index] for tensor in _numbers(result)]
        if _differ(_numbers(trial_pass(model, images)), together):
            raise FailedError("models train one by one: under torch.func.vmap a member gives other numbers than alone")
    return "several models train at once (torch.func.vmap)"


def _conditioned(build: Build) -> str:
    model = build()
    layers = len(model.layers)
    count = sum(1 for _ in modulated_layers(model))
    other = "only methods dedicated and targeted can train it"
    if not count:
        raise FailedError(f"no nn.Linear, nn.Conv2d or nn.ConvTranspose2d that betas could act on: {other}")
    images, source = trial_images(model), PosteriorSample(trial_noise(model))
    betas = torch.logspace(-0.8, 0.8, COUNT * layers).reshape(COUNT, layers)
    try:
        network = Conditioned(model, 0.1, 10.0, width=4, rank=2).eval()
        nn.init.normal_(network.film.head.weight, std=0.2)
        together = network(source, images, betas)
        alone = [network.at(tuple(row.tolist()))(source, images) for row in betas]
    except Exception as error:  # a map without a bias, say, or the user's own code
        raise FailedError(f"the network cannot be conditioned on betas ({reason_of(error)}): {other}") from error
    for index, result in enumerate(alone):
        if _differ(*(_numbers(one, slice(index, index + 1)) for one in (together, result))):
            raise FailedError(
                "what betas do to a linear map cannot be merged into its weights, as it is used otherwise than by "
                f"calling its module with the images along the first axis (nn.MultiheadAttention does so): {other}"
            )
    return f"they act on {count} linear maps, with adapters in {', '.join(model.adapted) or 'none'}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


_CHECKS: dict[str, Callable[[Build], str]] = {
    "weights": _weights,
    "shapes": _shapes,
    "finite": _finite,
    "gradients": _gradients,
    "repeated": _repeatable,
    "items": _items,
    "buffers": _buffers,
    PACKS: _packed,
    BETAS: _conditioned,
}
"""Each says what it found, or raises what is wrong; in the order in which they build on each other."""
