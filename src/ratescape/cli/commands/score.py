"""`ratescape score`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import counted, note, refuse_to_overwrite, say
from ratescape.cli.words import BEST_FOR, one_or_each


@dataclasses.dataclass(frozen=True)
class Score:
    """Write scores of every item to a .csv file, by which anomalies are found: rates, -ELBO, LLR>k and others."""

    model: Positional[Path]
    """Folder of one model or file of one; or a landscape or a network of one, with a use, betas or rates."""
    items: Positional[str]
    """What to score: a folder of images, a .npy or .npz file, an image file; of vectors a .csv or .parquet file; or the
    name of a known set, whose test split is taken."""
    out: Annotated[Path, arg(metavar="FILE.csv")]
    """File to write: one line for each item, with its name or number."""
    use: Annotated[str | None, arg(name="for", help=BEST_FOR)] = None
    betas: tuple[float, ...] | None = None
    """Betas of a conditioned network: one for each layer, or each group of layers, top first, or one for all."""
    rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE ...")] = ()
    """Of a conditioned network, rates in nats per item that choose its betas, such as 2=20 1=40, or total=60."""
    samples: int = 1
    """Samples of each item's posterior that all numbers are means over; with more than one, nll is the
    importance-weighted bound of them. Time grows with it."""
    seed: int = 0
    """Seed of the samples."""
    target: str | None = None
    """Column of a table that is no part of the vectors, such as a class."""
    force: bool = False
    """Overwrite the file if it exists."""
    data_folder: Path | None = None
    """Where to look first for the items that the model was trained on: those held out of them are what Mahalanobis
    distances are from."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    device: str = "cpu"
    """cpu, cuda, ..."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        refuse_to_overwrite(self.out, self.force)
        from ratescape.cli.opening import Wanted, open_model
        from ratescape.coding.frames import frames_of
        from ratescape.compute.devices import chosen_device
        from ratescape.data.items import items_at
        from ratescape.errors import RatescapeError
        from ratescape.model.columns import names_of
        from ratescape.records.scores import Scores
        from ratescape.scoring.combined import AUTO, Calibration
        from ratescape.scoring.scores import first_calibrating, score
        from ratescape.selection import deciding_score
        from ratescape.specs.factories import allow_factories

        allow_factories(importable(self.allow_factory))
        opened = open_model(Wanted(self.model, self.use, one_or_each(self.betas), self.rates, self.data_folder))
        model = opened.model.to(chosen_device(self.device))
        items = items_at(self.items, self.target, names_of(model.likelihood))
        count = len(frames_of(items, model.image_shape))
        try:
            known = opened.images().unseen
        except RatescapeError as error:  # all other scores need none
            known = note(f"no Mahalanobis distances: {error}")
        reference, held = (None, None) if known is None else first_calibrating(model, known, self.samples, self.seed)
        with counted("scoring", count, self.quiet) as told:
            found = score(model, items, samples=self.samples, seed=self.seed, reference=reference, progress=told)
        if held is not None:
            found = Scores({**found.columns, AUTO: Calibration.of(held).combined(found)}, found.items)
        found.save(self.out)
        say(f"{len(found)} items: {', '.join(found.columns)}")
        say(f"sort by {deciding_score(found.columns, opened.measured)}: the highest are the most anomalous")
        say(str(self.out))
