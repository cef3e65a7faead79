"""Train a conditioned network; again, with a smaller learning rate, where a group of layers dies."""

import copy
import dataclasses
import math
from collections.abc import Sequence

import torch

from ratescape import checkpoint
from ratescape.compute.precision import FLOAT, arithmetic
from ratescape.data.batches import Images, stream
from ratescape.data.catalog import ImageData
from ratescape.evaluation.rates import active_units
from ratescape.evaluation.reading import read
from ratescape.execution.interrupts import deferred
from ratescape.execution.progress.messages import Reporter, Tell, told
from ratescape.execution.sketches import sketching
from ratescape.execution.work import shortage_named
from ratescape.execution.workspace import Workspace
from ratescape.model.columns import names_of, stand_on
from ratescape.model.conditioning import Conditioned
from ratescape.model.packs import Parameters, member
from ratescape.model.registry import conditioned
from ratescape.records.attempts import Attempt, GroupRate, named, read_attempts, records_of, write_attempts
from ratescape.records.files import discard, to_json_lines, write_atomically
from ratescape.records.folders import NetworkFolder
from ratescape.records.table import FINE_IMAGES
from ratescape.specs.identity import key
from ratescape.specs.runs import NetworkSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.annealing import Annealing, network_annealing
from ratescape.training.betas.sampled import BetaBox, SampledBetas
from ratescape.training.context import Inspection, Saving, TrainingContext
from ratescape.training.loop import train
from ratescape.training.schedule import ANNEALING_SHARE, total_steps
from ratescape.training.state import Trained

SLOWER = 3
"""By so much the learning rate is divided for each further attempt; all random numbers stay as they were."""

EARLY = 50
"""Steps of annealing before whose end nothing can be said of a layer: one that carries nothing by then has not come
alive yet, and a smaller learning rate would only be slower."""


def complete_network(spec: NetworkSpec, folder: NetworkFolder, workspace: Workspace, tell: Tell) -> None:
    """Train a network that is conditioned on its betas, unless that is done.

    At the end of annealing every group of layers is checked at the corner of the box that favours it most, and once
    more at the end of training, since a layer may fade away in between. If one is dead, the training starts again with
    a third of the learning rate, ``spec.restarts`` times at most. If no attempt keeps all groups, the one that lost the
    fewest is brought to its end, the first of equals. A training that diverged is not checked, nor one with an
    annealing of fewer than :data:`EARLY` steps. What was found is kept beside the network.

    Raises:
        MemoryShortage: the network is too large for the memory.
        RecordError: the record of earlier attempts is damaged, or cannot be written.
    """
    if folder.weights.exists():
        return
    with told(tell, "network", [key(spec)]):
        network = initial_network(spec, workspace.data).to(workspace.device)
        while True:
            number = _next(spec, folder)
            with shortage_named(1):
                trained = _attempt(spec, folder, workspace, tell, network, number)
            if _next(spec, folder) != number:
                continue  # it did not pass its check
            network.load_state_dict(network.state_dict() | member(trained.parameters, 0))
            _check_the_end(folder, workspace, network, trained, number)
            if _next(spec, folder) == number:
                break
        _write_network(spec, folder, workspace, network, trained, number)
    Reporter(tell, [key(spec)]).written()


def _next(spec: NetworkSpec, folder: NetworkFolder) -> int:
    """The attempt that is to be trained on, by what is written down of all."""
    return going_on(read_attempts(folder.attempts), spec.restarts)


def _check_the_end(
    folder: NetworkFolder, workspace: Workspace, network: Conditioned, trained: Trained, number: int
) -> None:
    """Measure the groups of a finished attempt once more, and write down what was found."""
    attempts = read_attempts(folder.attempts)
    if len(attempts) >= number and not trained.diverged[0]:
        end = group_rates(network, checked_images(network, workspace))
        attempts[number - 1] = dataclasses.replace(attempts[number - 1], end=end)
        write_attempts(folder.attempts, attempts)


def _write_network(
    spec: NetworkSpec,
    folder: NetworkFolder,
    workspace: Workspace,
    network: Conditioned,
    trained: Trained,
    number: int,
) -> None:
    """Write the network's folder; the weights come last."""
    attempts = read_attempts(folder.attempts)
    write_atomically(folder.training, to_json_lines(record | {"attempt": number} for record in trained.history[0]))
    header = {"image_shape": workspace.data.shape, "fingerprint": workspace.data.fingerprint, "run": key(spec)}
    header |= checkpoint.named(names_of(network.model.likelihood))
    checkpoint.save_network(folder.weights, network.state_dict(), spec, header | {"attempts": records_of(attempts)})
    for one in range(1, spec.restarts + 2):
        discard(folder.checkpoint_of(one))  # where that fails, a sweep that ends clears it away


