"""Map a landscape: train a family of models, measure them all, refine those it recommends, and write the report."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from ratescape.data.catalog import ImageData, Source, Values, load_data
from ratescape.errors import SpecError
from ratescape.execution.logged import Log, logged
from ratescape.execution.observing import Progressing, announced_by, observer_of
from ratescape.execution.outlook import Outlook
from ratescape.execution.progress.messages import told
from ratescape.execution.progress.observers import Observer
from ratescape.execution.refining import complete_refining
from ratescape.execution.session import session
from ratescape.execution.sweep import complete_sweep, default_folder, resolved_sweep
from ratescape.landscape.opened import Landscape
from ratescape.metrics import USES
from ratescape.records.folders import SweepFolder
from ratescape.records.refined import refined_runs
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.given import Fields, as_method, as_path, as_seeds, as_spec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Method
from ratescape.specs.model import ModelSpec
from ratescape.specs.refining import refined_run
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec


def map_landscape(
    data: Source = "mnist-5k",
    labels: Values = None,
    targets: Values = None,
    *,
    model: ModelSpec | Fields | None = None,
    training: TrainingSpec | Fields | None = None,
    method: Method | Fields | str | None = None,
    grid: BetaGrid | Fields | None = None,
    seeds: Sequence[int] | int = (0,),
    evaluation: EvaluationSpec | Fields | None = None,
    execution: ExecutionSpec | Fields | None = None,
    progress: Progressing = False,
    observer: Observer | None = None,
    log: Log = (),
    out: str | Path | None = None,
) -> Landscape:
    """Train a family of models, measure them all, and write their report.

    Calling it again with the same arguments takes up what was interrupted and trains nothing twice.

    Every spec may be given as a dictionary of its fields, such as ``training={"epochs": 3}``.

    Args:
        data: images, or where they come from: as the source of :func:`load_data`.
        labels: classes ``[N]`` of images given as such.
        targets: numbers ``[N]`` or ``[N, T]`` that ridge regression shall read off their layers (``ridge_r2``).
        method: how the models come about: :class:`Conditioned`, :class:`Dedicated` or :class:`Targeted`, their name, or
            a dictionary of the fields of one, perhaps with its name as ``kind``. Default: conditioned wherever that is
            possible (not bottom-up, two beta points or more, three betas at most), else dedicated.
        grid: of betas, where the method says nothing of it.
        progress: True shows how far it is, as the command line does; a function is called with each
            :class:`Progress` and :class:`Epoch`.
        observer: sees steps, epochs and pictures as they come.
        log: loggers that are told of every epoch, beside those of ``execution``: names (``tensorboard``, ``wandb``,
            ``trackio``, ``mlflow``), or objects with the methods of :class:`Logger`.
        out: folder for the results; by default one named after the data and the spec, in the current folder.

    Raises:
        RatescapeError: bad input; the message names it and the remedy.

    Example::

        import ratescape as rs

        landscape = rs.map_landscape("mnist-5k", grid={"steps": 7}, training={"epochs": 10}, progress=True)
        asked = rs.map_landscape("mnist-5k", method=rs.Targeted(target_rates=[{2: 20, 1: 40}, "total=60"]))
    """
    network, recipe = as_spec(ModelSpec, model, "model"), as_spec(TrainingSpec, training, "training")
    spec = SweepSpec(
        model=network,
        training=recipe,
        method=as_method(method, grid, network, recipe),
        seeds=as_seeds(seeds),
        evaluation=as_spec(EvaluationSpec, evaluation, "evaluation"),
    )
    how, folder = as_spec(ExecutionSpec, execution, "execution"), as_path(out, "out")
    images = load_data(data, labels, targets, progress=progress is True)
    with observer_of(progress, observer) as seen:
        return map_spec(spec, images, how, folder, seen, announced_by(progress), log)


def map_spec(
    spec: SweepSpec,
    data: ImageData,
    execution: ExecutionSpec,
    out: Path | None = None,
    observer: Observer | None = None,
    announce: Callable[[Outlook], object] | None = None,
    log: Log = (),
) -> Landscape:
    """As :func:`map_landscape`, of a full spec on images that are loaded.

    Args:
        announce: is told what there is to do and how long that will take, before it begins; for that, a few steps are
            timed, which takes about three seconds. It is not called if there is nothing left to train or measure.
        log: as of :func:`map_landscape`.
    """
    whole = resolved_sweep(spec, data)
    folder = SweepFolder(out or default_folder("landscape", data, whole))
    with (
        logged(log, execution, folder.path, whole, observer) as logging,
        session(folder, data, logging.observer) as own,
    ):
        complete_sweep(whole, folder, logging.execution, own, announce)
        landscape = Landscape(folder.path)
        complete_refining(_to_refine(landscape, whole), folder, logging.execution, own)
        if not folder.is_reported:
            with told(own.phases.receive, "figures"):
                landscape.report()
        logging.figure(folder.path / "figures" / "landscape.png")
    return landscape


def _to_refine(landscape: Landscape, spec: SweepSpec) -> list[RunSpec]:
    """The models that a landscape recommends, each once, and those refined before, whose measurements may be old."""
    networks, epochs = spec.networks(), spec.method.refined_epochs()
    known = [run for run, _ in refined_runs(landscape.folder) if run.merged and run.merged.network in networks]
    chosen: list[RunSpec] = []
    for use in USES if epochs else ():
        with contextlib.suppress(SpecError):  # not every use can be measured on all data
            choice = landscape.best(use).choice
            chosen.append(refined_run(spec, choice.betas, int(choice.row["seed"]), epochs))
    return list(dict.fromkeys([*known, *chosen]))
