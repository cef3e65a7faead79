"""What a conditioned network is worth at any betas, measured as its landscape was."""

import dataclasses

import pandas as pd
from torch import Tensor

from ratescape.compute.precision import arithmetic
from ratescape.data.catalog import ImageData
from ratescape.evaluation import suite
from ratescape.evaluation.measurements import shares_of_kept
from ratescape.evaluation.subject import Subject
from ratescape.judges.cache import Judge
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import fine_columns, measured_columns
from ratescape.specs.evaluation import EvaluationSpec


@dataclasses.dataclass(frozen=True)
class Ground:
    """A conditioned network, and all that decides the numbers of its landscape."""

    network: Conditioned
    data: ImageData
    judge: Judge | None
    """The landscape's own."""
    evaluation: EvaluationSpec
    folder: SweepFolder

    @property
    def split(self) -> str:
        """The split that models are chosen on."""
        return self.folder.spec().selection_split

    def run(self, key: str) -> RunFolder:
        """The folder of a model of the landscape."""
        return RunFolder(self.folder.path / "runs" / key)

    def row(self, model: HVAE, betas: tuple[float, ...]) -> pd.Series:
        """All measurements of a model on all splits, as a row of the landscape's table."""
        lines = suite.measure(Subject(model, self.data, betas, self.evaluation, self.judge))
        return pd.Series(measured_columns({line["split"]: line for line in lines}, self.split, self.network.groups))

    def of_images(self, model: HVAE, betas: tuple[float, ...], column: str) -> Tensor | None:
        """What each image of the split that models are chosen on adds to a metric, ``[N]``; None if it is no mean.

        The error of the difference of two models on the same images is that of the mean of such differences. PSNR is
        taken to first order in the squared error.
        """
        view = Subject(model, self.data, betas, self.evaluation, self.judge).splits[self.split]
        with arithmetic("float32", view.subject.device):
            total, distortion, restored = view.rates.rates.sum(1), view.rates.distortion, view.reading.restored
        known = {"rate": total, "distortion": distortion, "nelbo": distortion + total} | shares_of_kept(restored)
        return known.get(column)

    def columns(
        self, model: HVAE, betas: tuple[float, ...], wanted: frozenset[str], seed: int | None = None
    ) -> pd.Series:
        """Some columns of the table and whatever is measured with them, on the split that models are chosen on alone.

        Args:
            wanted: columns, such as ``psnr`` or ``accuracy_rbf_2``.
            seed: of the draws; default: the landscape's.
        """
        own = self.evaluation.seed if seed is None else seed
        view = Subject(model, self.data, betas, dataclasses.replace(self.evaluation, seed=own), self.judge).splits[
            self.split
        ]
        names = wanted | {column.rpartition("_")[0] for column in wanted}  # of a layer's column, the layers' list
        found: dict[str, object] = {}
        with arithmetic("float32", view.subject.device):
            for measurement in suite.MEASUREMENTS:
                if names & {name for column in measurement.columns for name in (column, column.removesuffix("s"))}:
                    found |= view.once(measurement.measure).metrics
        return fine_columns([found], self.network.groups).iloc[0]