def going_on(attempts: Sequence[Attempt], restarts: int) -> int:
    """The attempt that is to be trained on, counted from 1, given those whose first check is over.

    Example::

        going_on([], restarts=3)  # 1
    """
    if not attempts or (attempts[-1].lost and len(attempts) <= restarts):
        return len(attempts) + 1
    return min(range(1, len(attempts) + 1), key=lambda number: len(attempts[number - 1].lost))


def _attempt(
    spec: NetworkSpec, folder: NetworkFolder, workspace: Workspace, tell: Tell, network: Conditioned, number: int
) -> Trained:
    """Train to the end, or to the check if another attempt is to go on after it; ``number`` is from 1."""
    images = workspace.train_images(spec.training.precision)
    recipe = attempted(spec.training, number)
    policy, annealing = network_policy(spec, network, images)

    def lives(parameters: Parameters) -> bool:
        """Check the groups and write down what was found; False if another attempt is to go on."""
        candidate = copy.deepcopy(network)
        candidate.load_state_dict(network.state_dict() | member(parameters, 0))
        measured = group_rates(candidate, checked_images(candidate, workspace))
        known = read_attempts(folder.attempts)
        known[number - 1 : number] = [Attempt(recipe.learning_rate, measured)]
        write_attempts(folder.attempts, known)
        return going_on(known, spec.restarts) == number

    reporter, known = Reporter(tell, [key(spec)], number), read_attempts(folder.attempts)
    if number == len(known) + 1 > 1:
        reporter.restart(spec.restarts + 1, recipe.learning_rate, named(known[-1].lost))
    last = annealing.steps or math.ceil(ANNEALING_SHARE * total_steps(recipe, len(images)))
    identity = f"{workspace.data.fingerprint}-{key(spec)}-{number}"
    saving = Saving(folder.checkpoint_of(number), workspace.execution.checkpoint_seconds, identity)
    with deferred() as asked:
        how = workspace.execution
        watch = sketching(network, reporter.runs, workspace, tell, number)
        context = TrainingContext(
            saving,
            reporter,
            how.compile,
            how.checkpointing,
            inspection=Inspection(last, lives) if last >= EARLY else None,
            watch=watch,
            stop=asked,
        )
        return train(recipe, network, images, policy, 1, spec.seed, context=context)


def network_policy(spec: NetworkSpec, network: Conditioned, images: Images) -> tuple[SampledBetas, Annealing]:
    """How the betas of a network's training are drawn, and annealed."""
    like = torch.empty(0, device=images.device, dtype=images.dtype)
    least = network.model.likelihood.least(math.prod(network.model.image_shape))
    annealing = network_annealing(spec, len(images), images.device)
    return SampledBetas(BetaBox(spec.low, spec.high, spec.groups), 1, annealing, spec.seed, like, least), annealing


def attempted(training: TrainingSpec, number: int) -> TrainingSpec:
    """The recipe of an attempt, counted from 1."""
    return dataclasses.replace(training, learning_rate=training.learning_rate / SLOWER ** (number - 1))


def checked_images(network: Conditioned, workspace: Workspace) -> Images:
    """What a network is checked on: validation images, or training images where there are none; never test images."""
    split, like = workspace.data.validation or workspace.data.train, next(network.parameters())
    return Images.of(workspace.data, split.pixels[:FINE_IMAGES], like.device, like.dtype)


def group_rates(network: Conditioned, images: Images) -> tuple[GroupRate, ...]:
    """What each group carries where its beta is the smallest of the box and all others are the largest.

    Args:
        images: what to measure on.
    """
    layers = len(network.groups)
    found: list[GroupRate] = []
    for group in dict.fromkeys(network.groups):
        own = [index for index, one in enumerate(network.groups) if one == group]
        betas = tuple(network.low if one == group else network.high for one in network.groups)
        with arithmetic("float32", images.device):
            reading = read(network.at(betas), images, seed=0)
        rate = float(reading.rates.rates.mean(0)[own].sum())
        active = sum(active_units([reading.restored.means[index] for index in own]))
        found.append(GroupRate(tuple(layers - index for index in own), betas, rate, active))
    return tuple(found)


def initial_network(spec: NetworkSpec, data: ImageData) -> Conditioned:
    """The untrained conditioned network of a spec, drawn in float32: as :func:`ratescape.training.starting.initial`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(spec.seed, "weights"))
        network = conditioned(spec, data.shape)
    stand_on(network.model.likelihood, data)
    return network.to(FLOAT[spec.training.precision])
