"""Every measured quantity: its column, how to write it, and which direction is good.

Evaluation, selection, figures, page and table all read this one registry. A new metric is one entry here
(:func:`register`) and one function that measures it (:func:`ratescape.evaluation.suite.register`).
"""

import dataclasses
from typing import TYPE_CHECKING, Literal

from ratescape.errors import SpecError

if TYPE_CHECKING:  # the names of metrics are known without waiting for it
    import pandas as pd

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

ACTIVE_RATE = 0.1
"""A layer that carries less than so many nats, or has no active unit, counts as collapsed."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """One measured quantity of a model, or of each of its layers.

    Example::

        register(Metric("sparsity", "sparsity", "", True, "share of latents near zero", percent=True, of_layer=True))
    """

    column: str
    """Its column in the table; of a layer without the layer's number: ``rate`` for ``rate_2, rate_1``."""
    name: str
    unit: str
    higher_is_better: bool | None
    """None for a quantity that describes models but does not rank them."""
    explanation: str
    percent: bool = False
    """A fraction in [0, 1] that is written in percent."""
    of_layer: bool = False
    """One number for each layer."""
    seen_from: Literal["mean", "sample"] | None = None
    """What a metric of a layer is read off: the posterior mean mu_l, or a sample of z_l."""
    of_samples: bool = False
    """Whether it is of samples from the prior, which no image of any split has a part in."""
    offered: bool = True
    """Whether page and figures offer it by itself; others only accompany those."""
    layer: int | None = None
    """The layer that this entry is of (see :meth:`at`); L is the top one."""

    @property
    def label(self) -> str:
        """Text for axes and colour bars."""
        unit = "%" if self.percent else self.unit
        return f"{self.name} ({unit})" if unit else self.name

    def at(self, layer: int) -> "Metric":
        """The metric of one layer (or of one group of layers), with its own column and name."""
        if self.column.endswith("_group"):
            return dataclasses.replace(self, column=f"{self.column}_{layer}", name=f"{self.name} {layer}")
        symbol = {"mean": "μ", "sample": "z", None: "z"}[self.seen_from]
        name = f"{self.name} on {symbol}{str(layer).translate(SUBSCRIPTS)}"
        return dataclasses.replace(self, column=f"{self.column}_{layer}", name=name, layer=layer)

    def score(self, values: "pd.Series") -> "pd.Series":
        """Values with the sign that makes higher better."""
        return -values if self.higher_is_better is False else values


_NATS = "nats"

METRICS: dict[str, Metric] = {}
"""Metrics of a model by column, in the order they are offered."""

LAYER_METRICS: dict[str, Metric] = {}
"""Metrics of each layer, by column without the layer's number."""

USES: dict[str, tuple[str, ...]] = {
    "reconstruction": ("psnr", "r2"),
    "representation": ("accuracy_rbf", "information", "ridge_r2"),
    "generation": ("inception_score",),
    "anomaly": ("anomaly_auroc",),
    "restoration": ("restoration_psnr",),
}
"""Columns that tell how good a model is for a use, the preferred one first; of any layer, if of a layer."""


def register(metric: Metric) -> Metric:
    """Make a metric known: table, choice, figures and page then treat it as their own.

    Raises:
        SpecError: another metric has this column.
    """
    known = LAYER_METRICS if metric.of_layer else METRICS
    if known.get(metric.column, metric) != metric:
        raise SpecError(f"metric {metric.column} is registered already: choose another column")
    known[metric.column] = metric
    return metric


def metric_at(column: str) -> Metric | None:
    """The metric of a table's column (``psnr``, ``rate_2``, ``test_accuracy_rbf_1``); None if it is of no metric."""
    plain = column.removeprefix("test_")
    name, _, layer = plain.rpartition("_")
    if plain in METRICS:
        return METRICS[plain]
    return LAYER_METRICS[name].at(int(layer)) if layer.isdigit() and name in LAYER_METRICS else None


def limit_at(column: str, rows: "pd.DataFrame") -> Metric | None:
    """The metric of a measured column that ranks nothing, such as a rate, as a demand limits it: from above."""
    metric = metric_at(column)
    if metric is None or metric.higher_is_better is not None or column not in rows.columns:
        return None
    return dataclasses.replace(metric, higher_is_better=False)


def measured_metrics(rows: "pd.DataFrame") -> list[Metric]:
    """The offered metrics that a table has measured, in the order of the registry; of layers, the top one first."""
    known = list(METRICS.values())
    for metric in LAYER_METRICS.values():
        known += [metric.at(int(column.rpartition("_")[2])) for column in layer_columns(rows, metric.column)]
    return [one for one in known if one.offered and one.column in rows.columns and rows[one.column].notna().any()]


def layer_columns(table: "pd.DataFrame", name: str) -> list[str]:
    """The table's columns ``name_L .. name_1``, top layer first."""
    numbers = [int(c.removeprefix(name + "_")) for c in table.columns if c.removeprefix(name + "_").isdigit()]
    return [f"{name}_{number}" for number in sorted(numbers, reverse=True)]


def _of_samples(column: str, name: str, explanation: str) -> Metric:
    """A number that ranks models by what they generate, the higher the better."""
    return Metric(column, name, "", True, explanation, of_samples=True)


