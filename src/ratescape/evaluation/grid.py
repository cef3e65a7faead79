"""Rates and fidelity of a conditioned network at many beta points: each is a forward pass, none a training."""

from collections.abc import Sequence
from typing import Any

from ratescape.data.batches import Images
from ratescape.evaluation.rates import rates
from ratescape.evaluation.reconstruction import reconstruction
from ratescape.model.conditioning import Conditioned


def measured_grid(
    network: Conditioned, images: Images, points: Sequence[tuple[float, ...]], seed: int
) -> list[dict[str, Any]]:
    """One record for each point: ``betas``, ``rates``, ``rate``, ``distortion``, ``nelbo`` (nats/image), ``psnr`` (dB).

    Args:
        images: what to measure on.
        points: betas, top layer first, inside the network's box.
        seed: of the latents drawn, the same for all points.

    Raises:
        SpecError: a point outside the box.
    """
    records: list[dict[str, Any]] = []
    for betas in points:
        model = network.at(betas)
        measured = rates(model, images, seed)
        layers, distortion = measured.rates.mean(0).tolist(), measured.distortion.mean().item()
        total = sum(layers)
        records.append(
            {
                "betas": list(betas),
                "rates": layers,
                "rate": total,
                "distortion": distortion,
                "nelbo": distortion + total,
                "psnr": reconstruction(model, images).psnr,
            }
        )
    return records
