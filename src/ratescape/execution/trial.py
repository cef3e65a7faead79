"""How long measuring one model will take: measured on a few images, twice, and extrapolated."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from ratescape.compute.memory import keep_freed_memory
from ratescape.compute.precision import arithmetic
from ratescape.data.catalog import ImageData
from ratescape.data.formats import Split
from ratescape.evaluation import restoration, suite
from ratescape.evaluation.features import FITTING_IMAGES
from ratescape.evaluation.subject import Subject
from ratescape.execution.workspace import Workspace
from ratescape.judges.cache import Judge
from ratescape.judges.networks import network as judge_network
from ratescape.model.hierarchy import HVAE
from ratescape.specs.judge import JudgeSpec

FEW, LEAST, MANY = 60, 120, 250
"""Images of each split that the smaller timing takes, enough that every probe is fitted; and those that the larger one
takes at least and at most."""

SECONDS = 1.0
"""Seconds that the larger timing may take, about."""

FEW_SAMPLES, SAMPLES = 50, 250
"""Samples that the two timings judge."""

PROBES = 1.1
"""Exponent by which the cost of fitting probes grows with their images: as seen from 250 to 3,600 digits."""


def model_parts(model: HVAE, workspace: Workspace, single: bool) -> dict[str, float]:
    """Seconds that each measurement of a model takes, by its first metric, as two small numbers of images say.

    A part of the seconds is there for any number of images; the rest grows with the images or samples, and that of
    fitting probes a little faster. Where one thread does it, its processor's time is taken, which others on the machine
    disturb less, and how much they slow it down is taken from all of it.

    Args:
        single: whether one thread measures a model.
    """
    now = time.process_time if single and workspace.device.type == "cpu" else time.monotonic
    keep_freed_memory()
    with arithmetic("float32", workspace.device):
        _measured(model, workspace, FEW, FEW_SAMPLES, now)  # the first time of each size is the slowest
        begun, on_the_wall = now(), time.monotonic()
        small = _measured(model, workspace, FEW, FEW_SAMPLES, now)
        count = int(min(MANY, max(LEAST, FEW * SECONDS / max(now() - begun, 1e-6))))
        _measured(model, workspace, count, SAMPLES, now)
        larger = _measured(model, workspace, count, SAMPLES, now)
        slowed = max(1.0, (time.monotonic() - on_the_wall) / max(now() - begun, 1e-9))
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
    if workspace.evaluation.restoration:
        subject = Subject(model, whole, (1.0,) * len(model.layers), workspace.evaluation)
        found[restoration.COLUMNS[0]] = restoration.foretold(subject, now)
    return {name: slowed * seconds for name, seconds in found.items()}


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


def _measured(model: HVAE, workspace: Workspace, count: int, samples: int, now: Callable[[], float]) -> _Small:
    """Measure a model on so many images of each split, and so many samples."""
    data, settings = _few(workspace.data, count), workspace.evaluation
    settings = dataclasses.replace(settings, samples=min(settings.samples, samples), restoration=())
    judge = None if workspace.judge_recipe is None else _untrained_judge(workspace.judge_recipe, workspace)
    subject = Subject(model, data, (1.0,) * len(model.layers), settings, judge)
    seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timed(name: str) -> Iterator[None]:
        begun = now()
        yield
        seconds[name] = seconds.get(name, 0.0) + now() - begun

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