for _metric in (
    Metric("psnr", "PSNR", "dB", True, "fidelity of reconstructions: 3 dB more is half the squared error"),
    Metric("r2", "R²", "", True, "share of the columns' variance that reconstructions keep"),
    Metric("mse", "mean squared error", "", False, "of reconstructions, in units of each column's variance"),
    Metric(
        "nelbo",
        "-ELBO",
        _NATS,
        False,
        "distortion + total rate: at least -log p(x), what it costs to store an image exactly",
    ),
    _of_samples("inception_score", "inception score", "samples that are of one class each, of all classes"),
    _of_samples("diversity", "diversity", "exp H[p(y)] of the judge over samples: how many classes appear"),
    _of_samples("sharpness", "sharpness", "exp -E H[p(y|x)]: how sure the judge is of each sample's class"),
    Metric("distortion", "distortion", _NATS, False, "-log p(x|z): what the latents do not tell about an image"),
    Metric("rate", "total rate", _NATS, None, "information that all latents together carry about an image"),
    Metric("loss", "training loss", _NATS, None, "distortion + sum of beta x rate: comparable at equal betas only"),
    Metric(
        "train_loss", "loss on training images", _NATS, None, "beside it, the loss tells overfitting", offered=False
    ),
    Metric("judge_accuracy", "accuracy of the judge", "", None, "on test images", percent=True, offered=False),
    Metric("score_of_data", "inception score of the images", "", None, "what the judge gives real ones", offered=False),
    Metric("chance", "chance", "", None, "share of the most frequent class", percent=True, offered=False),
    Metric("anomaly_auroc", "AUROC of outliers", "", True, "by the score that is best on other outliers"),
    Metric("anomaly_auprc", "AUPRC of outliers", "", True, "average precision by the same score", offered=False),
    Metric("anomaly_fpr80", "false positives", "", False, "of items, where 80 % of outliers are found", percent=True),
    Metric("auroc_auto", "AUROC of auto", "", True, "of outliers, by -ELBO, LLR>k and distance of rates together"),
    Metric("auroc_nelbo", "AUROC of -ELBO", "", True, "of outliers", offered=False),
    Metric("auroc_mahalanobis", "AUROC of distance of rates", "", True, "of outliers", offered=False),
    Metric("auroc_corrected", "AUROC of -ELBO less complexity", "", True, "of outliers", offered=False),
    Metric("outliers_self_made", "self-made outliers", "", None, "1: made of the data, 0: given", offered=False),
    Metric("restoration_psnr", "PSNR of restored images", "dB", True, "on what was missing, mean over kinds of damage"),
    Metric("psnr_half", "PSNR of a missing half", "dB", True, "of the lower half, restored"),
    Metric("psnr_random", "PSNR of random pixels", "dB", True, "of half of all pixels, restored"),
    Metric("psnr_box", "PSNR of a missing box", "dB", True, "of a box in the middle, restored"),
    Metric("psnr_noise", "PSNR of denoised images", "dB", True, "where there was noise of 0.2"),
    Metric("psnr_upscaling", "PSNR of enlarged images", "dB", True, "from half the sides"),
):
    register(_metric)


def _of_layers(column: str, name: str, explanation: str, seen_from: Literal["mean", "sample"]) -> Metric:
    """A fraction of each layer that ranks models, the higher the better."""
    return Metric(column, name, "", True, explanation, percent=True, of_layer=True, seen_from=seen_from)


for _metric in (
    _of_layers("accuracy_rbf", "RBF SVM accuracy", "labels that an RBF SVM reads off the posterior mean", "mean"),
    _of_layers("accuracy_knn", "kNN accuracy", "labels that 5 nearest neighbours read off the posterior mean", "mean"),
    _of_layers("accuracy_logistic", "logistic regression accuracy", "labels read off linearly", "mean"),
    _of_layers("accuracy_linear_svm", "linear SVM accuracy", "labels read off linearly, by a margin", "mean"),
    _of_layers("accuracy_sample", "RBF SVM accuracy", "labels read off a sample, which Eq. 11 bounds", "sample"),
    Metric(
        "information",
        "label information (from below)",
        "nats",
        True,
        "mutual information of label and latents, estimated from below: of few images far too small",
        of_layer=True,
        seen_from="sample",
    ),
    Metric(
        "clustering_nmi",
        "clustering NMI",
        "",
        True,
        "agreement of k-means clusters with the classes",
        of_layer=True,
        seen_from="mean",
    ),
    Metric(
        "ridge_r2",
        "ridge R²",
        "",
        True,
        "share of the targets' variance that is read off linearly",
        of_layer=True,
        seen_from="mean",
    ),
    Metric("auroc_llr", "AUROC of LLR", "", True, "of outliers, by LLR>k at layer k", of_layer=True, offered=False),
    Metric("auroc_rate", "AUROC of the rate", "", True, "of outliers", of_layer=True, offered=False),
    Metric("rate", "rate", _NATS, None, "what a layer tells beyond those above it", of_layer=True, offered=False),
    Metric("active", "active units", "", None, "units whose mean varies", of_layer=True, offered=False),
    Metric("rate_group", "rate of group", _NATS, None, "sum over its layers", of_layer=True, offered=False),
    Metric("active_group", "active units of group", "", None, "sum over its layers", of_layer=True, offered=False),
    Metric(
        "information_paper",
        "label information (from above, as the paper's)",
        "nats",
        None,
        "mutual information of label and latents, estimated from above: of few images far too large",
        of_layer=True,
        seen_from="sample",
        offered=False,
    ),
    Metric(
        "ceiling_rate",
        "ceiling by the rate",
        "",
        None,
        "best accuracy on samples that the rates allow (Eq. 11)",
        percent=True,
        of_layer=True,
        seen_from="sample",
        offered=False,
    ),
    Metric(
        "ceiling_information",
        "ceiling by information",
        "",
        None,
        "best accuracy on samples that the information allows (Eq. 11)",
        percent=True,
        of_layer=True,
        seen_from="sample",
        offered=False,
    ),
):
    register(_metric)
