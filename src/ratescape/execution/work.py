"""The work itself, in this process: train one pack, write the folders of its runs, measure every model."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch

from ratescape import checkpoint
from ratescape.compute.devices import chosen_device
from ratescape.compute.precision import FLOAT, arithmetic
from ratescape.data.batches import Images, stream
from ratescape.data.catalog import ImageData
from ratescape.errors import MemoryShortage, ResourceError
from ratescape.evaluation import pictures, suite
from ratescape.evaluation.subject import Subject
from ratescape.judges.cache import judge_for
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.networks import build
from ratescape.model.packs import member, stack
from ratescape.records import files
from ratescape.records.answers import outcomes
from ratescape.records.folders import NetworkFolder, RunFolder
from ratescape.specs.codec import to_dict
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import MergedSpec, NetworkSpec, RunSpec, TargetedSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.controlled import ControlledBetas
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.policy import BetaPolicy
from ratescape.training.betas.sampled import SampledBetas
from ratescape.training.loop import train
from ratescape.training.schedule import annealing_steps, total_steps
from ratescape.training.state import Saving, Trained

REFINING_WARMUP = 0.25
"""Share of refining over which its learning rate rises."""


def is_trained(place: RunFolder) -> bool:
    """Whether a run is done; who deletes damaged weights, as the message about them says, asks for them again."""
    return place.done and place.weights.exists()


def is_complete(place: RunFolder, evaluation: EvaluationSpec) -> bool:
    """Whether a run is trained, and measured as it now shall be."""
    if not is_trained(place):
        return False
    wanted = to_dict(evaluation)
    return all(record.get("settings") == wanted for record in files.read_json_lines(place.evaluation))


def complete_network(
    spec: NetworkSpec,
    place: NetworkFolder,
    data: ImageData,
    execution: ExecutionSpec,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Train a network that is told its betas, unless that is done."""
    if place.weights.exists():
        return
    device, dtype = chosen_device(execution.device), FLOAT[spec.training.precision]
    images = Images(data.train.pixels, bool(data.spec.binary), device, dtype)
    network = initial_network(spec, data.shape).to(device)
    annealing = annealing_steps(spec.training, len(images))
    like = torch.empty(0, device=device, dtype=dtype)
    least = network.model.likelihood.least(math.prod(data.shape))
    policy = SampledBetas(spec.low, spec.high, spec.groups, 1, annealing, spec.seed, like, least)
    saving = Saving(place.checkpoint, execution.checkpoint_seconds, f"{data.fingerprint}-{key(spec)}")
    how = {"saving": saving, "progress": progress, "compiled": execution.compile}
    trained = _trained(spec.training, network, images, policy, 1, spec.seed, **how)
    network.load_state_dict(network.state_dict() | member(trained.parameters, 0))
    files.write_atomically(place.training, files.to_json_lines(trained.history[0]))
    header = {"image_shape": data.shape, "fingerprint": data.fingerprint, "run": key(spec)}
    checkpoint.save_network(place.weights, network.state_dict(), spec, header)
    place.checkpoint.unlink(missing_ok=True)


def complete_pack(
    runs: list[RunSpec],
    places: list[RunFolder],
    path: Path,
    data: ImageData,
    evaluation: EvaluationSpec,
    execution: ExecutionSpec,
    progress: Callable[[int, int], None] | None,
    network: NetworkFolder | None = None,
) -> None:
    """Train one pack unless that is done, and measure anew what was measured under other settings.

    Args:
        network: where the runs of a conditioned network come from.
    """
    device = chosen_device(execution.device)
    if not all(map(is_trained, places)):
        saving = Saving(path, execution.checkpoint_seconds, "-".join([data.fingerprint, *map(key, runs)]))
        how = {"saving": saving, "progress": progress, "compiled": execution.compile}
        if network is None:
            _train_pack(runs, places, data, evaluation, device, how)
        else:
            _fold_pack(cast(list[MergedSpec], runs), places, network, data, evaluation, device, how)
    for run, place in zip(runs, places, strict=True):
        if not is_complete(place, evaluation):
            _measure_again(run, place, data, evaluation, device)
    path.unlink(missing_ok=True)


