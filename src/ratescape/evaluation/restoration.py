"""How well are damaged images restored? PSNR on what was missing, for each kind of damage that is asked for.

The most probable latents are found by gradient steps, not samples by a chain: one guess, for a fraction of the passes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ratescape.evaluation import errors
from ratescape.evaluation.subject import Measured, SplitView, Subject
from ratescape.model.numerics import psnr_of
from ratescape.restoring.damage import Damage, damaged
from ratescape.restoring.restore import Restoring, restored
from ratescape.specs.evaluation import DamageKind

IMAGES = 100
"""Of each split, the first ones, at most."""

STEPS = 100
"""Steps of gradients."""

FEW_STEPS = 6
"""By which it is foretold how long all of them will take."""

DAMAGE: dict[DamageKind, Damage] = {
    "half": Damage("half"),
    "random": Damage("random:0.5"),
    "box": Damage("box"),
    "noise": Damage(noise=0.2),
    "upscaling": Damage(downscale=2),
}

COLUMNS = ("restoration_psnr", *(f"psnr_{kind}" for kind in DAMAGE))


def restoration(subject: Subject, split: SplitView) -> Measured:
    """PSNR of each kind of damage, and their mean, dB."""
    kinds = subject.settings.restoration
    if not kinds:
        return Measured({})
    if subject.data.columns is not None:
        return Measured({}, {"restoration_psnr": "the data are vectors: it is of images"})
    found = {f"psnr_{kind}": squared_errors(subject, split, DAMAGE[kind]) for kind in kinds}
    values = {name: psnr_of(float(one.mean())) for name, one in found.items()}
    shares = {name: errors.shares_of_psnr(one) for name, one in found.items()}
    shares["restoration_psnr"] = torch.stack(list(shares.values())).mean(0)
    return Measured(
        {"restoration_psnr": sum(values.values()) / len(values)} | values,
        errors={name: error for name, one in shares.items() if (error := errors.of_mean(one)) is not None},
        parts={name: errors.parts(one) for name, one in shares.items()},
    )


def foretold(subject: Subject, now: Callable[[], float]) -> float:
    """Seconds that all of it will take, as a few steps of the first split say.

    Args:
        now: gives the time, seconds.
    """
    if subject.data.columns is not None:
        return 0.0
    splits = list(subject.splits.values())

    def some(steps: int) -> None:
        for kind in subject.settings.restoration:
            squared_errors(subject, splits[0], DAMAGE[kind], IMAGES, steps)

    tried, *_ = sizes = [min(IMAGES, len(split.split.pixels)) for split in splits]
    return by_few_steps(some, now) * sum(sizes) / tried


def by_few_steps(restore: Callable[[int], object], now: Callable[[], float]) -> float:
    """Seconds of restoring something in all :data:`STEPS`, given a function of the steps, which is called three times.

    What comes once, such as damaging the images, is told from what every step costs; the first call is the slowest,
    and does not count.
    """
    restore(1)
    begun = now()
    restore(1)
    once = now()
    restore(FEW_STEPS)
    return once - begun + max(0.0, now() - once - (once - begun)) * (STEPS - 1) / (FEW_STEPS - 1)


def squared_errors(
    subject: Subject, split: SplitView, damage: Damage, images: int = IMAGES, steps: int | None = None
) -> Tensor:
    """Mean squared error of each restored image on what was missing of it, float64 ``[N]``."""
    count = min(images, len(split.images))
    whole = split.images.take(torch.arange(count, device=split.images.device))
    seed = 2 * subject.settings.seed + split.position
    known = damaged(subject.model, whole, damage, seed)
    guess = restored(subject.model, known, Restoring("map", steps=steps or STEPS)).mean
    missing = known.restored.expand_as(whole).flatten(1).double()
    squares = (guess - whole).double().square().flatten(1)
    return (squares * missing).sum(1) / missing.sum(1).clamp_min(1)
