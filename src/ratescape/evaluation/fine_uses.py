"""Anomalies and restoring over the fine landscape: how well one model of a conditioned network does, on few images.

As for the models of the grid, but for the number of images, and on the split that models are chosen on alone: the
best score of anomalies is the best on the very items that it is reported on.
"""

from ratescape.compute.precision import arithmetic
from ratescape.data.catalog import ImageData
from ratescape.evaluation.anomalies import scored
from ratescape.evaluation.restoration import DAMAGE, squared_errors
from ratescape.evaluation.subject import Subject
from ratescape.metrics import metric_at
from ratescape.model.conditioning import Conditioned
from ratescape.model.numerics import psnr_of
from ratescape.specs.evaluation import EvaluationSpec

ITEMS = 10
"""Items that are scored for each image that is restored."""


def uses_at(
    network: Conditioned,
    data: ImageData,
    betas: tuple[float, ...],
    settings: EvaluationSpec,
    images: int,
    steps: int | None = None,
) -> dict[str, float]:
    """AUROC of each score, of the best one and of ``auto``; PSNR of each kind of damage and their mean, dB.

    Args:
        betas: top layer first, inside the network's box.
        settings: which outliers, and which damage.
        images: that are restored; ten times as many items and outliers are scored.
        steps: of gradients, for each image; default: as of the models of the grid.

    Returns:
        Numbers by column: ``anomaly_auroc``, ``auroc_auto``, ``auroc_llr_1``, ..., ``psnr_half``, ...,
        ``restoration_psnr``.

    Example::

        uses_at(network, data, (0.3, 1.0), EvaluationSpec(outliers="mnist", restoration=("half",)), 40)["psnr_half"]
    """
    subject = Subject(network.at(betas), data, betas, settings)
    split, found = next(iter(subject.splits.values())), dict[str, float]()
    with arithmetic("float32", subject.device):
        if settings.outliers is not None:
            separations = scored(subject, split, ITEMS * images).separations
            found["anomaly_auroc"] = max(one.auroc for one in separations.values())
            known = {f"auroc_{name}": one.auroc for name, one in separations.items()}
            found |= {name: auroc for name, auroc in known.items() if metric_at(name) is not None}
        if settings.restoration and data.columns is None:
            each = {
                f"psnr_{kind}": psnr_of(float(squared_errors(subject, split, DAMAGE[kind], images, steps).mean()))
                for kind in settings.restoration
            }
            found |= {"restoration_psnr": sum(each.values()) / len(each)} | each
    return found