def _train_pack(
    runs: list[RunSpec],
    places: list[RunFolder],
    data: ImageData,
    evaluation: EvaluationSpec,
    device: torch.device,
    how: dict[str, Any],
) -> None:
    """Train one pack and write the folders of its runs; the runs differ in nothing but betas."""
    spec = runs[0]
    images = Images(data.train.pixels, bool(data.spec.binary), device, FLOAT[spec.training.precision])
    model = initial(spec, data.shape).to(device)
    policy = _multipliers(runs, len(images), torch.empty(0, device=device, dtype=FLOAT[spec.training.precision]))
    trained = _trained(spec.training, model, images, policy, len(runs), spec.seed, **how)
    for index, (run, place) in enumerate(zip(runs, places, strict=True)):
        if not is_trained(place):
            if isinstance(policy, ControlledBetas):
                files.write_atomically(place.control, files.to_json_lines([dict(line) for line in policy.log(index)]))
            write_run(run, place, trained, index, model, data, evaluation)


def _multipliers(runs: list[RunSpec], count: int, like: torch.Tensor) -> FixedBetas | ControlledBetas:
    """Where the betas of a pack's runs come from, for a training on so many images."""
    spec = runs[0]
    if isinstance(spec, TargetedSpec):
        targets = [run.targets for run in runs if isinstance(run, TargetedSpec)]
        return ControlledBetas(targets, spec.model.layers, total_steps(spec.training, count), spec.control, like)
    betas = torch.tensor([run.betas for run in runs], device=like.device, dtype=like.dtype)
    return FixedBetas(betas, annealing_steps(spec.training, count), spec.training.annealing_path)


def _trained(
    recipe: TrainingSpec,
    model: HVAE | Conditioned,
    images: Images,
    betas: BetaPolicy,
    members: int,
    seed: int,
    **how: Any,
) -> Trained:
    """Train; raises :class:`MemoryShortage` where memory runs out."""
    try:
        return train(recipe, model, images, betas, members, seed, **how)
    except RuntimeError as error:
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            reason = str(error).splitlines()[0]
            raise ResourceError(f"execution.compile does not work here ({reason}): leave it out") from error
        if "memory" not in str(error) and "ALLOC_FAILED" not in str(error):  # the latter by cuDNN and cuBLAS
            raise
        raise MemoryShortage(
            f"out of memory while training {members} model(s) at once: choose another folder with --out and a smaller "
            "training.batch"
        ) from error


def _fold_pack(
    runs: list[MergedSpec],
    places: list[RunFolder],
    source: NetworkFolder,
    data: ImageData,
    evaluation: EvaluationSpec,
    device: torch.device,
    how: dict[str, Any],
) -> None:
    """Take one pack of models from a conditioned network, refine them if asked to, and write the folders."""
    network, _ = checkpoint.load_network(source.weights, device)
    learnt = files.read_json_lines(source.training)
    models = [network.at(run.betas) for run in runs]
    spec = runs[0]
    diverged = learnt[-1]["status"] == "diverged"
    if spec.refine and not diverged:
        dtype = FLOAT[spec.training.precision]
        images = Images(data.train.pixels, bool(data.spec.binary), device, dtype)
        trained = _trained(
            refining(spec),
            models[0],
            images,
            FixedBetas(torch.tensor([run.betas for run in runs], device=device, dtype=dtype), 0),
            len(runs),
            spec.seed,
            initial=stack(models),
            **how,
        )
    else:
        trained = Trained(stack(models), [diverged] * len(runs), [[] for _ in runs], 0.0)
    for index, (run, place) in enumerate(zip(runs, places, strict=True)):
        if not is_trained(place):
            later = [epoch | {"epoch": len(learnt) + epoch["epoch"]} for epoch in trained.history[index]]
            whole = dataclasses.replace(trained, history=[*trained.history[:index], [*learnt, *later]])
            write_run(run, place, whole, index, models[index], data, evaluation)


