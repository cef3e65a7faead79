"""The Python face of one model: train it, load it, keep it, measure it anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ratescape import checkpoint
from ratescape.compute.devices import chosen_device
from ratescape.data.catalog import ImageData, Source, load_data
from ratescape.data.reloading import reload_data
from ratescape.errors import SpecError
from ratescape.evaluation import suite
from ratescape.evaluation.subject import Subject
from ratescape.execution.outlook import Outlook
from ratescape.execution.progress import Observer
from ratescape.execution.sweep import default_folder, resolved_run, run_single
from ratescape.judges.cache import judge_of_results
from ratescape.model.hierarchy import HVAE
from ratescape.records.folders import ResultsFolder, RunFolder, SweepFolder
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.training import TrainingSpec


def train(
    data: Source = "mnist-5k",
    labels: np.ndarray | None = None,
    *,
    betas: tuple[float, ...] = (),
    model: ModelSpec | None = None,
    training: TrainingSpec | None = None,
    seed: int = 0,
    evaluation: EvaluationSpec | None = None,
    execution: ExecutionSpec | None = None,
    observer: Observer | None = None,
    out: str | Path | None = None,
) -> HVAE:
    """Train and measure one model; the same call takes up what was interrupted.

    Args:
        data: a known name, a path, or images ``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]``.
        labels: classes ``[N]`` of images given as an array.
        betas: one for each layer, top layer first; default: 1 for each, the ELBO's.
        observer: sees steps, epochs and pictures as they come.
        out: folder for the results; by default one named after the data and the spec, in the current folder.

    Raises:
        RatescapeError: bad input; the message names it and the remedy.

    Example::

        model = rs.train("mnist-5k", betas=(0.5, 2.0))
        z2, z1 = model.encode(images)
    """
    images = load_data(data, labels)
    run = RunSpec(images.spec, model or ModelSpec(), training or TrainingSpec(), betas, seed)
    how, measured = execution or ExecutionSpec(), evaluation or EvaluationSpec()
    return load(train_spec(run, images, how, None if out is None else Path(out), observer, measured).path)


def train_spec(
    run: RunSpec,
    data: ImageData,
    execution: ExecutionSpec,
    out: Path | None = None,
    observer: Observer | None = None,
    evaluation: EvaluationSpec | None = None,
    announce: Callable[[Outlook], object] | None = None,
) -> RunFolder:
    """As :func:`train`, of a full spec on images that are loaded. Returns the model's folder.

    Args:
        announce: is told what there is to do and how long that will take, as by :func:`ratescape.landscape.map_spec`.
    """
    whole = resolved_run(run, data)
    folder = RunFolder(out or default_folder("model", data, whole))
    run_single(whole, data, folder, evaluation or EvaluationSpec(), execution, observer, announce)
    return folder


def load(path: str | Path, device: str = "cpu") -> HVAE:
    """Load a trained model.

    Args:
        path: the folder of a run, or its weights file.

    Raises:
        CheckpointError: the file is missing or damaged.

    Example::

        model = rs.load("digits/runs/0123456789ab")
        images = model.sample(16)
    """
    given = Path(path)
    return checkpoint.load_model(RunFolder(given).weights if given.is_dir() else given, device)[0]


def save(model: HVAE, path: str | Path) -> None:
    """Write a model's weights and structure to one file, which :func:`load` reads.

    Raises:
        RecordError: the file cannot be written.

    Example::

        rs.save(landscape.network().at((0.3, 2.5)), "mine.safetensors")
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

    Samples are judged by the judge of the landscape that the model belongs to, so that scores can be compared.

    Args:
        path: the folder of a run, or that of a network that is conditioned on its betas.
        evaluation: what is measured; default: what the landscape measures that the model belongs to.
        data_folder: where to look for the images first.
        betas: of a network, top layer first.
        extrapolate: allow betas outside the network's box.

    Returns:
        One record a split: see :func:`ratescape.evaluation.suite.measure`. Those at betas outside the box of a
        network are marked ``extrapolated``.

    Raises:
        RatescapeError: the model, its weights or its images are missing or damaged, or betas that do not fit.

    Example::

        validation, test = rs.evaluate("digits/runs/0123456789ab")
        test["metrics"]["psnr"]
    """
    folder, chosen = RunFolder(Path(path)), chosen_device(device)
    outside = False
    if (folder.path / "spec.yaml").exists() or not folder.weights.exists():
        run = folder.spec()
        if betas is not None or extrapolate:
            raise SpecError(f"{folder.path} is a model of its own betas: leave out betas and extrapolate")
        model, header = checkpoint.load_model(folder.weights, chosen)
        source, betas = run.data, tuple(header["betas"])
    else:
        network, header = checkpoint.load_network(folder.weights, chosen)
        if betas is None:
            raise SpecError(f"{folder.path} is a network conditioned on betas: say which, one for each layer")
        model, source = network.at(betas, extrapolate=extrapolate), header["network"].data
        outside = not network.covers(betas)
    owner = _owner(folder)
    settings = evaluation or (EvaluationSpec() if owner is folder else SweepFolder(owner.path).spec().evaluation)
    data = reload_data(source, owner, header.get("fingerprint"), data_folder)
    judge = judge_of_results(owner, data, settings, chosen)
    lines = suite.measure(Subject(model, data, betas, settings, judge))
    return [line | {"extrapolated": True} for line in lines] if outside else lines


def _owner(folder: RunFolder) -> ResultsFolder:
    """The landscape that a run or network belongs to, or the folder itself."""
    above = folder.path.absolute().parent.parent
    return ResultsFolder(above) if (above / "spec.yaml").exists() else folder
