"""All measurements on one model, as records."""

from typing import Any

from ratescape.data.batches import Images
from ratescape.evaluation.rates import active_units, rates
from ratescape.evaluation.reconstruction import reconstruction
from ratescape.model.hierarchy import HVAE
from ratescape.specs import EvaluationSpec, to_dict


def record(model: HVAE, images: Images, split: str, betas: tuple[float, ...], spec: EvaluationSpec) -> dict[str, Any]:
    """Measure ``model`` on one split: the record (split, betas, metrics) that the landscape is made of.

    Metrics, nats per image unless said otherwise: ``rates`` of each layer, top first, their sum ``rate``,
    ``distortion``, ``loss`` (distortion + sum of beta x rate, Eq. 8), ``nelbo`` (-ELBO), ``psnr`` (dB), ``active``
    units of each layer.
    """
    measured = rates(model, images, spec.seed, spec.draws)
    restored = reconstruction(model, images)
    layer_rates = measured.rates.mean(0).tolist()
    distortion = measured.distortion.mean().item()
    metrics = {
        "rates": layer_rates,
        "rate": sum(layer_rates),
        "distortion": distortion,
        "loss": distortion + sum(beta * rate for beta, rate in zip(betas, layer_rates, strict=True)),
        "nelbo": distortion + sum(layer_rates),
        "psnr": restored.psnr,
        "active": active_units(restored.means),
    }
    return {"split": split, "images": len(images), "betas": betas, "settings": to_dict(spec), "metrics": metrics}


def blank(split: str, betas: tuple[float, ...], spec: EvaluationSpec) -> dict[str, Any]:
    """The record of a model that has nothing to measure because its training diverged: every number is missing."""
    missing = [None] * len(betas)
    metrics = {"rates": missing, "rate": None, "distortion": None, "loss": None, "nelbo": None, "psnr": None}
    metrics["active"] = missing
    return {"split": split, "images": 0, "betas": betas, "settings": to_dict(spec), "metrics": metrics}
