"""`ratescape evaluate`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from ratescape.cli.options import section
from ratescape.cli.records import print_records
from ratescape.specs.evaluation import EvaluationSpec


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measure a trained model again on its validation and test images, and print the results; writes no file.

    A terminal gets a table, a file or a pipe JSON lines.

    Without options of evaluation, what its landscape measures is measured.
    """

    run_folder: Positional[Path]
    """Folder of one model, such as LANDSCAPE/runs/KEY, or of a conditioned network: LANDSCAPE/networks/KEY."""
    betas: tuple[float, ...] | None = None
    """Betas that a conditioned network is conditioned on: one for each layer, top layer first."""
    extrapolate: bool = False
    """Allow betas outside the box that the network was trained on; the records say so."""
    evaluation: Annotated[EvaluationSpec, section(EvaluationSpec)] = dataclasses.field(default_factory=EvaluationSpec)
    json: bool = False
    """Print JSON lines at a terminal, too: one for each split."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set."""
    device: str = "cpu"
    """cpu, cuda, ..."""

    def run(self) -> None:
        from ratescape.models import evaluate

        records = evaluate(
            self.run_folder,
            None if self.evaluation == EvaluationSpec() else self.evaluation,
            self.data_folder,
            self.device,
            betas=self.betas,
            extrapolate=self.extrapolate,
        )
        print_records(records, self.json)
