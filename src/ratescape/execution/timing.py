"""How fast this machine is: a few real steps and a measurement of a few images, timed in about three seconds."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ratescape.compute.cores import threads
from ratescape.compute.devices import synchronise
from ratescape.evaluation.fine_uses import uses_at
from ratescape.evaluation.grid import grid_table, seen_images
from ratescape.evaluation.restoration import by_few_steps
from ratescape.execution.engine import Job
from ratescape.execution.local import network_threads
from ratescape.execution.networks import initial_network, network_policy
from ratescape.execution.packing import Pack, workers
from ratescape.execution.trial import MANY, model_parts
from ratescape.execution.work import trained_steps
from ratescape.execution.workspace import Workspace
from ratescape.judges.training import train_judge
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.records.table import FINE_IMAGES
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.training.context import TrainingContext
from ratescape.training.loop import train
from ratescape.training.starting import initial, pack_policy

STEPS, SECONDS = 10, 0.6
"""Steps that are taken at most, and seconds after the first one after which no more are begun."""


@dataclasses.dataclass(frozen=True)
class Speeds:
    """Seconds of single pieces of work, on this machine."""

    judge_step: float | None
    """Of a training step of the judge; None where none is trained."""
    network_step: float | None
    """Of a training step of a conditioned network; None where there is none."""
    step: float | None
    """Of a training step of each member of a pack; None where no pack is trained."""
    parts: Mapping[str, float]
    """Of measuring one model, by the first metric of each measurement."""
    point: float | None
    """Of a point of the fine landscape, on one core; None where there is none."""
    refining_step: float | None = None
    """Of a training step of one model that was taken from a network; None where none is refined."""

    @property
    def model(self) -> float:
        """Seconds that measuring one model takes."""
        return sum(self.parts.values())


class _EnoughError(Exception):
    """The timing has seen enough: ends a training from within."""


class _Stopwatch:
    """A listener that times the steps of a training, and ends it after a few."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.times: list[float] = []

    def step(self, done: int, total: int) -> None:
        """Note when a step was over."""
        synchronise(self.device)
        self.times.append(time.monotonic())
        if len(self.times) >= STEPS or (len(self.times) > 1 and self.times[-1] - self.times[0] > SECONDS):
            raise _EnoughError

    def epoch(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Epochs are not timed."""

    def seconds(self) -> float:
        """The median step after the first one, which reserves memory and chooses algorithms."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0


def seconds_of_steps(device: torch.device, training: Callable[[_Stopwatch], object]) -> float:
    """Seconds of a step of a training that tells a listener; it is ended after a few."""
    watch = _Stopwatch(device)
    with contextlib.suppress(_EnoughError):
        training(watch)
    return watch.seconds()


def network_step(spec: NetworkSpec, workspace: Workspace) -> float:
    """Seconds of a training step of a conditioned network."""
    network = initial_network(spec, workspace.data).to(workspace.device)
    images = workspace.train_images(spec.training.precision)
    policy, _ = network_policy(spec, network, images)
    return seconds_of_steps(
        workspace.device,
        lambda watch: train(spec.training, network, images, policy, 1, spec.seed, context=_watched(watch, workspace)),
    )


def member_step(pack: Pack, workspace: Workspace) -> float:
    """Seconds of a training step of a pack, for each of its members."""
    spec, members = pack.runs[0], len(pack.runs)
    model = initial(spec, workspace.data).to(workspace.device)
    images = workspace.train_images(spec.training.precision)
    like = torch.empty(0, device=workspace.device, dtype=images.dtype)
    policy, _ = pack_policy(pack.runs, len(images), like)
    step = seconds_of_steps(
        workspace.device,
        lambda watch: train(
            spec.training, model, images, policy, members, spec.seed, context=_watched(watch, workspace)
        ),
    )
    return step / members


def _watched(watch: _Stopwatch, workspace: Workspace) -> TrainingContext:
    return TrainingContext(listener=watch, checkpointing=workspace.execution.checkpointing)


def judge_step(recipe: JudgeSpec, workspace: Workspace) -> float:
    """Seconds of a training step of the judge."""
    return seconds_of_steps(
        workspace.device, lambda watch: train_judge(workspace.data, recipe, workspace.device, watch.step)
    )


def untrained(pack: Pack, workspace: Workspace) -> tuple[HVAE, Conditioned | None]:
    """A model of a pack before training, and the network that it is taken from, if it is."""
    run = pack.runs[0]
    if run.merged is None:
        return initial(run, workspace.data).to(workspace.device), None
    network = initial_network(run.merged.network, workspace.data).to(workspace.device)
    return network.at(run.betas), network


def point_seconds(network: Conditioned, workspace: Workspace, point: tuple[float, ...], uses: int = 0) -> float:
    """Seconds of a point of the fine landscape on one core.

    Args:
        uses: images by which it is measured for anomalies and restoring, too.
    """
    images = seen_images(network, workspace.data, MANY)
    whole = len(seen_images(network, workspace.data, FINE_IMAGES))
    with threads(1):
        begun = time.monotonic()
        grid_table(network, images, [point])
        found = (time.monotonic() - begun) * whole / len(images)
        if uses:
            found += _uses_seconds(network, workspace, point, uses)
    return found


def _uses_seconds(network: Conditioned, workspace: Workspace, point: tuple[float, ...], images: int) -> float:
    """Seconds of anomalies and restoring at a point: of the latter by a few steps of gradients."""
    scoring = dataclasses.replace(workspace.evaluation, restoration=())
    restoring = dataclasses.replace(workspace.evaluation, outliers=None)
    uses_at(network, workspace.data, point, scoring, images)  # the first time is the slowest
    begun = time.monotonic()
    uses_at(network, workspace.data, point, scoring, images)
    scored = time.monotonic() - begun
    return scored + by_few_steps(
        lambda steps: uses_at(network, workspace.data, point, restoring, images, steps), time.monotonic
    )


@dataclasses.dataclass(frozen=True)
class Timing:
    """What is to be timed, and by how many threads the work will be done."""

    workspace: Workspace
    pack: Pack | None
    """One like those that are left; None where none is."""
    networks: Sequence[NetworkSpec] = ()
    threads: int = 1
    """Of the training of a network."""
    single: bool = True
    """Whether models are trained and measured by one thread each."""
    refined: RunSpec | None = None
    """A model like those that are refined; None where none is."""

    @staticmethod
    def of(job: Job, refined: RunSpec | None = None) -> "Timing":
        """For what is left of a sweep; ``refined``: a model like those that are refined, if any are."""
        workers_wanted = workers(job.workspace.execution, job.workspace.device)
        each = network_threads(job, workers_wanted) if workers_wanted else torch.get_num_threads()
        pack = job.packs[0] if job.packs else None
        return Timing(job.workspace, pack, job.networks, each, single=workers_wanted > 0, refined=refined)

    @staticmethod
    def alone(run: RunSpec, workspace: Workspace) -> "Timing":
        """For one model in this process."""
        return Timing(workspace, Pack((run,)), threads=torch.get_num_threads(), single=False)

    def speeds(self, points: Sequence[tuple[float, ...]] = (), uses: int = 0) -> Speeds | None:
        """Time it; None where that fails, such as for lack of memory: the work itself will say what is wrong.

        Args:
            points: of the fine landscape.
            uses: images by which these are measured for anomalies and restoring, too.
        """
        try:
            return self._timed(points, uses)
        except Exception:  # whatever it is: no work may end by its forecast
            return None
        finally:
            if self.workspace.device.type == "cuda":
                torch.cuda.empty_cache()

    def _timed(self, points: Sequence[tuple[float, ...]], uses: int) -> Speeds:
        recipe = self.workspace.judge_to_train
        with threads(1 if self.single else torch.get_num_threads()):
            judging = None if recipe is None else judge_step(recipe, self.workspace)
            step, parts, point = None, {}, None
            like = Pack((self.refined,)) if self.pack is None and self.refined is not None else self.pack
            if like is not None:
                model, network = untrained(like, self.workspace)
                parts = model_parts(model, self.workspace, self.single)
                if network is not None and points:
                    point = point_seconds(network, self.workspace, points[0], uses)
                if trained_steps(like.runs[0], len(self.workspace.data.train.pixels)):
                    alone = tuple(dataclasses.replace(run, merged=None) for run in like.runs)
                    step = member_step(Pack(alone), self.workspace)
        with threads(self.threads):
            networked = network_step(self.networks[0], self.workspace) if self.networks else None
        refining = None
        if self.refined is not None:  # in this process, by all its threads
            refining = member_step(Pack((dataclasses.replace(self.refined, merged=None),)), self.workspace)
        return Speeds(judging, networked, step, parts, point, refining)
