"""What will happen, and how long it will take: said before anything begins, from a short timing on this machine."""

import dataclasses
import itertools
import math
from collections.abc import Mapping

import torch

from ratescape.data.catalog import ImageData
from ratescape.execution.engine import Engine, Job
from ratescape.execution.progress.forecast import Load, together
from ratescape.execution.progress.messages import PhaseName
from ratescape.execution.savings import Saving, longest, savings
from ratescape.execution.taken_up import all_steps_behind, steps_behind, taken_up
from ratescape.execution.timing import Speeds, Timing
from ratescape.execution.work import trained_steps
from ratescape.execution.workspace import Workspace, is_trained
from ratescape.judges.cache import cache_path, checkpoint_path
from ratescape.model.factories import alone_because
from ratescape.model.registry import build
from ratescape.records.enough import epochs_to_try
from ratescape.records.folders import RunFolder
from ratescape.records.spans import span
from ratescape.records.trained import TrainingFacts
from ratescape.specs.identity import key
from ratescape.specs.methods import Targeted
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import SHORT_STEPS, TrainingSpec
from ratescape.training.schedule import resolved_training, total_steps

DRAWING, DRAWING_LABELS = 5.0, 10.0
"""Seconds that figures and page take on a core, without labels and with; the data change them little."""


METHODS = {
    "conditioned": "one network gives the models of all beta points",
    "dedicated": "each model is trained by itself",
    "targeted": "each model is trained while its betas are controlled until it has the rates asked for",
}
"""How the models of each method come about."""


@dataclasses.dataclass(frozen=True)
class Outlook:
    """What there is to do, on what, and how long that is expected to take.

    ``str`` gives it as a few lines for a person.
    """

    data: str
    network: str
    method: str
    device: str
    loads: Mapping[PhaseName, Load]
    """What each phase has to do."""
    overlapping: bool = False
    """Whether the judge and the networks come about at the same time."""
    left_out: str | None = None
    """Which corners of the box of betas scattered points leave out; None where there are all."""
    alone: str | None = None
    """Why models of the user's own network train one by one; None where several can train at once."""
    taken_up: str | None = None
    """What is there of the same command from before; None where that is nothing."""
    few_steps: str | None = None
    """That models will be far from trained; None where nothing says so beforehand."""
    savings: tuple[Saving, ...] = ()
    """What would make it cheaper, the largest saving first."""

    @property
    def seconds(self) -> float | None:
        """Seconds that all of it is expected to take; None where that was not timed."""
        each: dict[PhaseName, float | None] = {phase: load.seconds for phase, load in self.loads.items()}
        known: dict[PhaseName, float] = {phase: seconds for phase, seconds in each.items() if seconds is not None}
        if len(known) < len(each):
            return None
        return together(known, self.overlapping)

    def __str__(self) -> str:
        total = self.seconds
        lines = [f"data      {self.data}", f"network   {self.network}", f"method    {self.method}"]
        lines += [f"points    {self.left_out}"] if self.left_out else []
        lines += [f"packs     {self.alone}"] if self.alone else []
        lines += [f"done      {self.taken_up}"] if self.taken_up else []
        for index, (phase, load) in enumerate(self.loads.items()):
            about = "" if load.seconds is None else f"  about {span(load.seconds)}"
            lines.append(f"{'' if index else 'work':9} {f'{phase}: {amount(phase, load)}':42}{about}".rstrip())
        lines.append(f"{'':9} {'in all':42}  {'not timed' if total is None else f'about {span(total)}'}, {self.device}")
        lines += [f"short     {self.few_steps}"] if self.few_steps else []
        if self.savings:
            cheaper = [f"{one.option} saves about {span(one.seconds)}" for one in self.savings]
            lines.append("cheaper   " + "; ".join(cheaper))
        return "\n".join(lines)


def amount(phase: PhaseName, load: Load) -> str:
    """How much a phase has to do, in words."""
    units, pieces = sum(load.units.values()), len(load.units)
    if phase in ("judge", "network"):
        behind = sum(load.behind.get(name, 0) for name in load.units)
        if behind:
            return f"{units - behind:,} of {units:,} steps"
        return f"{units:,} steps" if pieces == 1 else f"{pieces} times {units // pieces:,} steps"
    if phase == "training":
        each = units // max(1, pieces)
        return f"{pieces} model{'s' * (pieces > 1)} of {each:,} steps"
    if phase in ("measuring", "refining"):
        most = "up to " if phase == "refining" else ""
        return f"{most}{pieces} model{'s' * (pieces > 1)}" + (f", {load.found} are done" if load.found else "")
    return f"{units:,} points" if phase == "fine landscape" else "and the page"


