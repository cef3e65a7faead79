"""Where to go, and what to take along: betas for rates, the model for a use, a model kept in a file."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratescape import checkpoint
from ratescape.errors import RatescapeError, RecordError
from ratescape.explorer.asking import Asked
from ratescape.explorer.family import Family, Here
from ratescape.explorer.refusal import Refused
from ratescape.explorer.sessions import Session
from ratescape.explorer.surface import SMALL
from ratescape.model.latents import PosteriorSample
from ratescape.search.best import Best
from ratescape.search.limits import TOLERANCE

SOLVING_IMAGES = 256
"""Held-out images that rates are measured on while betas are looked for."""

CORRECTIONS = 5
"""Times that betas are corrected by what was measured."""

NAMES = 1000
"""Files of one name that are told apart by a number."""


def solve(family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/solve``: betas at which the groups have rates.

    From where the landscape's surface has them, corrected by measurements: each correction takes the surface's slopes
    (a secant step in log rates and log betas). Of trained models, the one whose rates are nearest.
    """
    wanted = asked.numbers("rates")
    if len(wanted) != len(family.groups):
        raise Refused(f"rates are {len(wanted)}: give {len(family.groups)}, one for each group of layers")
    if family.network is None:
        logs = np.log(np.array(wanted) + SMALL)
        gaps = [np.square(np.log(np.array(one.rates) + SMALL) - logs).sum() for one in family.surface.points]
        nearest = family.surface.points[int(np.argmin(gaps))]
        return _solved(nearest.betas, nearest.rates, wanted)
    return _solved(*_corrected(family, wanted), wanted)


def _corrected(family: Family, wanted: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Betas of a network, and the rates that it has there on held-out images."""
    low, high = family.box[0]
    betas = family.surface.betas_near(wanted, low, high)
    if family.data is None:
        return betas, family.surface.at(betas).rates
    best = betas, _rates(family, betas)
    goal = np.log(np.array(wanted) + SMALL)
    share = 1.0
    for _ in range(CORRECTIONS):
        gap = np.log(np.array(best[1]) + SMALL) - goal
        if np.abs(gap).max() < TOLERANCE / 3:
            break
        step = np.linalg.lstsq(family.surface.slopes(best[0]), gap, rcond=0.05)[0].clip(-1, 1)
        moved = tuple(np.exp(np.log(best[0]) - share * step).clip(low, high).tolist())
        rates = _rates(family, moved)
        if np.abs(np.log(np.array(rates) + SMALL) - goal).max() < np.abs(gap).max():
            best = moved, rates
        else:
            share /= 2
    return best


@torch.no_grad()
def _rates(family: Family, betas: Sequence[float]) -> tuple[float, ...]:
    """Rates of the groups on held-out images."""
    here, held = family.at(betas), family.held_out(SOLVING_IMAGES)
    images = held.take(torch.arange(len(held)))
    noise = here.model.noise(len(images), torch.Generator(images.device).manual_seed(0))
    return family.by_group(here.model.passes([PosteriorSample(noise)], images, decode=False)[0].rates.mean(0).tolist())


def _solved(betas: Sequence[float], rates: Sequence[float], wanted: Sequence[float]) -> dict[str, Any]:
    reached = [abs(got / asked - 1) <= TOLERANCE for got, asked in zip(rates, wanted, strict=True)]
    return {"betas": list(betas), "rates": list(rates), "reached": reached}


def ask(family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/ask``: the model that fits a use, and what ``recommend`` says of it."""
    use, limit = asked.text("use"), asked.fields.get("max_rate")
    max_rate = None if limit is None else asked.number("max_rate", 1e-6, 1e9)
    best = _best(family, use, max_rate, asked.demands())
    choice, found = best.choice, best.between
    sentences = [choice.explanation.partition("\n")[0] + ".", *choice.verdict]
    if found is not None:
        sentences.append(str(found))
    return {
        "betas": list(family.nearest(family.betas_by_group(best.betas))),
        "sentence": " ".join(sentences),
        "text": str(best),
    }


def _best(family: Family, use: str, max_rate: float | None, demands: dict[str, float]) -> Best:
    """As ``recommend``: with a limit of the rate, also the better model between the points of a grid."""
    best = family.landscape.best(use, max_rate=max_rate, demands=demands)
    if max_rate is None or family.network is None:
        return best
    try:
        found = family.landscape.between(use, max_rate, demands=demands, data_folder=family.data_folder)
    except RatescapeError:  # such as missing images: the best of the grid is an answer all the same
        return best
    return dataclasses.replace(best, between=found if found is not None and found.is_better else None)


def keep(family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/keep``: the model in a file of its own, which is never one that is there."""
    here = family.at(asked.numbers("betas"))
    name = asked.text("name", _name(here))
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,80}", name, re.ASCII):
        raise Refused("name must be letters, digits and . _ + - alone, 80 at most, such as my-model")
    name = name.removesuffix(".safetensors")
    failure: Exception | None = None
    for folder in (family.folder.path / "kept", Path()):
        try:
            folder.mkdir(exist_ok=True)
            path = _free(folder, name)
            checkpoint.save_of_landscape(path, here.model, family.folder, here.full)
        except (OSError, RecordError) as error:
            failure = error
            continue
        return {"path": str(path), "python": f'model = ratescape.load("{path.absolute()}")'}
    raise Refused(f"the model cannot be written: {failure}", 409)


def _name(here: Here) -> str:
    return "betas-" + "-".join(f"{beta:.3g}" for beta in here.betas[:8])


def _free(folder: Path, name: str) -> Path:
    """A file that is not there yet."""
    for number in range(1, NAMES):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.safetensors"
        if not path.exists():
            return path
    raise Refused(f"{folder} has {NAMES} files called {name}: choose another name", 409)
