"""`ratescape evaluate`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, Suppress

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.options import section
from ratescape.cli.records import print_records
from ratescape.cli.words import one_or_each
from ratescape.specs.evaluation import EvaluationSpec


@dataclasses.dataclass(frozen=True)
class Images:
    """Which images to measure on, for a file that does not say what it was trained on."""

    name: str | None = None
    """A known name, or the path of a folder of images, a .npz or a .npy file."""


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measure a trained model again on its validation and test images, and print the results; writes no file.

    A terminal gets a table, a file or a pipe JSON lines.

    What no option says is as it was measured before, or is of its whole landscape.
    """

    model: Positional[Path]
    """Folder of one model, such as LANDSCAPE/runs/KEY, or of a conditioned network: LANDSCAPE/networks/KEY, or the file
    that `ratescape recommend` and `solve` wrote by --out."""
    betas: tuple[float, ...] | None = None
    """Betas that a conditioned network is conditioned on: one for each layer, or each group of layers, top first, or
    one for all."""
    extrapolate: bool = False
    """Allow betas outside the box that the network was trained on; the records say so."""
    evaluation: Annotated[EvaluationSpec, section(EvaluationSpec)] = dataclasses.field(default_factory=EvaluationSpec)
    json: bool = False
    """Print JSON lines at a terminal, too: one for each split."""
    data: Annotated[Images, section(Images)] = dataclasses.field(default_factory=Images)
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set, and for a path that has moved."""
    device: str = "cpu"
    """cpu, cuda, ..."""
    quiet: bool = False
    """Show no progress bar."""
    given: Annotated[frozenset[str], Suppress] = frozenset()
    """The options that were given: filled in as the command line is read."""

    def run(self) -> None:
        from ratescape.models import evaluate

        names = [field.name for field in dataclasses.fields(EvaluationSpec)]
        changed = {name: getattr(self.evaluation, name) for name in names if f"evaluation.{name}" in self.given}
        records = evaluate(
            self.model,
            changed,
            self.data_folder,
            self.device,
            betas=one_or_each(self.betas),
            extrapolate=self.extrapolate,
            data=self.data.name,
            progress=not self.quiet,
            allow=importable(self.allow_factory),
        )
        print_records(records, self.json)