def sweep_outlook(spec: SweepSpec, job: Job, engine: Engine, is_timed: bool) -> Outlook:
    """What is left to do of a sweep.

    Args:
        is_timed: whether a few steps are timed; not on a cluster, whose machines are others than this one.
    """
    workspace, device = job.workspace, engine.title
    side_by_side = min(engine.processes, max(len(job.packs), len(job.networks)))
    refined = spec.runs()[0] if _refined(spec, workspace.data) else None
    timing = Timing.of(job, refined) if is_timed and workspace.execution.engine != "ray" else None
    speeds = None if timing is None else timing.speeds(spec.fine_points(), spec.method.fine_uses())
    loads = _judge_load(workspace, speeds) | _sweep_loads(spec, job, side_by_side, speeds)
    if engine.processes > 1:
        device = f"{engine.processes} processes, {device}"
    return Outlook(
        described_data(workspace.data),
        described_network(spec.model, workspace.data),
        f"{spec.method.kind}: {METHODS[spec.method.kind]}",
        device,
        loads,
        left_out=left_out(spec),
        alone=alone_because(spec.model, workspace.data.shape),
        overlapping=side_by_side > 1 and bool(job.networks),
        taken_up=taken_up(spec, job),
        few_steps=few_steps(loads, spec.training, len(workspace.data.train.pixels)),
        savings=() if speeds is None else savings(spec, loads, speeds),
    )


def few_steps(loads: Mapping[PhaseName, Load], training: TrainingSpec, images: int) -> str | None:
    """That a training which is left is so short that models will be far from trained, in words; None where it is not.

    Args:
        training: how models, or the network that they are taken from, are trained.
        images: how many there are to train on.
    """
    steps = total_steps(training, images)
    if longest(loads) == 0 or steps >= SHORT_STEPS:
        return None
    epochs = resolved_training(training, images).epochs or 1
    longer = epochs_to_try(TrainingFacts(epochs, steps, gain_left=None, excess=None))
    short = f"{steps:,} steps are few: models of fewer than {SHORT_STEPS:,} are far from trained"
    return f"{short}: try --training.epochs {longer} or more"


def left_out(spec: SweepSpec) -> str | None:
    """Which corners of the box of betas the points of a landscape leave out, in words; None where there are all."""
    if isinstance(spec.method, Targeted):
        return None
    grid, axes = spec.method.grid, max(spec.method.grouping(spec.model)) + 1
    if not grid.is_scattered(axes):
        return None
    points = set(grid.combinations(axes))
    missing = sum(corner not in points for corner in itertools.product((grid.low, grid.high), repeat=axes))
    if not missing:
        return None
    beside = f"{2**axes} corners of the box of {axes} betas, the plain VAE and points of equal betas"
    return f"{len(points)}, too few for all {beside}: {missing} of the corners left out"


def run_outlook(run: RunSpec, folder: RunFolder, workspace: Workspace, is_timed: bool) -> Outlook:
    """What is left to do of one model in its folder; other arguments as of :func:`sweep_outlook`."""
    data, name = workspace.data, key(run)
    speeds = Timing.alone(run, workspace).speeds() if is_timed else None
    loads = _judge_load(workspace, speeds)
    if not is_trained(folder):
        steps, behind = total_steps(run.training, len(data.train.pixels)), steps_behind(folder.checkpoint)
        loads["training"] = Load({name: steps}, None if speeds is None else speeds.step, behind={name: behind})
    loads["measuring"] = Load({name: 1}, None if speeds is None else speeds.model)
    network, found = described_network(run.model, data), None
    if is_trained(folder):
        found = "the model is trained"
    elif folder.checkpoint.exists():
        found = f"its training goes on after {steps_behind(folder.checkpoint):,} steps"
    device, few = str(workspace.device), few_steps(loads, run.training, len(data.train.pixels))
    return Outlook(described_data(data), network, "one model", device, loads, taken_up=found, few_steps=few)


