"""The Python face of one model: train it, load it, keep it, measure it anew."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ratescape import checkpoint
from ratescape.compute.devices import chosen_device
from ratescape.data.catalog import ImageData, Source, Values, load_data
from ratescape.data.formats.objects import kind_of
from ratescape.data.reloading import reload_data
from ratescape.errors import CheckpointError, SpecError
from ratescape.evaluation import suite
from ratescape.evaluation.comparable import changed_settings, settings_at
from ratescape.evaluation.subject import Subject
from ratescape.execution.logged import Log, logged
from ratescape.execution.observing import Progressing, announced_by, measured_by, observer_of
from ratescape.execution.outlook import Outlook
from ratescape.execution.progress.observers import Observer
from ratescape.execution.sweep import default_folder, resolved_run, run_single
from ratescape.judges.cache import judge_of_results
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import resolved_model
from ratescape.records.folders import ResultsFolder, RunFolder, SweepFolder, is_landscape
from ratescape.records.ownership import is_ours
from ratescape.specs.codec import from_dict
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.factories import Factory, allow_factories
from ratescape.specs.given import Betas, Fields, as_betas, as_path, as_seed, as_spec, is_empty, required_path
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.training import TrainingSpec


def train(
    data: Source = "mnist-5k",
    labels: Values = None,
    *,
    betas: Betas = (),
    model: ModelSpec | Fields | None = None,
    training: TrainingSpec | Fields | None = None,
    seed: int = 0,
    evaluation: EvaluationSpec | Fields | None = None,
    execution: ExecutionSpec | Fields | None = None,
    progress: Progressing = False,
    observer: Observer | None = None,
    log: Log = (),
    out: str | Path | None = None,
) -> HVAE:
    """Train and measure one model; the same call takes up what was interrupted.

    Every spec may be given as a dictionary of its fields, such as ``training={"epochs": 3}``.

    Args:
        data: images, or where they come from: as the source of :func:`load_data`.
        labels: classes ``[N]`` of images given as such.
        betas: one for each layer, top layer first, or one number for all; default: 1 for each, the ELBO's.
        progress: True shows how far it is; a function is called with each :class:`Progress` and :class:`Epoch`.
        observer: sees steps, epochs and pictures as they come.
        log: loggers that are told of every epoch: as of :func:`map_landscape`.
        out: folder for the results; by default one named after the data and the spec, in the current folder.

    Raises:
        RatescapeError: bad input; the message names it and the remedy.

    Example::

        model = rs.train("mnist-5k", betas=(0.5, 2.0))
        z2, z1 = model.encode(images)
    """
    network, recipe = as_spec(ModelSpec, model, "model"), as_spec(TrainingSpec, training, "training")
    chosen = () if is_empty(betas) or network.is_open else as_betas(betas, network.layers)
    how, measured = as_spec(ExecutionSpec, execution, "execution"), as_spec(EvaluationSpec, evaluation, "evaluation")
    own, folder = as_seed(seed), as_path(out, "out")
    images = load_data(data, labels, progress=progress is True)
    if network.is_open:  # its layers are counted by building it
        network = resolved_model(network, images.shape, bool(images.spec.binary))
        chosen = () if is_empty(betas) else as_betas(betas, network.layers)
    run = RunSpec(images.spec, network, recipe, chosen, own)
    with observer_of(progress, observer) as seen:
        return load(train_spec(run, images, how, folder, seen, measured, announced_by(progress), log).path)


def train_spec(
    run: RunSpec,
    data: ImageData,
    execution: ExecutionSpec,
    out: Path | None = None,
    observer: Observer | None = None,
    evaluation: EvaluationSpec | None = None,
    announce: Callable[[Outlook], object] | None = None,
    log: Log = (),
) -> RunFolder:
    """As :func:`train`, of a full spec on images that are loaded. Returns the model's folder.

    Args:
        announce: is told what there is to do and how long that will take, as by :func:`ratescape.landscape.map_spec`.
    """
    whole = resolved_run(run, data)
    folder = RunFolder(out or default_folder("model", data, whole))
    with logged(log, execution, folder.path, whole, observer) as logging:
        run_single(whole, data, folder, evaluation or EvaluationSpec(), logging.execution, logging.observer, announce)
    return folder


def load(path: str | Path, device: str = "cpu", *, factory: Factory | None = None, allow: Sequence[str] = ()) -> HVAE:
    """Load a trained model; no code is imported for it unless ``factory`` or ``allow`` say so.

    Args:
        path: the folder of a run, or its weights file.
        factory: of your own network: builds it, whatever its source is now.
        allow: factories that may be imported, such as ``["package.module:function"]``.

    Raises:
        CheckpointError: the file is missing or damaged.
        SpecError: it wants a factory that is not allowed (names it), or that has changed.

    Example::

        model = rs.load("digits/runs/0123456789ab")
        images = model.sample(16)
    """
    given = required_path(path)
    allow_factories(allow)
    if (given / "runs").is_dir():
        raise CheckpointError(f"{given} is a landscape, no model: rs.Landscape({str(given)!r}).best(...).load() is one")
    return checkpoint.load_model(RunFolder(given).weights if given.is_dir() else given, device, factory)[0]


def save(model: HVAE, path: str | Path, *, landscape: str | Path | None = None, betas: Betas = None) -> None:
    """Write a model's weights and structure to one file, which :func:`load` reads.

    Args:
        path: a file that is there already is overwritten.
        landscape: the folder of the landscape that the model is of, so that :func:`evaluate` finds its images.
        betas: the model's, top layer first, beside ``landscape``.

    Raises:
        SpecError: something other than a model of this package.
        RecordError: the file cannot be written, or the landscape is none.

    Example::

        rs.save(landscape.network().at((0.3, 2.5)), "mine.safetensors")
    """
    if isinstance(model, Conditioned):
        raise SpecError("model is a network that is conditioned on betas: save its model at some, network.at(betas)")
    if not isinstance(model, HVAE):
        raise SpecError(f"model is {kind_of(model)}: give a model that ratescape loaded or trained")
    if landscape is None:
        checkpoint.save_alone(required_path(path), model)
        return
    folder = SweepFolder(required_path(landscape, "landscape"))
    own = as_betas(1.0 if is_empty(betas) else betas, model.spec.layers)
    checkpoint.save_of_landscape(required_path(path), model, folder, own)


def evaluate(
    path: str | Path,
    evaluation: EvaluationSpec | Fields | None = None,
    data_folder: str | Path | None = None,
    device: str = "cpu",
    *,
    betas: Betas = None,
    extrapolate: bool = False,
    data: Source | None = None,
    progress: Progressing = False,
    factory: Factory | None = None,
    allow: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Measure a trained model anew on the validation and test images it belongs to; writes nothing.

    Samples are judged by the judge of the landscape that the model belongs to, so that scores can be compared.

    Args:
        path: the folder of a run, or that of a network that is conditioned on its betas, or a file of one model.
        evaluation: what is measured, or fields that change what was before, or is of the whole landscape (default).
        data_folder: where to look for the images first.
        betas: of a network, top layer first, or one number for all layers.
        extrapolate: allow betas outside the network's box.
        data: the images, for a file that does not say which it belongs to.
        progress: True shows how many of the measurements are made; a function is called with each
            :class:`Progress`, whose steps are measurements.
        factory: as of :func:`load`, and so is ``allow``.

    Returns:
        One record a split: see :func:`ratescape.evaluation.suite.measure`. Those at betas outside the box of a
        network are marked ``extrapolated``.

    Raises:
        RatescapeError: the model, its weights or its images are missing or damaged, or betas that do not fit.

    Example::

        validation, test = rs.evaluate("digits/runs/0123456789ab")
        test["metrics"]["psnr"]
    """
    chosen = chosen_device(device)
    allow_factories(allow)
    measured = _opened(required_path(path), chosen, betas, extrapolate, factory)
    usual = settings_at(measured.owner.path, measured.of_landscape)
    settings = changed_settings(usual, evaluation)
    with observer_of(progress) as seen:
        images = _images_of(measured, path, data, data_folder)
        judge = judge_of_results(measured.owner, images, settings, chosen)
        lines = suite.measure(Subject(measured.model, images, measured.betas, settings, judge), measured_by(seen))
    return [line | {"extrapolated": True} for line in lines] if measured.extrapolated else lines


