"""One point of the landscape, seen: numbers, reconstructions and samples of its model."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ratescape.data.batches import stream, unit
from ratescape.errors import SpecError
from ratescape.explorer.asking import MOST, Asked
from ratescape.explorer.family import Family, Here
from ratescape.explorer.pictures import Pixels
from ratescape.explorer.refusal import Refused
from ratescape.explorer.sessions import Session
from ratescape.explorer.sheets import sheet
from ratescape.explorer.surface import hull_words
from ratescape.metrics import USES, measured_metrics
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorMode, PosteriorSample
from ratescape.model.numerics import psnr_of
from ratescape.selection import metrics_for

SEEDS = 2**31
"""Seeds below this are taken."""


def pixels_of(family: Family, session: Session, name: str) -> Pixels:
    """The image of a name: ``t12`` of the test split, ``u3`` of the user's own.

    Raises:
        Refused: there is none.
    """
    if name in session.pictures:
        return session.pictures[name]
    number = name[1:]
    if name[:1] == "t" and number.isascii() and number.isdecimal() and len(number) < 10:
        test = family.known_data().test.pixels
        if int(number) < len(test):
            return test[int(number)]
        raise Refused(f"{name} is not there: the test split has {len(test)} images", 404)
    gone = "send that picture again" if name[:1] == "u" else "images are t0, t1, ... and u1, u2, ..."
    raise Refused(f"the image {name[:20]!r} is not known: {gone}", 404)


def images_of(family: Family, session: Session, names: Sequence[str], model: HVAE) -> Tensor:
    """Images ``[N, C, H, W]`` by their names, as a model takes them."""
    return as_taken(np.stack([pixels_of(family, session, name) for name in names]), model)


def as_taken(levels: Pixels, model: HVAE) -> Tensor:
    """Levels ``[N, C, H, W]`` as a model takes them: in [0, 1], or black and white."""
    like = next(model.parameters())
    return unit(torch.tensor(levels, device=like.device), isinstance(model.likelihood, Bernoulli), like.dtype)


@torch.no_grad()
def view(family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/view``."""
    begun = time.perf_counter()
    here = family.at(asked.numbers("betas"))
    names, wanted = asked.texts("images"), asked.texts("want", ("reconstructions", "samples"))
    count, seed = asked.whole("samples", 0, MOST, 0), asked.whole("seed", 0, SEEDS, 0)
    found: dict[str, Any] = {"betas": list(here.betas), "snapped": here.key} | measured(family, here)
    if names:
        images = images_of(family, session, names, here.model)
        found |= _reconstructed(family, here, images, seed, pictures="reconstructions" in wanted)
    if count and "samples" in wanted:
        found["samples"] = sheet(drawn(here.model, count, seed))
    return found | {"milliseconds": 1000 * (time.perf_counter() - begun)}


def drawn(model: HVAE, count: int, seed: int) -> Tensor:
    """Samples ``[count, C, H, W]``: the same draws as in the report's pictures, for all models of one shape."""
    generator = torch.Generator(next(model.parameters()).device).manual_seed(stream(seed, "samples"))
    return model.sample(count, generator)


def measured(family: Family, here: Here) -> dict[str, Any]:
    """What the landscape says of a point, measured or interpolated on the split that models are chosen on."""
    known = family.surface.at(here.betas)
    rate = sum(known.rates)
    gap = family.surface.gap(rate, known.psnr)
    return {
        "landscape": {"rates": list(known.rates), "rate": rate, "psnr": known.psnr},
        "hull": {"gap_db": gap, "words": hull_words(gap, rate)},
    }


def _reconstructed(family: Family, here: Here, images: Tensor, seed: int, *, pictures: bool) -> dict[str, Any]:
    """Numbers of these images, and what is made of them: rates at a sample, pictures at modes, as elsewhere."""
    model = here.model
    generator = torch.Generator(images.device).manual_seed(stream(seed, "evaluation"))
    sources = [PosteriorSample(model.noise(len(images), generator)), PosteriorMode()]
    at_sample, at_mode = model.passes(sources, images)
    restored = model.likelihood.mean(at_mode.output)
    rates = family.by_group(at_sample.rates.mean(0).tolist())
    distortion, rate = float(at_sample.distortion.mean()), sum(rates)
    mse = float((restored - images).double().square().mean())
    numbers = {"rates": list(rates), "rate": rate, "distortion": distortion, "nelbo": distortion + rate}
    numbers = {**numbers, "psnr": finite(psnr_of(mse))}
    if not pictures:
        return numbers
    return {**numbers, "originals": sheet(images), "reconstructions": sheet(restored)}


def finite(number: float | None) -> float | None:
    """A number as JSON has it: None in place of what is not finite."""
    return float(number) if number is not None and math.isfinite(number) else None


def landscape(family: Family, version: str, abilities: dict[str, Any]) -> dict[str, Any]:
    """The answer to ``GET /api/landscape``."""
    metrics = measured_metrics(family.rows)
    columns = [metric.column for metric in metrics]
    points = [
        {**_point(one), "key": str(row["run"]), "metrics": {name: finite(row[name]) for name in columns}}
        for one, (_, row) in zip(family.points, family.rows.iterrows(), strict=True)
    ]
    return {
        "name": family.name,
        "version": version,
        "shape": list(family.shape),
        "groups": [{"label": group.name, "beta": group.beta, "layers": list(group.layers)} for group in family.groups],
        "box": [list(ends) for ends in family.box],
        "kind": "models" if family.network is None else "network",
        "points": points,
        "fine": [_point(one) for one in family.fine],
        "metrics": [
            {"name": m.column, "label": m.label, "unit": m.unit, "higher_is_better": m.higher_is_better}
            for m in metrics
        ],
        "uses": _uses(family),
        "test": {"count": 0 if family.data is None else len(family.data.test.pixels)},
        "abilities": {**abilities, "ask": _uses(family)},
        "start": {"betas": list(family.start)},
        "hull": {"rates": family.surface.hull[0].tolist(), "psnr": family.surface.hull[1].tolist()},
        "notes": family.notes,
    }


def _point(one: Any) -> dict[str, Any]:
    rates = [finite(rate) for rate in one.rates]
    total = None if None in rates else sum(one.rates)
    return {"betas": list(one.betas), "rates": rates, "rate": total, "psnr": finite(one.psnr)}


def _uses(family: Family) -> list[str]:
    """The uses that a model can be asked for."""
    found: list[str] = []
    for use in USES:
        try:
            metrics_for(family.rows, use)
        except SpecError:
            continue
        found.append(use)
    return found


def test_images(family: Family, asked_from: int, count: int) -> dict[str, Any]:
    """The answer to ``GET /api/test``: images of the test split, with the names of their classes."""
    data = family.known_data()
    split = data.test
    chosen = slice(asked_from, asked_from + count)
    pixels = split.pixels[chosen]
    if not len(pixels):
        raise Refused(f"from is {asked_from}: the test split has {len(split.pixels)} images", 404)
    shown = as_taken(pixels, family.at(family.start).model)
    names = data.classes or ()
    labels = [] if split.labels is None else [names[code] if names else str(code) for code in split.labels[chosen]]
    return {"sheet": sheet(shown), "labels": labels}
