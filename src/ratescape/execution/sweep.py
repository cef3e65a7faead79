"""From a spec to finished runs: claim a folder, have its packs carried out, skip what is done.

A sweep may be killed at any moment. What it leaves behind is either whole or a checkpoint, so the same command
takes it up again; a lock keeps two of them out of one folder.
"""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from ratescape import checkpoint
from ratescape.data.catalog import ImageData
from ratescape.errors import DataError, RecordError
from ratescape.evaluation.anomalies import check_outliers
from ratescape.execution.engine import Job
from ratescape.execution.engines import adapted, entered
from ratescape.execution.fine import measure_finely
from ratescape.execution.outlook import Outlook, run_outlook, sweep_outlook
from ratescape.execution.packing import planned
from ratescape.execution.progress.observers import Observer
from ratescape.execution.progress.tracker import Plan
from ratescape.execution.provenance import device_name
from ratescape.execution.session import Session, session
from ratescape.execution.work import PackWork, complete_pack, trained_steps
from ratescape.execution.workspace import Workspace, hand_over, is_trained
from ratescape.model.factories import refuse_unconditioned
from ratescape.model.registry import resolved_model
from ratescape.records.files import discard, write_changed
from ratescape.records.folders import RunFolder, SweepFolder, refuse_differences
from ratescape.records.layers import is_long
from ratescape.records.refined import refined_runs
from ratescape.records.table import Table, read_table
from ratescape.specs.checks import require
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import differences, key
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.training.schedule import resolved_training, total_steps, with_optimiser

LEFTOVERS = ("judges/*.lock", "networks/*/checkpoint*.safetensors")
"""What killed sweeps may leave, and only an unfinished one needs."""

FEWEST = 16
"""Training images that are needed at least. So few teach a model little, but show that all works."""


def resolved_sweep(spec: SweepSpec, data: ImageData) -> SweepSpec:
    """The spec with every field that was left open filled in for these images.

    Raises:
        SpecError: the network cannot take them, or cannot be conditioned on betas where that is asked for; or the
            fine landscape is to be measured for uses, and none is named.
        DataError: there are too few, or outliers that cannot be used.
    """
    training = resolved_training(spec.training, len(data.train.pixels), spec.method.effort)
    run = resolved_run(RunSpec(model=spec.model, training=training), data)
    method = spec.method.resolved(run.model, run.training, total_steps(run.training, len(data.train.pixels)))
    whole = dataclasses.replace(spec, data=data.spec, model=run.model, training=run.training, method=method)
    if whole.networks():
        refuse_unconditioned(whole.model, data.shape)
    asked, uses = spec.evaluation.outliers is not None or spec.evaluation.restoration, method.fine_uses()
    need = "0 where neither evaluation.outliers nor evaluation.restoration is given"
    require(bool(asked) or uses == 0, "conditioning.fine_uses", uses, need)
    check_outliers(spec.evaluation, data)
    return whole


def resolved_run(run: RunSpec, data: ImageData) -> RunSpec:
    """As :func:`resolved_sweep`, for one model."""
    model = resolved_model(run.model, data.shape, bool(data.spec.binary))
    training = with_optimiser(resolved_training(run.training, len(data.train.pixels)), model)
    _refuse_few(data)
    betas = run.betas or (1.0,) * model.layers
    return dataclasses.replace(run, data=data.spec, model=model, training=training, betas=betas)


def _refuse_few(data: ImageData) -> None:
    """Refuse images so few that nothing can be learned of them; raises :class:`DataError`."""
    count, limit = len(data.train.pixels), data.spec.limit
    if count < FEWEST:
        remedy = "raise data.limit" if limit is not None and limit < FEWEST else f"add some {data.what}"
        raise DataError(
            f"{data.spec.name} has {count} {data.what} to train on, besides those held out: at least {FEWEST} are "
            f"needed, and some thousands for good models; {remedy}"
        )


