"""What a model is used for, on one image: restoring what was erased, and bytes."""

import math
from collections import OrderedDict
from typing import Any

import torch

from ratescape.coding.calibrate import calibrate_subject
from ratescape.coding.lossy import Lossy
from ratescape.coding.subject import subject_of
from ratescape.errors import SpecError
from ratescape.explorer.asking import Asked
from ratescape.explorer.family import Family, Here
from ratescape.explorer.pictures import mask_in
from ratescape.explorer.sessions import Session
from ratescape.explorer.sheets import sheet
from ratescape.explorer.viewing import SEEDS, images_of
from ratescape.restoring.restore import restore as restored_images

CHAINS, STEPS = 8, 20
"""Of a restored image: as elsewhere."""

CALIBRATED = 500
"""Held-out images that codecs are calibrated on."""

MISSING = 0.5
"""Grey of what is missing."""

LEAST_SPREAD = 0.01
"""A spread that is nowhere larger is not shown brighter than this one."""


def restore(family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/restore``: an image whose white pixels of a mask are missing."""
    here = family.at(asked.numbers("betas"))
    image = images_of(family, session, [asked.text("image")], here.model)
    _, height, width = family.shape
    mask = mask_in(asked.data("mask"), (height, width))
    found = restored_images(
        here.model, image, mask=mask, samples=CHAINS, steps=STEPS, seed=asked.whole("seed", 0, SEEDS, 0)
    )
    seen = found.damaged.nan_to_num(MISSING)
    spread = found.spread.mean(1, keepdim=True)
    largest = float(found.spread.max())
    return {
        "seen": sheet(seen),
        "restored": sheet(found.samples[0]),
        "mean": sheet(found.mean),
        "spread": sheet(spread / max(largest, LEAST_SPREAD)),
        "words": f"{CHAINS} samples of what may have been there, {STEPS} steps each; white is a standard deviation of "
        f"{max(largest, LEAST_SPREAD):.2g}.",
    }


class Codecs:
    """The codecs of models, calibrated when first asked for; those used last are kept."""

    MOST = 4

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[float, ...], Lossy] = OrderedDict()

    def of(self, family: Family, here: Here) -> Lossy:
        """What codes images by a model at its own rates, calibrated on held-out images.

        Raises:
            Refused: the landscape's images are not there.
            SpecError: a bottom-up model.
            ResourceError: the entropy coder is not installed.
        """
        if here.betas not in self._known:
            held = family.held_out(CALIBRATED)
            subject = subject_of(here.model)
            codec = calibrate_subject(subject, held.take(torch.arange(len(held))), None)
            self._known[here.betas] = Lossy(subject, codec)
            while len(self._known) > self.MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(here.betas)
        return self._known[here.betas]


def as_bytes(codecs: Codecs, family: Family, session: Session, asked: Asked) -> dict[str, Any]:
    """The answer to ``POST /api/bytes``: what an image takes in an archive of many, and what is decoded from it."""
    here = family.at(asked.numbers("betas"))
    image = images_of(family, session, [asked.text("image")], here.model)
    coder = codecs.of(family, here)
    symbols = coder.symbols(image)
    bits = [code.bits(k) for code, k in zip(coder.codec.layers, symbols, strict=True)]
    blocks = [code.to_bytes(k) for code, k in zip(coder.codec.layers, symbols, strict=True)]
    decoded = coder.decode(blocks, 1)
    if not bool(torch.isfinite(decoded).all()):
        raise SpecError("the decoded image has NaN: choose another point")
    return {
        "bytes": math.ceil(sum(bits) / 8),
        "bits_by_group": list(family.by_group(bits)),
        "sheet": sheet(decoded),
        "words": f"{sum(bits):.0f} bits by the model's tables, as a part of an archive of many images.",
    }
