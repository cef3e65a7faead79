"""All measurements on one model, as records."""

import dataclasses
from typing import Any

import torch

from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.evaluation.generation import generation
from ratescape.evaluation.rates import active_units, rates
from ratescape.evaluation.reconstruction import reconstruction
from ratescape.evaluation.representation import Measured, Representation
from ratescape.judges.cache import Judge, judge, light_recipe, recipe
from ratescape.judges.training import JudgeSpec
from ratescape.model.hierarchy import HVAE
from ratescape.specs.codec import to_dict
from ratescape.specs.evaluation import SCORE_SPLITS, EvaluationSpec


def measure(
    model: HVAE, data: ImageData, betas: tuple[float, ...], spec: EvaluationSpec, scorer: Judge | None = None
) -> list[dict[str, Any]]:
    """Measure ``model`` on validation and test: one record (split, betas, metrics) each, of which landscapes are made.

    Metrics, nats per image unless said otherwise; lists run over the layers, top first:

    - ``rates``, their sum ``rate``, ``distortion``, ``loss`` (distortion + sum of beta x rate, Eq. 8), ``nelbo``
      (-ELBO), ``psnr`` (dB), ``active`` units;
    - ``inception_score``, ``diversity``, ``sharpness`` (Eq. 12), other draws for each split, and ``judge_accuracy``;
    - ``ridge_r2`` of the data's targets, where there are any (R^2, at most 1);
    - ``information`` about the labels (nats), ``accuracy_...`` and ``clustering_nmi`` of the probes (fractions), the
      ceilings ``ceiling_information`` and ``ceiling_rate`` (Eq. 11), ``accuracy_sample``, which they bind, and ``flag``
      where it is above one.

    What cannot be measured is not among the metrics; ``absent`` says why.

    Args:
        data: the images the model was trained on.
        scorer: as :func:`judge_of` gives it.
    """
    representation = Representation(model, data, spec)
    like = next(model.parameters())
    records: list[dict[str, Any]] = []
    for position, (name, split) in enumerate(data.held_out.items()):
        images = Images(split.pixels, bool(data.spec.binary), like.device, like.dtype)
        metrics = _reconstruction(model, images, betas, spec)
        read_off = representation.on(split, metrics["rates"])
        drawn = _generation(model, scorer, spec, position)
        records.append(
            _stamp(name, len(images), betas, spec)
            | {"metrics": metrics | drawn.metrics | read_off.metrics, "absent": drawn.absent | read_off.absent}
        )
    return records


def blank(data: ImageData, betas: tuple[float, ...], spec: EvaluationSpec) -> list[dict[str, Any]]:
    """The records of a model that has nothing to measure because its training diverged: every number is missing."""
    missing = [None] * len(betas)
    metrics = dict.fromkeys(("rate", "distortion", "loss", "nelbo", "psnr")) | {"rates": missing, "active": missing}
    return [_stamp(name, 0, betas, spec) | {"metrics": metrics, "absent": {}} for name in data.held_out]


def judge_of(data: ImageData, spec: EvaluationSpec, device: torch.device | str = "cpu") -> Judge | None:
    """The judge of the data's inception scores, trained if it is not at hand; None where there will be no score.

    On a CPU all data get the small judge, whatever the recipe: a DenseNet would hold up the sweep for weeks.

    Raises:
        RatescapeError: as :func:`ratescape.judges.cache.judge`.
    """
    how = judge_spec(data, spec, device)
    return None if how is None else judge(data, spec=how, device=device)


def judge_spec(data: ImageData, spec: EvaluationSpec, device: torch.device | str) -> JudgeSpec | None:
    """How the judge of the data's inception scores is made on a device; None where there will be no score."""
    if spec.samples == 0 or data.train.labels is None or len(data.classes or ()) < 2:
        return None
    how = light_recipe(data) if torch.device(device).type == "cpu" else recipe(data)
    return how if spec.judge_epochs is None else dataclasses.replace(how, epochs=spec.judge_epochs)


def _stamp(split: str, images: int, betas: tuple[float, ...], spec: EvaluationSpec) -> dict[str, Any]:
    return {"split": split, "images": images, "betas": betas, "settings": to_dict(spec)}


def _reconstruction(model: HVAE, images: Images, betas: tuple[float, ...], spec: EvaluationSpec) -> dict[str, Any]:
    """Rates, distortion and PSNR."""
    measured = rates(model, images, spec.seed, spec.draws)
    restored = reconstruction(model, images)
    layer_rates = measured.rates.mean(0).tolist()
    distortion = measured.distortion.mean().item()
    return {
        "rates": layer_rates,
        "rate": sum(layer_rates),
        "distortion": distortion,
        "loss": distortion + sum(beta * rate for beta, rate in zip(betas, layer_rates, strict=True)),
        "nelbo": distortion + sum(layer_rates),
        "psnr": restored.psnr,
        "active": active_units(restored.means),
    }


def _generation(model: HVAE, scorer: Judge | None, spec: EvaluationSpec, position: int) -> Measured:
    """Inception score; each split has draws of its own, so that what was chosen on one is reported on others."""
    if scorer is None:
        reason = "no samples were asked for" if spec.samples == 0 else "a judge needs labels of two classes or more"
        return Measured({}, {"inception_score": reason})
    score = generation(model, scorer, spec.samples, SCORE_SPLITS, seed=2 * spec.seed + position)
    values = {"inception_score": score.score, "diversity": score.diversity, "sharpness": score.sharpness}
    return Measured(values | {"judge_accuracy": scorer.accuracy}, {})