def default_folder(kind: str, data: ImageData, spec: SweepSpec | RunSpec) -> Path:
    """Where results go unless a folder is given: ``KIND-NAME-KEY`` in the current folder."""
    name = Path(data.spec.name).stem.replace(":", "-")
    return Path(f"{kind}-{name}-{key(spec)}")


def run_sweep(
    spec: SweepSpec, data: ImageData, folder: SweepFolder, execution: ExecutionSpec, observer: Observer | None = None
) -> Table:
    """Train and measure every model of a sweep that is not done yet; returns the table over all of them.

    Args:
        spec: as returned by :func:`resolved_sweep`.
        observer: sees the work as it goes on.

    Raises:
        RecordError: the folder is busy, belongs to another spec or other images, or cannot be written.
        ResourceError: a pack does not fit into memory, or there is no such device.
    """
    with session(folder, data, observer) as own:
        return complete_sweep(spec, folder, execution, own)


def complete_sweep(
    spec: SweepSpec,
    folder: SweepFolder,
    execution: ExecutionSpec,
    own: Session,
    announce: Callable[[Outlook], object] | None = None,
) -> Table:
    """As :func:`run_sweep`, within a session.

    Args:
        announce: is told what there is to do and how long that will take, as a few steps that are timed first say;
            not if there is nothing left to do.
    """
    data = own.data
    _refuse_other_images(folder, data)
    folder.check(spec)
    execution = adapted(execution, spec.model, data)
    workspace = Workspace(data, folder, spec.evaluation, execution)
    _refuse_cut_off(spec, folder)
    networks = [network for network in spec.networks() if not folder.network(network).weights.exists()]
    if networks or not all(workspace.is_complete(folder.run(run)) for run in spec.runs()):
        with entered(execution) as engine:
            packs = planned(spec, data, folder, execution, engine.pack_size)
            folder.claim(spec)  # not before: where there is no room or no such device, nothing is left behind
            _let_go(networks, spec, folder)
            own.begin(engine.title, engine.processes)  # first: what is handed over already is what it says
            if data.spec.name.startswith("array:"):
                hand_over(data, folder)  # nothing else holds these images
            plan, done = _plan(spec, len(data.train.pixels)), _done(spec, folder)
            tracker = own.tracker(plan, lambda name: folder.path / "runs" / name, done)
            left = [pack for pack in packs if not all(workspace.is_complete(folder.run(run)) for run in pack.runs)]
            job = Job(networks, left, folder, workspace, tracker)
            outlook = sweep_outlook(spec, job, engine, is_timed=announce is not None)
            own.phases.expect(outlook.loads, outlook.overlapping)
            if announce is not None:
                announce(outlook)
            engine.carry_out(job)
    folder.claim(spec)
    measure_finely(spec, folder, execution, own)
    _tidy(folder)
    table = read_table(folder)
    _write_tables(folder, table)
    return table


def _let_go(networks: list[NetworkSpec], spec: SweepSpec, folder: SweepFolder) -> None:
    """Remove the models of networks that are to be trained, which somebody deleted: they are taken from them again.

    A network that is trained on another machine is not the same to the last digit: its landscape would be one of two.
    """
    taken = [(run, folder.run(run)) for run in spec.runs()]
    for run, one in [*taken, *refined_runs(folder)]:
        if run.merged is not None and run.merged.network in networks and one.path.exists():
            discard(one.path / "done")  # first, so that no half of it is ever taken for a model
            shutil.rmtree(one.path)


def _refuse_cut_off(spec: SweepSpec, folder: SweepFolder) -> None:
    """Refuse weights that are there, but not whole: a finished landscape would be called done without them."""
    trained = [run.weights for run in map(folder.run, spec.runs()) if is_trained(run)]
    for weights in [*(folder.network(network).weights for network in spec.networks()), *trained]:
        if weights.exists():
            checkpoint.refuse_cut_off(weights)


