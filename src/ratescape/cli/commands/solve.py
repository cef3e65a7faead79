"""`ratescape solve`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import announce, refuse_to_overwrite, say
from ratescape.errors import SpecError
from ratescape.records.folders import SweepFolder
from ratescape.specs.rate_targets import requested


@dataclasses.dataclass(frozen=True)
class Solve:
    """Find the model of a conditioned landscape that has the rates asked for, without training."""

    landscape: Positional[Path]
    """Folder of a landscape mapped by --method conditioned."""
    rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE ...")]
    """Rates in nats per image, such as 2=20 1=40: 20 nats in the top of two layers, 40 in the one below; also 2=30bits,
    total=60, total=60 2=25%, 3+2=20 (together), 9-5=20 (layers 9 to 5), r14=30 r1-7=10 (layers at these resolutions)
    of a deep network."""
    tolerance: float = 0.03
    """Largest relative error that counts as reached."""
    strict: bool = False
    """Exit with status 1 unless every rate was reached."""
    out: Path | None = None
    """File to write the model to (.safetensors)."""
    force: bool = False
    """Overwrite that file if it exists."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set, and for a path that has moved."""

    def run(self) -> None:
        refuse_to_overwrite(self.out, self.force)
        request = ",".join(self.rates)
        folder = SweepFolder(self.landscape)
        folder.networks()  # what cannot be done is refused before torch is imported
        model = folder.spec().model
        requested(request, model.layers, model.resolutions)
        announce(f"looking for the betas that give {' '.join(self.rates)}, which takes seconds")
        from ratescape.landscape import Landscape
        from ratescape.models import save

        landscape = Landscape(self.landscape, allow=importable(self.allow_factory))
        solved = landscape.at_rates(request, tolerance=self.tolerance, data_folder=self.data_folder)
        landscape.keep(solved.answer)
        say(str(solved))
        for line in landscape.warnings:
            say(f"caution: {line}")
        say(f"`ratescape report {self.landscape}` shows it in the landscape")
        if self.out is not None:
            save(solved.model, self.out, landscape=self.landscape, betas=solved.answer.betas)
            say(str(self.out))
        if self.strict and not solved.answer.reached:
            raise SpecError("not every rate was reached: ask for other rates, or map a larger box of betas")
