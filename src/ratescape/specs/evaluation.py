"""What is measured on a trained model."""

import dataclasses
from typing import Literal, TypeAlias, get_args

from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields

SCORE_SPLITS = 5
"""Splits that an inception score is averaged over, as in the paper."""


ProbeKind: TypeAlias = Literal["logistic", "linear_svm", "rbf", "knn", "clustering", "sample"]

PROBE_KINDS: tuple[ProbeKind, ...] = get_args(ProbeKind)

DamageKind: TypeAlias = Literal["half", "random", "box", "noise", "upscaling"]

DAMAGE_KINDS: tuple[DamageKind, ...] = get_args(DamageKind)


@dataclasses.dataclass(frozen=True)
class EvaluationSpec:
    """What is measured on a trained model.

    Example::

        EvaluationSpec(samples=0, probes="none", information=False)  # rates, distortion and PSNR alone
        EvaluationSpec(samples=1000, probe_kinds=("rbf",))  # one probe a layer, and a rough inception score
    """

    seed: int = 0
    """Seed of the latents drawn to measure rates and distortion."""
    draws: int = 1
    """Latent draws for each image; rates and distortion are averaged over them."""
    pictures: int = 8
    """Images kept beside each model: so many originals, reconstructions and samples."""
    samples: int = 10_000
    """Samples from the prior, in 5 splits, that a judge gives an inception score; 0 for no score. Needs labels."""
    judge: Literal["small", "paper"] = "small"
    """Who judges the samples: the paper's CNN for MNIST, which takes minutes on a CPU whatever the data, or the paper's
    own network for SVHN and CIFAR-10, which needs a GPU. It never depends on the device, so a table holds one judge."""
    judge_epochs: int | None = None
    """Epochs that the judge is trained for, once for a landscape; default: by the recipe that fits the data."""
    information: bool = True
    """Estimate the mutual information between labels and each layer. Needs labels."""
    probes: Literal["heldout", "paper", "none"] = "heldout"
    """Classifiers on each layer: fitted to training images and scored on the held-out ones, or, as in the paper,
    fitted to 80 % of the measured split and scored on the rest. Needs labels; ridge regression needs targets."""
    probe_kinds: tuple[ProbeKind, ...] = PROBE_KINDS
    """Which probes of labels are fitted: one alone, such as ``rbf``, is a cheap view of each layer. All see posterior
    means but ``sample``, the RBF SVM on samples, which the ceilings bind."""

    outliers: str | None = None
    """Outliers by which models are compared for the use anomaly: a known set, a path, or self-made (pairs of the data's
    own items blended, and patches permuted). Costs as many passes over 6,000 items of each model as it has layers."""
    restoration: tuple[DamageKind, ...] = ()
    """Damage that 100 images of each split are restored from, by the most probable latents: the lower half, half of all
    pixels at random, or a box is missing, noise of 0.2, images of half the sides. Each costs as much as some 100
    passes over these images, for each model and split: seconds. Default: none."""

    def __post_init__(self) -> None:
        convert_fields(self, "evaluation.")
        require(self.seed >= 0, "evaluation.seed", self.seed, "at least 0")
        require(self.draws > 0, "evaluation.draws", self.draws, "positive")
        require(
            self.samples >= 0 and self.samples % SCORE_SPLITS == 0,
            "evaluation.samples",
            self.samples,
            f"0 or a multiple of {SCORE_SPLITS}, the splits of the inception score",
        )
        epochs = self.judge_epochs
        require(epochs is None or epochs > 0, "evaluation.judge_epochs", epochs, "positive")
        require(self.pictures > 0, "evaluation.pictures", self.pictures, "positive")
        kinds = self.probe_kinds
        require(
            0 < len(kinds) == len(set(kinds)) and set(kinds) <= set(PROBE_KINDS),
            "evaluation.probe_kinds",
            kinds,
            f"one or more of {', '.join(PROBE_KINDS)}, each once (evaluation.probes none fits none)",
        )
        damage = self.restoration
        require(
            len(damage) == len(set(damage)) and set(damage) <= set(DAMAGE_KINDS),
            "evaluation.restoration",
            damage,
            f"some of {', '.join(DAMAGE_KINDS)}, each once",
        )
