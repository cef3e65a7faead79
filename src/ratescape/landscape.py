"""The Python face: map a landscape, open one, choose from it, load models."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ratescape import checkpoint, selection
from ratescape.compute import devices
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, load_data
from ratescape.data.prepared import read_prepared
from ratescape.errors import SpecError
from ratescape.evaluation import suite
from ratescape.evaluation.grid import grid_table, seen_images
from ratescape.evaluation.subject import Subject
from ratescape.execution import sweep
from ratescape.judges.cache import judge_for
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.records import answers
from ratescape.records.answers import Answer
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import FINE_IMAGES, Table, measured_columns, read_fine, read_table
from ratescape.report.figures import save_figures
from ratescape.report.page import write_page
from ratescape.report.paper import save_paper_figures
from ratescape.search.by_rates import TOLERANCE, betas_for
from ratescape.selection import Choice
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import key
from ratescape.specs.methods import ConditioningSpec, ControlSpec, Method
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget, requested
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

BUDGET = 0.005
"""Share of a budget of rate that is left unused, since rates are found to a tolerance."""

LEAST = 1e-3
"""Nats asked for in place of those of a collapsed layer."""

Request = str | Mapping[int, float]
"""Rates asked for: a text such as ``2=20,1=40``, or nats per image by layer number."""

Source = str | Path | np.ndarray | DataSpec
"""A known name, a path, images as an array, or a full spec."""


@dataclasses.dataclass(frozen=True)
class Best:
    """A model chosen from a landscape."""

    choice: Choice
    folder: RunFolder

    @property
    def betas(self) -> tuple[float, ...]:
        """Its policy, top layer first."""
        return self.choice.betas

    def load(self, device: str = "cpu") -> HVAE:
        """The trained model; raises :class:`~ratescape.errors.CheckpointError` if its file is damaged."""
        return checkpoint.load_model(self.folder.weights, device)[0]

    def __str__(self) -> str:
        return self.choice.explanation


@dataclasses.dataclass(frozen=True)
class Between:
    """A model of a conditioned landscape between its grid points that is better for a use than they are."""

    choice: Choice
    """The best of the grid."""
    betas: tuple[float, ...]
    """Its own, top layer first."""
    row: pd.Series
    """Its measurements, as a row of the landscape."""
    model: HVAE

    def __str__(self) -> str:
        choice, betas = self.choice, ", ".join(f"{beta:.4g}" for beta in self.betas)
        unit = f" {choice.metric.unit}" if choice.metric.unit else ""
        numbers = f"{choice.metric.name} {choice.value(self.row):.4g}{unit}"
        tested = "" if choice.split == "test" else f" ({choice.reported(self.row):.4g} on test)"
        return (
            f"Between the grid points: betas ({betas}), {numbers}{tested} at {self.row['rate']:.4g} nats/image, not "
            f"{choice.value(choice.row):.4g}{unit} as at best on the grid."
        )


@dataclasses.dataclass(frozen=True)
class Solved:
    """A model found for rates that were asked for, without training."""

    answer: Answer
    """Betas, rates, and whether they are those asked for."""
    model: HVAE
    """The ordinary model at the betas found."""

    def __str__(self) -> str:
        return str(self.answer)


class Landscape:
    """A mapped family of models: its table, its choices, its report.

    Args:
        path: the folder of a sweep.

    Raises:
        RecordError: the folder is not a sweep, damaged, or of a newer version.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = SweepFolder(Path(path))
        self.records: Table = read_table(self.folder)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each model: see :func:`ratescape.records.read_table`."""
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
        source = next((one for one in spec.networks() if one.seed == choice.row["seed"]), None)
        if source is None:
            return None
        network, folder = self.network(source.seed, device), self.folder.network(source).path
        data = _images_of(source.data, folder, self.folder.provenance().get("fingerprint"), data_folder)
        like = self._finest(choice, max_rate)
        share = max_rate * (1 - BUDGET) / like["rate"]
        layers = len(choice.betas)
        wanted = [RateTarget((n,), share * max(like[f"rate_{n}"], LEAST)) for n in range(layers, 0, -1)]
        betas = betas_for(network, seen_images(network, data), wanted, tolerance=BUDGET).betas
        model = network.at(betas)
        judge = judge_for(data, spec.evaluation, devices.chosen_device(device))
        lines = suite.measure(Subject(model, data, betas, spec.evaluation, judge))
        row = pd.Series(measured_columns({line["split"]: line for line in lines}, choice.split))
        better = choice.metric.score(pd.Series([choice.value(row), choice.value(choice.row)]))
        if better[0] <= better[1] or not selection.meets(row, max_rate, demands or {}):
            return None
        return Between(choice, betas, row, model)

    def _finest(self, choice: Choice, max_rate: float) -> pd.Series:
        """The best row within the budget that is known: of the fine landscape if it has the metric, else the choice."""
        fine = read_fine(self.folder)
        if fine is None or choice.metric.column not in fine:
            return choice.row
        within = fine[fine["rate"] <= max_rate]
        score = choice.metric.score(within[choice.metric.column])
        return choice.row if within.empty else within.loc[score.idxmax()]

    def network(self, seed: int | None = None, device: str = "cpu") -> Conditioned:
        """The network that is told its betas, of a landscape mapped by the conditioned method.

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
        targets = requested(_text(rates), len(network.latent_shapes))
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
        """Images of the split that models are chosen on, as the first seed's network takes them."""
        (spec, *_) = self.folder.spec().networks()
        fingerprint = self.folder.provenance().get("fingerprint")
        data = _images_of(spec.data, self.folder.network(spec).path, fingerprint, data_folder)
        if count < 1:
            raise SpecError(f"images is {count}: measure on one at least")
        return seen_images(network, data, count)

    def report(self) -> Path:
        """Draw the landscape and every figure of the paper, and write the report page; returns its path.

        Figures whose measurements are missing are left out; the page says which, and why.
        """
        save_figures(self.folder)
        return write_page(self.folder, save_paper_figures(self.folder).skipped)

    def __repr__(self) -> str:
        return f"Landscape({str(self.folder.path)!r}, {len(self.table)} models)"