def _write_tables(folder: SweepFolder, table: Table) -> None:
    """Write the table of models, and that of their layers where the former has no room for them."""
    write_changed(folder.table, table.compact.to_csv(index=False))
    if is_long(table.groups):
        write_changed(folder.layers, table.layers.to_csv(index=False))


def _plan(spec: SweepSpec, count: int) -> Plan:
    """The steps of all trainings of a sweep on so many images."""
    networks = {key(network): total_steps(network.training, count) for network in spec.networks()}
    return Plan(networks, {key(run): trained_steps(run, count) for run in spec.runs()}, spec.grouping())


def _done(spec: SweepSpec, folder: SweepFolder) -> list[str]:
    """Keys of the runs and networks that are trained already."""
    networks = [key(network) for network in spec.networks() if folder.network(network).weights.exists()]
    return [*networks, *(folder.run(run).path.name for run in spec.runs() if folder.run(run).done)]


def _tidy(folder: SweepFolder) -> None:
    """Remove what only an unfinished sweep needs; all is done, so that what cannot be removed harms nobody."""
    shutil.rmtree(folder.packs, ignore_errors=True)
    for pattern in LEFTOVERS:
        for leftover in folder.path.glob(pattern):
            discard(leftover)


def run_single(
    run: RunSpec,
    data: ImageData,
    folder: RunFolder,
    evaluation: EvaluationSpec,
    execution: ExecutionSpec,
    observer: Observer | None = None,
    announce: Callable[[Outlook], object] | None = None,
) -> None:
    """Train and measure one model into its own folder, unless it is done.

    Args:
        run: as returned by :func:`resolved_run`.
        observer: sees the work as it goes on.
        announce: as of :func:`complete_sweep`.

    Raises:
        RecordError: the folder is busy, belongs to another spec or other images, or cannot be written.
        ResourceError: it does not fit into memory, or there is no such device.
    """
    with session(folder, data, observer) as own:
        if (folder.path / "spec.yaml").exists():
            refuse_differences(folder.path, differences(folder.spec(), run))
        if is_trained(folder):
            _refuse_images(folder, checkpoint.load(folder.weights)[1].get("fingerprint"), data)
        workspace = Workspace(data, folder, evaluation, execution)
        check_outliers(evaluation, data)
        _ = workspace.device  # a device that is not there is refused before anything is written
        folder.write_spec(run)
        plan = Plan({}, {key(run): total_steps(run.training, len(data.train.pixels))}, tuple(range(run.model.layers)))
        tracker = own.tracker(plan, lambda _: folder.path, [key(run)] if folder.done else [])
        if not workspace.is_complete(folder):
            own.begin(device_name(workspace.device), processes=1)
            outlook = run_outlook(run, folder, workspace, is_timed=announce is not None)
            own.phases.expect(outlook.loads)
            if announce is not None:
                announce(outlook)
        complete_pack(PackWork((run,), (folder,), folder.checkpoint), workspace, tracker.receive)


def _refuse_other_images(folder: SweepFolder, data: ImageData) -> None:
    """Refuse to go on with other images than the folder was begun with."""
    if (folder.path / "provenance.json").exists():
        _refuse_images(folder, folder.provenance().get("fingerprint"), data)


def _refuse_images(folder: SweepFolder | RunFolder, begun_with: str | None, data: ImageData) -> None:
    if begun_with != data.fingerprint:
        of = folder.spec().data.name if (folder.path / "spec.yaml").exists() else data.spec.name
        if of != data.spec.name:
            raise RecordError(
                f"{folder.path} is of the images {of} (fingerprint {begun_with}), not of {data.spec.name} (fingerprint "
                f"{data.fingerprint}): map {of} to go on with it, or choose another folder with --out"
            )
        raise RecordError(
            f"{folder.path} was begun with other images (fingerprint {begun_with}, now {data.fingerprint}) under the "
            f"name {data.spec.name}: restore them, or choose another folder with --out"
        )