def _judge_load(workspace: Workspace, speeds: Speeds | None) -> dict[PhaseName, Load]:
    """The judge, where one is to be trained."""
    recipe = workspace.judge_to_train
    if recipe is None:
        return {}
    steps = recipe.epochs * math.ceil(len(workspace.data.train.pixels) / recipe.batch)
    behind = steps_behind(checkpoint_path(cache_path(workspace.data, recipe)))
    return {"judge": Load({"judge": steps}, None if speeds is None else speeds.judge_step, behind={"judge": behind})}


def _sweep_loads(spec: SweepSpec, job: Job, width: int, speeds: Speeds | None) -> dict[PhaseName, Load]:
    """What else is left to do of a sweep."""
    count, workspace = len(job.workspace.data.train.pixels), job.workspace
    left = [run for pack in job.packs for run in pack.runs]
    training = {key(run): trained_steps(run, count) for run in left if not is_trained(job.folder.run(run))}
    measuring = {key(run): 1 for run in left if not workspace.is_complete(job.folder.run(run))}
    networks = {key(one): total_steps(one.training, count) for one in job.networks}
    models, points, behind = len(spec.runs()), len(spec.fine_points()), all_steps_behind(job)
    loads: dict[PhaseName, Load] = {}
    if networks:
        cost = None if speeds is None else speeds.network_step
        loads["network"] = Load(networks, cost, min(width, len(networks)), behind=behind)
    if training := {name: steps for name, steps in training.items() if steps}:
        cost = None if speeds is None else speeds.step
        loads["training"] = Load(training, cost, width, found=models - len(training), behind=behind)
    if measuring:
        cost = None if speeds is None else speeds.model
        loads["measuring"] = Load(measuring, cost, width, found=models - len(measuring))
    if points:
        cores = torch.get_num_threads() if workspace.device.type == "cpu" else 1
        cost = None if speeds is None or speeds.point is None else speeds.point / cores
        loads["fine landscape"] = Load({"": points}, cost)
    if uses := _refined(spec, workspace.data):
        loads["refining"] = Load(uses, None if speeds is None else _refining_seconds(spec, count, speeds))
    loads["figures"] = Load({"": 1}, DRAWING if workspace.data.train.labels is None else DRAWING_LABELS)
    return loads


def _refined(spec: SweepSpec, data: ImageData) -> dict[str, int]:
    """The models that are refined at most: one for each use that the data allow to measure."""
    if not spec.method.refined_epochs():
        return {}
    labelled = data.train.labels is not None
    uses = [True, labelled and spec.evaluation.probes != "none", labelled and spec.evaluation.samples > 0]
    uses.append(len(spec.evaluation.restoration) > 0 and data.columns is None)
    return {str(index): 1 for index, measured in enumerate(uses) if measured}


def _refining_seconds(spec: SweepSpec, count: int, speeds: Speeds) -> float | None:
    """Seconds that refining one model takes: its steps, and its measurements."""
    if speeds.refining_step is None:
        return None
    recipe = dataclasses.replace(spec.training, epochs=spec.method.refined_epochs(), annealing=0.0)
    return total_steps(resolved_training(recipe, count), count) * speeds.refining_step + speeds.model


def described_data(data: ImageData) -> str:
    """Name, splits and shape of images or rows, in one line."""
    counts = {"training": data.train, **data.held_out}
    splits = ", ".join(f"{len(split.pixels):,} {name}" for name, split in counts.items())
    classes = f", {len(data.classes)} classes" if data.classes else ", no labels"
    return f"{data.spec.name}: {splits} {data.what}, {_described_shape(data)}{classes}"


def _described_shape(data: ImageData) -> str:
    if data.columns is not None and data.standards is not None:
        facts = {"booleans": sum(data.columns.boolean), "constant (left out)": int(data.standards.constant.sum())}
        told = "".join(f", {count} {name}" for name, count in facts.items() if count)
        return f"{len(data.columns.names)} columns{told}"
    channels, height, width = data.shape
    kind = "binary" if data.spec.binary else "grey" if channels == 1 else "colour"
    return f"{kind}, {height} x {width}"


def described_network(spec: ModelSpec, data: ImageData) -> str:
    """Family, layers, likelihood and size of a network, in one line."""
    parameters = sum(parameter.numel() for parameter in build(spec, data.shape).parameters())
    sizes = ", ".join(map(str, spec.latents or ()))
    layers = f"{spec.layers} layer{'s' * (spec.layers > 1)}" + (f" (latents {sizes})" if sizes else "")
    return f"{spec.title} of {layers}, {spec.likelihood} likelihood, {parameters:,} parameters"