def map_landscape(
    data: Source = "mnist-5k",
    labels: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    *,
    model: ModelSpec | None = None,
    training: TrainingSpec | None = None,
    grid: BetaGrid | None = None,
    groups: tuple[int, ...] | None = None,
    seeds: tuple[int, ...] = (0,),
    method: Method = "dedicated",
    target_rates: Sequence[Request] = (),
    control: ControlSpec | None = None,
    conditioning: ConditioningSpec | None = None,
    evaluation: EvaluationSpec | None = None,
    execution: ExecutionSpec | None = None,
    out: str | Path | None = None,
) -> Landscape:
    """Train a family of models over a grid of betas, measure them all, and write their report.

    Calling it again with the same arguments takes up what was interrupted and trains nothing twice.

    Args:
        data: a known name, a path, or images ``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]``.
        labels: classes ``[N]`` of images given as an array.
        targets: numbers ``[N]`` or ``[N, T]`` that ridge regression shall read off their layers (``ridge_r2``).
        target_rates: in place of a grid of betas, rates that models shall get by training, one request each, such as
            ``[{2: 20, 1: 40}, "total=60bits"]``; see :meth:`Landscape.answers`.
        out: folder for the results; by default one named after the data and the spec, in the current folder.

    Raises:
        RatescapeError: bad input; the message names it and the remedy.
    """
    spec = SweepSpec(
        data=data if isinstance(data, DataSpec) else DataSpec(),
        model=model or ModelSpec(),
        training=training or TrainingSpec(),
        grid=grid or BetaGrid(),
        groups=groups,
        seeds=seeds,
        method="targeted" if target_rates else method,
        target_rates=tuple(map(_text, target_rates)),
        control=control or ControlSpec(),
        conditioning=conditioning or ConditioningSpec(),
        evaluation=evaluation or EvaluationSpec(),
    )
    images = load_data(data, labels, targets)
    return map_spec(spec, images, execution or ExecutionSpec(), None if out is None else Path(out))


