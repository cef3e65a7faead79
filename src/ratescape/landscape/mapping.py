"""Map a landscape: train a family of models, measure them all, refine those it recommends, and write the report."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ratescape.data.catalog import ImageData, Source, load_data
from ratescape.errors import SpecError
from ratescape.execution.outlook import Outlook
from ratescape.execution.progress.messages import told
from ratescape.execution.progress.observers import Observer
from ratescape.execution.refining import complete_refining, refined_run
from ratescape.execution.session import session
from ratescape.execution.sweep import complete_sweep, default_folder, resolved_sweep
from ratescape.landscape.opened import Landscape
from ratescape.metrics import USES
from ratescape.records.folders import SweepFolder
from ratescape.records.refined import refined_runs
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Method, default_method
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec


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
        method: how the models come about: :class:`Conditioned`, :class:`Dedicated` or :class:`Targeted`; each has the
            fields that mean something for it. Default: conditioned wherever that is possible (not
            bottom-up, two beta points or more, three betas at most), else dedicated.
        observer: sees steps, epochs and pictures as they come.
        out: folder for the results; by default one named after the data and the spec, in the current folder.

    Raises:
        RatescapeError: bad input; the message names it and the remedy.

    Example::

        import ratescape as rs

        landscape = rs.map_landscape("mnist-5k", method=rs.Conditioned(grid=rs.BetaGrid(steps=7)))
        asked = rs.map_landscape("mnist-5k", method=rs.Targeted(target_rates=[{2: 20, 1: 40}, "total=60"]))
    """
    network, recipe = model or ModelSpec(), training or TrainingSpec()
    spec = SweepSpec(
        data=data if isinstance(data, DataSpec) else DataSpec(),
        model=network,
        training=recipe,
        method=method or default_method(network, recipe, BetaGrid(), None).method(),
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
    announce: Callable[[Outlook], object] | None = None,
) -> Landscape:
    """As :func:`map_landscape`, of a full spec on images that are loaded.

    Args:
        announce: is told what there is to do and how long that will take, before it begins; for that, a few steps are
            timed, which takes about three seconds. It is not called if there is nothing left to train or measure.
    """
    whole = resolved_sweep(spec, data)
    folder = SweepFolder(out or default_folder("landscape", data, whole))
    with session(folder, data, observer) as own:
        complete_sweep(whole, folder, execution, own, announce)
        landscape = Landscape(folder.path)
        complete_refining(_to_refine(landscape, whole), folder, execution, own)
        with told(own.phases.receive, "figures"):
            landscape.report()
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