@dataclasses.dataclass(frozen=True)
class _Measured:
    """A model to be measured, and what it belongs to."""

    model: HVAE
    betas: tuple[float, ...]
    owner: ResultsFolder
    """The landscape that it belongs to, or its own folder."""
    source: DataSpec | None
    """Its images; None if nothing says which."""
    fingerprint: str | None
    """Of the images."""
    of_landscape: bool
    extrapolated: bool = False


def _images_of(measured: _Measured, path: str | Path, data: Source | None, folder: str | Path | None) -> ImageData:
    """The images to measure on: those given, or those that the model belongs to.

    Raises:
        SpecError: nothing says which, or they are of another shape than the model takes.
    """
    if data is not None:
        images = load_data(data, folder=as_path(folder, "data_folder"))
    elif measured.source is None:
        raise SpecError(f"{path} does not say which images it belongs to: name some by --data.name (in Python data)")
    else:
        images = reload_data(measured.source, measured.owner, measured.fingerprint, as_path(folder, "data_folder"))
    if images.shape != tuple(measured.model.image_shape):
        raise SpecError(
            f"{path} is of images of (C, H, W) = {tuple(measured.model.image_shape)}, and {images.spec.name} has "
            f"{images.shape}: name the images that it was trained on"
        )
    return images


def _opened(path: Path, device: torch.device, betas: Betas, extrapolate: bool, factory: Factory | None) -> _Measured:
    """The model of a path: see :func:`evaluate`."""
    if path.is_file():
        if path.name == "weights.safetensors" and is_ours(path.parent):
            return _opened(path.parent, device, betas, extrapolate, factory)
        _refuse_betas(path, betas, extrapolate)
        return _of_file(path, device, factory)
    folder = RunFolder(path)
    if is_landscape(path):
        raise SpecError(
            f"{path} is a landscape: name one of its models, {path}/runs/KEY (`ratescape recommend {path}` names one), "
            f"or its conditioned network, {path}/networks/KEY with --betas"
        )
    owner = _owner(folder)
    if (path / "spec.yaml").exists() or not folder.weights.exists():
        run = folder.spec()
        _refuse_betas(path, betas, extrapolate)
        model, header = checkpoint.load_model(folder.weights, device, factory)
        own, source, outside = tuple(header["betas"]), run.data, False
    else:
        network, header = checkpoint.load_network(folder.weights, device, factory)
        if betas is None:
            raise SpecError(f"{path} is a network conditioned on betas: say which by --betas, one for each layer")
        own = as_betas(betas, len(network.latent_shapes), network.groups)
        model, source = network.at(own, extrapolate=extrapolate), header["network"].data
        outside = not network.covers(own)
    return _Measured(model, own, owner, source, header.get("fingerprint"), owner is not folder, outside)


def _refuse_betas(path: Path, betas: Betas, extrapolate: bool) -> None:
    if betas is not None or extrapolate:
        raise SpecError(f"{path} is a model of its own betas: leave out betas and extrapolate")


def _of_file(path: Path, device: torch.device, factory: Factory | None) -> _Measured:
    """A model in a file of its own, of a landscape that may be gone."""
    model, header = checkpoint.load_model(path, device, factory)
    landscape = ResultsFolder(Path(header.get("landscape", "")))
    there = "landscape" in header and (landscape.path / "spec.yaml").exists()
    owner = landscape if there else ResultsFolder(path.parent)
    betas = tuple(header.get("betas", (1.0,) * model.spec.layers))
    source = from_dict(DataSpec, header["data"]) if "data" in header else None
    return _Measured(model, betas, owner, source, header.get("fingerprint"), there)


def _owner(folder: RunFolder) -> ResultsFolder:
    """The landscape that a run or network belongs to, or the folder itself."""
    above = folder.path.absolute().parent.parent
    return ResultsFolder(above) if (above / "spec.yaml").exists() else folder
