"""What each group of layers holds: parts of an image's latents decoded, drawn anew, moved, and mixed with another's."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ratescape.data.batches import stream
from ratescape.explorer.asking import Asked
from ratescape.explorer.family import Family, Here
from ratescape.explorer.sessions import Session
from ratescape.explorer.sheets import Sheet, sheet
from ratescape.explorer.viewing import SEEDS, images_of
from ratescape.metrics import SUBSCRIPTS
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorMode, PosteriorSample
from ratescape.model.numerics import gaussian_kl

DRAWS, SPREAD_DRAWS = 6, 16
"""Draws of one group of layers, and of all layers for their spread."""

UNITS, VALUES, REACH = 4, 7, 2.5
"""Dimensions that are moved, values of each, and how many deviations of the prior they go to either side."""

STRENGTH_IMAGES = 64
"""Images of the split that models are chosen on by which the strongest dimensions are found."""

MOST_STEPS = 9
"""Of an interpolation, each way."""

LEAST_SPREAD = 0.01
"""A spread that is nowhere larger is not shown brighter than this one."""


class Titled(NamedTuple):
    """A sheet, and what is on it."""

    title: str
    shown: Sheet

    def fields(self) -> dict[str, Any]:
        return {"title": self.title, "sheet": self.shown}


@torch.no_grad()
def layers(family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/layers``."""
    here, what = family.at(asked.numbers("betas")), asked.choice("what", tuple(LOOKS))
    image = images_of(family, session, [asked.text("image")], here.model)
    group = asked.whole("group", 0, len(family.groups) - 1, 0)
    sheets, words = LOOKS[what](family, here, image, group, asked.whole("seed", 0, SEEDS, 0))
    return {"sheets": [one.fields() for one in sheets], "words": words}


Look = tuple[list[Titled], str]


def _partial(family: Family, here: Here, image: Tensor, group: int, seed: int) -> Look:
    """Decoded from the top 1, 2, ... groups."""
    latents = here.model.encode(image)
    sheets = [Titled("the image", sheet(image))]
    for kept in range(1, len(family.groups) + 1):
        given = [z if own < kept else None for z, own in zip(latents, _own(family), strict=True)]
        pictures = [here.model.decode(given)]
        if kept < len(family.groups):
            pictures.append(here.model.decode([_repeated(z, DRAWS - 1) for z in given], seed=seed))
        names = ", ".join(one.name for one in family.groups[:kept])
        sheets.append(Titled(f"from {names}", sheet(torch.cat(pictures))))
    return sheets, (
        "Each row is decoded from the posterior means of the groups that it names. The groups below are at their "
        "prior's mode in the first picture, and drawn from their prior in the others."
    )


def _resample(family: Family, here: Here, image: Tensor, group: int, seed: int) -> Look:
    """One group drawn from its prior, all others fixed."""
    latents = here.model.encode(image)
    given = [None if own == group else _repeated(z, DRAWS) for z, own in zip(latents, _own(family), strict=True)]
    drawn = here.model.decode(given, seed=seed) if any(z is not None for z in given) else _samples(here.model, seed)
    name = family.groups[group].name
    sheets = [Titled("reconstruction", sheet(here.model.decode(latents))), Titled(f"{name} drawn anew", sheet(drawn))]
    return sheets, (
        f"{name} is drawn from its prior given the groups above; all other groups stay at the means of this image's "
        "posterior."
    )


def _samples(model: HVAE, seed: int) -> Tensor:
    """Where there is one group, nothing of the image is left."""
    return model.sample(DRAWS, seed=seed)


def _traverse(family: Family, here: Here, image: Tensor, group: int, seed: int) -> Look:
    """The strongest dimensions of a group, moved."""
    result = here.model.passes([PosteriorMode()], image, decode=False)[0]
    chosen, rows, heads = _strongest(family, here, image, group), list[Tensor](), list[str]()
    for layer, unit, nats in chosen:
        prior, values = result.priors[layer], torch.linspace(-REACH, REACH, VALUES)
        mean, sigma = (part.expand(1, *part.shape[1:]).flatten()[unit] for part in prior)
        own = _own(family)
        kept = [z.repeat(VALUES, *[1] * (z.ndim - 1)) for z in result.latents]
        kept[layer].flatten(1)[:, unit] = mean + sigma * values.to(mean)  # a view of what was repeated
        # Where layers are a chain, nothing of a moved layer is seen past those below unless these follow.
        rows.append(here.model.decode([z if at <= group else None for z, at in zip(kept, own, strict=True)]))
        number = len(family.grouping) - layer
        heads.append(f"dimension {unit + 1} of z{str(number).translate(SUBSCRIPTS)} ({nats:.2g} nats)")
    sheets = [Titled(head, sheet(row, VALUES)) for head, row in zip(heads, rows, strict=True)]
    source = "this image" if family.data is None else "held-out images"
    return sheets, (
        f"The dimensions of {family.groups[group].name} that carry most information about {source}, from "
        f"-{REACH:g} to {REACH:g} deviations about their prior's mean. All others of this group and of those above "
        "stay at the means of this image's posterior; the groups below follow at their prior's mode."
    )


