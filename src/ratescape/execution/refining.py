"""Train models of a conditioned landscape on, each alone at its own betas, after it was mapped; kept beside it."""

import dataclasses
from collections.abc import Sequence

from ratescape import checkpoint
from ratescape.data.catalog import ImageData
from ratescape.errors import SpecError
from ratescape.evaluation import suite
from ratescape.evaluation.comparable import is_current
from ratescape.evaluation.subject import Subject
from ratescape.execution.logged import logged
from ratescape.execution.progress.messages import Tell, told, within
from ratescape.execution.progress.observers import Observer
from ratescape.execution.progress.tracker import Plan
from ratescape.execution.provenance import device_name
from ratescape.execution.session import Session, session
from ratescape.execution.work import PackWork, complete_pack, refining
from ratescape.execution.workspace import Workspace
from ratescape.records.files import discard, read_json_lines, to_json_lines, write_atomically
from ratescape.records.folders import NetworkFolder, RunFolder, SweepFolder
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import MergedSpec, RunSpec
from ratescape.training.schedule import total_steps


def refine(
    runs: Sequence[RunSpec],
    data: ImageData,
    folder: SweepFolder,
    execution: ExecutionSpec | None = None,
    observer: Observer | None = None,
) -> None:
    """Refine and measure each of these runs that is not done yet, in this process, and keep them beside the landscape.

    May be killed at any moment; the same call takes up what was interrupted.

    Args:
        runs: as of :func:`ratescape.specs.refining.refined_run`.
        data: the images that the landscape was mapped with.
        execution: device, compilation and checkpoints; its engine is not used.
        observer: sees the work as it goes on.

    Raises:
        RecordError: the folder is busy, damaged, or cannot be written.
        CheckpointError: the network's file is missing or damaged.
        SpecError: the network's training diverged, so that there is nothing to go on from.
    """
    how = execution or ExecutionSpec()
    with (
        logged((), how, folder.path, folder.spec(), observer) as logging,
        session(folder, data, logging.observer) as own,
    ):
        complete_refining(runs, folder, logging.execution, own)


def complete_refining(
    runs: Sequence[RunSpec], folder: SweepFolder, execution: ExecutionSpec | None, own: Session
) -> None:
    """As :func:`refine`, within a session."""
    how = dataclasses.replace(execution or ExecutionSpec(), engine="in-process", address=None, results=None)
    spec = folder.spec()
    workspace = Workspace(own.data, folder, spec.evaluation, how)
    left = [run for run in runs if not _is_complete(folder.refined(run), workspace)]
    for run in runs:
        if run not in left:
            discard(folder.refined(run).checkpoint)  # killed after the last of the work, it was left there
    own.phases.recount("refining", [key(run) for run in left])
    if left:
        own.begin(device_name(workspace.device), processes=1)
    steps = {key(run): total_steps(refining(run.training, _merged(run)), len(own.data.train.pixels)) for run in left}
    tracker = own.tracker(Plan({}, steps, spec.grouping()), lambda name: folder.path / "refined" / name)
    tell = within(tracker.receive)
    for run in left:
        one, network = folder.refined(run), folder.network(_merged(run).network)
        with told(tell, "refining", [key(run)]):
            _note_before(run, one, network, folder, workspace, tell)
            complete_pack(PackWork((run,), (one,), one.checkpoint, network), workspace, tell)


def _merged(run: RunSpec) -> MergedSpec:
    if run.merged is None:
        raise SpecError(f"run {key(run)} is taken from no network: it cannot be refined")
    return run.merged


def _is_complete(one: RunFolder, workspace: Workspace) -> bool:
    """Whether a model is refined, and measured before and after under the landscape's settings by its judge."""
    return workspace.is_complete(one) and _is_measured_before(one, workspace)


def _is_measured_before(one: RunFolder, workspace: Workspace) -> bool:
    known = read_json_lines(one.before) if one.before.exists() else []
    return is_current(known, workspace.evaluation, workspace.judge_digest)


def _note_before(
    run: RunSpec, one: RunFolder, network: NetworkFolder, folder: SweepFolder, workspace: Workspace, tell: Tell
) -> None:
    """Keep what the model was worth before: as the landscape has it, or, between its grid points, measured now."""
    if read_json_lines(network.training)[-1]["status"] == "diverged":
        raise SpecError(f"the training of {network.path} diverged: there is nothing to refine")
    if _is_measured_before(one, workspace):
        return
    of_grid = [
        folder.run(other) for other in folder.spec().runs() if (other.seed, other.betas) == (run.seed, run.betas)
    ]
    if of_grid and workspace.is_complete(of_grid[0]):
        lines = read_json_lines(of_grid[0].evaluation)
    else:
        model = checkpoint.load_network(network.weights, workspace.device)[0].at(run.betas)
        lines = suite.measure(Subject(model, workspace.data, run.betas, workspace.evaluation, workspace.judge(tell)))
    write_atomically(one.before, to_json_lines(lines))
