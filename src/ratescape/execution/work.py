"""The work itself, in this process: train one pack, write the folders of its runs, measure every model."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ratescape import checkpoint
from ratescape.data.batches import Images
from ratescape.errors import MemoryShortage, ResourceError
from ratescape.evaluation import anomalies, pictures, suite
from ratescape.evaluation.subject import Subject
from ratescape.evaluation.views import views
from ratescape.execution.interrupts import deferred
from ratescape.execution.packing import Pack
from ratescape.execution.progress.messages import Reporter, Tell, told
from ratescape.execution.sketches import sketching
from ratescape.execution.workspace import Workspace, is_trained
from ratescape.model.columns import names_of
from ratescape.model.hierarchy import HVAE
from ratescape.model.packs import member, stack
from ratescape.records.answers import outcomes
from ratescape.records.files import discard, read_json_lines, to_json_lines, write_atomically, write_changed
from ratescape.records.folders import NetworkFolder, RunFolder, SweepFolder
from ratescape.specs.identity import key
from ratescape.specs.runs import MergedSpec, RunSpec
from ratescape.specs.training import OptimiserName, TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.compiling import is_of_compiling
from ratescape.training.context import Saving, TrainingContext
from ratescape.training.loop import train
from ratescape.training.schedule import total_steps
from ratescape.training.starting import initial, pack_policy
from ratescape.training.state import Trained

REFINING_WARMUP = 0.25
"""Share of refining over which its learning rate rises."""

REFINING_RATES: dict[OptimiserName, float] = {"muon": 1e-3, "adam": 3e-4}
"""Its learning rate at its peak, unless the spec says otherwise (docs/results/optimisers.md)."""

History = Sequence[Mapping[str, Any]]
"""One record for each epoch of one member."""


@dataclasses.dataclass(frozen=True)
class PackWork:
    """One pack, and where its results go."""

    runs: tuple[RunSpec, ...]
    folders: tuple[RunFolder, ...]
    checkpoint: Path
    """The training in progress."""
    network: NetworkFolder | None = None
    """The conditioned network that the runs are taken from."""

    @staticmethod
    def of(pack: Pack, folder: SweepFolder) -> "PackWork":
        """The work for a pack of a sweep."""
        merged = pack.runs[0].merged
        return PackWork(
            pack.runs,
            tuple(map(folder.run, pack.runs)),
            folder.packs / f"{pack.name}.safetensors",
            None if merged is None else folder.network(merged.network),
        )


def complete_pack(work: PackWork, workspace: Workspace, tell: Tell) -> None:
    """Train one pack unless that is done, and measure anew what was measured otherwise than it shall be.

    Raises:
        MemoryShortage: the pack is too large for the memory.
    """
    reporter = Reporter(tell, [key(run) for run in work.runs])
    merged = work.runs[0].merged
    if not all(map(is_trained, work.folders)):
        if merged is None or work.network is None:
            _train_pack(work, workspace, reporter)
        elif merged.refine:
            _refine_pack(work, work.network, merged, workspace, reporter)
        else:
            _merge_pack(work, work.network, workspace, tell)
    for run, folder in zip(work.runs, work.folders, strict=True):
        if not workspace.is_complete(folder):
            _measure_again(run, folder, workspace, tell)
    discard(work.checkpoint)  # where that fails, a sweep that ends clears it away
    reporter.written()


def _train_pack(work: PackWork, workspace: Workspace, reporter: Reporter) -> None:
    """Train one pack and write the folders of its runs; the runs differ in nothing but betas."""
    spec = work.runs[0]
    images = workspace.train_images(spec.training.precision)
    model = initial(spec, workspace.data).to(workspace.device)
    like = torch.empty(0, device=workspace.device, dtype=images.dtype)
    policy, log = pack_policy(work.runs, len(images), like)
    with shortage_named(len(work.runs)), told(reporter.tell, "training", reporter.runs), deferred() as asked:
        context = _pack_context(work, workspace, reporter, asked, model)
        trained = train(spec.training, model, images, policy, len(work.runs), spec.seed, context=context)
    for index, (run, folder) in enumerate(zip(work.runs, work.folders, strict=True)):
        if is_trained(folder):
            continue
        if log is not None:
            write_atomically(folder.control, to_json_lines(log(index)))
        write_run(run, folder, trained.history[index], _with_weights(model, trained, index), workspace, reporter.tell)


def _merge_pack(work: PackWork, source: NetworkFolder, workspace: Workspace, tell: Tell) -> None:
    """Take one pack of models from a conditioned network, and write the folders."""
    network, _ = checkpoint.load_network(source.weights, workspace.device)
    history = read_json_lines(source.training)
    for run, folder in zip(work.runs, work.folders, strict=True):
        if not is_trained(folder):
            write_run(run, folder, history, network.at(run.betas), workspace, tell)


def _refine_pack(
    work: PackWork, source: NetworkFolder, merged: MergedSpec, workspace: Workspace, reporter: Reporter
) -> None:
    """Take one pack of models from a conditioned network, train each on at its own betas, and write the folders."""
    before = read_json_lines(source.training)
    if before[-1]["status"] == "diverged":  # there is nothing to train on from
        _merge_pack(work, source, workspace, reporter.tell)
        return
    network, _ = checkpoint.load_network(source.weights, workspace.device)
    models, spec = [network.at(run.betas) for run in work.runs], work.runs[0]
    images = workspace.train_images(spec.training.precision)
    betas = torch.tensor([run.betas for run in work.runs], device=workspace.device, dtype=images.dtype)  # [P, L]
    recipe, policy, initial = refining(spec.training, merged), FixedBetas(betas, 0), stack(models)
    with shortage_named(len(models)), told(reporter.tell, "training", reporter.runs), deferred() as asked:
        context = _pack_context(work, workspace, reporter, asked, models[0])
        trained = train(recipe, models[0], images, policy, len(models), spec.seed, initial=initial, context=context)
    for index, (run, folder) in enumerate(zip(work.runs, work.folders, strict=True)):
        if not is_trained(folder):
            later = [_after(before[-1], record) for record in trained.history[index]]
            model = _with_weights(models[index], trained, index)
            write_run(run, folder, [*before, *later], model, workspace, reporter.tell)


def _after(last: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """An epoch of refining, counted on from the last epoch of the network."""
    steps = last.get("steps")  # logs of earlier versions do not tell
    counted = {"epoch": last["epoch"] + record["epoch"], "steps": None if steps is None else steps + record["steps"]}
    return {**record, **counted}


def refining(training: TrainingSpec, merged: MergedSpec) -> TrainingSpec:
    """The recipe of refining: a few epochs at a learning rate small enough to stay near the start.

    It rises first, since Adam's first steps, before it knows the gradients' sizes, throw models with a beta of 10 back.
    """
    usual = REFINING_RATES[training.optimiser or "adam"]
    return dataclasses.replace(
        training,
        epochs=merged.refine,
        learning_rate=merged.refine_learning_rate or usual,
        schedule="cosine",
        lr_warmup=REFINING_WARMUP,
        annealing=0.0,
    )


def trained_steps(run: RunSpec, count: int) -> int:
    """The steps that a model itself is trained for, besides those of the network that it is taken from."""
    if run.merged is None:
        return total_steps(run.training, count)
    return total_steps(refining(run.training, run.merged), count) if run.merged.refine else 0


def _pack_context(
    work: PackWork,
    workspace: Workspace,
    reporter: Reporter,
    asked: Callable[[], bool],
    model: HVAE,
) -> TrainingContext:
    identity = "-".join([workspace.data.fingerprint, *map(key, work.runs)])
    saving = Saving(work.checkpoint, workspace.execution.checkpoint_seconds, identity)
    watch, how = sketching(model, reporter.runs, workspace, reporter.tell), workspace.execution
    return TrainingContext(saving, reporter, how.compile, how.checkpointing, watch=watch, stop=asked)


@contextmanager
def shortage_named(members: int) -> Iterator[None]:
    """Errors of PyTorch that a user can do something about, in one line.

    Raises:
        MemoryShortage: memory ran out in training so many members at once.
        ResourceError: the machine cannot compile.
    """
    try:
        yield
    except RuntimeError as error:
        if is_of_compiling(error):
            reason = str(error).splitlines()[0]
            raise ResourceError(f"execution.compile does not work here ({reason}): leave it out") from error
        if "memory" not in str(error) and "ALLOC_FAILED" not in str(error):  # the latter by cuDNN and cuBLAS
            raise
        raise MemoryShortage(
            f"out of memory while training {members} model(s) at once: choose another folder with --out and a smaller "
            "training.batch"
        ) from error


def _with_weights(model: HVAE, trained: Trained, index: int) -> HVAE:
    """The model with the weights of one member."""
    model.load_state_dict(member(trained.parameters, index))
    return model


def write_run(run: RunSpec, folder: RunFolder, history: History, model: HVAE, workspace: Workspace, tell: Tell) -> None:
    """Write everything about one trained member into its folder; the done mark comes last."""
    folder.write_spec(run)
    data = workspace.data
    header = {
        "image_shape": data.shape,
        "betas": _betas(run, history),
        "run": key(run),
        "fingerprint": data.fingerprint,
    } | checkpoint.named(names_of(model.likelihood))
    checkpoint.save_model(folder.weights, model.state_dict(), run.model, run.data, header)
    _measure(run, folder, history, model, workspace, tell)
    folder.mark_done()


def _betas(run: RunSpec, history: History) -> tuple[float, ...]:
    """The betas that a model was trained at in the end, top layer first."""
    return run.betas if run.target is None else tuple(history[-1]["betas"])


def _measure(run: RunSpec, folder: RunFolder, history: History, model: HVAE, workspace: Workspace, tell: Tell) -> None:
    """Measure one model on validation and test, draw its pictures, and write both and the log of its training.

    A model whose last steps broke it, which no loss told any more, counts as diverged, too, as does one whose numbers
    are absurd.
    """
    diverged, betas = _broke_down(history[-1]), _betas(run, history)
    judge = None if diverged else workspace.judge(tell)  # before measuring begins: it is a phase of its own
    with told(tell, "measuring", [key(run)]):
        subject = None if diverged else Subject(model, workspace.data, betas, workspace.evaluation, judge)
        if subject is None or not suite.is_sound(subject):
            history = [*history[:-1], {**history[-1], "status": "diverged"}]
            lines = suite.blank(workspace.data, betas, workspace.evaluation)
        else:
            lines = suite.measure(subject)
            _draw(run, folder, model, workspace)
            _draw_anomalies(folder, subject)
        if run.target is not None:
            for line in lines:
                found = outcomes(run.target.rates, line["metrics"]["rates"], betas, run.target.control.tolerance)
                line["targets"] = [dataclasses.asdict(outcome) for outcome in found]
        write_changed(folder.training, to_json_lines(history))
        write_atomically(folder.evaluation, to_json_lines(lines))


def _broke_down(last: Mapping[str, Any]) -> bool:
    """Whether a training that ended so left no model: it diverged, or took no step at all."""
    return last["status"] == "diverged" or last["skipped"] == last.get("steps")  # logs of earlier versions lack these


def _draw(run: RunSpec, folder: RunFolder, model: HVAE, workspace: Workspace) -> None:
    """Draw a model's reconstructions and samples, those of many layers also by groups; of vectors write the numbers."""
    data, settings, like = workspace.data, workspace.evaluation, next(model.parameters())
    if data.columns is not None:
        test = Images.of(data, data.test.pixels, like.device, like.dtype)
        shown = views(model, test, data.test.labels, settings.seed, data.classes)
        write_atomically(folder.path / "views.json", json.dumps(shown))
        return
    test = Images.of(data, data.test.pixels[: settings.pictures], like.device, like.dtype)
    write_atomically(folder.path / "reconstructions.png", pictures.reconstructions(model, test, settings.pictures))
    write_atomically(folder.path / "samples.png", pictures.samples(model, settings.pictures, settings.seed))
    groups = run.merged.network.groups if run.merged is not None else run.model.usual_groups
    if len(groups) > 2 and max(groups) > 0:
        restored = pictures.reconstructions_by_group(model, test, settings.pictures, groups)
        drawn = pictures.samples_by_group(model, settings.pictures, settings.seed, groups)
        write_atomically(folder.path / "reconstructions_by_group.png", restored)
        write_atomically(folder.path / "samples_by_group.png", drawn)


def _draw_anomalies(folder: RunFolder, subject: Subject) -> None:
    """Write what is drawn of a model's anomalies, where there are outliers."""
    if subject.settings.outliers is None:
        return
    facts, picture = anomalies.shown(subject)
    write_atomically(folder.path / "anomalies.json", json.dumps(facts))
    if picture is not None:
        write_atomically(folder.path / "anomalies.png", picture)


def _measure_again(run: RunSpec, folder: RunFolder, workspace: Workspace, tell: Tell) -> None:
    """Measure a finished model under new settings of evaluation, or by another judge."""
    model, _ = checkpoint.load_model(folder.weights, workspace.device)
    _measure(run, folder, read_json_lines(folder.training), model, workspace, tell)