def refining(run: MergedSpec) -> TrainingSpec:
    """The recipe of refining: a few epochs at a learning rate small enough to stay near the start.

    It rises first, since Adam's first steps, before it knows the gradients' sizes, throw models with a beta of 10 back.
    """
    return dataclasses.replace(
        run.training,
        epochs=run.refine,
        learning_rate=run.refine_learning_rate,
        schedule="cosine",
        lr_warmup=REFINING_WARMUP,
        annealing=0.0,
    )


def initial_network(spec: NetworkSpec, shape: tuple[int, int, int]) -> Conditioned:
    """The untrained conditioned network of a spec: a function of its structure and seed alone, drawn in float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(spec.seed, "weights"))
        network = Conditioned(build(spec.model, shape), spec.low, spec.high, spec.width, spec.groups, spec.rank)
        return network.to(FLOAT[spec.training.precision])


def initial(run: RunSpec, shape: tuple[int, int, int]) -> HVAE:
    """The untrained network of a run: a function of its structure and seed alone, drawn in float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(run.seed, "weights"))
        return build(run.model, shape).to(FLOAT[run.training.precision])


def write_run(
    run: RunSpec, place: RunFolder, trained: Trained, index: int, model: HVAE, data: ImageData, spec: EvaluationSpec
) -> None:
    """Write everything about one trained member into its folder; the done mark comes last."""
    place.write_spec(run)
    weights = member(trained.parameters, index)
    model.load_state_dict(weights)
    betas = _betas(run, trained.history[index])
    header = {"image_shape": data.shape, "betas": betas, "run": key(run), "fingerprint": data.fingerprint}
    checkpoint.save_model(place.weights, weights, run.model, run.data, header)
    files.write_atomically(place.training, files.to_json_lines(trained.history[index]))
    _measure(run, place, model, data, spec)
    place.mark_done()


def _betas(run: RunSpec, history: list[dict[str, Any]]) -> tuple[float, ...]:
    """The betas that a model was trained at in the end, top layer first."""
    return tuple(history[-1]["betas"]) if isinstance(run, TargetedSpec) else run.betas


def _measure(run: RunSpec, place: RunFolder, model: HVAE, data: ImageData, spec: EvaluationSpec) -> None:
    """Measure one model on validation and test, and draw its pictures."""
    like = next(model.parameters())
    history = files.read_json_lines(place.training)
    diverged, betas = history[-1]["status"] == "diverged", _betas(run, history)
    if diverged:
        lines = suite.blank(data, betas, spec)
    else:
        judge = judge_for(data, spec, like.device)
        with arithmetic("float32", like.device):  # whatever training was done in
            lines = suite.measure(Subject(model, data, betas, spec, judge))
    if isinstance(run, TargetedSpec):
        for line in lines:
            found = outcomes(run.targets, line["metrics"]["rates"], betas, run.control.tolerance)
            line["targets"] = [outcome._asdict() for outcome in found]
    test = Images(data.test.pixels[: spec.pictures], bool(data.spec.binary), like.device, like.dtype)
    if not diverged:
        files.write_atomically(place.path / "reconstructions.png", pictures.reconstructions(model, test, spec.pictures))
        files.write_atomically(place.path / "samples.png", pictures.samples(model, spec.pictures, spec.seed))
    files.write_atomically(place.evaluation, files.to_json_lines(lines))


def _measure_again(run: RunSpec, place: RunFolder, data: ImageData, spec: EvaluationSpec, device: torch.device) -> None:
    """Measure a finished model under new settings of evaluation."""
    model, _ = checkpoint.load_model(place.weights, device)
    _measure(run, place, model, data, spec)