def map_spec(
    spec: SweepSpec,
    data: ImageData,
    execution: ExecutionSpec,
    out: Path | None = None,
    progress: Callable[[sweep.Progress], None] | None = None,
) -> Landscape:
    """Carry out a sweep that is fully said, on images that are loaded; as :func:`map_landscape`."""
    whole = sweep.resolved(spec, data)
    landscape_path = out or Path(f"landscape-{_plain(data.spec.name)}-{key(whole)}")
    sweep.run_sweep(whole, data, SweepFolder(landscape_path), execution, progress)
    landscape = Landscape(landscape_path)
    landscape.report()
    return landscape


def train_spec(
    run: RunSpec,
    data: ImageData,
    execution: ExecutionSpec,
    out: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    evaluation: EvaluationSpec | None = None,
) -> RunFolder:
    """Train and measure one model; the same call takes up what was interrupted. Returns its folder."""
    whole = sweep.resolved(run, data)
    folder = RunFolder(out or Path(f"model-{_plain(data.spec.name)}-{key(whole)}"))
    sweep.run_single(whole, data, folder, evaluation or EvaluationSpec(), execution, progress)
    return folder


def _text(request: Request) -> str:
    """A request of rates as text."""
    return request if isinstance(request, str) else ",".join(f"{layer}={rate!r}" for layer, rate in request.items())


def _plain(name: str) -> str:
    """A data set's name as part of a folder's name."""
    return Path(name).stem.replace(":", "-")


def load(path: str | Path, device: str = "cpu") -> HVAE:
    """Load a trained model.

    Args:
        path: the folder of a run, or its weights file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    place = Path(path)
    return checkpoint.load_model(RunFolder(place).weights if place.is_dir() else place, device)[0]


def save(model: HVAE, path: str | Path) -> None:
    """Write a model's weights and structure to one file, which :func:`load` reads.

    Raises:
        RecordError: the file cannot be written.
    """
    checkpoint.save_alone(Path(path), model)


def evaluate(
    path: str | Path,
    evaluation: EvaluationSpec | None = None,
    data_folder: Path | None = None,
    device: str = "cpu",
    *,
    betas: tuple[float, ...] | None = None,
    extrapolate: bool = False,
) -> list[dict[str, Any]]:
    """Measure a trained model anew on the validation and test images it belongs to; writes nothing.

    Args:
        path: the folder of a run, or that of a network that is told its betas.
        data_folder: where to look for the images first.
        betas: for a network, what it is told, top layer first.
        extrapolate: allow betas outside the network's box.

    Returns:
        One record a split: see :func:`ratescape.evaluation.suite.measure`. Those at betas outside the box of a
        network are marked ``extrapolated``.

    Raises:
        RatescapeError: the model, its weights or its images are missing or damaged, or betas that do not fit.
    """
    folder, spec = Path(path), evaluation or EvaluationSpec()
    chosen = devices.chosen_device(device)
    if (folder / "spec.yaml").exists() or not (folder / "weights.safetensors").exists():
        run = RunFolder(folder).spec()
        if betas is not None or extrapolate:
            raise SpecError(f"{folder} is a model of its own betas: leave out betas and extrapolate")
        model, header = checkpoint.load_model(RunFolder(folder).weights, chosen)
        source, policy, outside = run.data, tuple(header["betas"]), False
    else:
        network, header = checkpoint.load_network(folder / "weights.safetensors", chosen)
        if betas is None:
            raise SpecError(f"{folder} is a network that is told its betas: say which, one for each layer")
        model, source, policy = network.at(betas, extrapolate=extrapolate), header["network"].data, betas
        outside = not network.covers(betas)
    data = _images_of(source, folder, header.get("fingerprint"), data_folder)
    lines = suite.measure(Subject(model, data, policy, spec, judge_for(data, spec, chosen)))
    return [line | {"extrapolated": True} for line in lines] if outside else lines


def _images_of(source: DataSpec, folder: Path, fingerprint: str | None, data_folder: Path | None) -> ImageData:
    """The images that a model in ``folder`` belongs to."""
    kept = folder.parent.parent / "data"
    kept_array = source.name.startswith("array:") and kept.exists()
    data = read_prepared(kept) if kept_array else load_data(source, folder=data_folder)
    if data.fingerprint != fingerprint:
        raise SpecError(f"{source.name} now holds other images than {folder} was trained on: restore them")
    return data
