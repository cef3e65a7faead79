"""How fast this machine is: a few real steps and a measurement of a few images, timed in about three seconds."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ratescape.compute.cores import threads
from ratescape.compute.memory import keep_freed_memory
from ratescape.compute.precision import arithmetic
from ratescape.data.catalog import ImageData
from ratescape.data.formats import Split
from ratescape.evaluation import suite
from ratescape.evaluation.features import FITTING_IMAGES
from ratescape.evaluation.grid import grid_table, seen_images
from ratescape.evaluation.subject import Subject
from ratescape.execution.engine import Job
from ratescape.execution.networks import initial_network, network_policy
from ratescape.execution.packing import Pack, workers
from ratescape.execution.work import initial, pack_policy
from ratescape.execution.workspace import Workspace
from ratescape.judges.cache import Judge
from ratescape.judges.networks import network as judge_network
from ratescape.judges.training import train_judge
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.records.table import FINE_IMAGES
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.training.context import TrainingContext
from ratescape.training.loop import train

WARM_UP = 2
"""Steps that are not timed: the first ones reserve memory and choose algorithms."""

STEPS, SECONDS = 10, 0.6
"""Steps that are taken at most, and seconds after which no more are begun."""

FEW, LEAST, MANY = 20, 60, 250
"""Images of each split that are measured to warm up; and those that the timing takes at least and at most."""

FEW_SAMPLES, SAMPLES = 50, 250
"""Samples that are judged to warm up, and for the timing."""

PROBES = 1.35
"""Exponent by which the cost of fitting probes grows with their images: as from 300 to 3,600 digits."""


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
        self.begun = time.monotonic()
        self.times: list[float] = []

    def step(self, done: int, total: int) -> None:
        """Note when a step was over."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.times.append(time.monotonic())
        if len(self.times) >= STEPS or self.times[-1] - self.begun > SECONDS:
            raise _EnoughError

    def epoch(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Epochs are not timed."""

    def seconds(self) -> float:
        """The median step after the warm-up, or the shortest where there are no more."""
        lengths = np.diff([self.begun, *self.times])
        return float(np.median(lengths[WARM_UP:])) if len(lengths) > WARM_UP else float(lengths.min())


def seconds_of_steps(device: torch.device, training: Callable[[_Stopwatch], object]) -> float:
    """Seconds of a step of a training that tells a listener; it is ended after a few."""
    watch = _Stopwatch(device)
    with contextlib.suppress(_EnoughError):
        training(watch)
    return watch.seconds()


def network_step(spec: NetworkSpec, workspace: Workspace) -> float:
    """Seconds of a training step of a conditioned network."""
    network = initial_network(spec, workspace.data.shape).to(workspace.device)
    images = workspace.train_images(spec.training.precision)
    policy, _ = network_policy(spec, network, images)
    return seconds_of_steps(
        workspace.device,
        lambda watch: train(
            spec.training, network, images, policy, 1, spec.seed, context=TrainingContext(listener=watch)
        ),
    )


def member_step(pack: Pack, workspace: Workspace) -> float:
    """Seconds of a training step of a pack, for each of its members."""
    spec, members = pack.runs[0], len(pack.runs)
    model = initial(spec, workspace.data.shape).to(workspace.device)
    images = workspace.train_images(spec.training.precision)
    like = torch.empty(0, device=workspace.device, dtype=images.dtype)
    policy, _ = pack_policy(pack.runs, len(images), like)
    step = seconds_of_steps(
        workspace.device,
        lambda watch: train(
            spec.training, model, images, policy, members, spec.seed, context=TrainingContext(listener=watch)
        ),
    )
    return step / members


def judge_step(recipe: JudgeSpec, workspace: Workspace) -> float:
    """Seconds of a training step of the judge."""
    return seconds_of_steps(
        workspace.device, lambda watch: train_judge(workspace.data, recipe, workspace.device, watch.step)
    )


def untrained(pack: Pack, workspace: Workspace) -> tuple[HVAE, Conditioned | None]:
    """A model of a pack before training, and the network that it is taken from, if it is."""
    run, shape = pack.runs[0], workspace.data.shape
    if run.merged is None:
        return initial(run, shape).to(workspace.device), None
    network = initial_network(run.merged.network, shape).to(workspace.device)
    return network.at(run.betas), network


def model_parts(model: HVAE, workspace: Workspace) -> dict[str, float]:
    """Seconds that each measurement of a model takes, by its first metric, as two small numbers of images say.

    A part of the seconds is there for any number of images; the rest grows with the images or samples, and that of
    fitting probes a little faster.
    """
    keep_freed_memory()
    with arithmetic("float32", workspace.device):
        _measured(model, workspace, FEW, FEW_SAMPLES)  # the first time is the slowest
        begun = time.monotonic()
        small = _measured(model, workspace, FEW, FEW_SAMPLES)
        each = (time.monotonic() - begun) / FEW / 2
        larger = _measured(model, workspace, int(min(MANY, max(LEAST, SECONDS / each))), SAMPLES)
    whole = workspace.data
    sizes = {
        "features": (small.fitted, larger.fitted, min(FITTING_IMAGES, len(whole.train.pixels))),
        "inception_score": (FEW_SAMPLES, SAMPLES, workspace.evaluation.samples),
    }
    held_out = (small.held_out, larger.held_out, _held_out(whole))
    found = {
        name: extrapolated((small.seconds[name], larger.seconds[name]), sizes.get(name, held_out))
        for name in larger.seconds
    }
    if "accuracy_logistic" in found:
        seconds = small.seconds["accuracy_logistic"], larger.seconds["accuracy_logistic"]
        found["accuracy_logistic"] = extrapolated(seconds, sizes["features"], PROBES)
    return found


def extrapolated(seconds: tuple[float, float], sizes: tuple[int, int, int], exponent: float = 1.0) -> float:
    """Seconds at the third size, given those at the first two: a constant, and a part that grows with the size.

    Example::

        extrapolated((1.2, 2.0), (20, 100, 1000))  # 11
    """
    few, more, whole = (size**exponent for size in sizes)
    if more <= few:  # there are no more images than that
        return seconds[1] * whole / max(more, 1)
    return max(0.0, seconds[1] + max(0.0, seconds[1] - seconds[0]) * (whole - more) / (more - few))


class _Small(NamedTuple):
    """What was measured to be timed, and how long each measurement took, by its first metric."""

    fitted: int
    held_out: int
    seconds: dict[str, float]


def _measured(model: HVAE, workspace: Workspace, count: int, samples: int) -> _Small:
    """Measure a model on so many images of each split, and so many samples."""
    data, settings = _few(workspace.data, count), workspace.evaluation
    settings = dataclasses.replace(settings, samples=min(settings.samples, samples))
    judge = None if workspace.judge_recipe is None else _untrained_judge(workspace.judge_recipe, workspace)
    subject = Subject(model, data, (1.0,) * len(model.layers), settings, judge)
    seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timed(name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - begun

    if settings.probes == "heldout" and (data.train.labels is not None or data.train.targets is not None):
        with timed("features"):
            fitting = subject.fitting()
            _ = fitting.means, fitting.samples
    for split in subject.splits.values():
        for measurement in suite.MEASUREMENTS:
            with timed(measurement.columns[0]):
                split.once(measurement.measure)
    return _Small(len(data.train.pixels), _held_out(data), seconds)


def _untrained_judge(recipe: JudgeSpec, workspace: Workspace) -> Judge:
    """A judge that knows nothing, and takes as long as one that does."""
    data, names = workspace.data, workspace.data.classes or ()
    with torch.random.fork_rng([]):
        net = judge_network(recipe.architecture, data.shape, len(names)).to(workspace.device)
    net = net.eval().requires_grad_(False)
    return Judge(net, recipe, data.shape, names, data.fingerprint, 0.0, None, key="", digest="")


def _few(data: ImageData, count: int) -> ImageData:
    """The data with so many images of each split, spread over all of it, for labels may be in order."""

    def some(split: Split) -> Split:
        kept = np.linspace(0, len(split.pixels) - 1, min(count, len(split.pixels))).astype(int)
        labels = None if split.labels is None else split.labels[kept]
        return Split(split.pixels[kept], labels, None if split.targets is None else split.targets[kept])

    validation = None if data.validation is None else some(data.validation)
    return dataclasses.replace(data, train=some(data.train), validation=validation, test=some(data.test))


def _held_out(data: ImageData) -> int:
    return sum(len(split.pixels) for split in data.held_out.values())


def point_seconds(network: Conditioned, workspace: Workspace, point: tuple[float, ...]) -> float:
    """Seconds of a point of the fine landscape on one core."""
    images = seen_images(network, workspace.data, MANY)
    whole = len(seen_images(network, workspace.data, FINE_IMAGES))
    with threads(1):
        begun = time.monotonic()
        grid_table(network, images, [point])
    return (time.monotonic() - begun) * whole / len(images)


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

    @staticmethod
    def of(job: Job, side_by_side: int) -> "Timing":
        """For what is left of a sweep, worked at by so many processes."""
        workers_wanted = workers(job.workspace.execution, job.workspace.device)
        each = max(1, side_by_side // max(1, len(job.networks))) if workers_wanted else torch.get_num_threads()
        pack = job.packs[0] if job.packs else None
        return Timing(job.workspace, pack, job.networks, each, single=workers_wanted > 0)

    @staticmethod
    def alone(run: RunSpec, workspace: Workspace) -> "Timing":
        """For one model in this process."""
        return Timing(workspace, Pack((run,)), threads=torch.get_num_threads(), single=False)

    def speeds(self, points: Sequence[tuple[float, ...]] = ()) -> Speeds:
        """Time it.

        Args:
            points: of the fine landscape.
        """
        recipe = self.workspace.judge_to_train
        with threads(1 if self.single else torch.get_num_threads()):
            judging = None if recipe is None else judge_step(recipe, self.workspace)
            step, parts, point = None, {}, None
            if self.pack is not None:
                model, network = untrained(self.pack, self.workspace)
                parts = model_parts(model, self.workspace)
                if network is not None and points:
                    point = point_seconds(network, self.workspace, points[0])
                if network is None:
                    step = member_step(self.pack, self.workspace)
        with threads(self.threads):
            networked = network_step(self.networks[0], self.workspace) if self.networks else None
        return Speeds(judging, networked, step, parts, point)
