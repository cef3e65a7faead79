"""The Python face of a landscape: map it, open it, choose from it, ask it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ratescape import checkpoint, selection
from ratescape.compute.devices import chosen_device
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, Source, load_data
from ratescape.data.reloading import reload_data
from ratescape.errors import SpecError
from ratescape.evaluation.grid import grid_table, seen_images
from ratescape.execution.progress import Observer
from ratescape.execution.sweep import default_folder, resolved_sweep, run_sweep
from ratescape.judges.cache import judge_of_results
from ratescape.model.conditioning import Conditioned
from ratescape.records import answers
from ratescape.records.answers import Answer
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import FINE_IMAGES, Table, read_table
from ratescape.report.write import write_report
from ratescape.search.best import Best
from ratescape.search.between import Between, Budget, between
from ratescape.search.by_rates import TOLERANCE, Solved, betas_for
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.methods import Dedicated, Method
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import Request, request_text, requested
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec


class Landscape:
    """A mapped family of models: its table, its choices, its report.

    Args:
        path: the folder of a sweep.

    Raises:
        RecordError: the folder is not a sweep, damaged, or of another format.

    Example::

        landscape = rs.Landscape("digits")
        best = landscape.best("reconstruction", max_rate=40, demands={"inception_score": 3})
        z2, z1 = best.load().encode(images)  # posterior means, top layer first
        landscape.report()  # draws figures and page again

    and where it was mapped by the conditioned method, without training::

        model = landscape.network().at((0.3, 2.5))  # an ordinary model
        landscape.measure([(0.3, 2.5), (1.7, 0.2)])  # a table
        solved = landscape.at_rates({2: 20, 1: 40})  # solved.model, solved.answer
        landscape.keep(solved.answer)  # the report shows it
        landscape.between("reconstruction", max_rate=40)
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = SweepFolder(Path(path))
        self.records: Table = read_table(self.folder)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each model: see :func:`ratescape.records.table.read_table`."""
        return self.records.rows

    def best(self, use: str, *, max_rate: float | None = None, demands: Mapping[str, float] | None = None) -> Best:
        """The model that fits a use best, chosen on validation.

        Args:
            use: ``reconstruction``, ``representation``, ``generation``, or the column of a metric that ranks models,
                such as ``nelbo`` or ``accuracy_knn_1``.
            max_rate: largest total rate accepted, nats per image.
            demands: for columns of metrics, the worst value accepted, such as ``{"psnr": 18}``.

        Raises:
            SpecError: the landscape has not measured it, or no model meets the demands.
        """
        choice = selection.best(self.records, use, max_rate=max_rate, demands=demands)
        return Best(choice, RunFolder(self.folder.path / "runs" / choice.run))

    def between(
        self,
        use: str,
        max_rate: float,
        *,
        demands: Mapping[str, float] | None = None,
        data_folder: Path | None = None,
        device: str = "cpu",
    ) -> Between | None:
        """A model between the grid points that uses up a budget of rate, if it is better than the best of the grid.

        Rates are divided among the layers as in the best of the grid, or of the fine landscape if it has measured what
        decides; the betas of a rate that uses up the budget, divided alike, are found on the network without training.

        Args:
            use: as of :meth:`best`.
            max_rate: largest total rate accepted, nats per image.
            demands: as of :meth:`best`.
            data_folder: where to look for the images first.

        Returns:
            None if every beta point has a network of its own, or nothing better was found.

        Raises:
            SpecError: as :meth:`best`.
            RatescapeError: the network or the images are missing or damaged.
        """
        choice = self.best(use, max_rate=max_rate, demands=demands).choice
        spec = self.folder.spec()
        if all(network.seed != choice.row["seed"] for network in spec.networks()):
            return None
        network, data = self.network(int(choice.row["seed"]), device), self._data(data_folder)
        judge = judge_of_results(self.folder, data, spec.evaluation, chosen_device(device))
        budget = Budget(max_rate, demands or {})
        return between(network, data, judge, spec.evaluation, self.folder, choice, budget)

    def network(self, seed: int | None = None, device: str = "cpu") -> Conditioned:
        """The conditioned network of a landscape mapped by the conditioned method.

        Args:
            seed: one of the sweep's seeds; default: the first.

        Raises:
            SpecError: every beta point of the landscape has a network of its own, or the seed is none of the sweep's.
            CheckpointError: the network's file is missing or damaged.
        """
        networks = {network.seed: network for network in self.folder.spec().networks()}
        if not networks:
            raise SpecError(f"{self.folder.path} was mapped by dedicated models: map with method conditioned for this")
        chosen = next(iter(networks)) if seed is None else seed
        if chosen not in networks:
            raise SpecError(f"seed is {seed}: it must be one of {', '.join(map(str, networks))}")
        return checkpoint.load_network(self.folder.network(networks[chosen]).weights, device)[0]

    def measure(
        self, points: Sequence[tuple[float, ...]], *, images: int = FINE_IMAGES, data_folder: Path | None = None
    ) -> pd.DataFrame:
        """Rates, distortion, -ELBO (nats per image) and PSNR (dB) at any betas, of a conditioned landscape.

        Nothing is trained: each point is a forward pass of the first seed's network over images of the split that
        models are chosen on.

        Args:
            points: betas, one for each layer, top layer first.
            images: how many images at most.
            data_folder: where to look for the images first.

        Returns:
            One row for each point: ``beta_L .. beta_1, rate_L .. rate_1, rate, distortion, nelbo, psnr``.

        Raises:
            SpecError: every beta point has a network of its own, or a point lies outside the box.
            RatescapeError: the network or the images are missing or damaged.
        """
        network = self.network()
        seen = self._held_out(network, images, data_folder)
        return grid_table(network, seen, points)

    def at_rates(
        self,
        rates: Request,
        *,
        tolerance: float = TOLERANCE,
        images: int = FINE_IMAGES,
        data_folder: Path | None = None,
    ) -> Solved:
        """The model of a conditioned landscape that has the rates asked for, found without training.

        Args:
            rates: nats per image by layer number (2 is the top of two layers), such as ``{2: 20, 1: 40}``, or a text
                such as ``"2=20,1=40"``, ``"2=30bits"``, ``"total=60"``, ``"total=60,2=25%"``, ``"3+2=20"`` (together).
            tolerance: largest relative error that counts as reached.
            images: how many images of the split that models are chosen on to measure rates on, at most.
            data_folder: where to look for the images first.

        Raises:
            SpecError: every beta point has a network of its own, or rates that cannot be asked for.
            RatescapeError: the network or the images are missing or damaged.
        """
        network = self.network()
        seen = self._held_out(network, images, data_folder)
        targets = requested(request_text(rates), len(network.latent_shapes))
        found = betas_for(network, seen, targets, tolerance=tolerance)
        return Solved(found, network.at(found.betas))

    def answers(self) -> list[Answer]:
        """What was found for rates asked for: by models trained for them, and by requests that were kept.

        Raises:
            RecordError: a record is missing or damaged.
        """
        return answers.answers(self.folder)

    def keep(self, answer: Answer) -> None:
        """Remember an answer of :meth:`at_rates`, so that the report shows it."""
        answers.add_answer(self.folder, answer)

    def _held_out(self, network: Conditioned, count: int, data_folder: Path | None) -> Images:
        """Images of the split that models are chosen on, as a network takes them."""
        if count < 1:
            raise SpecError(f"images is {count}: measure on one at least")
        return seen_images(network, self._data(data_folder), count)

    def _data(self, data_folder: Path | None) -> ImageData:
        """The images that the landscape was mapped with."""
        fingerprint = self.folder.provenance().get("fingerprint")
        return reload_data(self.folder.spec().data, self.folder, fingerprint, data_folder)

    def report(self, *, pdf: bool = False) -> Path:
        """Draw the landscape and every figure of the paper, and write the report page; returns its path.

        Figures whose measurements are missing are left out; the page says which, and why.

        Args:
            pdf: whether to write each figure as a PDF, too.
        """
        return write_report(self.folder, pdf)

    def __repr__(self) -> str:
        return f"Landscape({str(self.folder.path)!r}, {len(self.table)} models)"


def map_landscape(
    data: Source = "mnist-5k",
    labels: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    *,
    model: ModelSpec | None = None,
    training: TrainingSpec | None = None,
    method: Method | None = None,
    seeds: tuple[int, ...] = (0,),
    evaluation: EvaluationSpec | None = None,
    execution: ExecutionSpec | None = None,
    observer: Observer | None = None,
    out: str | Path | None = None,
) -> Landscape:
    """Train a family of models, measure them all, and write their report.

    Calling it again with the same arguments takes up what was interrupted and trains nothing twice.

    Args:
        data: a known name, a path, or images ``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]``.
        labels: classes ``[N]`` of images given as an array.
        targets: numbers ``[N]`` or ``[N, T]`` that ridge regression shall read off their layers (``ridge_r2``).
        method: how the models come about: :class:`Dedicated` (the default), :class:`Conditioned` or
            :class:`Targeted`; each has the fields that mean something for it.
        observer: sees steps, epochs and pictures as they come.
        out: folder for the results; by default one named after the data and the spec, in the current folder.

    Raises:
        RatescapeError: bad input; the message names it and the remedy.

    Example::

        import ratescape as rs

        landscape = rs.map_landscape("mnist-5k", method=rs.Conditioned(grid=rs.BetaGrid(steps=7)))
        asked = rs.map_landscape("mnist-5k", method=rs.Targeted(target_rates=[{2: 20, 1: 40}, "total=60"]))
    """
    spec = SweepSpec(
        data=data if isinstance(data, DataSpec) else DataSpec(),
        model=model or ModelSpec(),
        training=training or TrainingSpec(),
        method=method or Dedicated(),
        seeds=seeds,
        evaluation=evaluation or EvaluationSpec(),
    )
    images = load_data(data, labels, targets)
    return map_spec(spec, images, execution or ExecutionSpec(), None if out is None else Path(out), observer)


def map_spec(
    spec: SweepSpec,
    data: ImageData,
    execution: ExecutionSpec,
    out: Path | None = None,
    observer: Observer | None = None,
) -> Landscape:
    """As :func:`map_landscape`, of a full spec on images that are loaded."""
    whole = resolved_sweep(spec, data)
    folder = SweepFolder(out or default_folder("landscape", data, whole))
    run_sweep(whole, data, folder, execution, observer)
    landscape = Landscape(folder.path)
    landscape.report()
    return landscape