def _strongest(family: Family, here: Here, image: Tensor, group: int) -> list[tuple[int, int, float]]:
    """Layer (0 is the top), dimension and mean KL in nats of the strongest dimensions of a group."""
    images = image
    if family.data is not None:
        held = family.held_out(STRENGTH_IMAGES)
        images = held.take(torch.arange(len(held)))
    result = here.model.passes([PosteriorMode()], images, decode=False)[0]
    found: list[tuple[int, int, float]] = []
    for layer, (posterior, prior, own) in enumerate(zip(result.posteriors, result.priors, _own(family), strict=True)):
        if own != group:
            continue
        nats = gaussian_kl(*posterior, *prior).flatten(1).mean(0)
        best = nats.topk(min(UNITS, len(nats)))
        found += [(layer, int(unit), float(value)) for unit, value in zip(best.indices, best.values, strict=True)]
    return sorted(found, key=lambda one: -one[2])[:UNITS]


def _spread(family: Family, here: Here, image: Tensor, group: int, seed: int) -> Look:
    """How much posterior samples differ, pixel by pixel."""
    model = here.model
    generator = torch.Generator(image.device).manual_seed(stream(seed, "samples"))
    noise = model.noise(SPREAD_DRAWS, generator)
    output = model.passes([PosteriorSample(noise)], image.expand(SPREAD_DRAWS, *image.shape[1:]))[0].output
    pictures = model.likelihood.mean(output)
    spread = pictures.std(0, keepdim=True)
    largest = float(spread.max())
    brighter = 1 / max(largest, LEAST_SPREAD)
    sheets = [
        Titled("the image", sheet(image)),
        Titled("mean", sheet(pictures.mean(0, keepdim=True))),
        Titled("standard deviation", sheet((brighter * spread).mean(1, keepdim=True))),
        Titled("samples", sheet(pictures)),
    ]
    return sheets, (
        f"{SPREAD_DRAWS} samples of the posterior, decoded. White is the largest standard deviation, {largest:.2g} of "
        "the range of pixels."
    )


LOOKS = {"partial": _partial, "resample": _resample, "traverse": _traverse, "spread": _spread}
"""Ways of looking at the layers, by name."""


@torch.no_grad()
def interpolate(family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/interpolate``: down, the top groups go from A to B; across, those below."""
    here, steps = family.at(asked.numbers("betas")), asked.whole("steps", 2, MOST_STEPS, 5)
    names = [asked.text("top"), asked.text("bottom")]
    pair = here.model.encode(images_of(family, session, names, here.model))
    count = len(family.groups)
    split = asked.whole("split", 1, max(1, count - 1), 1)
    if count == 1:
        return {"sheet": sheet(here.model.decode(_mixed(pair, torch.linspace(0, 1, steps), [True] * len(pair))), steps)}
    weights = torch.linspace(0, 1, steps)
    down, across = weights.repeat_interleave(steps), weights.repeat(steps)
    upper = [own < split for own in _own(family)]
    top, bottom = _mixed(pair, down, upper), _mixed(pair, across, [not one for one in upper])
    latents = [a if a is not None else b for a, b in zip(top, bottom, strict=True)]
    words = (
        f"Downwards, {', '.join(one.name for one in family.groups[:split])} goes from the first image to the second, "
        f"from left to right, {', '.join(one.name for one in family.groups[split:])}."
    )
    return {"sheet": sheet(here.model.decode(latents), steps), "words": words}


def _mixed(pair: Sequence[Tensor], weights: Tensor, chosen: Sequence[bool]) -> list[Tensor | None]:
    """Means of two images in proportions ``[N]``, of the layers that are chosen."""
    return [
        torch.lerp(z[:1], z[1:], weights.to(z).reshape(-1, *[1] * (z.ndim - 1))) if wanted else None
        for z, wanted in zip(pair, chosen, strict=True)
    ]


def _own(family: Family) -> list[int]:
    """Position of each layer's group, top first."""
    order = list(dict.fromkeys(family.grouping))
    return [order.index(group) for group in family.grouping]


def _repeated(z: Tensor | None, count: int) -> Tensor | None:
    return None if z is None else z.expand(count, *z.shape[1:])
