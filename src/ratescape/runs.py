"""The work itself, in this process: train one pack, write the folders of its runs, measure every model."""

from collections.abc import Callable
from pathlib import Path

import torch

from ratescape import checkpoint, records
from ratescape.data.batches import Images, stream
from ratescape.data.catalog import ImageData
from ratescape.errors import ResourceError
from ratescape.evaluation import pictures, suite
from ratescape.model.hierarchy import HVAE
from ratescape.model.networks import build
from ratescape.model.packs import member
from ratescape.multipliers import FixedBetas
from ratescape.planning import chosen_device
from ratescape.records import RunFolder
from ratescape.specs import EvaluationSpec, ExecutionSpec, RunSpec, key, to_dict
from ratescape.training import FLOAT, Saving, Trained, train, warmup_steps


def is_trained(place: RunFolder) -> bool:
    """Whether a run is done; who deletes damaged weights, as the message about them says, asks for them again."""
    return place.done and place.weights.exists()


def is_complete(place: RunFolder, evaluation: EvaluationSpec) -> bool:
    """Whether a run is trained, and measured as it now shall be."""
    if not is_trained(place):
        return False
    wanted = to_dict(evaluation)
    return all(record.get("settings") == wanted for record in records.read_json_lines(place.evaluation))


def complete_pack(
    runs: list[RunSpec],
    places: list[RunFolder],
    path: Path,
    data: ImageData,
    evaluation: EvaluationSpec,
    execution: ExecutionSpec,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Train one pack unless that is done, and measure anew what was measured under other settings."""
    device = chosen_device(execution.device)
    if not all(map(is_trained, places)):
        saving = Saving(path, execution.checkpoint_seconds, "-".join([data.fingerprint, *map(key, runs)]))
        _train_pack(runs, places, saving, data, evaluation, device, progress)
    for run, place in zip(runs, places, strict=True):
        if not is_complete(place, evaluation):
            _measure_again(run, place, data, evaluation, device)
    path.unlink(missing_ok=True)


def _train_pack(
    runs: list[RunSpec],
    places: list[RunFolder],
    saving: Saving,
    data: ImageData,
    evaluation: EvaluationSpec,
    device: torch.device,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Train one pack and write the folders of its runs; the runs differ in nothing but betas."""
    spec = runs[0]
    images = Images(data.train.pixels, bool(data.spec.binary), device, FLOAT[spec.training.precision])
    model = initial(spec, data.shape).to(device)
    betas = torch.tensor([run.betas for run in runs], device=device, dtype=FLOAT[spec.training.precision])
    multipliers = FixedBetas(betas, warmup_steps(spec.training, len(images)), spec.training.warmup_path)
    try:
        trained = train(
            spec.training, model, images, multipliers, len(runs), spec.seed, saving=saving, progress=progress
        )
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise ResourceError(
            f"out of memory while training a pack of {len(runs)} models: choose another folder with --out and a "
            "smaller execution.pack, or a smaller training.batch"
        ) from error
    for index, (run, place) in enumerate(zip(runs, places, strict=True)):
        if not is_trained(place):
            write_run(run, place, trained, index, model, data, evaluation)


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
    header = {"image_shape": data.shape, "betas": run.betas, "run": key(run), "fingerprint": data.fingerprint}
    checkpoint.save_model(place.weights, weights, run.model, run.data, header)
    records.write_atomically(place.training, records.to_json_lines(trained.history[index]))
    _measure(run, place, model, data, spec, trained.diverged[index])
    place.mark_done()


def _measure(
    run: RunSpec, place: RunFolder, model: HVAE, data: ImageData, spec: EvaluationSpec, diverged: bool
) -> None:
    """Measure one model on validation and test, and draw its pictures."""
    like = next(model.parameters())
    if diverged:
        lines = suite.blank(data, run.betas, spec)
    else:
        lines = suite.measure(model, data, run.betas, spec, suite.judge_of(data, spec, like.device))
    test = Images(data.test.pixels[: spec.pictures], bool(data.spec.binary), like.device, like.dtype)
    if not diverged:
        records.write_atomically(
            place.path / "reconstructions.png", pictures.reconstructions(model, test, spec.pictures)
        )
        records.write_atomically(place.path / "samples.png", pictures.samples(model, spec.pictures, spec.seed))
    records.write_atomically(place.evaluation, records.to_json_lines(lines))


def _measure_again(run: RunSpec, place: RunFolder, data: ImageData, spec: EvaluationSpec, device: torch.device) -> None:
    """Measure a finished model under new settings of evaluation."""
    model, _ = checkpoint.load_model(place.weights, device)
    diverged = records.read_json_lines(place.training)[-1]["status"] == "diverged"
    _measure(run, place, model, data, spec, diverged)
